//! Memory for what is kept of datagrams. A transport hands over slices of chunks that may be hundreds of times as long:
//! each slice that is kept would hold its chunk, full of what nobody keeps.

use bytes::{Bytes, BytesMut};

/// Copies are cut from buffers of this size, so that they cost no allocation each. There is nothing else in them, and
/// what came together is freed together.
const CHUNK: usize = 64 << 10;

/// Where the next copy goes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Kept(BytesMut);

impl Kept {
    /// The same bytes, in memory of the member's own.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if self.0.capacity() < bytes.len() {
            self.0.reserve(CHUNK.max(bytes.len()));
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}
