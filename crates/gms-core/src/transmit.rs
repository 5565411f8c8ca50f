//! Building datagrams: frames are gathered into datagrams, datagrams into trains of equal size that
//! leave with one kernel call.

use std::net::SocketAddr;

use crate::wire::{ENVELOPE_LEN, Envelope, Frame};

/// Where a train goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// All followers: the data multicast group.
    Data,
    /// All processes: the control multicast group.
    Control,
    /// One process.
    Unicast(SocketAddr),
    /// One process, with one message that is larger than a datagram: over a connection.
    Stream(SocketAddr),
}

/// A train that [`crate::Member::poll_transmit`] has written: datagrams of `segment_size` bytes
/// each, of which the last may be shorter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transmit {
    /// Where it goes.
    pub destination: Destination,
    /// Bytes of each datagram.
    pub segment_size: usize,
}

/// A control datagram waiting to leave.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Outgoing {
    pub(crate) to: Destination,
    pub(crate) datagram: Vec<u8>,
}

/// Datagrams in one train, at most.
pub(crate) const MAX_SEGMENTS: usize = 64;
/// Bytes of one train, at most: what a UDP payload can be.
const MAX_TRAIN: usize = 65_000;

/// Writes as many of `frames` as fit into one train. `envelope` makes each datagram's envelope from
/// the last frame in it. Returns the number of frames written and the segment size.
pub(crate) fn write_train<'a>(
    out: &mut Vec<u8>,
    datagram: usize,
    max_segments: usize,
    frames: impl Iterator<Item = &'a Frame> + Clone,
    envelope: impl Fn(&Frame) -> Envelope,
) -> (usize, usize) {
    let max_segments = max_segments.clamp(1, MAX_SEGMENTS.min(MAX_TRAIN / datagram));
    // First the plan, for the segments of a train must be equal and are known only when all are packed.
    let mut plan = [(0usize, 0usize); MAX_SEGMENTS];
    let mut segments = 0;
    for frame in frames.clone() {
        let len = frame.wire_len();
        if segments == 0 || plan[segments - 1].1 + len > datagram {
            if segments == max_segments {
                break;
            }
            plan[segments] = (0, ENVELOPE_LEN);
            segments += 1;
        }
        plan[segments - 1].0 += 1;
        plan[segments - 1].1 += len;
    }
    let plan = &plan[..segments];
    let segment_size = plan.iter().map(|(_, len)| *len).max().unwrap_or(0);
    let mut frames = frames;
    let mut written = 0;
    for (index, (count, len)) in plan.iter().enumerate() {
        let start = out.len();
        let last = frames.clone().nth(count - 1).expect("planned");
        envelope(last).encode(out, |out| frames.by_ref().take(*count).for_each(|frame| frame.encode(out)));
        debug_assert_eq!(out.len() - start, *len);
        if index + 1 < segments {
            out.resize(start + segment_size, 0);
        }
        written += count;
    }
    (written, segment_size)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::id::{Gid, Position, Uid};
    use crate::wire::{Addressing, EntryKind, FrameFlags, FrameHeader, Level, Limits, write_entry};

    fn frame(fseq: u64, len: usize) -> Frame {
        let mut body = Vec::new();
        write_entry(&mut body, EntryKind::Message, Level::Agreed, &Addressing::default(), &vec![1; len]);
        let (flags, origin, first) = (FrameFlags::default(), Uid::new(1, 1), Position::message(fseq));
        let header = FrameHeader { flags, count: 1, vid: 1, fseq, gseq: fseq, origin, first };
        Frame::check(header, body.into(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_train_has_equal_segments_and_gathers_small_frames() {
        let frames: Vec<Frame> =
            [1000, 100, 100, 1200, 900, 10].into_iter().zip(1..).map(|(len, f)| frame(f, len)).collect();
        let status = |last: &Frame| [last.header.fseq, 0, 0];
        let make =
            |last: &Frame| Envelope { kind: 1, gid: Gid(1), vid: 1, sender: Uid::new(1, 1), status: status(last) };
        let mut out = Vec::new();
        let (written, segment) = write_train(&mut out, 1400, 64, frames.iter(), make);
        assert_eq!(written, 6);
        let datagrams: Vec<&[u8]> = out.chunks(segment).collect();
        assert_eq!(datagrams.len(), 4);
        let mut seen = Vec::new();
        for datagram in datagrams {
            let (envelope, mut body) = Envelope::decode(Bytes::copy_from_slice(datagram), &Limits::default()).unwrap();
            while let Some(frame) = Frame::decode(&mut body, &Limits::default()).unwrap() {
                seen.push(frame.header.fseq);
            }
            assert_eq!(seen.last(), Some(&envelope.status[0]));
        }
        assert_eq!(seen, vec![1, 2, 3, 4, 5, 6]);

        out.clear();
        assert_eq!(write_train(&mut out, 1400, 2, frames.iter(), make).0, 3);
    }
}
