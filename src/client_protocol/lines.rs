//! Lines out of what was read.

use bytes::{Buf, BytesMut};

/// Room for the first read after silence; a connection that is idle holds none.
const FIRST_READ: usize = 8 << 10;
/// Room for one read while a lot comes in.
const READ: usize = 64 << 10;

/// What has been read and not been handled yet.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    bytes: BytesMut,
    /// So many bytes at the front hold no end of a line.
    scanned: usize,
    /// Bytes of a line, at most.
    limit: usize,
    busy: bool,
}

/// A line over the limit; it has not been kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLong;

impl LineBuffer {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::new(), scanned: 0, limit, busy: false }
    }

    /// Bytes of a line whose end has not come, and of those that have not been taken.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where the next read goes; with `thrift`, no more than a little of a line that has not ended.
    pub(crate) fn space(&mut self, thrift: bool) -> &mut BytesMut {
        let is_much = self.busy && !(thrift && self.bytes.len() >= FIRST_READ);
        self.bytes.reserve(if is_much { READ } else { FIRST_READ });
        &mut self.bytes
    }

    /// The next whole line without its end, if there is one.
    pub(crate) fn next_line(&mut self) -> Result<Option<BytesMut>, TooLong> {
        match self.bytes[self.scanned..].iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let end = std::mem::take(&mut self.scanned) + at;
                if end > self.limit {
                    return Err(TooLong);
                }
                let line = self.bytes.split_to(end);
                self.bytes.advance(1);
                if end > READ {
                    // What follows does not keep the memory of a large line.
                    self.bytes = BytesMut::from(&self.bytes[..]);
                }
                Ok(Some(line))
            }
            None => {
                self.scanned = self.bytes.len();
                if self.scanned > self.limit { Err(TooLong) } else { Ok(None) }
            }
        }
    }

    /// Takes note of how much the last read brought, once its lines have been taken.
    pub(crate) fn settle(&mut self, read: usize) {
        self.busy = read >= FIRST_READ;
        if self.bytes.is_empty() && !self.busy {
            self.bytes = BytesMut::new();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        (self.bytes, self.scanned, self.busy) = (BytesMut::new(), 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&str], limit: usize) -> (Vec<String>, Result<(), TooLong>) {
        let (mut buffer, mut lines) = (LineBuffer::new(limit), Vec::new());
        for chunk in chunks {
            buffer.space(false).extend_from_slice(chunk.as_bytes());
            loop {
                match buffer.next_line() {
                    Ok(Some(line)) => lines.push(String::from_utf8(line.to_vec()).expect("text")),
                    Ok(None) => break,
                    Err(error) => return (lines, Err(error)),
                }
            }
            buffer.settle(chunk.len());
        }
        (lines, Ok(()))
    }

    #[test]
    fn lines_come_out_however_they_are_chunked() {
        let (lines, _) = lines_of(&["on", "e\ntwo", "\n\nfo", "ur\nfive"], 100);
        assert_eq!(lines, ["one", "two", "", "four"]);
    }

    #[test]
    fn a_line_over_the_limit_is_told_whether_its_end_is_there_or_not() {
        assert_eq!(lines_of(&["1234\n12345\n"], 4), (vec!["1234".to_owned()], Err(TooLong)));
        assert_eq!(lines_of(&["12", "345"], 4), (vec![], Err(TooLong)));
        assert_eq!(lines_of(&["12", "34"], 4), (vec![], Ok(())));
    }

    #[test]
    fn a_thrifty_buffer_grows_slowly_and_none_keeps_the_memory_of_a_large_line() {
        let (mut buffer, half) = (LineBuffer::new(1 << 20), vec![b'x'; 1 << 20]);
        let mut held = 0;
        for _ in 0..2 {
            let space = buffer.space(true);
            let room = space.capacity() - space.len();
            space.extend_from_slice(&half[..room]);
            held += room;
            assert_eq!(buffer.next_line().map(|line| line.is_some()), Ok(false));
            buffer.settle(room);
        }
        assert!(held <= 2 * FIRST_READ, "{held}");
        buffer.space(false).extend_from_slice(&half[held..]);
        buffer.space(false).extend_from_slice(b"\nnext");
        assert_eq!(buffer.next_line().map(|line| line.map(|line| line.len())), Ok(Some(1 << 20)));
        buffer.settle(READ);
        assert!(buffer.bytes.capacity() < FIRST_READ && buffer.len() == 4);
    }

    #[test]
    fn an_idle_buffer_holds_no_memory() {
        let mut buffer = LineBuffer::new(100);
        buffer.space(false).extend_from_slice(b"one\n");
        assert!(buffer.next_line().expect("short").is_some());
        buffer.settle(4);
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}
