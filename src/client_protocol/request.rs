//! What a client says.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use gms_core::{Gseq, Level};
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::reply::write_line;
use crate::operation::Operation;

/// One line of a client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request<'a> {
    #[serde(borrow)]
    Hello(HelloRequest<'a>),
    #[serde(borrow)]
    Send(SendRequest<'a>),
    Subscribe(SubscribeRequest),
    Status(StatusRequest),
    Operate(Operation),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HelloRequest<'a> {
    /// Version of the protocol that the client speaks.
    pub(crate) protocol: u32,
    /// What people call the client; for the server's log.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    /// Name of the group that the client means; a server of another one closes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Text<'a>>,
    /// For sending exactly once: [`super::NEW_SESSION`], or one that a server has given.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<Text<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest<'a> {
    /// The client's own number, for the answer.
    pub(crate) number: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload_base64: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<LevelName>,
    /// Reserved.
    #[serde(default, skip_serializing, deserialize_with = "no_subgroups")]
    #[allow(dead_code)]
    to: (),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscribeRequest {
    /// From this place of the order on; from now on when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Gseq>,
    /// The lineage that `from` belongs to; the server's own when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gid: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusRequest {}

/// Text of a line, borrowed from it unless it has escapes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// Delivery levels as clients name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LevelName {
    Agreed,
    Uniform,
    Stable,
}

impl<'a> HelloRequest<'a> {
    /// Only goes on in a session, or asks for one.
    pub(crate) fn for_session(protocol: u32, session: &'a str) -> Self {
        Self { protocol, name: None, group: None, session: Some(Text(session.into())) }
    }
}

impl<'a> SendRequest<'a> {
    /// As text when it is text, else as base64.
    pub(crate) fn new(number: u64, payload: &'a [u8], level: Option<Level>) -> Self {
        let text = std::str::from_utf8(payload).ok().map(|text| Text(text.into()));
        let base64 = text.is_none().then(|| Text(BASE64_STANDARD.encode(payload).into()));
        Self { number, payload: text, payload_base64: base64, level: level.map(LevelName::from), to: () }
    }

    /// The line of a `send` once more, with another number.
    pub(crate) fn renumber(line: &'a [u8], number: u64, out: impl Write) {
        if let Ok(Request::Send(send)) = serde_json::from_slice(line) {
            write_line(&Request::Send(Self { number, ..send }), out);
        }
    }

    /// The bytes to send, or why there are none.
    pub(crate) fn bytes(&self) -> Result<Bytes, String> {
        match (&self.payload, &self.payload_base64) {
            (Some(text), None) => Ok(Bytes::copy_from_slice(text.0.as_bytes())),
            (None, Some(text)) => BASE64_STANDARD
                .decode(text.0.as_bytes())
                .map(Bytes::from)
                .map_err(|error| format!("payload_base64 is not base64: {error}")),
            (None, None) => Err("no payload: give payload or payload_base64".to_owned()),
            (Some(_), Some(_)) => Err("two payloads: give payload or payload_base64, not both".to_owned()),
        }
    }
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Agreed => Self::Agreed,
            LevelName::Uniform => Self::Uniform,
            LevelName::Stable => Self::Stable,
        }
    }
}

impl From<Level> for LevelName {
    fn from(level: Level) -> Self {
        match level {
            Level::Agreed => Self::Agreed,
            Level::Uniform => Self::Uniform,
            Level::Stable => Self::Stable,
        }
    }
}

/// Ignoring it would deliver to all what is meant for some.
fn no_subgroups<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Err(D::Error::custom("`to` is not supported: this version has no subgroups, all members get every message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request<'_>, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    fn payload(line: &str) -> Result<Bytes, String> {
        match parse(line)? {
            Request::Send(send) => send.bytes(),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_payload_is_text_or_base64() {
        assert_eq!(payload(r#"{"send":{"number":1,"payload":"hé \"\n"}}"#), Ok("hé \"\n".into()));
        assert_eq!(payload(r#"{"send":{"number":1,"payload_base64":"/wA="}}"#), Ok(Bytes::from_static(b"\xff\0")));
        for (line, word) in [
            (r#"{"send":{"number":1}}"#, "no payload"),
            (r#"{"send":{"number":1,"payload":"","payload_base64":""}}"#, "not both"),
            (r#"{"send":{"number":1,"payload_base64":"?"}}"#, "not base64"),
        ] {
            assert!(payload(line).is_err_and(|error| error.contains(word)), "{line}");
        }
    }

    #[test]
    fn text_without_escapes_is_not_copied() {
        let Ok(Request::Send(send)) = parse(r#"{"send":{"number":1,"payload":"plain","level":"stable"}}"#) else {
            panic!("a send");
        };
        assert!(matches!(send.payload, Some(Text(Cow::Borrowed("plain")))), "{send:?}");
        assert_eq!(send.level, Some(LevelName::Stable));
    }

    #[test]
    fn what_is_not_known_is_refused_where_it_stands() {
        for (line, word, column) in [
            (r#"{"send":{"number":1,"payload":"x","to":["a"]}}"#, "no subgroups", 45),
            (r#"{"send":{"number":1,"payload":"x","too":1}}"#, "unknown field `too`", 39),
            (r#"{"sent":{}}"#, "unknown variant `sent`", 7),
            (r#"{"status":{},"subscribe":{}}"#, "expected", 12),
            (r#"{"send":{"number":-1}}"#, "invalid value", 20),
            ("nonsense", "expected", 1),
        ] {
            let error = serde_json::from_str::<Request<'_>>(line).expect_err(line);
            assert!(error.to_string().contains(word), "{line}: {error}");
            assert_eq!(error.column(), column, "{line}: {error}");
        }
    }

    #[test]
    fn what_clients_write_servers_read() {
        let line = serde_json::to_string(&Request::Send(SendRequest::new(7, b"a\xff", Some(Level::Agreed))));
        assert_eq!(line.expect("plain data"), r#"{"send":{"number":7,"payload_base64":"Yf8=","level":"agreed"}}"#);
        let subscribe = Request::Subscribe(SubscribeRequest { from: Some(3), gid: None });
        let line = serde_json::to_string(&subscribe).expect("plain data");
        assert_eq!(line, r#"{"subscribe":{"from":3}}"#);
        assert!(matches!(parse(&line), Ok(Request::Subscribe(SubscribeRequest { from: Some(3), gid: None }))));
        assert!(matches!(parse(r#"{"subscribe":{"from":null}}"#), Ok(Request::Subscribe(_))));
    }
}
