//! The memory that received trains lie in.

use bytes::{Bytes, BytesMut};

/// One read may bring a train of up to 64 KiB, and never more.
const READ: usize = 64 << 10;

/// Memory for one read, which serves the next one too if nobody holds anything of the last one any more: so it is
/// neither allocated nor cleared anew, and stays in the processor's cache.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    /// What the next read goes to, while it is lent.
    space: BytesMut,
    /// The same memory while parts of it are given away.
    given: Bytes,
}

impl ReceiveBuffer {
    /// Room for one read.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.space.is_empty() {
            let free = std::mem::take(&mut self.given).try_into_mut().ok().filter(|free| free.len() == READ);
            self.space = free.unwrap_or_else(|| BytesMut::zeroed(READ));
        }
        &mut self.space
    }

    /// Gives away the first `length` bytes of what [`space`](Self::space) lent.
    pub(super) fn take(&mut self, length: usize) -> Bytes {
        self.given = std::mem::take(&mut self.space).freeze();
        self.given.slice(..length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_holds_is_not_written_again() {
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
    fn what_nobody_holds_is_read_into_again() {
        let mut buffer = ReceiveBuffer::default();
        buffer.space();
        let first = buffer.take(100).as_ptr();
        assert_eq!(buffer.space().as_ptr(), first);
        assert_eq!(buffer.space().len(), READ);
        let second = buffer.take(0);
        assert_eq!(buffer.space().as_ptr(), first, "nothing of it is held");
        drop(second);
    }
}
