//! The memory that received trains lie in.

use bytes::{Bytes, BytesMut};

/// One read may bring a train of up to 64 KiB, and never more.
const READ: usize = 64 << 10;

/// Large enough that small datagrams share one allocation by the hundred, small enough that one of them kept for long
/// does not hold much.
const CHUNK: usize = 512 << 10;

/// A chunk whose front is given away as it fills, without copying.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    chunk: BytesMut,
}

impl ReceiveBuffer {
    /// Room for one read.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.chunk.len() < READ {
            self.chunk = BytesMut::zeroed(CHUNK);
        }
        &mut self.chunk[..READ]
    }

    /// Gives away the first `length` bytes of what [`space`](Self::space) lent.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        self.chunk.split_to(length).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_written_again() {
        let mut buffer = ReceiveBuffer::default();
        let mut taken = Vec::new();
        for round in 0..40 {
            buffer.space().fill(round);
            taken.push(buffer.take(40_000));
        }
        for (round, bytes) in taken.iter().enumerate() {
            assert!(bytes.iter().all(|&byte| usize::from(byte) == round));
        }
    }

    #[test]
    fn small_datagrams_lie_side_by_side() {
        let mut buffer = ReceiveBuffer::default();
        buffer.space();
        let first = buffer.take(100);
        buffer.space();
        let second = buffer.take(100);
        assert_eq!(first.as_ptr().wrapping_add(100), second.as_ptr());
    }
}
