//! The first bytes of every datagram: which protocol, which group, which view, from whom.

use bytes::{Buf, Bytes};
use zerocopy::byteorder::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::id::{Gid, NodeId, Uid, Vid};
use crate::wire::Limits;

/// Bytes of an encoded [`Envelope`].
pub const ENVELOPE_LEN: usize = size_of::<Raw>();

const MAGIC: [u8; 2] = *b"gm";
/// Version of the wire format. In all versions from 2 on, the magic, the version, the kind and the lineage stand where
/// they stand now, so that servers of different ones can say that they hear each other.
pub const VERSION: u8 = 2;

/// Kinds of datagram that gms-core reads. The envelope carries a bare byte, so that the layers
/// beside this one (discovery, election, state) have numbers of their own, from 16 on, which the
/// composition of the layers gives out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Frames in order, multicast by the leader. Status: last, safe, stable. Without frames: only the status.
    Ordered = 1,
    /// Frames asked for again, from anybody who holds them.
    Repair = 2,
    /// Frames of one sender, on their way to the leader. Status as in `Ack`.
    Forward = 3,
    /// What a member has. Status: have, room, promised round.
    Ack = 4,
    /// One control message.
    Control = 5,
    /// The leader's status again, and a request for acks.
    Heartbeat = 6,
    /// A heartbeat of a leader that may order nothing at present, and knows why: the window is closed, or it
    /// ends the view.
    Held = 7,
}

/// The bit of the kind that marks the copy of a multicast datagram, sent by unicast to one whom multicast does not
/// reach.
const COPY: u8 = 0x80;

impl Kind {
    /// The kind with this number, if it is one of gms-core's; that of a copy is that of the original.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ordered, Self::Repair, Self::Forward, Self::Ack, Self::Control, Self::Heartbeat, Self::Held]
            .into_iter()
            .find(|k| *k as u8 == byte & !COPY)
    }
}

/// What every datagram says first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Envelope {
    /// Kind of the body, see [`Kind`]; a copy of what was multicast has a bit of its own in it.
    pub kind: u8,
    /// Lineage; [`Gid::NONE`] from and to processes that are in no group yet.
    pub gid: Gid,
    /// View the sender is in.
    pub vid: Vid,
    /// Who sent the datagram (not who wrote the messages in it).
    pub sender: Uid,
    /// Three numbers that ride along, so that acks and stability cost no datagrams of their own; see [`Kind`].
    pub status: [u64; 3],
}

/// A datagram that is not one of ours. All of these are counted and dropped, never answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Too short, or not starting with the magic.
    #[error("not a gms datagram")]
    Foreign,
    /// Another version of the wire format.
    #[error("wire version {0}, this is version {VERSION}: run the same gms everywhere")]
    Version(u8),
    /// The declared length does not fit the datagram.
    #[error("truncated datagram")]
    Length,
    /// Larger than the budget allows.
    #[error("oversized datagram")]
    Oversized,
    /// Its bytes are not those that were sent.
    #[error("a datagram with flipped bits")]
    Corrupted,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 2],
    version: u8,
    kind: u8,
    /// CRC-32 of the bytes before it, and of all meaningful ones after it.
    checksum: U32,
    /// Bytes that mean something, this envelope included; the rest is padding of a train.
    len: U32,
    gid: U128,
    vid: U64,
    node: U64,
    incarnation: U64,
    status: [U64; 3],
}

/// Where the kind, the checksum and the length stand.
const KIND_AT: usize = 3;
const CHECKSUM_AT: usize = 4;
const LEN_AT: usize = 8;

/// In one piece, for many datagrams are short: what precedes it is where the sum starts from.
fn checksum(datagram: &[u8]) -> u32 {
    let start = datagram.first_chunk().expect("an envelope");
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::from_le_bytes(*start));
    hasher.update(&datagram[LEN_AT..]);
    hasher.finalize()
}

