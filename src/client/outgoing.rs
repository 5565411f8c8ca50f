//! Messages on their way to the group: each keeps its number and its line until there is an answer, and is written anew
//! to every server that the client comes to.
//!
//! ```text
//!   first              written            reached
//!     │ have no answer yet │ not written here  │ never written
//!     ▼                    ▼                   ▼
//!   ──█████████████████████░░░░░░░░░░░░░░░░░░░░──▶ number
//! ```
//!
//! A session is *spent* when the group has forgotten it, or when a refused message has left a gap in it: what was
//! written in it is waited for, then the rest moves on into the next session. That is sound for messages if all their
//! copies have been answered; the others are given up, for an earlier copy may still be ordered, or may have been.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf, BufMut, BytesMut};
use gms_core::{Gid, Level};
use tokio::sync::oneshot;

use super::error::ClientError;
use crate::client_protocol::{
    Endpoint, HelloReply, HelloRequest, NEW_SESSION, PROTOCOL, Request, SendRequest, ServerStatus, StatusRequest,
    write_line,
};
use crate::sender::Ordered;

/// Tells one caller what became of its message.
pub(super) type Answer = oneshot::Sender<Result<Ordered, ClientError>>;

/// Bytes of lines that may wait to be written, at most (one line may exceed it).
const ROOM: usize = 256 << 10;
/// Bytes of lines that may wait for their answers, at most.
const UNANSWERED: usize = 4 << 20;

/// What another lineage has refused so often in a row will never be ordered there.
const REFUSED_ELSEWHERE: u32 = 3;

/// Everything that callers and the task that talks to the server share.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The lines of `messages`, one after the other; `offset` bytes are written to the present server.
    lines: BytesMut,
    offset: usize,
    /// By number, from `first` on.
    messages: VecDeque<Message>,
    first: u64,
    /// So many of them are written wholly, and `torn` bytes of the next.
    written: usize,
    torn: usize,
    /// The last number that was written in this session, to any server.
    reached: u64,
    session: Session,
    spent: bool,
    /// The highest message of it that was acknowledged, and in which lineage: that one has all before it, too.
    acknowledged: (u64, Gid),
    /// The lineage of the present server.
    here: Gid,
    /// How often in a row another lineage has refused the first message without an answer.
    refusals: u32,
    /// Lines that go before the next message.
    asides: BytesMut,
    statuses: VecDeque<oneshot::Sender<Result<ServerStatus, ClientError>>>,
    line_limit: usize,
    message_limit: usize,
    /// Whether the present server has had something ordered, and what it says when it takes nothing.
    served: bool,
    refusal: Option<String>,
    /// The present server, or the last.
    pub(super) server: Option<Endpoint>,
    /// Why there is no answer at present, as far as that is known.
    obstacle: Option<String>,
    /// Whether nothing was wanted of it at some time.
    pub(super) rested: bool,
    /// Nobody will ask for anything any more.
    pub(super) abandoned: bool,
    /// The task that talks to the server, when it sleeps.
    sleeper: Option<Waker>,
}

#[derive(Debug)]
struct Message {
    /// Bytes of its line.
    len: usize,
    /// `None`: it is settled.
    answer: Option<Answer>,
    /// A copy was written to a server that was lost.
    uncertain: bool,
    /// The copy here is not in the order and never will be.
    refused: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Session {
    None,
    Asked,
    Open(String),
}

impl Outgoing {
    pub(super) fn new() -> Self {
        Self {
            lines: BytesMut::new(),
            offset: 0,
            messages: VecDeque::new(),
            first: 1,
            written: 0,
            torn: 0,
            reached: 0,
            session: Session::None,
            spent: false,
            acknowledged: (0, Gid::NONE),
            here: Gid::NONE,
            refusals: 0,
            asides: BytesMut::new(),
            statuses: VecDeque::new(),
            line_limit: usize::MAX - 1,
            message_limit: usize::MAX,
            served: false,
            refusal: None,
            server: None,
            obstacle: None,
            rested: false,
            abandoned: false,
            sleeper: None,
        }
    }

    /// Whether another message is accepted.
    pub(super) fn has_room(&self) -> bool {
        self.lines.len() - self.offset < ROOM && self.lines.len() < UNANSWERED
    }

    /// Accepts a message.
    pub(super) fn accept(&mut self, answer: Answer, payload: &[u8], level: Option<Level>) -> Result<(), ClientError> {
        let limit = self.message_limit;
        if payload.len() > limit {
            let reason = format!("the message has {} bytes, the group's limit is {limit}", payload.len());
            return Err(ClientError::NotOrdered { reason });
        }
        let (start, number) = (self.lines.len(), self.first + self.messages.len() as u64);
        write_line(&Request::Send(SendRequest::new(number, payload, level)), (&mut self.lines).writer());
        let len = self.lines.len() - start;
        if self.is_too_long(len) {
            self.lines.truncate(start);
            return Err(ClientError::TooLarge { len: len - 1, limit: self.line_limit });
        }
        self.messages.push_back(Message { len, answer: Some(answer), uncertain: false, refused: false });
        self.ask_for_session();
        self.wake();
        Ok(())
    }

