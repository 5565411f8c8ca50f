//! Entries: what a frame is a run of, one per message, fragment or void place.

use std::ops::Range;

use bytes::BufMut;
use serde::{Deserialize, Serialize};

use crate::id::Vid;

/// How sure a delivery is (protocol 2). All levels share one order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Level {
    /// Delivered once ordered and stored here: the survivors of a view agree on it.
    Agreed,
    /// Delivered once a quorum has stored it and all before it: survives any view change.
    #[default]
    Uniform,
    /// Delivered once all members have stored it.
    Stable,
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryKind {
    /// A whole message.
    Message,
    /// Bytes `offset..` of a message of `total` bytes.
    Fragment {
        /// First byte.
        offset: u32,
        /// Bytes of the whole message.
        total: u32,
    },
    /// Nothing: uses up the number of a message that must not be delivered any more (P17).
    Void,
}

/// Number of a message in a client's session (protocol 4.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SessionNumber {
    /// The session, random.
    pub session: u128,
    /// Dense from 1 in the session.
    pub number: u64,
}

/// What a sender attaches to a message beside its bytes and level.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Addressing {
    /// Subgroups it is for; empty for all members.
    pub to: Vec<u32>,
    /// The client it comes from, when it is not from a member itself.
    pub session: Option<SessionNumber>,
    /// The only view it may be delivered in (P17).
    pub only_in_view: Option<Vid>,
}

/// One entry, as found in a frame's body; ranges point into that body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// How sure its delivery must be.
    pub level: Level,
    /// Where its subgroup numbers stand, four bytes each.
    pub to: Range<usize>,
    /// The client's number for it.
    pub session: Option<SessionNumber>,
    /// The only view it may be delivered in.
    pub only_in_view: Option<Vid>,
    /// Where its bytes stand.
    pub payload: Range<usize>,
}

/// A body that is not a run of entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EntryError {
    /// The body ends inside an entry.
    #[error("an entry is cut short")]
    Truncated,
    /// Flag bits without a meaning in this version.
    #[error("an entry has unknown flags {0:#04x}")]
    Flags(u8),
}

const KIND_MESSAGE: u8 = 0;
const KIND_FRAGMENT: u8 = 1;
const KIND_VOID: u8 = 2;
const KIND_BITS: u8 = 0b0000_0111;
const LEVEL_SHIFT: u8 = 3;
const LEVEL_BITS: u8 = 0b0001_1000;
const HAS_TO: u8 = 0b0010_0000;
const HAS_SESSION: u8 = 0b0100_0000;
const HAS_ONLY_IN_VIEW: u8 = 0b1000_0000;

/// Reads the entries of a body one after the other. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    /// From byte `at` of `body`, which must be the start of an entry or the end.
    pub fn new(body: &'a [u8], at: usize) -> Self {
        Self { body, at }
    }

    /// Where the next entry starts.
    pub fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let bytes = self.body.get(self.at..self.at + N).ok_or(EntryError::Truncated)?;
        self.at += N;
        Ok(bytes.try_into().expect("N bytes"))
    }

    #[inline]
    fn read(&mut self) -> Result<Entry, EntryError> {
        let [flags, low, high] = self.take()?;
        let len = usize::from(u16::from_le_bytes([low, high]));
        let level = match (flags & LEVEL_BITS) >> LEVEL_SHIFT {
            0 => Level::Agreed,
            1 => Level::Uniform,
            2 => Level::Stable,
            _ => return Err(EntryError::Flags(flags)),
        };
        let kind = match flags & KIND_BITS {
            KIND_MESSAGE => EntryKind::Message,
            KIND_FRAGMENT => EntryKind::Fragment {
                offset: u32::from_le_bytes(self.take()?),
                total: u32::from_le_bytes(self.take()?),
            },
            KIND_VOID => EntryKind::Void,
            _ => return Err(EntryError::Flags(flags)),
        };
        let mut to = self.at..self.at;
        if flags & HAS_TO != 0 {
            let [count] = self.take()?;
            to = self.at..self.at + 4 * usize::from(count);
            self.at = to.end;
        }
        let mut session = None;
        if flags & HAS_SESSION != 0 {
            session = Some(SessionNumber {
                session: u128::from_le_bytes(self.take()?),
                number: u64::from_le_bytes(self.take()?),
            });
        }
        let only_in_view = if flags & HAS_ONLY_IN_VIEW != 0 { Some(u64::from_le_bytes(self.take()?)) } else { None };
        let payload = self.at..self.at + len;
        if payload.end > self.body.len() {
            return Err(EntryError::Truncated);
        }
        self.at = payload.end;
        Ok(Entry { kind, level, to, session, only_in_view, payload })
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, EntryError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.at = self.body.len();
        }
        Some(entry)
    }
}

