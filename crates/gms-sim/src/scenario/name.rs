//! What a run is called, so that what a test has run can be run again from the command line.

use std::fmt;
use std::str::FromStr;

use super::Scenario;

/// The name of a run: which scenario is drawn, from which seed, and what is left out of it. It is read from, and
/// written as, `17`, `m542` or `i12-plain`:
///
/// | | |
/// |---|---|
/// | `17` | [`Scenario::draw`] |
/// | `m542` | [`Scenario::mortal`] |
/// | `i12` | [`Scenario::immortal`] |
/// | `l17` | [`Scenario::lineage`] |
/// | `b17` | [`Scenario::blame`] |
/// | `-followers` behind it | [`Scenario::only_followers_die`] |
/// | `-plain` | [`Scenario::plain`] |
/// | `-unwatched` | [`Scenario::unwatched`], for those that can be |
///
/// A scenario that was changed by hand still has the name of the one it was made from.
///
/// ```
/// use gms_sim::{RunName, run};
///
/// let name: RunName = "m3-plain".parse()?;
/// let report = run(&name.scenario());
/// assert!(report.to_string().starts_with("seed m3-plain: "));
/// # Ok::<(), gms_sim::NoSuchRun>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    deaths: Deaths,
    seed: u64,
    // Set by those who change the scenario, and only with it: what is named can be drawn again.
    pub(super) followers: bool,
    pub(super) plain: bool,
    pub(super) unwatched: bool,
}

/// Whether processes die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Deaths {
    /// The seed says.
    Drawn,
    /// They may.
    Mortal,
    /// None does.
    Immortal,
    /// They may, and more than one lineage may come of it.
    Lineage,
    /// None does, but not all gets through.
    Blame,
}

impl RunName {
    pub(super) fn draw(seed: u64) -> Self {
        Self { deaths: Deaths::Drawn, seed, followers: false, plain: false, unwatched: false }
    }

    pub(super) fn mortal(seed: u64) -> Self {
        Self { deaths: Deaths::Mortal, ..Self::draw(seed) }
    }

    pub(super) fn immortal(seed: u64) -> Self {
        Self { deaths: Deaths::Immortal, ..Self::draw(seed) }
    }

    pub(super) fn lineage(seed: u64) -> Self {
        Self { deaths: Deaths::Lineage, ..Self::draw(seed) }
    }

    pub(super) fn blame(seed: u64) -> Self {
        Self { deaths: Deaths::Blame, ..Self::draw(seed) }
    }

    /// Whether it is one of [`Scenario::blame`].
    pub(crate) fn is_of_blame(self) -> bool {
        self.deaths == Deaths::Blame
    }

    /// The seed it is drawn from, and from which the run draws the rest.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// What the run does.
    pub fn scenario(self) -> Scenario {
        let scenario = self.watched();
        if self.unwatched { scenario.unwatched().expect("looked at before it was named") } else { scenario }
    }

    /// The command that repeats the run and prints everything that happens.
    pub fn replay(self) -> String {
        format!("gms-cli sim --replay {self}")
    }

    /// What it does, but for being unwatched.
    fn watched(self) -> Scenario {
        let mut scenario = match self.deaths {
            Deaths::Drawn => Scenario::draw(self.seed),
            Deaths::Mortal => Scenario::mortal(self.seed),
            Deaths::Immortal => Scenario::immortal(self.seed),
            Deaths::Lineage => Scenario::lineage(self.seed),
            Deaths::Blame => Scenario::blame(self.seed),
        };
        if self.followers {
            scenario = scenario.only_followers_die();
        }
        if self.plain {
            scenario = scenario.plain();
        }
        scenario
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deaths = match self.deaths {
            Deaths::Drawn => "",
            Deaths::Mortal => "m",
            Deaths::Immortal => "i",
            Deaths::Lineage => "l",
            Deaths::Blame => "b",
        };
        write!(f, "{deaths}{}", self.seed)?;
        for (is_so, suffix) in [(self.followers, "-followers"), (self.plain, "-plain"), (self.unwatched, "-unwatched")]
        {
            if is_so {
                f.write_str(suffix)?;
            }
        }
        Ok(())
    }
}

