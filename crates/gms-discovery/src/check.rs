//! What detectors ask each other to verify that a peer is dead, and its bytes.

use serde::{Deserialize, Serialize};

use crate::wire::{self, WireError};

/// Bytes of one body, at most.
const BODY_LIMIT: usize = 256;

/// One message between detectors. All kinds name the same two, so an answer is as long as its question.
///
/// ```text
/// directly    asker ── Ping ──▶ target ── Pong ──▶ asker
/// indirectly  asker ── Relay ──▶ helper ── Ping ──▶ target ── Pong ──▶ helper ── Pong ──▶ asker
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Check<Id> {
    /// What it wants, or says.
    pub kind: CheckKind,
    /// Who wants to know.
    pub asker: Id,
    /// About whom.
    pub target: Id,
}

/// The three kinds of a [`Check`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CheckKind {
    /// To a helper: ask the target for me.
    Relay,
    /// To the target: say that you live, to whom this comes from.
    Ping,
    /// From the target, perhaps passed on by a helper: I live.
    Pong,
}

impl<Id: Serialize> Check<Id> {
    /// The bytes of the message. Fails only for ids that fill a datagram.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        wire::write(self, BODY_LIMIT)
    }
}

impl<'de, Id: Deserialize<'de>> Check<Id> {
    /// Reads exactly one message.
    pub fn decode(body: &'de [u8]) -> Result<Self, WireError> {
        let (check, rest) = wire::read(body, BODY_LIMIT)?;
        if rest.is_empty() { Ok(check) } else { Err(WireError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checks_come_back_all_of_one_length_and_leftovers_are_rejected() {
        for kind in [CheckKind::Relay, CheckKind::Ping, CheckKind::Pong] {
            let check = Check { kind, asker: 1u64, target: 300 };
            let mut body = check.encode().unwrap();
            assert_eq!(body, [kind as u8, 1, 0xac, 2]);
            assert_eq!(Check::decode(&body), Ok(check));
            body.push(0);
            assert_eq!(Check::<u64>::decode(&body), Err(WireError::Malformed));
        }
    }

    #[test]
    fn the_limit_is_accepted_and_one_more_is_rejected() {
        let of = |asker: usize| Check { kind: CheckKind::Ping, asker: "a".repeat(asker), target: "t".repeat(100) };
        let whole = BODY_LIMIT - 1 - 101 - 2;
        assert_eq!(of(whole).encode().unwrap().len(), BODY_LIMIT);
        assert_eq!(Check::decode(&of(whole).encode().unwrap()), Ok(of(whole)));
        let over = WireError::TooLong { len: BODY_LIMIT + 1, limit: BODY_LIMIT };
        assert_eq!(of(whole + 1).encode(), Err(over));
        assert_eq!(Check::<String>::decode(&postcard::to_stdvec(&of(whole + 1)).unwrap()), Err(over));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Check::<u64>::decode(&bytes);
        }
    }
}