impl Envelope {
    /// Reads the envelope of `datagram` and returns it with the body, padding cut off.
    pub fn decode(mut datagram: Bytes, limits: &Limits) -> Result<(Self, Bytes), EnvelopeError> {
        if datagram.len() > limits.datagram.max(limits.control) {
            return Err(EnvelopeError::Oversized);
        }
        let Ok((raw, _)) = Raw::ref_from_prefix(&datagram) else { return Err(EnvelopeError::Foreign) };
        if raw.magic != MAGIC {
            return Err(EnvelopeError::Foreign);
        }
        if raw.version != VERSION {
            return Err(EnvelopeError::Version(raw.version));
        }
        let len = raw.len.get() as usize;
        if len < ENVELOPE_LEN || len > datagram.len() {
            return Err(EnvelopeError::Length);
        }
        if raw.checksum.get() != checksum(&datagram[..len]) {
            return Err(EnvelopeError::Corrupted);
        }
        let envelope = Self {
            kind: raw.kind,
            gid: Gid(raw.gid.get()),
            vid: raw.vid.get(),
            sender: Uid { node: NodeId(raw.node.get()), incarnation: raw.incarnation.get() },
            status: raw.status.map(U64::get),
        };
        datagram.truncate(len);
        datagram.advance(ENVELOPE_LEN);
        Ok((envelope, datagram))
    }

    /// The kind byte of a datagram that starts like one of ours; nothing else is checked.
    pub fn peek_kind(datagram: &[u8]) -> Option<u8> {
        (datagram.len() >= ENVELOPE_LEN && datagram.starts_with(&MAGIC)).then(|| datagram[MAGIC.len() + 1])
    }

    /// The wire version of a datagram that starts like one of ours; nothing else is checked.
    pub fn peek_version(datagram: &[u8]) -> Option<u8> {
        (datagram.len() >= ENVELOPE_LEN && datagram.starts_with(&MAGIC)).then(|| datagram[MAGIC.len()])
    }

    /// The lineage of a datagram that starts like one of ours, of any version; nothing else is checked.
    pub fn peek_gid(datagram: &[u8]) -> Option<Gid> {
        let (raw, _) = Raw::ref_from_prefix(datagram).ok()?;
        (raw.magic == MAGIC).then(|| Gid(raw.gid.get()))
    }

    /// Appends a datagram of this envelope and whatever `body` appends.
    pub fn encode(&self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        let raw = Raw {
            magic: MAGIC,
            version: VERSION,
            kind: self.kind,
            checksum: U32::ZERO,
            len: U32::ZERO,
            gid: U128::new(self.gid.0),
            vid: U64::new(self.vid),
            node: U64::new(self.sender.node.0),
            incarnation: U64::new(self.sender.incarnation),
            status: self.status.map(U64::new),
        };
        out.extend_from_slice(raw.as_bytes());
        body(out);
        Self::seal(&mut out[start..]);
    }

    /// Whether it is a copy of what was multicast, for one whom multicast does not reach.
    pub fn is_copy(&self) -> bool {
        self.kind & COPY != 0
    }

    /// Makes a datagram the copy of itself for one whom multicast does not reach. Padding behind it stays.
    ///
    /// # Panics
    ///
    /// If it is shorter than an envelope, or than it says.
    pub fn mark_copy(datagram: &mut [u8]) {
        let len = datagram[LEN_AT..LEN_AT + size_of::<U32>()].try_into().expect("four bytes");
        datagram[KIND_AT] |= COPY;
        Self::seal(&mut datagram[..u32::from_le_bytes(len) as usize]);
    }

