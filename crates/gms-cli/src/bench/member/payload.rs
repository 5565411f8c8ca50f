//! What is sent.

use bytes::Bytes;
use gms_net::SplitMix64;

/// So many messages in a row differ.
const DIFFERENT: u64 = 4096;

/// Messages of one size and sender. They differ, and making one neither copies nor allocates.
pub(super) struct Payloads {
    pool: Bytes,
    size: usize,
}

impl Payloads {
    /// Of member `id`.
    pub(super) fn new(id: u64, size: usize) -> Self {
        let mut random = SplitMix64::new(id);
        let words = (size + DIFFERENT as usize).div_ceil(8);
        Self { pool: (0..words).flat_map(|_| random.next_u64().to_le_bytes()).collect(), size }
    }

    /// Message number `sseq`.
    pub(super) fn message(&self, sseq: u64) -> Bytes {
        let start = (sseq % DIFFERENT) as usize;
        self.pool.slice(start..start + self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_size_and_differ() {
        let (ours, theirs) = (Payloads::new(1, 100), Payloads::new(2, 100));
        assert_eq!(ours.message(DIFFERENT - 1).len(), 100);
        assert_ne!(ours.message(1), ours.message(2));
        assert_ne!(ours.message(1), theirs.message(1));
        assert_eq!(ours.message(1), ours.message(1));
    }
}
