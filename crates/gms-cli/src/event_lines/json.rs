//! Events as JSON, one object a line. Names and order of the keys are API.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gms::{Event, Message, Outcome, Uid, ViewChange};
use serde::Serialize;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum EventLine<'a> {
    Started {
        id: u64,
        address: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        multicast: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        peers: Option<&'a [String]>,
        group: &'a str,
    },
    Renamed {
        taken: u64,
        id: u64,
    },
    View {
        gid: String,
        view: u64,
        gseq: u64,
        leader: u64,
        followers: Vec<u64>,
        learners: Vec<u64>,
        joined: Vec<u64>,
        left: Vec<u64>,
    },
    Message {
        gseq: u64,
        view: u64,
        sender: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload_base64: Option<String>,
    },
    Blocked {
        why: String,
    },
    Unblocked,
    NotOrdered {
        message: u64,
    },
    OutcomeUnknown {
        message: u64,
    },
    LeaveRefused {
        min_voters: u16,
    },
    Left {
        released: bool,
    },
    Rival {
        gid: String,
        address: String,
        size: u32,
    },
    Dissolved {
        gid: String,
        into: String,
        discarded_upto: u64,
    },
    Excluded,
    Broken {
        why: &'a str,
    },
}

/// A line that says first which member it is about, for several members in one output.
#[derive(Debug, Serialize)]
pub(crate) struct Tagged<'a> {
    pub(crate) member: u64,
    #[serde(flatten)]
    pub(crate) line: EventLine<'a>,
}

impl<'a> EventLine<'a> {
    /// The line for `event`, if it has one: what goes well with own messages shows as their delivery.
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Message(message) => Self::message(message),
            Event::View(change) => Self::view(change),
            Event::Outcome { outcome: Outcome::Ordered { .. }, .. } | Event::Refused(_) => return None,
            Event::Outcome { sseq, outcome: Outcome::NotOrdered } => Self::NotOrdered { message: *sseq },
            Event::Outcome { sseq, outcome: Outcome::Unknown } => Self::OutcomeUnknown { message: *sseq },
            Event::Blocked(why) => Self::Blocked { why: why.to_string() },
            Event::Unblocked => Self::Unblocked,
            Event::LeaveRefused { min_voters } => Self::LeaveRefused { min_voters: *min_voters },
            Event::Left { released } => Self::Left { released: *released },
            Event::Rival { gid, address, size } => {
                Self::Rival { gid: gid.to_string(), address: address.to_string(), size: *size }
            }
            Event::Dissolved { gid, into, upto } => {
                Self::Dissolved { gid: gid.to_string(), into: into.to_string(), discarded_upto: *upto }
            }
            Event::Excluded => Self::Excluded,
            Event::Broken(why) => Self::Broken { why },
        })
    }

    fn message(message: &'a Message) -> Self {
        let text = std::str::from_utf8(&message.payload).ok();
        Self::Message {
            gseq: message.gseq,
            view: message.vid,
            sender: message.sender.node.0,
            payload: text,
            payload_base64: text.is_none().then(|| BASE64_STANDARD.encode(&message.payload)),
        }
    }

    fn view(change: &ViewChange) -> Self {
        let view = &change.view;
        Self::View {
            gid: view.gid.to_string(),
            view: view.vid,
            gseq: view.gseq,
            leader: view.leader.node.0,
            followers: view.followers().map(|member| member.uid.node.0).collect(),
            // A leader that is not a voter yet is no learner in this list: it is named once.
            learners: view.learners().map(|m| m.uid).filter(|uid| *uid != view.leader).map(|uid| uid.node.0).collect(),
            joined: uids_to_nodes(&change.joined),
            left: uids_to_nodes(&change.left),
        }
    }
}

/// The numbers people know members by.
fn uids_to_nodes(uids: &[Uid]) -> Vec<u64> {
    uids.iter().map(|uid| uid.node.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &'static [u8]) -> Event {
        Event::Message(Message {
            gseq: 121,
            vid: 4,
            sender: Uid::new(1, 9),
            sseq: 1,
            level: gms::Level::Uniform,
            payload: payload.into(),
        })
    }

    fn json(event: &Event) -> String {
        serde_json::to_string(&EventLine::of(event).expect("has a line")).expect("plain data")
    }

    #[test]
    fn keys_come_in_the_documented_order() {
        let hello = message(b"hello");
        assert_eq!(json(&hello), r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload":"hello"}"#);
        let line = EventLine::of(&hello).expect("has a line");
        let tagged = serde_json::to_string(&Tagged { member: 2, line }).expect("plain data");
        assert!(tagged.starts_with(r#"{"member":2,"event":"message","gseq":121,"#), "{tagged}");
        let started = EventLine::Started {
            id: 1,
            address: "127.0.0.1:40000".into(),
            multicast: Some("239.1.1.1:10000".into()),
            peers: None,
            group: "gms",
        };
        assert_eq!(
            serde_json::to_string(&started).expect("plain data"),
            r#"{"event":"started","id":1,"address":"127.0.0.1:40000","multicast":"239.1.1.1:10000","group":"gms"}"#
        );
    }

    #[test]
    fn what_is_not_text_is_base64() {
        let line = json(&message(b"\xff\x00"));
        assert_eq!(line, r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload_base64":"/wA="}"#);
    }

    #[test]
    fn events_without_fields_are_lines_too() {
        assert_eq!(json(&Event::Excluded), r#"{"event":"excluded"}"#);
        assert_eq!(json(&Event::Left { released: true }), r#"{"event":"left","released":true}"#);
        let outcome = Event::Outcome { sseq: 7, outcome: Outcome::NotOrdered };
        assert_eq!(json(&outcome), r#"{"event":"not_ordered","message":7}"#);
    }
}
