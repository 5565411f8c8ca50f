//! Messages on their way to a server: what waits to be written, and what waits for its answer.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, BytesMut};
use tokio::sync::oneshot;

use super::error::ClientError;
use crate::client_protocol::ServerStatus;
use crate::group::Ordered;

/// Tells one caller what became of its message.
pub(super) type Answer = oneshot::Sender<Result<Ordered, ClientError>>;

/// Bytes of lines that may wait to be written, at most (one line may exceed it).
const ROOM: usize = 256 << 10;

/// Everything that callers and the task that talks to the server share.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Whole lines, in order; of the first of them, `offset` bytes are written.
    lines: BytesMut,
    sizes: VecDeque<Line>,
    offset: usize,
    /// By number, from `first` on: messages without an answer yet.
    answers: VecDeque<Option<Answer>>,
    first: u64,
    /// The last message that was written wholly: it and those before it may have been sent.
    written: u64,
    statuses: VecDeque<oneshot::Sender<Result<ServerStatus, ClientError>>>,
    line_limit: usize,
    /// Nobody will ask for anything any more.
    pub(super) abandoned: bool,
    /// The task that talks to the server, when it sleeps.
    sleeper: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    len: usize,
    /// `None`: a question, which is asked anew when the server is lost.
    number: Option<u64>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            lines: BytesMut::new(),
            sizes: VecDeque::new(),
            offset: 0,
            answers: VecDeque::new(),
            first: 1,
            written: 0,
            statuses: VecDeque::new(),
            line_limit: usize::MAX - 1,
            abandoned: false,
            sleeper: None,
        }
    }

    /// Whether another message is accepted.
    pub(super) fn has_room(&self) -> bool {
        self.lines.len() < ROOM
    }

    /// Accepts a message; `write` is given its number and appends its line.
    pub(super) fn accept(&mut self, answer: Answer, write: impl FnOnce(u64, &mut BytesMut)) -> Result<(), ClientError> {
        let number = self.first + self.answers.len() as u64;
        let start = self.lines.len();
        write(number, &mut self.lines);
        let len = self.lines.len() - start;
        // Its end does not count.
        if len > self.line_limit + 1 {
            self.lines.truncate(start);
            return Err(ClientError::TooLarge { len: len - 1, limit: self.line_limit });
        }
        self.answers.push_back(Some(answer));
        self.sizes.push_back(Line { len, number: Some(number) });
        self.wake();
        Ok(())
    }

    /// Asks for the server's status with this line.
    pub(super) fn ask(&mut self, line: &[u8], answer: oneshot::Sender<Result<ServerStatus, ClientError>>) {
        self.statuses.push_back(answer);
        self.append(line, None);
    }

    fn append(&mut self, line: &[u8], number: Option<u64>) {
        self.lines.extend_from_slice(line);
        self.sizes.push_back(Line { len: line.len(), number });
        self.wake();
    }

    /// Whom to wake when there is something to do.
    pub(super) fn sleep(&mut self, waker: &Waker) {
        self.sleeper = Some(waker.clone());
    }

    pub(super) fn wake(&mut self) {
        if let Some(sleeper) = self.sleeper.take() {
            sleeper.wake();
        }
    }

    /// Bytes to write next.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.lines[self.offset..]
    }

    /// So many bytes were written.
    pub(super) fn advance(&mut self, count: usize) {
        self.offset += count;
        while let Some(line) = self.sizes.front()
            && self.offset >= line.len
        {
            self.written = line.number.unwrap_or(self.written);
            self.offset -= line.len;
            self.lines.advance(line.len);
            self.sizes.pop_front();
        }
    }

    /// What became of message `number`.
    pub(super) fn settle(&mut self, number: u64, outcome: Result<Ordered, ClientError>) {
        let index = number.checked_sub(self.first).map(|index| index as usize);
        let answer = index.and_then(|index| self.answers.get_mut(index)).and_then(Option::take);
        if let Some(answer) = answer {
            // Whoever stopped waiting does not want to know.
            let _ = answer.send(outcome);
        }
        while let Some(None) = self.answers.front() {
            self.answers.pop_front();
            self.first += 1;
        }
    }

    /// A status has arrived.
    pub(super) fn tell_status(&mut self, status: ServerStatus) {
        if let Some(answer) = self.statuses.pop_front() {
            let _ = answer.send(Ok(status));
        }
    }

    /// A server is there that takes lines of so many bytes. Questions are asked again, with this line.
    pub(super) fn connected(&mut self, line_limit: usize, question: &[u8]) {
        self.line_limit = line_limit;
        self.keep(|line| line.number.is_some() && line.len <= line_limit + 1);
        for _ in 0..self.statuses.len() {
            self.append(question, None);
        }
    }

    /// The server is lost: what was written wholly is unknown, the rest waits for the next one.
    pub(super) fn lost(&mut self) {
        self.offset = 0;
        for number in self.first..=self.written {
            self.settle(number, Err(ClientError::Unknown));
        }
        self.keep(|line| line.number.is_some());
    }

    /// Drops the other lines; what they would have sent is too large.
    fn keep(&mut self, wanted: impl Fn(&Line) -> bool) {
        if self.sizes.iter().all(&wanted) {
            return;
        }
        let mut rest = std::mem::take(&mut self.lines);
        for line in std::mem::take(&mut self.sizes) {
            let text = rest.split_to(line.len);
            if wanted(&line) {
                self.append(&text, line.number);
            } else if let Some(number) = line.number {
                self.settle(number, Err(ClientError::TooLarge { len: line.len - 1, limit: self.line_limit }));
            }
        }
    }

    /// No server was found: what waits was sent to nobody.
    pub(super) fn give_up(&mut self, error: &ClientError) {
        self.lines.clear();
        self.sizes.clear();
        self.first += self.answers.len() as u64;
        for answer in self.answers.drain(..).flatten() {
            let _ = answer.send(Err(error.clone()));
        }
        for answer in self.statuses.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Whether somebody waits for something.
    pub(super) fn is_busy(&self) -> bool {
        !self.answers.is_empty() || !self.statuses.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = oneshot::Receiver<Result<Ordered, ClientError>>;

    fn accept(outgoing: &mut Outgoing, payload: &str) -> Result<Outcome, ClientError> {
        let (answer, outcome) = oneshot::channel();
        let write = |number, line: &mut BytesMut| line.extend_from_slice(format!("{number} {payload}\n").as_bytes());
        outgoing.accept(answer, write)?;
        Ok(outcome)
    }

    #[test]
    fn what_was_written_wholly_is_unknown_and_the_rest_waits() {
        let mut outgoing = Outgoing::new();
        outgoing.connected(100, b"?\n");
        let mut outcomes: Vec<Outcome> = ["a", "b", "c"].map(|p| accept(&mut outgoing, p).expect("fits")).into();
        let (answer, _status) = oneshot::channel();
        outgoing.ask(b"?\n", answer);
        assert_eq!(outgoing.unwritten(), b"1 a\n2 b\n3 c\n?\n");
        outgoing.advance(6);
        let ordered = Ordered { gseq: 9, view: 1 };
        outgoing.settle(1, Ok(ordered));
        assert_eq!(outcomes[0].try_recv(), Ok(Ok(ordered)));
        outgoing.lost();
        assert!(outcomes[1].try_recv().is_err(), "a torn line was not sent");
        outgoing.connected(100, b"?\n");
        assert_eq!(outgoing.unwritten(), b"2 b\n3 c\n?\n");
        outgoing.advance(4);
        outgoing.lost();
        assert_eq!(outcomes[1].try_recv(), Ok(Err(ClientError::Unknown)));
        assert_eq!(outgoing.unwritten(), b"3 c\n");
        let error = ClientError::NoServer { tried: "all".into() };
        outgoing.give_up(&error);
        assert_eq!(outcomes[2].try_recv(), Ok(Err(error)));
        assert!(!outgoing.is_busy() && outgoing.unwritten().is_empty());
        let mut late = accept(&mut outgoing, "d").expect("fits");
        assert_eq!(outgoing.unwritten(), b"4 d\n");
        outgoing.settle(4, Ok(ordered));
        assert_eq!(late.try_recv(), Ok(Ok(ordered)));
    }

    #[test]
    fn a_line_over_the_limit_is_refused_at_once_or_when_the_limit_is_known() {
        let mut outgoing = Outgoing::new();
        let (mut small, mut large) = (accept(&mut outgoing, "ab").unwrap(), accept(&mut outgoing, "abcdef").unwrap());
        outgoing.connected(5, b"?\n");
        assert_eq!(outgoing.unwritten(), b"1 ab\n");
        assert!(small.try_recv().is_err());
        assert_eq!(large.try_recv(), Ok(Err(ClientError::TooLarge { len: 8, limit: 5 })));
        let error = accept(&mut outgoing, "abcdef").expect_err("too large");
        assert_eq!(error, ClientError::TooLarge { len: 8, limit: 5 });
    }
}