/// Bytes an entry needs beside its payload.
pub(crate) fn entry_len(kind: EntryKind, addressing: &Addressing) -> usize {
    let fragment = if matches!(kind, EntryKind::Fragment { .. }) { 8 } else { 0 };
    let to = if addressing.to.is_empty() { 0 } else { 1 + 4 * addressing.to.len() };
    let session = if addressing.session.is_some() { 24 } else { 0 };
    let only = if addressing.only_in_view.is_some() { 8 } else { 0 };
    3 + fragment + to + session + only
}

/// Appends one entry.
pub(crate) fn write_entry(
    out: &mut impl BufMut,
    kind: EntryKind,
    level: Level,
    addressing: &Addressing,
    payload: &[u8],
) {
    debug_assert!(payload.len() <= usize::from(u16::MAX) && addressing.to.len() <= usize::from(u8::MAX));
    let mut flags = (level as u8) << LEVEL_SHIFT;
    flags |= match kind {
        EntryKind::Message => KIND_MESSAGE,
        EntryKind::Fragment { .. } => KIND_FRAGMENT,
        EntryKind::Void => KIND_VOID,
    };
    if !addressing.to.is_empty() {
        flags |= HAS_TO;
    }
    if addressing.session.is_some() {
        flags |= HAS_SESSION;
    }
    if addressing.only_in_view.is_some() {
        flags |= HAS_ONLY_IN_VIEW;
    }
    out.put_u8(flags);
    out.put_u16_le(payload.len() as u16);
    if let EntryKind::Fragment { offset, total } = kind {
        out.put_u32_le(offset);
        out.put_u32_le(total);
    }
    if !addressing.to.is_empty() {
        out.put_u8(addressing.to.len() as u8);
        addressing.to.iter().for_each(|subgroup| out.put_u32_le(*subgroup));
    }
    if let Some(SessionNumber { session, number }) = addressing.session {
        out.put_u128_le(session);
        out.put_u64_le(number);
    }
    if let Some(vid) = addressing.only_in_view {
        out.put_u64_le(vid);
    }
    out.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addressing() -> impl Strategy<Value = Addressing> {
        let session = (any::<u128>(), any::<u64>()).prop_map(|(session, number)| SessionNumber { session, number });
        (
            proptest::collection::vec(any::<u32>(), 0..5),
            proptest::option::of(session),
            proptest::option::of(any::<u64>()),
        )
            .prop_map(|(to, session, only_in_view)| Addressing { to, session, only_in_view })
    }

    proptest! {
        #[test]
        fn entries_come_back_as_written(
            rows in proptest::collection::vec((addressing(), 0u8..3, 0u8..3, proptest::collection::vec(any::<u8>(), 0..64)), 0..8),
        ) {
            let mut body = Vec::new();
            let mut written = Vec::new();
            for (addressing, level, kind, payload) in &rows {
                let level = [Level::Agreed, Level::Uniform, Level::Stable][*level as usize];
                let kind = [EntryKind::Message, EntryKind::Fragment { offset: 5, total: 900 }, EntryKind::Void][*kind as usize];
                let before = body.len();
                write_entry(&mut body, kind, level, addressing, payload);
                prop_assert_eq!(body.len() - before, entry_len(kind, addressing) + payload.len());
                written.push((kind, level, addressing, payload));
            }
            let read: Vec<Entry> = Entries::new(&body, 0).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), written.len());
            for (entry, (kind, level, addressing, payload)) in read.iter().zip(written) {
                prop_assert_eq!(entry.kind, kind);
                prop_assert_eq!(entry.level, level);
                prop_assert_eq!(entry.session, addressing.session);
                prop_assert_eq!(entry.only_in_view, addressing.only_in_view);
                prop_assert_eq!(entry.to.len(), 4 * addressing.to.len());
                prop_assert_eq!(&body[entry.payload.clone()], &payload[..]);
            }
        }

        #[test]
        fn any_bytes_end_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Entries::new(&body, 0).count() <= 101);
        }
    }
}
