//! How a client finds and treats its servers.

use std::time::Duration;

use gms_core::Level;

use super::find::FindConfig;
use crate::client_protocol::Endpoint;

/// Settings of a [`super::Client`].
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Servers to go to, the first that answers. Default none.
    pub servers: Vec<Endpoint>,
    /// How to find servers when none of those named is reached. Default: the multicast group on loopback, unless
    /// servers are named.
    pub find: Option<FindConfig>,
    /// Name of the group that the servers have to belong to. Default: any where servers are named.
    pub group: Option<String>,
    /// What the servers' logs call this client. Default none.
    pub name: Option<String>,
    /// Level of the messages. Default: the server's own.
    pub level: Option<Level>,
    /// How long to look for a server before whatever waits for one fails. Default 10 s.
    pub give_up: Duration,
}

impl ClientConfig {
    /// Servers of the group called `group`, on this machine, are found by asking for them.
    pub fn new(group: impl Into<String>) -> Self {
        let group = group.into();
        Self {
            servers: Vec::new(),
            find: Some(FindConfig::new(group.clone())),
            group: Some(group),
            name: None,
            level: None,
            give_up: Duration::from_secs(10),
        }
    }

    /// These servers and no others.
    pub fn at(servers: impl IntoIterator<Item = Endpoint>) -> Self {
        Self { servers: servers.into_iter().collect(), find: None, group: None, ..Self::new("") }
    }
}