    /// The end of a line does not count.
    fn is_too_long(&self, len: usize) -> bool {
        len > self.line_limit + 1
    }

    /// Asks for the server's status.
    pub(super) fn ask(&mut self, answer: oneshot::Sender<Result<ServerStatus, ClientError>>) {
        self.statuses.push_back(answer);
        self.aside(&Request::Status(StatusRequest {}));
        self.wake();
    }

    fn aside(&mut self, request: &Request<'_>) {
        write_line(request, (&mut self.asides).writer());
    }

    fn ask_for_session(&mut self) {
        if self.session == Session::None && !self.messages.is_empty() {
            self.session = Session::Asked;
            self.say_session(NEW_SESSION);
        }
    }

    fn say_session(&mut self, session: &str) {
        self.aside(&Request::Hello(HelloRequest::for_session(PROTOCOL, session)));
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
        if self.torn == 0 && !self.asides.is_empty() {
            return &self.asides;
        }
        match self.session {
            Session::Open(_) if self.spent => {
                let old = (self.reached + 1 - self.first) as usize;
                let end = self.messages.iter().take(old).map(|message| message.len).sum();
                &self.lines[self.offset.min(end)..end]
            }
            Session::Open(_) => &self.lines[self.offset..],
            Session::None | Session::Asked => &[],
        }
    }

    /// So many bytes of them were written.
    pub(super) fn advance(&mut self, count: usize) {
        if self.torn == 0 && !self.asides.is_empty() {
            return self.asides.advance(count);
        }
        self.offset += count;
        self.torn += count;
        while let Some(message) = self.messages.get(self.written).filter(|message| self.torn >= message.len) {
            self.torn -= message.len;
            self.written += 1;
        }
        self.reached = self.reached.max(self.first + self.written as u64 - 1);
    }

    /// The server has given a session, or knows the one it was told.
    pub(super) fn opened(&mut self, session: String) {
        self.session = Session::Open(session);
    }

    /// What became of message `number`.
    pub(super) fn settle(&mut self, number: u64, outcome: Result<Ordered, ClientError>) {
        self.served |= matches!(outcome, Ok(_) | Err(ClientError::PlaceForgotten));
        if let Some(answer) = self.message(number).and_then(|message| message.answer.take()) {
            // A caller that stopped waiting does not want to know.
            let _ = answer.send(outcome);
        }
        while let Some(message) = self.messages.pop_front_if(|message| message.answer.is_none()) {
            self.first += 1;
            self.lines.advance(message.len);
            // What is refused before it is written has not been counted.
            if self.written > 0 {
                self.written -= 1;
                self.offset -= message.len;
            }
        }
    }

    fn message(&mut self, number: u64) -> Option<&mut Message> {
        let index = number.checked_sub(self.first)?;
        self.messages.get_mut(index as usize)
    }

    /// The copy here of message `number` is not in the order, but the message may be sent again. True when it is in the
    /// session it has; otherwise that is spent.
    pub(super) fn refused(&mut self, number: u64) -> bool {
        let spent = self.spent;
        let Some(message) = self.message(number) else { return false };
        if spent && message.uncertain {
            self.settle(number, Err(ClientError::SessionExpired));
        } else {
            message.refused = true;
        }
        !spent
    }

    /// Message `number` was acknowledged in this lineage.
    pub(super) fn acknowledged(&mut self, number: u64, gid: Gid) {
        self.refusals = 0;
        if number >= self.acknowledged.0 {
            self.acknowledged = (number, gid);
        }
    }

    /// The server is in this lineage.
    pub(super) fn is_in(&mut self, gid: Gid) {
        self.here = gid;
    }

    /// Message `number` was refused for now: whether it always will be, because the server is in another lineage than
    /// the one that has all that was acknowledged. That may be so when an operator has made two of one.
    pub(super) fn is_lost_here(&mut self, number: u64) -> bool {
        let (_, there) = self.acknowledged;
        let elsewhere = self.here != Gid::NONE && there != Gid::NONE && self.here != there;
        self.refusals = if elsewhere && number == self.first { self.refusals + 1 } else { 0 };
        self.refusals >= REFUSED_ELSEWHERE
    }

    /// The group does not know the session of message `number` any more.
    pub(super) fn expired(&mut self, number: u64) {
        self.spend();
        self.refused(number);
    }

    /// Message `number` is refused for ever: the session has a gap.
    pub(super) fn refused_for_ever(&mut self, number: u64, error: ClientError) {
        self.spend();
        self.settle(number, Err(error));
    }

    fn spend(&mut self) {
        if !self.spent {
            self.spent = true;
            // A line that is begun has to be ended.
            self.reached = self.reached.max(self.first + self.written as u64 - 1 + u64::from(self.torn > 0));
        }
    }

