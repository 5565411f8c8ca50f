//! What one member delivers in one measurement, in few words: members are compared by them.

use std::mem;

use gms::Message;
use serde::{Deserialize, Serialize};

/// Odd, so that multiplying by it loses nothing.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Counts and a digest of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::bench) struct Ledger {
    /// Of every message, its place, sender, number and content, and of their order.
    digest: u64,
    /// Messages of each member.
    pub(in crate::bench) delivered: Vec<u64>,
    /// The first message that did not follow the one before of its sender.
    pub(in crate::bench) gap: Option<String>,
    /// How many came again, or after later ones of their sender.
    pub(in crate::bench) duplicates: u64,
    /// How many came although others before them had not.
    pub(in crate::bench) holes: u64,
    /// Senders whose last message, an empty one, has been delivered.
    ended: usize,
    /// Number of the last message of each member, 0 before the first.
    #[serde(skip)]
    last: Vec<u64>,
    /// Which life of each member that was: another begins to count anew.
    #[serde(skip)]
    lives: Vec<u64>,
}

impl Ledger {
    /// Of a group of so many members, which are numbered from 0.
    pub(super) fn new(members: usize) -> Self {
        let none = vec![0; members];
        Self {
            digest: 0,
            delivered: none.clone(),
            gap: None,
            duplicates: 0,
            holes: 0,
            ended: 0,
            last: none.clone(),
            lives: none,
        }
    }

    /// Takes the next message in.
    pub(super) fn add(&mut self, message: &Message) {
        let (gseq, sender, sseq) = (message.gseq, message.sender.node.0, message.sseq);
        let index = sender as usize;
        let life = message.sender.incarnation;
        let is_new = mem::replace(&mut self.lives[index], life) != life;
        let last = mem::replace(&mut self.last[index], sseq);
        if sseq != last + 1 && !is_new {
            *if sseq <= last { &mut self.duplicates } else { &mut self.holes } += 1;
            let gap = || format!("at place {gseq}, message {sseq} of member {sender} follows its message {last}");
            self.gap.get_or_insert_with(gap);
        }
        self.delivered[index] += 1;
        self.digest = mix(self.digest, hash([gseq, sender, sseq], &message.payload));
        self.ended += usize::from(message.payload.is_empty());
    }

    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.delivered.iter().sum()
    }

    /// Whether so many senders have ended.
    pub(super) fn is_complete(&self, senders: usize) -> bool {
        self.ended >= senders
    }
}

fn mix(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(FACTOR).rotate_left(29)
}

/// Four words at a time, for this is done to gigabytes a second. Fit to find errors, not forgeries.
fn hash(head: [u64; 3], bytes: &[u8]) -> u64 {
    let [gseq, sender, sseq] = head;
    let mut lanes = [gseq, sender, sseq, bytes.len() as u64].map(|word| mix(FACTOR, word));
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks().0) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let (words, rest) = rest.as_chunks();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = mix(*lane, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        lanes[3] = mix(lanes[3], u64::from_le_bytes(word));
    }
    let [a, b, c, d] = lanes;
    mix(mix(a, b.rotate_left(17)), mix(c, d.rotate_left(17)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(gseq: u64, sender: u64, sseq: u64, payload: &'static str) -> Message {
        let (sender, payload) = (gms::Uid::new(sender, 1), Bytes::from_static(payload.as_bytes()));
        Message { gseq, vid: 1, sender, sseq, level: gms::Level::Agreed, payload }
    }

    fn ledger(messages: &[Message]) -> Ledger {
        let mut ledger = Ledger::new(3);
        messages.iter().for_each(|message| ledger.add(message));
        ledger
    }

    #[test]
    fn every_difference_shows() {
        let all = [message(1, 0, 7, "a"), message(2, 1, 4, "b"), message(3, 0, 8, "a")];
        let [first, second, third] = all.clone();
        assert_eq!(ledger(&all), ledger(&all));
        for other in [
            [first.clone(), second.clone(), message(4, 0, 8, "a")],
            [first.clone(), second.clone(), message(3, 1, 8, "a")],
            [first.clone(), second.clone(), message(3, 0, 9, "a")],
            [first.clone(), second.clone(), message(3, 0, 8, "c")],
            [second, first, third],
        ] {
            assert_ne!(ledger(&other), ledger(&all), "{other:?}");
        }
    }

    #[test]
    fn a_hole_in_what_a_sender_sent_is_named() {
        let holey = ledger(&[message(5, 2, 3, "a"), message(6, 2, 5, "a")]);
        assert_eq!(holey.gap.as_deref(), Some("at place 6, message 5 of member 2 follows its message 3"));
        assert_eq!((holey.holes, holey.duplicates), (1, 0));
        let again = ledger(&[message(5, 2, 3, "a"), message(6, 2, 3, "a")]);
        assert!(again.gap.is_some());
        assert_eq!((again.holes, again.duplicates), (0, 1));
        let anew = gms::Message { sender: gms::Uid::new(2, 9), ..message(6, 2, 1, "a") };
        assert_eq!(ledger(&[message(5, 2, 3, "a"), anew]).gap, None);
    }

    #[test]
    fn the_end_is_when_all_senders_have_ended() {
        let mut ledger = ledger(&[message(1, 0, 1, "a"), message(2, 0, 2, "")]);
        assert!(ledger.is_complete(1) && !ledger.is_complete(2));
        ledger.add(&message(3, 1, 1, ""));
        assert!(ledger.is_complete(2));
        assert_eq!(ledger.messages(), 3);
    }

    #[test]
    fn each_byte_and_the_length_count() {
        let bytes: Vec<u8> = (0..77).collect();
        for index in 0..bytes.len() {
            let mut other = bytes.clone();
            other[index] ^= 1;
            assert_ne!(hash([1; 3], &other), hash([1; 3], &bytes), "{index}");
        }
        assert_ne!(hash([1; 3], &[0; 8]), hash([1; 3], &[0; 9]));
    }
}
