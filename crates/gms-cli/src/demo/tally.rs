//! Counting and checking what one member of a flood delivers, as it comes.

use std::collections::BTreeMap;

use gms::Message;

/// So many messages lie between two places at which members are compared.
const BETWEEN: u64 = 4096;

/// What one member delivered, in few words.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) messages: u64,
    /// Depends on every message before and on their order.
    hash: u64,
    /// Number of the last message of each sender.
    last: BTreeMap<u64, u64>,
    /// Place and hash, now and then.
    marks: Vec<(u64, u64)>,
    /// The first message that did not follow the one before of its sender.
    pub(super) gap: Option<String>,
}

impl Tally {
    /// Takes the next message in.
    pub(super) fn add(&mut self, message: &Message) {
        let sender = message.sender.node.0;
        let last = self.last.entry(sender).or_default();
        if message.sseq != *last + 1 && self.gap.is_none() {
            self.gap = Some(format!("#{}: message {} of {sender} after {last}", message.gseq, message.sseq));
        }
        *last = message.sseq;
        for word in [message.gseq, sender, message.sseq] {
            self.hash = (self.hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        self.messages += 1;
        if self.messages.is_multiple_of(BETWEEN) {
            self.marks.push((message.gseq, self.hash));
        }
    }

    /// In what two members differ, if they do.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if let Some(gap) = self.gap.as_ref().or(other.gap.as_ref()) {
            return Some(gap.clone());
        }
        if let Some(index) = self.marks.iter().zip(&other.marks).position(|(ours, theirs)| ours != theirs) {
            let from = index.checked_sub(1).map_or(1, |before| self.marks[before].0 + 1);
            return Some(format!("between #{from} and #{}", self.marks[index].0));
        }
        if self.messages != other.messages {
            return Some(format!("{} messages and {}", self.messages, other.messages));
        }
        (self.hash != other.hash).then(|| "in the last messages".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(gseq: u64, sender: u64, sseq: u64) -> Message {
        let (sender, payload) = (gms::Uid::new(sender, 1), bytes::Bytes::new());
        Message { gseq, vid: 1, sender, sseq, level: gms::Level::Uniform, payload }
    }

    #[test]
    fn the_same_messages_in_another_order_differ() {
        let order = |senders: &[u64]| {
            let mut tally = Tally::default();
            let mut sseq = BTreeMap::new();
            for (index, sender) in senders.iter().enumerate() {
                let sseq = sseq.entry(*sender).and_modify(|s| *s += 1).or_insert(1);
                tally.add(&message(index as u64 + 1, *sender, *sseq));
            }
            tally
        };
        let long: Vec<u64> = (0..10_000).map(|i| i % 3).collect();
        let mut other = long.clone();
        other.swap(5000, 5001);
        assert_eq!(order(&long).difference(&order(&long)), None);
        assert_eq!(order(&long).difference(&order(&other)).as_deref(), Some("between #4097 and #8192"));
        assert!(order(&long).difference(&order(&long[..9_999])).is_some());
    }

    #[test]
    fn a_hole_in_what_a_sender_sent_is_named() {
        let mut tally = Tally::default();
        tally.add(&message(1, 2, 1));
        tally.add(&message(2, 2, 3));
        assert_eq!(tally.difference(&tally).as_deref(), Some("#2: message 3 of 2 after 1"));
    }
}
