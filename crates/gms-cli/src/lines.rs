//! Lines read from standard input, in batches: each is one message.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::failure::complain;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Reads `input` in a thread of its own until it ends. At most two batches wait; then the thread does.
pub(crate) fn read(input: impl Read + Send + 'static, limit: usize) -> mpsc::Receiver<Vec<Bytes>> {
    read_all("standard input".to_owned(), input, limit, Arc::default())
}

/// The same for the input of this name; `incomplete` is set when a part of it is left out.
pub(crate) fn read_all(
    name: String,
    input: impl Read + Send + 'static,
    limit: usize,
    incomplete: Arc<AtomicBool>,
) -> mpsc::Receiver<Vec<Bytes>> {
    let (batches, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut cutter = Cutter::new(limit, incomplete.clone());
        let mut input = BufReader::with_capacity(CHUNK, input);
        loop {
            let mut lines = Vec::new();
            let used = match input.fill_buf() {
                Ok(chunk) => {
                    cutter.cut(chunk, &mut lines);
                    chunk.len()
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    complain(&format!("warning: {name} cannot be read any further: {error}"));
                    incomplete.store(true, Ordering::Release);
                    0
                }
            };
            input.consume(used);
            let ended = used == 0;
            if ended {
                cutter.finish(&mut lines);
            }
            if (!lines.is_empty() && batches.blocking_send(lines).is_err()) || ended {
                return;
            }
        }
    });
    receiver
}

/// Cuts chunks into lines. Keeps the beginning of a line whose end has not come, up to the limit.
struct Cutter {
    limit: usize,
    incomplete: Arc<AtomicBool>,
    begun: BytesMut,
    /// Bytes of the line that has begun, kept or not.
    length: usize,
}

impl Cutter {
    fn new(limit: usize, incomplete: Arc<AtomicBool>) -> Self {
        Self { limit, incomplete, begun: BytesMut::new(), length: 0 }
    }

    fn cut(&mut self, chunk: &[u8], lines: &mut Vec<Bytes>) {
        // One allocation for all the lines of a chunk.
        let mut rest = Bytes::copy_from_slice(chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line = rest.split_to(end);
            let _ = rest.split_to(1);
            if self.length == 0 && line.len() <= self.limit {
                lines.push(line);
            } else {
                self.keep(&line);
                self.end_line(lines);
            }
        }
        self.keep(&rest);
    }

    fn finish(&mut self, lines: &mut Vec<Bytes>) {
        if self.length > 0 {
            self.end_line(lines);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        self.length += part.len();
        if self.length <= self.limit {
            self.begun.extend_from_slice(part);
        } else {
            self.begun = BytesMut::new();
        }
    }

    fn end_line(&mut self, lines: &mut Vec<Bytes>) {
        let (line, len) = (std::mem::take(&mut self.begun).freeze(), std::mem::take(&mut self.length));
        if len <= self.limit {
            lines.push(line);
        } else {
            let error = gms::SendError::TooLarge { len, limit: u32::try_from(self.limit).unwrap_or(u32::MAX) };
            complain(&format!("error: line not sent: {error}"));
            self.incomplete.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&str], limit: usize) -> Vec<Bytes> {
        let (mut cutter, mut lines) = (Cutter::new(limit, Arc::default()), Vec::new());
        chunks.iter().for_each(|chunk| cutter.cut(chunk.as_bytes(), &mut lines));
        cutter.finish(&mut lines);
        lines
    }

    #[test]
    fn lines_come_out_however_they_are_chunked() {
        let whole = cut(&["one\ntwo\n\nfour"], 100);
        assert_eq!(whole, ["one", "two", "", "four"]);
        assert_eq!(cut(&["o", "ne\ntw", "o", "\n", "\nfour", ""], 100), whole);
        assert!(cut(&[""], 100).is_empty());
    }

    #[test]
    fn a_line_over_the_limit_is_left_out_alone() {
        assert_eq!(cut(&["1234\n12345\n1", "2", "345\n", "ok"], 4), ["1234", "ok"]);
    }

    #[test]
    fn a_thread_reads_until_the_end() {
        let mut batches = read(&b"a\nb\nc"[..], 10);
        let mut lines = Vec::new();
        while let Some(batch) = batches.blocking_recv() {
            lines.extend(batch);
        }
        assert_eq!(lines, ["a", "b", "c"]);
    }
}
