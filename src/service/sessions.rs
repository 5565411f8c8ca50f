//! Sessions of clients at this server: the messages of one are delivered once, through whichever servers they come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use gms_core::{Addressing, Level, SessionNumber};

use super::connection::Connection;
use super::ledger::Asked;
use super::outbox::Outbox;
use crate::client_protocol::{HelloReply, NEW_SESSION, PROTOCOL, Reply};
use crate::submission::Submission;

/// Which connection each session goes through.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<u128, Arc<Outbox>>>);

impl Sessions {
    /// From here on the session goes through this connection; the one before ends.
    fn enter(&self, session: u128, connection: &Arc<Outbox>) {
        let before = self.lock().insert(session, connection.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, connection)) {
            before.supersede();
        }
    }

    fn leave(&self, session: u128, connection: &Arc<Outbox>) {
        let mut sessions = self.lock();
        if sessions.get(&session).is_some_and(|present| Arc::ptr_eq(present, connection)) {
            sessions.remove(&session);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Arc<Outbox>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
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
        let addressing = Addressing { session: Some(SessionNumber { session, number: 0 }), ..Addressing::default() };
        let submission = Submission { payload: Default::default(), level: Level::Uniform, addressing, receipt: None };
        self.waiting.push_back((Asked::Session, submission));
    }

    /// The answer to the opening of a session, if there is one now.
    pub(super) fn settle_opening(&mut self) {
        match self.outbox.take_opened() {
            Some(true) => {
                self.opening = false;
                self.say_hello();
            }
            Some(false) => self.refuse_opening("this server cannot open a session now: begin it at another"),
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
    }

    pub(super) fn say_hello(&mut self) {
        self.reply(&Reply::Hello(HelloReply {
            protocol: PROTOCOL,
            id: self.shared.mailbox.status().uid.node.0,
            line_limit: self.shared.line_limit,
            message_limit: self.shared.message_limit,
            session: self.session.map(|session| format!("{session:032x}")),
            sessions: true,
        }));
    }
}
