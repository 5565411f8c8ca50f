//! What is to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

/// Pieces handed to the system in one call.
const AT_ONCE: usize = 16;

/// Lines in the order in which they leave.
#[derive(Debug, Default)]
pub(super) struct Output {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written already.
    written: usize,
    /// Bytes still to be written.
    len: usize,
}

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    /// Many connections write the same.
    Shared(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether something else may be written now without tearing a line: what is shared or answers
    /// begins with a line and ends with one.
    pub(super) fn is_between_lines(&self) -> bool {
        self.written == 0
    }

    /// Adds lines, written by `write`.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.pieces.back(), Some(Piece::Own(_))) {
            self.pieces.push_back(Piece::Own(Vec::new()));
        }
        if let Some(Piece::Own(bytes)) = self.pieces.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.len += bytes.len() - before;
        }
    }

    /// Adds lines that are there already.
    pub(super) fn push(&mut self, lines: Vec<u8>) {
        if !lines.is_empty() {
            self.len += lines.len();
            self.pieces.push_back(Piece::Own(lines));
        }
    }

    /// Adds lines that others write too.
    pub(super) fn share(&mut self, lines: Arc<Vec<u8>>) {
        self.len += lines.len();
        self.pieces.push_back(Piece::Shared(lines));
    }

    /// The next bytes to write.
    pub(super) fn slices(&self) -> ([IoSlice<'_>; AT_ONCE], usize) {
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            let skip = if count == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&piece.bytes()[skip..]);
            count += 1;
        }
        (slices, count)
    }

    /// So many bytes have been written.
    pub(super) fn advance(&mut self, count: usize) {
        self.len -= count;
        self.written += count;
        while let Some(piece) = self.pieces.front()
            && self.written >= piece.bytes().len()
        {
            self.written -= piece.bytes().len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_order_whatever_is_written_at_once() {
        for step in 1..12 {
            let mut output = Output::default();
            output.append(|out| out.extend_from_slice(b"one\n"));
            output.append(|out| out.extend_from_slice(b"two\n"));
            output.share(Arc::new(b"three\n".to_vec()));
            output.push(b"four\n".to_vec());
            output.push(Vec::new());
            let mut written = Vec::new();
            while !output.is_empty() {
                let (slices, count) = output.slices();
                let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(all.len(), output.len());
                let now = step.min(all.len());
                written.extend_from_slice(&all[..now]);
                output.advance(now);
            }
            assert_eq!(written, b"one\ntwo\nthree\nfour\n");
            assert!(output.is_between_lines() && output.pieces.is_empty());
        }
    }
}
