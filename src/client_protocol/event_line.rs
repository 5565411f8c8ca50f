//! What a member tells, as JSON, one object a line: for subscribers and for the output of programs.
//! Names and order of the keys are API.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gms_core::{Event, Gid, Gseq, Outcome, Vid, ViewChange, Why};
use serde::{Deserialize, Serialize};

/// One line. Serialize it with `serde_json`; a server writes the same bytes to its standard output and to
/// its subscribers.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // The keys speak for themselves where nothing is said.
pub enum EventLine<'a> {
    /// A view was installed.
    View {
        gid: String,
        view: Vid,
        gseq: Gseq,
        leader: u64,
        followers: Vec<u64>,
        /// A leader that is not a voter yet is not among them: it is named once.
        learners: Vec<u64>,
        joined: Vec<u64>,
        left: Vec<u64>,
        /// Of each in `left`.
        why: BTreeMap<u64, Reason>,
    },
    /// A message was delivered.
    Message {
        gseq: Gseq,
        view: Vid,
        sender: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a str>,
        /// Instead of `payload` when that would not be UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload_base64: Option<String>,
    },
    /// What stands from `from` to `to` in the order of lineage `gid` is not known here any more. Only
    /// subscribers see it.
    Gap { gid: String, from: Gseq, to: Gseq },
    /// No progress.
    Blocked { why: String },
    /// Progress again.
    Unblocked,
    /// The own message of this number is not in the order and never will be.
    NotOrdered { message: u64 },
    /// The own message of this number may or may not be in the order.
    OutcomeUnknown { message: u64 },
    /// Still a member: the group keeps at least so many voters.
    LeaveRefused { min_voters: u16 },
    /// A member no more; whether the group confirmed it.
    Left { released: bool },
    /// Another group of the same name was met, and somebody has to decide.
    Rival { gid: String, address: String, size: u32 },
    /// These members get nothing of what is multicast, and copies instead; none: all get it again.
    Unreached { members: Vec<u64> },
    /// The group of lineage `gid` gave way to another of its name: its order up to that place is discarded, and the
    /// views and messages that follow are of lineage `into`, with places of their own.
    Dissolved { gid: String, into: String, upto: Gseq },
    /// This member gives lineage `gid` up, and says why.
    GivenUp { gid: String, why: String },
    /// A member no more; it joins again.
    Excluded,
    /// It does not let this process in again.
    Refused { why: String },
    /// This member stopped.
    Broken { why: &'a str },
}

/// Why a member is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// In one word, [`Why::name`]; later versions may know more of them.
    pub reason: String,
    /// In all its words.
    pub text: String,
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        Self { reason: why.name().to_owned(), text: why.to_string() }
    }
}

