//! What waits to be written to one connection.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::frame::LENGTH;

/// A bounded queue of messages, after the hello.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What is left of it.
    hello: Bytes,
    /// Each with its length before it; of the first, what is left.
    frames: VecDeque<Bytes>,
    bytes: usize,
    limit: usize,
}

impl Outgoing {
    /// Says hello first; then at most `limit` bytes wait.
    pub(super) fn new(hello: Bytes, limit: usize) -> Self {
        Self { hello, frames: VecDeque::new(), bytes: 0, limit }
    }

    /// Takes a message in, or refuses it when there is no room.
    pub(super) fn push(&mut self, message: &[u8]) -> bool {
        let length = LENGTH + message.len();
        let (Ok(prefix), true) = (u32::try_from(message.len()), self.bytes + length <= self.limit) else {
            return false;
        };
        let mut frame = BytesMut::with_capacity(length);
        frame.extend_from_slice(&prefix.to_le_bytes());
        frame.extend_from_slice(message);
        self.frames.push_back(frame.freeze());
        self.bytes += length;
        true
    }

    /// What to write next; empty when there is nothing.
    pub(super) fn front(&self) -> &[u8] {
        match self.frames.front() {
            Some(frame) if self.hello.is_empty() => frame,
            _ => &self.hello,
        }
    }

    /// So many bytes of [`front`](Self::front) were written.
    pub(super) fn advance(&mut self, bytes: usize) {
        if !self.hello.is_empty() {
            self.hello.advance(bytes);
            return;
        }
        let Some(frame) = self.frames.front_mut() else { return };
        frame.advance(bytes);
        self.bytes -= bytes;
        if frame.is_empty() {
            self.frames.pop_front();
        }
    }

    /// Whether everything was written.
    pub(super) fn is_empty(&self) -> bool {
        self.front().is_empty()
    }

    /// How many messages were not written, or not to their end.
    pub(super) fn messages(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hello_comes_first_and_the_queue_is_bounded() {
        let mut outgoing = Outgoing::new(Bytes::from_static(b"hello"), 20);
        assert!(outgoing.push(b"ABCDEFGHIJ"));
        assert!(!outgoing.push(b"too long"));
        assert!(outgoing.push(b"KL"));
        assert!(!outgoing.push(b""));
        assert_eq!(outgoing.messages(), 2);
        let mut written = Vec::new();
        while !outgoing.is_empty() {
            let piece = outgoing.front()[..outgoing.front().len().min(3)].to_vec();
            outgoing.advance(piece.len());
            written.extend(piece);
        }
        assert_eq!(written, b"hello\x0a\0\0\0ABCDEFGHIJ\x02\0\0\0KL");
        assert_eq!(outgoing.messages(), 0);
        // What was written made room.
        assert!(outgoing.push(b"0123456789abcdef"));
    }
}
