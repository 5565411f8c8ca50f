//! What a connection does about each line.

use gms_core::{Addressing, SESSION_HOLD, SESSION_OPEN, SessionNumber};

use super::connection::Connection;
use super::ledger::Asked;
use crate::client_protocol::{Closed, HelloRequest, Located, NotOrderedReply, PROTOCOL, Reply, Request, SendRequest};
use crate::operation::Operation;
use crate::submission::Submission;

impl Connection {
    pub(super) fn handle_line(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(Request::Send(send)) => self.send(&send),
            Ok(Request::Subscribe(subscribe)) => self.subscribe(subscribe.from, subscribe.gid.as_deref()),
            Ok(Request::Status(_)) => {
                let status = self.shared.status();
                self.reply(&Reply::Status(&status));
            }
            Ok(Request::Operate(operation)) => self.operate(operation),
            Ok(Request::Hello(hello)) => self.hello(&hello),
            // Whatever follows was written by a web page, which any site can have a browser on this host send.
            Err(_) if is_http(line) => {
                tracing::warn!(client = self.name, "closing: a web browser, or another client of HTTP");
                self.finish("this is HTTP, which no server of a group speaks: use gms-cli, or one JSON object a line");
            }
            Err(error) => {
                let text = error.to_string();
                let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned();
                self.reply(&Reply::Error(Located { position: error.column(), reason }));
            }
        }
    }

    fn send(&mut self, send: &SendRequest<'_>) {
        let number = send.number;
        let limit = self.shared.message_limit as usize;
        let payload = send.bytes().and_then(|payload| match payload.len() {
            len if len > limit => Err(format!("the message has {len} bytes, the group's limit is {limit}")),
            _ if self.session.is_some() && number == SESSION_OPEN => {
                Err("the numbers of a session begin with 1".to_owned())
            }
            _ if self.session.is_some() && number >= SESSION_HOLD => {
                Err(format!("the numbers of a session end before {SESSION_HOLD}"))
            }
            _ => Ok(payload),
        });
        match payload {
            Ok(payload) => {
                let level = send.level.map_or(self.shared.level, Into::into);
                let session = self.session.map(|session| SessionNumber { session, number });
                let addressing = Addressing { session, ..Addressing::default() };
                self.waiting
                    .push_back((Asked::Message(number), Submission { payload, level, addressing, receipt: None }));
            }
            Err(reason) => self.reply(&Reply::NotOrdered(NotOrderedReply { number, reason, again: false })),
        }
    }

    /// Nobody is known to be an operator: a server that can be reached from other hosts is `insecure`, and takes their
    /// orders, too.
    fn operate(&mut self, operation: Operation) {
        let reply = match operation.check(&self.shared.mailbox.status()) {
            Ok(()) => {
                tracing::warn!(client = self.name, ?operation, "an operator's order");
                self.shared.mailbox.operate(operation);
                Reply::Operated {}
            }
            Err(error) => Reply::Refused(Closed { reason: error.to_string() }),
        };
        self.reply(&reply);
    }

    fn hello(&mut self, hello: &HelloRequest<'_>) {
        if let Some(name) = &hello.name {
            self.name = format!("{} ({:?})", self.origin, name.0.chars().take(64).collect::<String>());
        }
        tracing::debug!(client = self.name, "hello");
        if hello.protocol != PROTOCOL {
            let theirs = hello.protocol;
            self.finish(format!("this server speaks version {PROTOCOL} of the client protocol, not {theirs}"));
            return;
        }
        if let Some(theirs) = hello.group.as_ref().filter(|group| group.0 != self.shared.group) {
            self.finish(format!("this server belongs to group '{}', not '{}'", self.shared.group, theirs.0));
            return;
        }
        match &hello.session {
            Some(session) => self.begin_session(&session.0),
            None => {
                self.leave_session();
                self.say_hello();
            }
        }
    }
}

/// Whether a line is the first of a request over HTTP.
fn is_http(line: &[u8]) -> bool {
    let Some(start) = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next() else { return false };
    start.strip_prefix(b"HTTP/").is_some_and(|version| version.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.')))
}
