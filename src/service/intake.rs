//! What comes in at one connection: as much as the group and the client keep up with.

use std::io;
use std::iter;
use std::task::{Context, Poll};

use super::connection::{Connection, OUTPUT_LIMIT, Phase};
use crate::client_protocol::{Located, NotOrderedReply, Reply};

/// Messages of one client without an outcome, at most.
const WINDOW: usize = 4096;

impl Connection {
    /// Takes requests in as far as the group and the client keep up. True when something came in.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = self.handle_lines();
        // While a message waits for room in the group, what comes after it stays in the socket.
        if !self.keeps_up() || !self.waiting.is_empty() || self.ended_input || progress {
            return Ok(progress);
        }
        if let Poll::Ready(read) = self.stream.poll_read(cx, self.input.space()) {
            let read = read?;
            self.ended_input = read == 0;
            self.handle_lines();
            self.input.settle(read);
            progress = true;
        }
        Ok(progress)
    }

    fn keeps_up(&self) -> bool {
        matches!(self.phase, Phase::Serving)
            && self.waiting.len() + self.in_flight < WINDOW
            && self.output.len() < OUTPUT_LIMIT
    }

    /// Handles the lines that have been read; true when there were any.
    fn handle_lines(&mut self) -> bool {
        let mut progress = false;
        while self.keeps_up() {
            match self.input.next_line() {
                Ok(Some(line)) => {
                    self.handle_line(&line);
                    progress = true;
                }
                Ok(None) => break,
                Err(_) => {
                    let limit = self.shared.line_limit;
                    let reason = format!("a line has at most {limit} bytes here: send less at once");
                    self.reply(&Reply::Error(Located { position: limit + 1, reason: reason.clone() }));
                    tracing::info!(client = self.name, "closing: a line is over the limit");
                    self.finish(reason);
                }
            }
        }
        progress
    }

    /// Hands waiting messages to the group. True when some were taken or refused.
    pub(super) fn submit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((number, first)) = self.waiting.pop_front() else { return false };
        let mut numbers = vec![number];
        let mut more = iter::from_fn(|| {
            let (number, submission) = self.waiting.pop_front()?;
            numbers.push(number);
            Some(submission)
        });
        // The outcome of a message cannot be looked up before its number is entered: that takes the ledger too.
        let mut ledger = self.shared.ledger();
        let accepted = match ledger.is_closed() {
            true => Err(()),
            false => self.shared.mailbox.submit(first, &mut more, Some(cx.waker())).map_err(|_| ()),
        };
        let Ok((last, turned_back)) = accepted else {
            drop(ledger);
            numbers.extend(self.waiting.drain(..).map(|(number, _)| number));
            for number in numbers {
                let reason = "this server is leaving the group or has left it: send through another".to_owned();
                self.reply(&Reply::NotOrdered(NotOrderedReply { number, reason, again: true }));
            }
            return true;
        };
        if let Some(submission) = turned_back
            && let Some(number) = numbers.pop()
        {
            self.waiting.push_front((number, submission));
        }
        let Some(last) = last else { return false };
        self.in_flight += numbers.len();
        ledger.enter(last + 1 - numbers.len() as u64, numbers, self.outbox.clone());
        true
    }
}
