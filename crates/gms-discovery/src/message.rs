//! What directories tell each other, and its bytes.

use serde::{Deserialize, Deserializer, Serialize};

use crate::entry::Entry;
use crate::wire::{self, WireError};

/// Bytes of one body, at most. With an envelope it fits the usual MTUs.
pub const BODY_LIMIT: usize = 1100;
/// Bytes of a probe, always: as many as the largest answer may have. So an attacker that forges the origin of a probe
/// makes the directory send its victim no more bytes than it spends itself.
pub const PROBE_LEN: usize = BODY_LIMIT;
/// Servers a probe may name as known.
pub const KNOWN_LIMIT: usize = 32;

/// One message between directories.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message<Id> {
    /// Here I am; sent to all, now and then.
    Announce(Entry<Id>),
    /// Who is there? Sent to all, answered at once.
    Probe {
        /// The server that asks; `None` for a program that is none and only wants to know.
        from: Option<Entry<Id>>,
        /// Servers that need not answer: the asker has their entries. At most [`KNOWN_LIMIT`].
        #[serde(deserialize_with = "few_ids")]
        known: Vec<Id>,
    },
    /// Answer to a probe, sent to who asked.
    ProbeReply(Entry<Id>),
    /// I go; sent to all.
    Leave(Id),
}

impl<Id> Message<Id> {
    fn within_limits(&self) -> bool {
        match self {
            Self::Announce(entry) | Self::ProbeReply(entry) => entry.is_within_limits(),
            Self::Probe { from, known } => {
                from.as_ref().is_none_or(Entry::is_within_limits) && known.len() <= KNOWN_LIMIT
            }
            Self::Leave(_) => true,
        }
    }
}

impl<Id: Serialize> Message<Id> {
    /// The bytes of the message. Fails only for one that no directory makes: over a limit, or with an
    /// id so long that the body is.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        if !self.within_limits() {
            return Err(WireError::Malformed);
        }
        let mut body = wire::write(self, BODY_LIMIT)?;
        if matches!(self, Self::Probe { .. }) {
            body.resize(PROBE_LEN, 0);
        }
        Ok(body)
    }
}

impl<'de, Id: Deserialize<'de>> Message<Id> {
    /// Reads exactly one message.
    pub fn decode(body: &'de [u8]) -> Result<Self, WireError> {
        let (message, rest) = wire::read::<Self>(body, BODY_LIMIT)?;
        match message {
            Self::Probe { .. } if body.len() != PROBE_LEN => {
                Err(WireError::Unpadded { len: body.len(), expected: PROBE_LEN })
            }
            Self::Probe { .. } if rest.iter().all(|byte| *byte == 0) => Ok(message),
            _ if rest.is_empty() => Ok(message),
            _ => Err(WireError::Malformed),
        }
    }
}

