//! What a server says, but for the lines about the order.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Blocked, Gid, Gseq, Vid};
use serde::{Deserialize, Serialize};

/// One line of a server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply<'a> {
    Hello(HelloReply),
    Ordered(OrderedReply),
    NotOrdered(NotOrderedReply),
    Unknown(UnknownReply),
    SessionExpired(UnknownReply),
    Subscribed(Subscribed),
    Status(&'a ServerStatus),
    /// What the client has sent waits.
    Blocked(Closed),
    /// It no longer does.
    Unblocked {},
    /// An operator's order was taken.
    Operated {},
    /// It was not.
    Refused(Closed),
    Error(Located),
    Closed(Closed),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct HelloReply {
    /// The version the server speaks.
    pub(crate) protocol: u32,
    /// Number of the server.
    pub(crate) id: u64,
    /// The lineage that the server is in, if it is in one.
    #[serde(default, with = "crate::gid_text")]
    pub(crate) gid: Gid,
    /// Bytes of a line, at most.
    pub(crate) line_limit: usize,
    /// Bytes of a message, at most.
    #[serde(default)]
    pub(crate) message_limit: u32,
    /// The client's session, if it has asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// Whether a session makes a message that is sent again be delivered only once.
    pub(crate) sessions: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct OrderedReply {
    pub(crate) number: u64,
    /// Its place, with the view, unless that is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gseq: Option<Gseq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) view: Option<Vid>,
    /// The lineage in whose history that place is.
    #[serde(default, with = "crate::gid_text")]
    pub(crate) gid: Gid,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NotOrderedReply {
    pub(crate) number: u64,
    pub(crate) reason: String,
    /// The message itself is not to blame: sent again, perhaps through another server, it may be ordered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnknownReply {
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    /// Lineage of the group.
    pub(crate) gid: String,
    /// The place of the order that the next line about it has at least.
    pub(crate) from: Gseq,
}

/// What was wrong with a line, and at which of its bytes, from 1, that was noticed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Located {
    pub(crate) position: usize,
    pub(crate) reason: String,
}

/// Nothing follows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) reason: String,
}

/// What a server knows of itself and its group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its number.
    pub id: u64,
    /// Its unicast address, for the `--peer` of others.
    pub address: SocketAddr,
    /// `leader`, `follower`, `learner`, or `none` when it is no member any more.
    pub role: String,
    /// `serving`, `blocked`, `split` when another lineage of the group's name has been heard of within seconds, or
    /// `none` when it is in no group.
    #[serde(default)]
    pub state: String,
    /// Why it orders nothing, while it does not.
    #[serde(default)]
    pub blocked: Option<BlockedStatus>,
    /// Voters of its view.
    #[serde(default)]
    pub voters: usize,
    /// At the leader: how many of them it has heard lately, itself included.
    #[serde(default)]
    pub voters_heard: Option<usize>,
    /// The other lineages.
    #[serde(default)]
    pub rivals: Vec<String>,
    /// Lineage of the group, in hexadecimal; empty when it is in none.
    pub gid: String,
    /// Number of its view, 0 when it is in none.
    pub view: u64,
    /// Who leads that view.
    pub leader: Option<u64>,
    /// Who follows.
    pub followers: Vec<u64>,
    /// Who has not caught up yet, as in a `view` line: the leader is not among them.
    pub learners: Vec<u64>,
    /// Last frame that it has stored with all before it. Frames hold one or several messages.
    pub stored: u64,
    /// Last frame that it knows a quorum to have stored.
    pub safe: u64,
    /// Last frame that it knows all members to have stored.
    pub stable: u64,
    /// Place in the order of the last message or view that it has for subscribers; 0 before the first.
    pub gseq: u64,
    /// The members of the view and the addresses at which they reach each other.
    pub members: Vec<MemberAddress>,
    /// Milliseconds since it began to serve clients.
    pub uptime_ms: u64,
    /// Connections of clients to it, beside the one that asks.
    pub clients: usize,
    /// What did not get through here since it is in its lineage, by cause: only causes that occurred.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// The other servers of the group's name that it has seen lately, members or not.
    pub servers: Vec<ServerSeen>,
}

