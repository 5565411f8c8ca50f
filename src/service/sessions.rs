//! Sessions of clients at this server: the messages of one are delivered once, through whichever servers they come. The
//! group knows which server holds a session, and forgets none whose client is connected.

use std::collections::{HashMap, VecDeque};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard};

use gms_core::{Addressing, Level, Outcome, SESSION_HOLD, SESSION_OPEN, SESSION_RELEASE, SessionNumber};

use tokio::sync::oneshot;

use super::connection::Connection;
use super::ledger::Asked;
use super::outbox::Outbox;
use crate::client_protocol::{HelloReply, NEW_SESSION, PROTOCOL, Reply};
use crate::mailbox::Mailbox;
use crate::submission::{Party, Receipt, Submission};

/// Which connection each session goes through.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    connections: HashMap<u128, Arc<Outbox>>,
    /// Held by this server without a connection: the group has not been told yet.
    left: VecDeque<u128>,
}

impl Sessions {
    /// From here on the session goes through this connection; the one before ends.
    fn enter(&self, session: u128, connection: &Arc<Outbox>) {
        let mut table = self.lock();
        table.left.retain(|left| *left != session);
        let before = table.connections.insert(session, connection.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, connection)) {
            before.supersede();
        }
    }

    fn leave(&self, session: u128, connection: &Arc<Outbox>) {
        let mut table = self.lock();
        if table.connections.get(&session).is_some_and(|present| Arc::ptr_eq(present, connection)) {
            table.connections.remove(&session);
            table.left.push_back(session);
        }
    }

    /// Releases those that have been left, as far as the group has room: under the lock, so that a client that enters
    /// one again holds it after that.
    fn release(&self, mailbox: &Mailbox) {
        let mut table = self.lock();
        while let Some(session) = table.left.front() {
            // What becomes of it is for nobody.
            let receipt = Some(Receipt { answer: oneshot::channel().0, party: Party::present() });
            let release = Submission { receipt, ..notice(*session, SESSION_RELEASE) };
            let Ok((Some(_), None)) = mailbox.submit(release, &mut iter::empty(), None) else { return };
            table.left.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What the group is told of a session, beside its messages.
fn notice(session: u128, number: u64) -> Submission {
    let addressing = Addressing { session: Some(SessionNumber { session, number }), ..Addressing::default() };
    Submission { payload: Default::default(), level: Level::Uniform, addressing, receipt: None }
}

impl Connection {
    /// Begins a session, new or resumed, as `hello` asked for.
    pub(super) fn begin_session(&mut self, asked: &str) {
        self.leave_session();
        if asked == NEW_SESSION {
            return self.open_session();
        }
        match u128::from_str_radix(asked, 16) {
            Ok(session) if asked.len() == 32 => {
                self.enter_session(session);
                self.waiting.push_back((Asked::Hold, notice(session, SESSION_HOLD)));
                self.say_hello();
            }
            _ => self
                .finish(format!("a session is '{NEW_SESSION}', or 32 hexadecimal digits as a server has given them")),
        }
    }

    /// The group has to know a session before its first message; until then the client waits for its `hello`.
    fn open_session(&mut self) {
        let (Ok(high), Ok(low)) = (getrandom::u64(), getrandom::u64()) else {
            return self.finish("this server cannot draw a random number: try another");
        };
        let session = u128::from(high) << 64 | u128::from(low);
        self.enter_session(session);
        self.opening = true;
        self.waiting.push_back((Asked::Session, notice(session, SESSION_OPEN)));
    }

    /// The answer to the opening of a session, if there is one now.
    pub(super) fn settle_opening(&mut self) {
        match self.outbox.take_opened() {
            Some(Outcome::Ordered { .. }) => {
                self.opening = false;
                self.say_hello();
            }
            Some(Outcome::SessionExpired) => self.refuse_opening(
                "the group has as many open sessions as it can remember: begin one when other clients have gone",
            ),
            Some(_) => self.refuse_opening("this server cannot open a session now: begin it at another"),
            None => {}
        }
    }

    pub(super) fn refuse_opening(&mut self, reason: impl Into<String>) {
        self.opening = false;
        self.finish(reason);
    }

    fn enter_session(&mut self, session: u128) {
        self.session = Some(session);
        self.shared.sessions.enter(session, &self.outbox);
    }

    pub(super) fn leave_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.shared.sessions.leave(session, &self.outbox);
        }
        // Also those for which there was no room before.
        self.shared.sessions.release(&self.shared.mailbox);
    }

    pub(super) fn say_hello(&mut self) {
        let gid = self.shared.ledger().lineage();
        self.reply(&Reply::Hello(HelloReply {
            protocol: PROTOCOL,
            id: self.shared.mailbox.status().uid.node.0,
            gid,
            line_limit: self.shared.line_limit,
            message_limit: self.shared.message_limit,
            session: self.session.map(|session| format!("{session:032x}")),
            sessions: true,
        }));
    }
}
