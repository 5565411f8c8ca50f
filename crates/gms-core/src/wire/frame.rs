//! Frames: dense runs of entries of one sender, or one view. The unit of ordering, storing, gaps,
//! repair, acks, windows and freeing.

use bytes::{Buf, Bytes};
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::id::{Fseq, Gseq, NodeId, Position, Uid, Vid};
use crate::wire::entry::{Entries, EntryError, EntryKind, Level};
use crate::wire::limits::Limits;

/// Bytes of an encoded [`FrameHeader`].
pub const FRAME_HEADER_LEN: usize = size_of::<Raw>();

const MESSAGES: u8 = 1;

/// What a frame's entries ask for, so that nobody has to walk the body to know whether an ack is due, or a
/// session has to be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct FrameFlags(u8);

impl FrameFlags {
    const UNIFORM: u8 = 1;
    const STABLE: u8 = 2;
    const SESSION: u8 = 4;

    /// Adds what an entry of `level` asks for.
    pub fn add(&mut self, level: Level) {
        self.0 |= match level {
            Level::Agreed => 0,
            Level::Uniform => Self::UNIFORM,
            Level::Stable => Self::STABLE,
        };
    }

    /// Adds that an entry belongs to a client's session.
    pub fn add_session(&mut self) {
        self.0 |= Self::SESSION;
    }

    /// Some entry belongs to a client's session.
    pub fn has_sessions(self) -> bool {
        self.0 & Self::SESSION != 0
    }

    /// Some entry waits until a quorum, or all, have stored the frame.
    pub fn wants_acks(self) -> bool {
        self.0 & (Self::UNIFORM | Self::STABLE) != 0
    }

    /// Some entry waits until a quorum has stored the frame.
    pub fn wants_safe(self) -> bool {
        self.0 & Self::UNIFORM != 0
    }

    /// Some entry waits until all have stored the frame.
    pub fn wants_stable(self) -> bool {
        self.0 & Self::STABLE != 0
    }
}

/// What a frame says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FrameHeader {
    /// What its entries ask for.
    pub flags: FrameFlags,
    /// Entries in it, at least one.
    pub count: u16,
    /// View it was stamped in, or made for while it is on its way to the leader.
    pub vid: Vid,
    /// Its place; 0 until stamped.
    pub fseq: Fseq,
    /// Its first entry's place; 0 until stamped.
    pub gseq: Gseq,
    /// Who wrote it.
    pub origin: Uid,
    /// Its first entry's place in the writer's stream.
    pub first: Position,
}

/// A checked frame: its body has been walked and is what the header says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Frame {
    /// What it says of itself.
    pub header: FrameHeader,
    /// Its entries, a slice of the datagram it came in.
    pub body: Bytes,
    /// The place in the writer's stream just after it.
    pub end: Position,
    /// Bytes of the message it leaves unfinished, whole; 0 when it ends with a message.
    pub open: u32,
}

/// A frame that lies about itself. Counted and dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// Header or body cut short.
    #[error("a frame is cut short")]
    Truncated,
    /// Not a kind this version knows.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// Over [`Limits`].
    #[error("a frame over the limits")]
    Limits,
    /// Count, flags or places do not match the body.
    #[error("a frame does not match its header")]
    Mismatch,
    /// An entry is malformed.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    kind: u8,
    flags: u8,
    count: U16,
    len: U32,
    vid: U64,
    fseq: U64,
    gseq: U64,
    node: U64,
    incarnation: U64,
    sseq: U64,
    offset: U32,
    reserved: [u8; 4],
}

impl Frame {
    /// Walks `body` and makes the frame that `header` describes, or says how they differ.
    pub fn check(header: FrameHeader, body: Bytes, limits: &Limits) -> Result<Self, FrameError> {
        if header.count == 0 || header.count > limits.entries || header.first.sseq == 0 {
            return Err(FrameError::Limits);
        }
        let (mut position, mut open, mut flags) = (header.first, 0, FrameFlags::default());
        let mut count = 0;
        for entry in Entries::new(&body, 0) {
            let entry = entry?;
            count += 1;
            flags.add(entry.level);
            if entry.session.is_some() {
                flags.add_session();
            }
            if entry.to.len() > 4 * usize::from(limits.addressed) {
                return Err(FrameError::Limits);
            }
            (position, open) = advance(position, entry.kind, entry.payload.len(), limits)?;
        }
        if count != header.count || flags != header.flags {
            return Err(FrameError::Mismatch);
        }
        Ok(Self { header, body, end: position, open })
    }

