//! Ranges of seeds.

use std::str::FromStr;

/// From the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seed = |text: &str| text.parse::<u64>().map_err(|_| "give A..B, as 1..200, or one number".to_owned());
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (seed(first)?, seed(last)?),
            None => (seed(text)?, seed(text)?),
        };
        if first > last { Err("the first seed is after the last".to_owned()) } else { Ok(Self { first, last }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_its_end() {
        assert_eq!("1..200".parse(), Ok(Seeds { first: 1, last: 200 }));
        assert_eq!("7".parse(), Ok(Seeds { first: 7, last: 7 }));
        for text in ["", "..", "1..", "9..1", "a..b", "-1"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
