//! Ranges of seeds.

use std::str::FromStr;

use gms_sim::RunName;

/// From the first to the last, both included, of one kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    kind: Option<char>,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Seeds {
    /// The name of the run of one of the seeds.
    pub(super) fn name(&self, seed: u64) -> RunName {
        let kind = self.kind.map_or_else(String::new, String::from);
        format!("{kind}{seed}").parse().expect("read as a name before")
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let kind = first.chars().next().filter(char::is_ascii_alphabetic);
        // Before the last one it may be left out.
        let last = kind.and_then(|kind| last.strip_prefix(kind)).unwrap_or(last);
        let seed = |text: &str| {
            let digits = text.bytes().all(|digit| digit.is_ascii_digit());
            let seed = Some(text).filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
            seed.ok_or_else(|| "give A..B, as 1..200 or l1..l200, or one number".to_owned())
        };
        let (first, last) = (seed(kind.and_then(|kind| first.strip_prefix(kind)).unwrap_or(first))?, seed(last)?);
        let seeds = Self { kind, first, last };
        if let Some(kind) = kind {
            format!("{kind}{first}").parse::<RunName>().map_err(|error| error.to_string())?;
        }
        if first > last { Err("the first seed is after the last".to_owned()) } else { Ok(seeds) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_its_end() {
        assert_eq!("1..200".parse(), Ok(Seeds { kind: None, first: 1, last: 200 }));
        assert_eq!("7".parse(), Ok(Seeds { kind: None, first: 7, last: 7 }));
        for text in ["", "..", "1..", "9..1", "a..b", "-1", "+1", "1..l2", "l", "m1..l2", "ll1", "x1..x2"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_may_be_of_one_kind_of_run() {
        for text in ["l1..l200", "l1..200", "m3..5", "i7"] {
            let seeds: Seeds = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(text.starts_with(&seeds.name(seeds.first).to_string()), "{text}");
            assert_eq!(seeds.name(seeds.last).scenario().name, seeds.name(seeds.last));
        }
        assert_eq!("5..6".parse::<Seeds>().map(|seeds| seeds.name(6).to_string()), Ok("6".to_owned()));
    }
}