/// Why a text names no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchRun {
    /// It is not written like a name.
    #[error(
        "give a seed, as 17, m542 (processes may die), i12 (none does), l17 (more than one lineage may arise) or b17 (not all gets through), with -followers, -plain or -unwatched behind it"
    )]
    Unreadable,
    /// A directory of who is there is needed, so nobody can be [unwatched](Scenario::unwatched).
    #[error(
        "no -unwatched here: processes may die, look for each other, or are excluded by an operator, and that takes a directory"
    )]
    Watched,
}

impl FromStr for RunName {
    type Err = NoSuchRun;

    fn from_str(text: &str) -> Result<Self, NoSuchRun> {
        let mut parts = text.split('-');
        let seed = parts.next().unwrap_or_default();
        let of = match seed.chars().next() {
            Some('m') => Self::mortal,
            Some('i') => Self::immortal,
            Some('l') => Self::lineage,
            Some('b') => Self::blame,
            _ => Self::draw as fn(u64) -> Self,
        };
        let seed = seed.strip_prefix(['m', 'i', 'l', 'b']).unwrap_or(seed);
        // A number of Rust may have a plus before it.
        let seed = Some(seed).filter(|seed| seed.bytes().all(|digit| digit.is_ascii_digit()));
        let mut name = of(seed.and_then(|seed| seed.parse().ok()).ok_or(NoSuchRun::Unreadable)?);
        for part in parts {
            let suffix = match part {
                "followers" => &mut name.followers,
                "plain" => &mut name.plain,
                "unwatched" => &mut name.unwatched,
                _ => return Err(NoSuchRun::Unreadable),
            };
            if std::mem::replace(suffix, true) {
                return Err(NoSuchRun::Unreadable);
            }
        }
        if name.unwatched && name.watched().unwatched().is_none() {
            return Err(NoSuchRun::Watched);
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_read_and_so_is_its_scenario() {
        let mut unwatched = 0;
        for seed in [0, 17, 542, u64::MAX].into_iter().chain(1..40) {
            for suffix in ["", "-followers", "-plain", "-followers-plain"] {
                for kind in ["", "m", "i", "l", "b"] {
                    let text = format!("{kind}{seed}{suffix}");
                    let name: RunName = text.parse().expect(&text);
                    assert_eq!((name.to_string(), name.scenario().name), (text.clone(), name));
                    let Some(scenario) = name.scenario().unwatched() else { continue };
                    assert_eq!(scenario.name.to_string(), format!("{text}-unwatched"));
                    assert_eq!(scenario.name.to_string().parse(), Ok(scenario.name));
                    assert_eq!(scenario.name.scenario(), scenario);
                    unwatched += 1;
                }
            }
        }
        assert!(unwatched > 20, "{unwatched}");
    }

    #[test]
    fn the_names_are_of_the_scenarios_that_the_tests_draw() {
        let named = |name: &str| name.parse::<RunName>().expect(name).scenario();
        assert_eq!(named("17"), Scenario::draw(17));
        assert_eq!(named("m542"), Scenario::mortal(542));
        assert_eq!(named("l17"), Scenario::lineage(17));
        assert_eq!(named("b17"), Scenario::blame(17));
        assert_eq!(named("i12-plain"), Scenario::immortal(12).plain());
        assert_eq!(named("m5-plain-followers"), Scenario::mortal(5).only_followers_die().plain());
    }

    #[test]
    fn what_names_no_run_is_refused() {
        for text in ["", "m", "x7", "7m", "mi7", "+7", "m+7", "-7", "7-", "7-dead", "7-plain-plain", "7 "] {
            assert_eq!(text.parse::<RunName>(), Err(NoSuchRun::Unreadable), "{text}");
        }
        assert_eq!("99999999999999999999".parse::<RunName>(), Err(NoSuchRun::Unreadable));
        // Who may be dead has to be given up.
        assert_eq!("m7-unwatched".parse::<RunName>(), Err(NoSuchRun::Watched));
    }
}
