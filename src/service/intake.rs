//! What comes in at one connection: as much as the group and the client keep up with.

use std::io;
use std::iter;
use std::task::{Context, Poll};

use gms_core::SESSION_WINDOW;

use super::connection::{Connection, OUTPUT_LIMIT, Phase};
use super::large_line::{ALLOWANCE, LargeLine};
use super::ledger::Asked;
use crate::client_protocol::{Located, NotOrderedReply, Reply};
use crate::error::SendError;

/// Messages of one client without an outcome, at most: the places of so many are remembered for its session.
const WINDOW: usize = SESSION_WINDOW as usize;

impl Connection {
    /// Takes requests in as far as the group and the client keep up. True when something came in.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = self.handle_lines();
        // While a message waits for room in the group, what comes after it stays in the socket.
        if !self.keeps_up() || !self.waiting.is_empty() || self.ended_input || progress {
            self.large_line.excuse();
            return Ok(progress);
        }
        if self.input.len() < ALLOWANCE {
            self.large_line = LargeLine::None;
        } else if !self.large_line.poll_turn(&self.shared.large_lines, cx) {
            return Ok(progress);
        }
        if let Poll::Ready(read) = self.stream.poll_read(cx, self.input.space(!self.large_line.has_turn())) {
            let read = read?;
            self.ended_input = read == 0;
            self.handle_lines();
            self.input.settle(read);
            progress = true;
        } else if self.large_line.is_late(self.shared.grace, cx) {
            let within = self.shared.grace.as_millis();
            self.close_at_once(format!(
                "the end of a line of more than {ALLOWANCE} bytes has to come within {within} ms"
            ));
            progress = true;
        }
        Ok(progress)
    }

    /// What has come of the line that is being read is wanted no more.
    fn close_at_once(&mut self, reason: String) {
        tracing::info!(client = self.name, "closing: {reason}");
        self.input.clear();
        self.large_line = LargeLine::None;
        self.finish(reason);
    }

    fn keeps_up(&self) -> bool {
        matches!(self.phase, Phase::Serving)
            && self.waiting.len() + self.in_flight < WINDOW
            && self.output.len() < OUTPUT_LIMIT
            && !self.opening
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
                    self.close_at_once(reason);
                }
            }
        }
        progress
    }

    /// Hands waiting messages to the group. True when some were taken or refused.
    pub(super) fn submit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((what, first)) = self.waiting.pop_front() else { return false };
        let mut asked = vec![what];
        let mut more = iter::from_fn(|| {
            let (what, submission) = self.waiting.pop_front()?;
            asked.push(what);
            Some(submission)
        });
        // The outcome of a message cannot be looked up before its number is entered: that takes the ledger too.
        let mut ledger = self.shared.ledger();
        let accepted = match ledger.refusal() {
            Some(reason) => Err(reason.to_owned()),
            None => self.shared.mailbox.submit(first, &mut more, Some(cx.waker())).map_err(|error| reason(&error)),
        };
        let (last, turned_back) = match accepted {
            Ok(accepted) => accepted,
            Err(reason) => {
                drop(ledger);
                asked.extend(self.waiting.drain(..).map(|(what, _)| what));
                self.refuse(asked, &reason);
                return true;
            }
        };
        if let Some(submission) = turned_back
            && let Some(what) = asked.pop()
        {
            self.waiting.push_front((what, submission));
        }
        let Some(last) = last else { return false };
        self.in_flight += asked.len();
        ledger.enter(last + 1 - asked.len() as u64, asked, self.outbox.clone());
        true
    }

    /// Nothing of it is sent here.
    fn refuse(&mut self, asked: Vec<Asked>, reason: &str) {
        for what in asked {
            match what {
                Asked::Message(number) => {
                    let reason = reason.to_owned();
                    self.reply(&Reply::NotOrdered(NotOrderedReply { number, reason, again: true }));
                }
                Asked::Session | Asked::Hold => self.refuse_opening(reason),
            }
        }
    }
}

/// Why the group takes nothing.
fn reason(error: &SendError) -> String {
    match error {
        SendError::Blocked(why) => format!("this server is blocked: {why}: send through another"),
        _ => "this server is leaving the group or has left it: send through another".to_owned(),
    }
}
