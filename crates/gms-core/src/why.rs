//! Why a member is gone: what the process knew that proposed the view without it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a member of one view is not in the next. It is part of what the group agrees on: all who deliver the view tell
/// the same. [`Display`](fmt::Display) says it in words, [`name`](Self::name) in one for programs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Why {
    /// It asked to leave.
    Left,
    /// It was not heard.
    Silent {
        /// For so long when the view without it was proposed.
        millis: u32,
        /// So many times it was asked, directly and through another member, and did not answer.
        checks: u8,
    },
    /// It answers other members, but was not heard by the leader.
    OneWay {
        /// For so long.
        millis: u32,
    },
    /// Its connection was closed, and its host refuses another one.
    Closed,
    /// Its host says that the process has ended.
    Dead,
    /// It was heard, but stored nothing of what it was sent.
    Deaf {
        /// For so long.
        millis: u32,
    },
    /// An operator excluded it.
    Excluded,
    /// Another life of its id came, at its address.
    Replaced,
    /// It took no part in the change that replaced the leader.
    NotPromised,
    /// It alone held part of the order, and that did not get through when the leader was replaced.
    Withheld,
    /// It was let in and never arrived.
    Unreached,
    /// It was not there when the group went on although its quorum was lost.
    Lost,
}

impl Why {
    /// One word for programs; never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Silent { .. } => "silent",
            Self::OneWay { .. } => "one_way",
            Self::Closed => "closed",
            Self::Dead => "dead",
            Self::Deaf { .. } => "deaf",
            Self::Excluded => "excluded",
            Self::Replaced => "replaced",
            Self::NotPromised => "not_promised",
            Self::Withheld => "withheld",
            Self::Unreached => "unreached",
            Self::Lost => "lost",
        }
    }
}

/// `silent for 570 ms, 2 checks unanswered`
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("it asked to leave"),
            Self::Silent { millis, checks: 1 } => write!(f, "silent for {millis} ms, 1 check unanswered"),
            Self::Silent { millis, checks } => write!(f, "silent for {millis} ms, {checks} checks unanswered"),
            Self::OneWay { millis } => write!(f, "not heard by the leader for {millis} ms, although it answers others"),
            Self::Closed => f.write_str("its host refuses connections to it"),
            Self::Dead => f.write_str("its process has ended"),
            Self::Deaf { millis } => write!(f, "heard, but it stored nothing for {millis} ms"),
            Self::Excluded => f.write_str("excluded by an operator"),
            Self::Replaced => f.write_str("another process with its id came, at its address"),
            Self::NotPromised => f.write_str("it did not answer when the leader was replaced"),
            Self::Withheld => f.write_str("what it alone had stored did not get through when the leader was replaced"),
            Self::Unreached => f.write_str("it was let in and never arrived"),
            Self::Lost => f.write_str("it was not there when the group went on without its quorum"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_well_and_take_few_bytes() {
        let silent = |checks| Why::Silent { millis: 570, checks };
        assert_eq!(silent(2).to_string(), "silent for 570 ms, 2 checks unanswered");
        assert_eq!(silent(1).to_string(), "silent for 570 ms, 1 check unanswered");
        assert_eq!(postcard::to_stdvec(&silent(2)).expect("plain data").len(), 4);
        assert_eq!(postcard::to_stdvec(&Why::Closed).expect("plain data").len(), 1);
    }
}