    /// Takes the next frame off `bytes`; `None` at the end.
    pub fn decode(bytes: &mut Bytes, limits: &Limits) -> Result<Option<Self>, FrameError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| FrameError::Truncated)?;
        if raw.kind != MESSAGES {
            return Err(FrameError::Kind(raw.kind));
        }
        let header = FrameHeader {
            flags: FrameFlags(raw.flags),
            count: raw.count.get(),
            vid: raw.vid.get(),
            fseq: raw.fseq.get(),
            gseq: raw.gseq.get(),
            origin: Uid { node: NodeId(raw.node.get()), incarnation: raw.incarnation.get() },
            first: Position { sseq: raw.sseq.get(), offset: raw.offset.get() },
        };
        let len = raw.len.get() as usize;
        if len > bytes.len() - FRAME_HEADER_LEN {
            return Err(FrameError::Truncated);
        }
        bytes.advance(FRAME_HEADER_LEN);
        let body = bytes.split_to(len);
        Self::check(header, body, limits).map(Some)
    }

    /// Appends the frame as it travels.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let raw = Raw {
            kind: MESSAGES,
            flags: self.header.flags.0,
            count: U16::new(self.header.count),
            len: U32::new(self.body.len() as u32),
            vid: U64::new(self.header.vid),
            fseq: U64::new(self.header.fseq),
            gseq: U64::new(self.header.gseq),
            node: U64::new(self.header.origin.node.0),
            incarnation: U64::new(self.header.origin.incarnation),
            sseq: U64::new(self.header.first.sseq),
            offset: U32::new(self.header.first.offset),
            reserved: [0; 4],
        };
        out.extend_from_slice(raw.as_bytes());
        out.extend_from_slice(&self.body);
    }

    /// Bytes on the wire.
    pub fn wire_len(&self) -> usize {
        FRAME_HEADER_LEN + self.body.len()
    }

    /// What a frame costs of a receiver's buffer: the kernel counts its own overhead, about twice
    /// the bytes and at least a kilobyte for each datagram (protocol 4.6).
    pub fn charge(&self) -> u64 {
        (2 * self.wire_len() as u64).max(1024)
    }
}

