//! Memory for what lives for a moment: frames that are made or kept, and messages put together. It is cut from chunks that
//! are used again and again, so that neither the allocator nor the kernel is asked for it each time.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use bytes::{Bytes, BytesMut};

/// Bytes of a chunk. What holds a part of one holds all of it.
const CHUNK: usize = 64 << 10;
/// A larger part is allocated by itself.
const LARGEST_PART: usize = CHUNK / 4;
/// Chunks that are watched until nobody holds a part of them: those begun last.
const USED_CHUNKS: usize = 256;
/// Chunks that wait to be used again, at most.
const FREE_CHUNKS: usize = 64;

/// Where the next part comes from.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// Empty between any two calls; its capacity is what is left of the chunk.
    rest: BytesMut,
    /// Handles of chunks of which parts may be held, the oldest first: most become free in this order.
    used: VecDeque<BytesMut>,
    /// Those that nobody holds a part of. The one found last is the likeliest to be in the processor's cache.
    free: Vec<BytesMut>,
}

impl Chunks {
    /// An empty buffer with room for `len` bytes. Whatever is written there has to be split off.
    pub(crate) fn room(&mut self, len: usize) -> &mut BytesMut {
        debug_assert!(self.rest.is_empty());
        if self.rest.capacity() < len {
            self.begin_chunk(len);
        }
        &mut self.rest
    }

    /// The same bytes, in memory of the member's own. A transport hands over slices of what may be hundreds of times as
    /// long, full of what nobody keeps: here, there is only what somebody does.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        let room = self.room(bytes.len());
        room.extend_from_slice(bytes);
        room.split().freeze()
    }

    /// An empty buffer of its own, with room for `len` bytes.
    pub(crate) fn part(&mut self, len: usize) -> BytesMut {
        if len > LARGEST_PART {
            return BytesMut::with_capacity(len);
        }
        let room = self.room(len);
        let rest = room.split_off(len);
        std::mem::replace(room, rest)
    }

    fn begin_chunk(&mut self, len: usize) {
        self.rest = BytesMut::new();
        while let Some(free) = self.used.pop_front_if(|oldest| oldest.try_reclaim(CHUNK)) {
            self.free.push(free);
        }
        self.free.truncate(FREE_CHUNKS);
        if self.used.len() == USED_CHUNKS {
            // Somebody holds a part of it for long. Its memory goes with the last part.
            self.used.pop_front();
        }
        let free = self.free.pop_if(|_| len <= CHUNK);
        let mut chunk = free.unwrap_or_else(|| BytesMut::with_capacity(CHUNK.max(len)));
        self.rest = chunk.split_off(0);
        self.used.push_back(chunk);
    }
}

/// Each member has its own.
impl Clone for Chunks {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Where it puts things is no part of a member's state.
impl PartialEq for Chunks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Chunks {}

impl Hash for Chunks {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_that_nobody_holds_are_used_again() {
        let mut chunks = Chunks::default();
        let first = chunks.copy(&[1; 1000]).as_ptr();
        let held = chunks.copy(&[2; CHUNK - 1000]);
        let second = chunks.copy(&[3; CHUNK]);
        assert_ne!(second.as_ptr(), first);
        drop(held);
        assert_eq!(chunks.copy(&[4; CHUNK]).as_ptr(), first);
        drop(second);
        assert_eq!(chunks.copy(&[5; CHUNK]).as_ptr(), first, "both are free, and it was used last");
    }

    #[test]
    fn what_is_held_is_not_written_again() {
        let mut chunks = Chunks::default();
        let held: Vec<Bytes> = (0..200).map(|round| chunks.copy(&[round; CHUNK / 2 - 1])).collect();
        assert!((0..).zip(&held).all(|(round, bytes)| bytes.iter().all(|byte| *byte == round)));
    }

    #[test]
    fn a_part_is_as_long_as_asked_for_and_large_ones_are_by_themselves() {
        let mut chunks = Chunks::default();
        let mut parts = [10, LARGEST_PART, LARGEST_PART + 1, 1 << 20].map(|len| (len, chunks.part(len)));
        for (len, part) in &mut parts {
            assert_eq!((part.len(), part.capacity()), (0, *len));
            part.resize(*len, 7);
        }
        assert_eq!(parts[1].1.as_ptr(), parts[0].1.as_ptr().wrapping_add(10));
        assert_eq!(chunks.copy(b"x").as_ptr(), parts[1].1.as_ptr().wrapping_add(LARGEST_PART));
    }

    #[test]
    fn few_chunks_are_held_that_nobody_needs() {
        let mut chunks = Chunks::default();
        let held: Vec<Bytes> = (0..1000).map(|_| chunks.copy(&[0; CHUNK])).collect();
        assert_eq!(chunks.used.len(), USED_CHUNKS);
        drop(held);
        chunks.copy(&[0; CHUNK]);
        assert_eq!((chunks.used.len(), chunks.free.len()), (1, FREE_CHUNKS - 1));
    }
}