/// Why a server orders nothing at present.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlockedStatus {
    /// `leader`: that is silent; `quorum`: too few are heard; `too_few`: too few are in the group; `window`: a member
    /// does not confirm what it was sent; `progress`: the leader is heard, but orders nothing; `unsettled`: the group
    /// is new, and orders nothing before it knows of no other one; `out`: it is in no view.
    pub kind: String,
    /// In words.
    pub reason: String,
    /// The server it waits for, when it is one.
    pub server: Option<u64>,
    /// For how many milliseconds it has been so.
    pub since_ms: u64,
}

impl BlockedStatus {
    pub(crate) fn new(why: &Blocked, since: Duration) -> Self {
        let (kind, server) = match why {
            Blocked::Leader { leader, .. } => ("leader", Some(*leader)),
            Blocked::Quorum { .. } => ("quorum", None),
            Blocked::TooFew { .. } => ("too_few", None),
            Blocked::Window { member, .. } => ("window", Some(*member)),
            Blocked::Progress { leader, .. } => ("progress", Some(*leader)),
            Blocked::Unsettled { .. } => ("unsettled", None),
            Blocked::Out(_) => ("out", None),
        };
        Self { kind: kind.to_owned(), reason: why.to_string(), server, since_ms: since.as_millis() as u64 }
    }
}

/// A member and its address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberAddress {
    /// Its number.
    pub id: u64,
    /// Its unicast address.
    pub address: SocketAddr,
}

/// A server as another one has seen it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerSeen {
    /// Its number.
    pub id: u64,
    /// Its unicast address.
    pub address: SocketAddr,
    /// Where it serves clients, if it does.
    pub clients: Option<SocketAddr>,
    /// Number of the view it said it is in; 0: in none.
    pub view: u64,
    /// Whom it said it follows, or itself.
    pub leader: Option<u64>,
    /// Milliseconds since it was last heard.
    pub last_seen_ms: u64,
}

/// Appends a line.
pub(crate) fn write_line(line: &impl Serialize, out: impl Write) {
    let mut out = out;
    serde_json::to_writer(&mut out, line)
        .and_then(|()| out.write_all(b"\n").map_err(serde_json::Error::io))
        .expect("plain data into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(reply: &Reply<'_>) -> String {
        let mut line = Vec::new();
        write_line(reply, &mut line);
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn lines_are_as_documented() {
        let ordered = Reply::Ordered(OrderedReply { number: 7, gseq: Some(121), view: Some(4), gid: Gid(31) });
        assert_eq!(
            json(&ordered),
            "{\"ordered\":{\"number\":7,\"gseq\":121,\"view\":4,\"gid\":\"0000000000000000000000000000001f\"}}\n"
        );
        let somewhere = Reply::Ordered(OrderedReply { number: 7, gseq: None, view: None, gid: Gid(31) });
        assert_eq!(json(&somewhere), "{\"ordered\":{\"number\":7,\"gid\":\"0000000000000000000000000000001f\"}}\n");
        let refused = Reply::NotOrdered(NotOrderedReply { number: 7, reason: "no".into(), again: false });
        assert_eq!(json(&refused), "{\"not_ordered\":{\"number\":7,\"reason\":\"no\"}}\n");
        assert_eq!(json(&Reply::Unknown(UnknownReply { number: 7 })), "{\"unknown\":{\"number\":7}}\n");
        let error = Reply::Error(Located { position: 3, reason: "odd".into() });
        assert_eq!(json(&error), "{\"error\":{\"position\":3,\"reason\":\"odd\"}}\n");
        let hello = HelloReply {
            protocol: 1,
            id: 2,
            gid: Gid(31),
            line_limit: 9,
            message_limit: 7,
            session: None,
            sessions: true,
        };
        let line = "{\"hello\":{\"protocol\":1,\"id\":2,\"gid\":\"0000000000000000000000000000001f\",\"line_limit\":9,\"message_limit\":7,\"sessions\":true}}\n";
        assert_eq!(json(&Reply::Hello(hello)), line);
    }
}