    /// Goes on in another session once all that was written in a spent one is answered.
    pub(super) fn renew(&mut self) {
        let old = (self.reached + 1).saturating_sub(self.first) as usize;
        if self.spent && self.messages.iter().take(old).all(|message| message.answer.is_none() || message.refused) {
            self.begin_session();
        }
    }

    /// Numbers what is left from 1 on.
    fn begin_session(&mut self) {
        let mut rest = std::mem::take(&mut self.lines);
        let left = std::mem::take(&mut self.messages);
        (self.first, self.offset, self.written, self.torn, self.reached) = (1, 0, 0, 0, 0);
        (self.session, self.spent) = (Session::None, false);
        (self.acknowledged, self.refusals) = ((0, Gid::NONE), 0);
        for Message { len, answer, .. } in left {
            let line = rest.split_to(len);
            let Some(answer) = answer else { continue };
            let start = self.lines.len();
            let number = self.messages.len() as u64 + 1;
            SendRequest::renumber(&line, number, (&mut self.lines).writer());
            let len = self.lines.len() - start;
            self.messages.push_back(Message { len, answer: Some(answer), uncertain: false, refused: false });
        }
        self.ask_for_session();
    }

    /// The server says that it takes nothing more, and why.
    pub(super) fn turned_away(&mut self, reason: String) {
        self.refusal = Some(reason);
    }

    /// Why the server that was left last was of no use at all, if it has said so.
    pub(super) fn take_refusal(&mut self) -> Option<String> {
        let served = std::mem::take(&mut self.served);
        self.refusal.take().filter(|_| !served)
    }

    /// A status has arrived.
    pub(super) fn tell_status(&mut self, status: ServerStatus) {
        if let Some(answer) = self.statuses.pop_front() {
            let _ = answer.send(Ok(status));
        }
    }

    /// Why there is no answer at present.
    pub(super) fn set_obstacle(&mut self, why: Option<String>) {
        self.obstacle = why;
    }

    /// That, as it was told last.
    pub(super) fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// A server is there, with these limits. Whatever has no answer is written to it.
    pub(super) fn connected(&mut self, hello: &HelloReply) {
        self.obstacle = None;
        self.here = hello.gid;
        (self.line_limit, self.message_limit) = (hello.line_limit, hello.message_limit as usize);
        self.rested = false;
        // Whatever was to be asked is asked here.
        self.asides.clear();
        if self.session == Session::Asked {
            self.session = Session::None;
        }
        for _ in 0..self.statuses.len() {
            self.aside(&Request::Status(StatusRequest {}));
        }
        if self.messages.iter().any(|message| self.is_too_long(message.len)) {
            self.drop_too_long();
        }
        if let Session::Open(session) = &self.session {
            let session = session.clone();
            self.say_session(&session);
        }
        self.ask_for_session();
    }

    /// Without some of its messages, the session cannot go on.
    fn drop_too_long(&mut self) {
        let limit = self.line_limit;
        for number in self.first..self.first + self.messages.len() as u64 {
            let Some(message) = self.message(number) else { continue };
            let (len, uncertain) = (message.len, message.uncertain);
            if uncertain {
                self.settle(number, Err(ClientError::Unknown));
            } else if self.is_too_long(len) {
                self.settle(number, Err(ClientError::TooLarge { len: len - 1, limit }));
            }
        }
        self.begin_session();
    }

    /// The server is lost: what was written to it wholly may be in the order or not.
    pub(super) fn lost(&mut self) {
        for message in self.messages.iter_mut().take(self.written) {
            message.uncertain |= !std::mem::take(&mut message.refused);
        }
        (self.offset, self.written, self.torn) = (0, 0, 0);
        self.obstacle = Some("the server is lost, and no other has been found yet".to_owned());
    }

    /// Nobody waits any longer: what was not written to any server is sent to none.
    pub(super) fn time_out(&mut self) {
        let written = self.written;
        for (index, mut message) in std::mem::take(&mut self.messages).into_iter().enumerate() {
            let is_out = message.uncertain || (index < written && !message.refused);
            let told = match is_out {
                true => ClientError::Unknown,
                false => ClientError::NotOrdered { reason: "the time was over before it was sent".to_owned() },
            };
            if let Some(answer) = message.answer.take() {
                let _ = answer.send(Err(told));
            }
        }
        self.statuses.clear();
        self.begin_session();
        self.abandoned = true;
        self.wake();
    }

    /// No server was found: what was never written was sent to nobody.
    pub(super) fn give_up(&mut self, error: &ClientError) {
        for mut message in std::mem::take(&mut self.messages) {
            let told = if message.uncertain { ClientError::Unknown } else { error.clone() };
            if let Some(answer) = message.answer.take() {
                let _ = answer.send(Err(told));
            }
        }
        for answer in self.statuses.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        self.lines.clear();
        self.begin_session();
    }

    /// Whether somebody waits for something.
    pub(super) fn is_busy(&self) -> bool {
        !self.messages.is_empty() || !self.statuses.is_empty()
    }
}

#[cfg(test)]
mod tests;