fn few_ids<'de, D: Deserializer<'de>, Id: Deserialize<'de>>(deserializer: D) -> Result<Vec<Id>, D::Error> {
    wire::short_list::<D, Id, KNOWN_LIMIT>(deserializer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::{NAME_LIMIT, VOTER_LIMIT, Voter};

    fn voter() -> Voter<u64> {
        Voter { id: u64::from(u32::MAX), life: u64::MAX, address: "[2001:db8::7]:7000".parse().unwrap() }
    }

    fn entry(name: usize) -> Entry<u64> {
        Entry {
            id: 7,
            life: u64::MAX,
            history: true,
            origin: u128::MAX,
            former: 0,
            voters: vec![voter(); VOTER_LIMIT],
            votes: u32::MAX,
            address: "[2001:db8::7]:7000".parse().unwrap(),
            name: "n".repeat(name),
            gid: u128::MAX,
            vid: u64::MAX,
            leader: Some(u64::MAX),
            size: u32::MAX,
            settings: u64::MAX,
            clients: Some("[2001:db8::7]:7001".parse().unwrap()),
        }
    }

    fn all(name: usize, known: usize) -> [Message<u64>; 4] {
        [
            Message::Announce(entry(name)),
            Message::Probe { from: Some(entry(name)), known: (0..known as u64).collect() },
            Message::ProbeReply(entry(name)),
            Message::Leave(7),
        ]
    }

    #[test]
    fn messages_come_back_and_leftovers_are_rejected() {
        for message in all(3, 2) {
            let mut body = message.encode().unwrap();
            assert_eq!(Message::decode(&body), Ok(message));
            body.push(0);
            assert!(Message::<u64>::decode(&body).is_err());
            body.truncate(body.len() - 2);
            assert!(Message::<u64>::decode(&body).is_err());
        }
    }

    #[test]
    fn no_answer_is_larger_than_its_probe() {
        let probe = |name| Message::Probe { from: Some(entry(name)), known: vec![] }.encode().unwrap().len();
        assert_eq!((probe(0), probe(NAME_LIMIT)), (PROBE_LEN, PROBE_LEN));
        assert!(Message::ProbeReply(entry(NAME_LIMIT)).encode().unwrap().len() <= PROBE_LEN);
        let mut long_ids = Entry::new([u64::MAX; 32], 1, entry(0).address, "x".repeat(NAME_LIMIT));
        assert!(Message::ProbeReply(long_ids.clone()).encode().unwrap().len() <= PROBE_LEN);
        long_ids.leader = Some(long_ids.id);
        long_ids.gid = u128::MAX;
        assert!(matches!(
            Message::Probe { from: Some(long_ids), known: vec![[u64::MAX; 32]; 4] }.encode(),
            Err(WireError::TooLong { .. })
        ));
    }

    #[test]
    fn a_short_probe_and_one_with_dirty_padding_are_rejected() {
        let probe = Message::Probe { from: Some(entry(3)), known: vec![1, 2] };
        let short = postcard::to_stdvec(&probe).unwrap();
        assert!(matches!(Message::<u64>::decode(&short), Err(WireError::Unpadded { .. })));
        let mut dirty = probe.encode().unwrap();
        *dirty.last_mut().unwrap() = 1;
        assert_eq!(Message::<u64>::decode(&dirty), Err(WireError::Malformed));
    }

    #[test]
    fn each_limit_is_accepted_and_one_more_is_rejected_on_both_sides() {
        let raw = |message: &Message<u64>| {
            let mut body = postcard::to_stdvec(message).unwrap();
            if matches!(message, Message::Probe { .. }) {
                body.resize(PROBE_LEN, 0);
            }
            body
        };
        for (name, known, good) in [
            (NAME_LIMIT, KNOWN_LIMIT, [true; 4]),
            (NAME_LIMIT + 1, 0, [false, false, false, true]),
            (0, KNOWN_LIMIT + 1, [true, false, true, true]),
        ] {
            for (message, good) in all(name, known).into_iter().zip(good) {
                assert_eq!(message.encode().is_ok(), good, "{message:?}");
                assert_eq!(Message::<u64>::decode(&raw(&message)).is_ok(), good, "{message:?}");
            }
        }
        assert_eq!(
            Message::<u64>::decode(&[0; BODY_LIMIT + 1]),
            Err(WireError::TooLong { len: BODY_LIMIT + 1, limit: BODY_LIMIT })
        );
    }

    #[test]
    fn the_bytes_are_these() {
        let entry = Entry { leader: Some(2), gid: 300, vid: 9, size: 3, ..Entry::new(1u64, 5, address(), "ab") };
        let reply = [2, 1, 5, 0, 10, 0, 0, 1, 0xd8, 0x36, 2, b'a', b'b', 0xac, 2, 9, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Message::ProbeReply(entry).encode().unwrap(), reply);
        assert_eq!(Message::Leave(300u64).encode().unwrap(), [3, 0xac, 2]);
    }

    fn address() -> std::net::SocketAddr {
        "10.0.0.1:7000".parse().unwrap()
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = Message::<u64>::decode(&bytes);
        }

        #[test]
        fn a_changed_byte_decodes_to_a_message_or_fails(at in 0..PROBE_LEN, byte: u8, kind in 0..4usize) {
            let mut body = all(20, 20)[kind].encode().unwrap();
            let at = at % body.len();
            body[at] = byte;
            if let Ok(message) = Message::<u64>::decode(&body) {
                prop_assert!(message.within_limits());
            }
        }
    }
}