impl<'a> EventLine<'a> {
    /// The line for `event`, if it has one: what goes well with own messages shows as their delivery.
    pub fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Message(m) => Self::message(m.gseq, m.vid, m.sender.node.0, &m.payload),
            Event::View(change) => Self::view(change),
            Event::Outcome { outcome: Outcome::Ordered { .. } | Outcome::PlaceForgotten, .. } => return None,
            Event::Outcome { sseq, outcome: Outcome::NotOrdered | Outcome::SessionExpired } => {
                Self::NotOrdered { message: *sseq }
            }
            Event::Outcome { sseq, outcome: Outcome::Unknown } => Self::OutcomeUnknown { message: *sseq },
            Event::Blocked(why) => Self::Blocked { why: why.to_string() },
            Event::Unblocked => Self::Unblocked,
            Event::LeaveRefused { min_voters } => Self::LeaveRefused { min_voters: *min_voters },
            Event::Left { released } => Self::Left { released: *released },
            Event::Rival { gid, address, size } => {
                Self::Rival { gid: gid.to_string(), address: address.to_string(), size: *size }
            }
            Event::Unreached { members } => Self::Unreached { members: members.iter().map(|uid| uid.node.0).collect() },
            Event::Dissolved { gid, into, upto } => Self::dissolved(*gid, *into, *upto),
            Event::GivenUp { gid, why } => Self::GivenUp { gid: gid.to_string(), why: why.to_string() },
            Event::Excluded => Self::Excluded,
            Event::Refused(why) => Self::Refused { why: why.to_string() },
            Event::Broken(why) => Self::Broken { why },
        })
    }

    pub(crate) fn message(gseq: Gseq, view: Vid, sender: u64, payload: &'a [u8]) -> Self {
        let text = std::str::from_utf8(payload).ok();
        let payload_base64 = text.is_none().then(|| BASE64_STANDARD.encode(payload));
        Self::Message { gseq, view, sender, payload: text, payload_base64 }
    }

    pub(crate) fn dissolved(gid: Gid, into: Gid, upto: Gseq) -> Self {
        Self::Dissolved { gid: gid.to_string(), into: into.to_string(), upto }
    }

    pub(crate) fn view(change: &ViewChange) -> Self {
        let view = &change.view;
        Self::View {
            gid: view.gid.to_string(),
            view: view.vid,
            gseq: view.gseq,
            leader: view.leader.node.0,
            followers: view.followers().map(|member| member.uid.node.0).collect(),
            learners: view.learners().map(|m| m.uid).filter(|uid| *uid != view.leader).map(|uid| uid.node.0).collect(),
            joined: change.joined.iter().map(|uid| uid.node.0).collect(),
            left: change.left.iter().map(|(uid, _)| uid.node.0).collect(),
            why: change.left.iter().map(|(uid, why)| (uid.node.0, Reason::from(*why))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gms_core::{Level, Message, Params, Uid, View};

    use super::*;

    fn message(payload: &'static [u8]) -> Event {
        Event::Message(Message {
            gseq: 121,
            vid: 4,
            sender: Uid::new(1, 9),
            sseq: 1,
            level: Level::Uniform,
            payload: payload.into(),
        })
    }

    fn json(event: &Event) -> String {
        serde_json::to_string(&EventLine::of(event).expect("has a line")).expect("plain data")
    }

    #[test]
    fn keys_come_in_the_documented_order() {
        let line = json(&message(b"hello"));
        assert_eq!(line, r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload":"hello"}"#);
        let gap = EventLine::Gap { gid: "7".into(), from: 3, to: 9 };
        let line = serde_json::to_string(&gap).expect("plain data");
        assert_eq!(line, r#"{"event":"gap","gid":"7","from":3,"to":9}"#);
    }

    #[test]
    fn what_is_not_text_is_base64() {
        let line = json(&message(b"\xff\x00"));
        assert_eq!(line, r#"{"event":"message","gseq":121,"view":4,"sender":1,"payload_base64":"/wA="}"#);
    }

    #[test]
    fn a_view_says_why_each_member_is_gone() {
        let (gid, leader, params) = (Gid(127), Uid::new(1, 9), Params::default());
        let view = View { gid, vid: 4, at: 8, gseq: 9, leader, members: vec![], params };
        let left = vec![(Uid::new(3, 9), Why::Left), (Uid::new(2, 9), Why::Silent { millis: 570, checks: 2 })];
        let line = json(&Event::View(ViewChange { view: Arc::new(view), joined: vec![], left }));
        let gid = gid.to_string();
        let expected = format!(
            r#"{{"event":"view","gid":"{gid}","view":4,"gseq":9,"leader":1,"followers":[],"learners":[],"joined":[],"left":[3,2],"why":{{"2":{{"reason":"silent","text":"silent for 570 ms, 2 checks unanswered"}},"3":{{"reason":"left","text":"it asked to leave"}}}}}}"#
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn events_without_fields_are_lines_too() {
        assert_eq!(json(&Event::Excluded), r#"{"event":"excluded"}"#);
        assert_eq!(json(&Event::Left { released: true }), r#"{"event":"left","released":true}"#);
        let refused = Event::Refused(gms_core::Refusal::Group("other".to_owned()));
        assert!(json(&refused).starts_with(r#"{"event":"refused","why":"#));
        let outcome = Event::Outcome { sseq: 7, outcome: Outcome::NotOrdered };
        assert_eq!(json(&outcome), r#"{"event":"not_ordered","message":7}"#);
    }
}