/// Where a stream stands after one entry of `len` bytes at `position`, and what it leaves unfinished.
fn advance(position: Position, kind: EntryKind, len: usize, limits: &Limits) -> Result<(Position, u32), FrameError> {
    if position.sseq >= u64::MAX / 2 {
        return Err(FrameError::Limits);
    }
    match kind {
        EntryKind::Message | EntryKind::Void => {
            if position.offset != 0 {
                return Err(FrameError::Mismatch);
            }
            Ok((Position::message(position.sseq + 1), 0))
        }
        EntryKind::Fragment { offset, total } => {
            let end = u64::from(offset) + len as u64;
            if total > limits.message {
                return Err(FrameError::Limits);
            }
            if offset != position.offset || len == 0 || end > u64::from(total) {
                return Err(FrameError::Mismatch);
            }
            if end == u64::from(total) {
                Ok((Position::message(position.sseq + 1), 0))
            } else {
                Ok((Position { sseq: position.sseq, offset: end as u32 }, total))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::entry::{Addressing, write_entry};

    fn frame(entries: &[(EntryKind, Level, &[u8])], first: Position) -> Result<Frame, FrameError> {
        let mut body = Vec::new();
        let mut flags = FrameFlags::default();
        for (kind, level, payload) in entries {
            write_entry(&mut body, *kind, *level, &Addressing::default(), payload);
            flags.add(*level);
        }
        let count = entries.len() as u16;
        let header = FrameHeader { flags, count, vid: 3, fseq: 8, gseq: 21, origin: Uid::new(1, 2), first };
        Frame::check(header, body.into(), &Limits::default())
    }

    #[test]
    fn positions_run_through_messages_and_fragments() {
        let part = |offset| EntryKind::Fragment { offset, total: 10 };
        let whole = frame(
            &[(EntryKind::Message, Level::Agreed, b"a"), (part(0), Level::Stable, b"1234")],
            Position::message(5),
        )
        .unwrap();
        assert_eq!((whole.end, whole.open), (Position { sseq: 6, offset: 4 }, 10));
        assert!(whole.header.flags.wants_stable() && !whole.header.flags.wants_safe());
        let rest =
            frame(&[(part(4), Level::Stable, b"567890"), (EntryKind::Void, Level::Agreed, b"")], whole.end).unwrap();
        assert_eq!((rest.end, rest.open), (Position::message(8), 0));
    }

    #[test]
    fn lies_are_rejected() {
        let part = |offset, total| EntryKind::Fragment { offset, total };
        let bad = |entries: &[(EntryKind, Level, &[u8])], first| frame(entries, first).unwrap_err();
        assert_eq!(bad(&[], Position::START), FrameError::Limits);
        assert_eq!(bad(&[(part(1, 9), Level::Agreed, b"x")], Position::START), FrameError::Mismatch);
        assert_eq!(bad(&[(part(0, 2), Level::Agreed, b"xyz")], Position::START), FrameError::Mismatch);
        assert_eq!(bad(&[(part(0, u32::MAX), Level::Agreed, b"x")], Position::START), FrameError::Limits);
        assert_eq!(
            bad(&[(EntryKind::Message, Level::Agreed, b"x")], Position { sseq: 1, offset: 4 }),
            FrameError::Mismatch
        );
        let mut honest = frame(&[(EntryKind::Message, Level::Uniform, b"x")], Position::START).unwrap();
        honest.header.count = 2;
        assert_eq!(Frame::check(honest.header, honest.body.clone(), &Limits::default()), Err(FrameError::Mismatch));
        honest.header.count = 1;
        honest.header.flags = FrameFlags::default();
        assert_eq!(Frame::check(honest.header, honest.body, &Limits::default()), Err(FrameError::Mismatch));
    }

    #[test]
    fn each_cap_admits_the_limit_and_rejects_one_more() {
        let limits = Limits { entries: 3, message: 50, addressed: 2, ..Limits::default() };
        let check = |kind, copies: u16, to: usize| {
            let mut body = Vec::new();
            let addressing = Addressing { to: vec![7; to], ..Addressing::default() };
            (0..copies).for_each(|_| write_entry(&mut body, kind, Level::Agreed, &addressing, b"x"));
            let header = FrameHeader {
                flags: FrameFlags::default(),
                count: copies,
                vid: 1,
                fseq: 1,
                gseq: 1,
                origin: Uid::new(1, 1),
                first: Position::START,
            };
            Frame::check(header, body.into(), &limits).is_ok()
        };
        assert!(check(EntryKind::Message, 3, 2));
        assert!(!check(EntryKind::Message, 4, 2));
        assert!(!check(EntryKind::Message, 3, 3));
        assert!(check(EntryKind::Fragment { offset: 0, total: 50 }, 1, 0));
        assert!(!check(EntryKind::Fragment { offset: 0, total: 51 }, 1, 0));
    }

    proptest! {
        #[test]
        fn frames_come_back_as_sent(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..10)) {
            let rows: Vec<_> = payloads.iter().map(|p| (EntryKind::Message, Level::Uniform, &p[..])).collect();
            let sent = frame(&rows, Position::START).unwrap();
            let mut out = Vec::new();
            sent.encode(&mut out);
            sent.encode(&mut out);
            prop_assert_eq!(out.len(), 2 * sent.wire_len());
            let mut bytes = Bytes::from(out);
            for _ in 0..2 {
                let received = Frame::decode(&mut bytes, &Limits::default()).unwrap();
                prop_assert_eq!(received.as_ref(), Some(&sent));
            }
            prop_assert_eq!(Frame::decode(&mut bytes, &Limits::default()).unwrap(), None);
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = Bytes::from(bytes);
            while let Ok(Some(_)) = Frame::decode(&mut bytes, &Limits::default()) {}
        }
    }
}
