//! Lines that only the command line has. The others are [`gms::EventLine`]s. Names and order of the keys are API.

use gms::EventLine;
use serde::Serialize;

/// What a server says of itself.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum ServerLine<'a> {
    Started {
        id: u64,
        address: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        multicast: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        peers: Option<&'a [String]>,
        group: &'a str,
        /// Where it serves clients.
        clients: Vec<String>,
    },
    Renamed {
        taken: u64,
        id: u64,
    },
}

/// A line that says first which member it is about, for several members in one output.
#[derive(Debug, Serialize)]
pub(crate) struct Tagged<'a> {
    pub(crate) member: u64,
    #[serde(flatten)]
    pub(crate) line: EventLine<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_the_documented_order() {
        let started = ServerLine::Started {
            id: 1,
            address: "127.0.0.1:40000".into(),
            multicast: Some("239.1.1.1:10000".into()),
            peers: None,
            group: "gms",
            clients: vec!["127.0.0.1:40001".into()],
        };
        assert_eq!(
            serde_json::to_string(&started).expect("plain data"),
            r#"{"event":"started","id":1,"address":"127.0.0.1:40000","multicast":"239.1.1.1:10000","group":"gms","clients":["127.0.0.1:40001"]}"#
        );
        let tagged = serde_json::to_string(&Tagged { member: 2, line: EventLine::Unblocked }).expect("plain data");
        assert_eq!(tagged, r#"{"member":2,"event":"unblocked"}"#);
    }
}
