//! What processes tell each other, and its bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of one body, at most.
pub const BODY_LIMIT: usize = 21;

/// Number of a claim: no two candidates ever claim the same. Later rounds are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Round {
    /// The view whose members elect.
    pub view: u64,
    /// Counts within the view, with gaps; 0 is that of a leader the view began with.
    pub number: u64,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.view, self.number)
    }
}

/// One message of an election.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    /// Is anybody above me alive? Sent to higher ranks.
    Election {
        /// The round the sender would claim.
        round: Round,
    },
    /// Of a higher rank, with the round of the ELECTION: I am, and take over. Of others, with the round
    /// of the COORDINATOR: accepted. With a later round: another claim has been accepted since.
    Ok {
        /// The round answered.
        round: Round,
    },
    /// I lead.
    Coordinator {
        /// The round claimed.
        round: Round,
    },
}

impl Message {
    /// The round it carries.
    pub fn round(&self) -> Round {
        match *self {
            Self::Election { round } | Self::Ok { round } | Self::Coordinator { round } => round,
        }
    }

    /// The bytes of the message; at most [`BODY_LIMIT`].
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("integers into a growing vector always fit")
    }

    /// Reads exactly one message.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        match postcard::take_from_bytes(body) {
            Ok((message, [])) => Ok(message),
            Ok((_, rest)) => Err(WireError::Leftover(rest.len())),
            Err(_) => Err(WireError::Malformed),
        }
    }
}

/// A body that cannot be read: count and drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// Not a message of this version.
    #[error("not a message of this version")]
    Malformed,
    /// Bytes after the message.
    #[error("{0} bytes left over after the message")]
    Leftover(usize),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(view: u64, number: u64) -> [Message; 3] {
        let round = Round { view, number };
        [Message::Election { round }, Message::Ok { round }, Message::Coordinator { round }]
    }

    #[test]
    fn messages_come_back_and_leftovers_are_rejected() {
        for message in all(300, u64::MAX) {
            let mut body = message.encode();
            assert_eq!(Message::decode(&body), Ok(message));
            body.push(0);
            assert_eq!(Message::decode(&body), Err(WireError::Leftover(1)));
            body.truncate(body.len() - 2);
            assert_eq!(Message::decode(&body), Err(WireError::Malformed));
        }
        assert_eq!(all(u64::MAX, u64::MAX)[0].encode().len(), BODY_LIMIT);
    }

    #[test]
    fn the_bytes_are_these() {
        let bodies = all(300, 9).map(|message| message.encode());
        assert_eq!(bodies, [[0, 0xac, 2, 9], [1, 0xac, 2, 9], [2, 0xac, 2, 9]]);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn any_message_comes_back(view: u64, number: u64, kind in 0..3usize) {
            let message = all(view, number)[kind];
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }
}
