//! A server's line as a client reads it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::event_line::Reason;
use super::reply::{
    Closed, HelloReply, Located, NotOrderedReply, OrderedReply, ServerStatus, Subscribed, UnknownReply,
};
use super::request::Text;
use crate::client::{Delivery, Dissolution, Gap, Update, ViewSeen};

/// Whatever a line may hold; keys of later versions are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Incoming<'a> {
    pub(crate) hello: Option<HelloReply>,
    pub(crate) ordered: Option<OrderedReply>,
    pub(crate) not_ordered: Option<NotOrderedReply>,
    pub(crate) unknown: Option<UnknownReply>,
    pub(crate) session_expired: Option<UnknownReply>,
    pub(crate) subscribed: Option<Subscribed>,
    pub(crate) status: Option<ServerStatus>,
    pub(crate) blocked: Option<Closed>,
    pub(crate) unblocked: Option<Unblocked>,
    pub(crate) error: Option<Located>,
    pub(crate) closed: Option<Closed>,

    #[serde(borrow)]
    event: Option<Text<'a>>,
    gid: Option<String>,
    gseq: u64,
    view: u64,
    sender: u64,
    #[serde(borrow)]
    payload: Option<Text<'a>>,
    #[serde(borrow)]
    payload_base64: Option<Text<'a>>,
    leader: u64,
    followers: Vec<u64>,
    learners: Vec<u64>,
    joined: Vec<u64>,
    left: Vec<u64>,
    why: BTreeMap<u64, Reason>,
    from: u64,
    to: u64,
    into: Option<String>,
    upto: u64,
}

/// Nothing more is said of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Unblocked {}

impl<'a> Incoming<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// What the line says about the order, if it does.
    pub(crate) fn update(self) -> Option<Update> {
        match self.event.as_ref()?.0.as_ref() {
            "message" => {
                let payload = match (self.payload, self.payload_base64) {
                    (Some(text), _) => Bytes::copy_from_slice(text.0.as_bytes()),
                    (None, Some(text)) => BASE64_STANDARD.decode(text.0.as_bytes()).ok()?.into(),
                    (None, None) => return None,
                };
                Some(Update::Message(Delivery { gseq: self.gseq, view: self.view, sender: self.sender, payload }))
            }
            "view" => Some(Update::View(ViewSeen {
                gid: self.gid?,
                view: self.view,
                gseq: self.gseq,
                leader: self.leader,
                followers: self.followers,
                learners: self.learners,
                joined: self.joined,
                left: self.left,
                why: self.why,
            })),
            "gap" => Some(Update::Gap(Gap { gid: self.gid?, from: self.from, to: self.to })),
            "dissolved" => {
                let (gid, into, upto) = (self.gid?, self.into?, self.upto);
                Some(Update::Dissolved(Dissolution { gid, into, upto }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_the_order_comes_out_as_it_went_in() {
        for line in [
            r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload":"a \"\n\u0001é"}"#,
            r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload_base64":"/wA="}"#,
            r#"{"event":"view","gid":"7f","view":4,"gseq":9,"leader":1,"followers":[0,2],"learners":[],"joined":[2],"left":[3],"why":{"3":{"reason":"closed","text":"its host refuses connections to it"}}}"#,
            r#"{"event":"gap","gid":"7f","from":3,"to":9}"#,
            r#"{"event":"dissolved","gid":"7f","into":"8f","upto":9}"#,
        ] {
            let update = Incoming::parse(line.as_bytes()).expect("JSON").update().expect("an update");
            assert_eq!(serde_json::to_string(&update.as_line()).expect("plain data"), line);
        }
    }

    #[test]
    fn what_later_versions_say_is_passed_over() {
        let line = br#"{"event":"moon","phase":3}"#;
        assert!(Incoming::parse(line).expect("JSON").update().is_none());
        let line = br#"{"ordered":{"number":1,"gseq":2,"view":3,"at":4}}"#;
        assert_eq!(Incoming::parse(line).expect("JSON").ordered.and_then(|ordered| ordered.gseq), Some(2));
    }
}