    /// Writes length and checksum into a datagram that is whole but for them.
    ///
    /// # Panics
    ///
    /// If it is shorter than an envelope.
    pub fn seal(datagram: &mut [u8]) {
        let len = u32::try_from(datagram.len()).expect("datagrams are short");
        datagram[LEN_AT..LEN_AT + size_of::<U32>()].copy_from_slice(&len.to_le_bytes());
        let checksum = checksum(datagram);
        datagram[CHECKSUM_AT..LEN_AT].copy_from_slice(&checksum.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Envelope {
        Envelope { kind: 1, gid: Gid(0xfeed), vid: 4, sender: Uid::new(3, 9), status: [10, 8, 7] }
    }

    #[test]
    fn the_layout_is_fixed() {
        let mut out = Vec::new();
        sample().encode(&mut out, |_| ());
        assert_eq!(out.len(), 76);
        assert_eq!(out[..4], [b'g', b'm', 2, 1]);
        assert_eq!(out[4..8], [0x73, 0xda, 0x53, 0xc6]);
        assert_eq!(out[8..14], [76, 0, 0, 0, 0xed, 0xfe]);
        assert_eq!(out[28..36], 4u64.to_le_bytes());
        assert_eq!(out[36..44], 3u64.to_le_bytes());
        assert_eq!(out[52..60], 10u64.to_le_bytes());
        // The checksum is the one of zip and Ethernet.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_copy_is_the_same_but_for_its_mark() {
        let mut out = Vec::new();
        sample().encode(&mut out, |out| out.extend_from_slice(b"a body"));
        out.extend_from_slice(&[0; 3]);
        Envelope::mark_copy(&mut out);
        let (envelope, body) = Envelope::decode(out.into(), &Limits::default()).unwrap();
        assert!(envelope.is_copy() && !sample().is_copy());
        assert_eq!(Kind::from_byte(envelope.kind), Some(Kind::Ordered));
        assert_eq!((Envelope { kind: 1, ..envelope }, &body[..]), (sample(), &b"a body"[..]));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut out = Vec::new();
        sample().encode(&mut out, |out| out.extend_from_slice(b"a body"));
        assert!(Envelope::decode(out.clone().into(), &Limits::default()).is_ok());
        for bit in 0..8 * out.len() {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = Envelope::decode(flipped.into(), &Limits::default()).unwrap_err();
            let expected = match bit / 8 {
                0..2 => EnvelopeError::Foreign,
                2 => EnvelopeError::Version(out[2] ^ 1 << (bit % 8)),
                // A shorter one has another checksum, a longer one is not there.
                LEN_AT..12 if error == EnvelopeError::Length => continue,
                _ => EnvelopeError::Corrupted,
            };
            assert_eq!(error, expected, "bit {bit}");
        }
    }

    #[test]
    fn foreign_truncated_oversized_and_other_versions_are_told_apart() {
        let limits = Limits::default();
        let mut out = Vec::new();
        sample().encode(&mut out, |out| out.extend_from_slice(b"12345"));
        out.truncate(ENVELOPE_LEN + 4);
        assert_eq!(Envelope::decode(out.clone().into(), &limits), Err(EnvelopeError::Length));
        assert_eq!(Envelope::decode(Bytes::from_static(b"hello"), &limits), Err(EnvelopeError::Foreign));
        assert_eq!(Envelope::decode(vec![0; (1 << 20) + 1].into(), &limits), Err(EnvelopeError::Oversized));
        out[2] = 9;
        assert_eq!(Envelope::decode(out.clone().into(), &limits), Err(EnvelopeError::Version(9)));
        out[0] = b'x';
        assert_eq!(Envelope::decode(out.into(), &limits), Err(EnvelopeError::Foreign));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::decode(bytes.into(), &Limits::default());
        }

        #[test]
        fn padding_is_cut_off(body in proptest::collection::vec(any::<u8>(), 0..100), pad in 0usize..50) {
            let mut out = Vec::new();
            sample().encode(&mut out, |out| out.extend_from_slice(&body));
            out.resize(out.len() + pad, 0);
            let (envelope, rest) = Envelope::decode(out.into(), &Limits::default()).unwrap();
            prop_assert_eq!(envelope, sample());
            prop_assert_eq!(&rest[..], &body[..]);
        }
    }
}
