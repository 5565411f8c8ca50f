//! What an application says about the group it wants to be in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Level, Params, Timing};
use gms_net::UdpConfig;

/// How this process comes to the group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bootstrap {
    /// Looks for the group first and founds it when nobody answers for [`Timing::discover`]; of several
    /// that look at the same time, the one with the highest id founds.
    #[default]
    Auto,
    /// Founds it at once.
    Found,
    /// Only joins; [`crate::JoinError::NoAnswer`] when nobody lets it in within [`Config::join_within`].
    Join,
}

/// Settings of one member. [`Config::new`] has defaults that work for members on one machine.
pub struct Config {
    /// Name of the group. Default `gms`.
    pub group: String,
    /// Id of this member and its rank; the highest takes over when a leader leaves. Default: random, 32 bits.
    pub id: Option<u64>,
    /// Sockets. Default: 239.1.1.1:10000 on loopback.
    pub network: UdpConfig,
    /// Members to ask, by their unicast addresses; when empty, the multicast group is asked.
    pub contacts: Vec<SocketAddr>,
    /// How to come to the group.
    pub bootstrap: Bootstrap,
    /// Level of messages that name none. Default [`Level::Uniform`].
    pub level: Level,
    /// What the group fixes for all its members when it is founded. A joiner must have the same.
    pub params: Params,
    /// Timers.
    pub timing: Timing,
    /// Bytes of own messages that may wait to be ordered. Default 4 MiB.
    pub pending: usize,
    /// Bytes of events that may wait for the application before this member holds the group's senders
    /// back. Default 8 MiB.
    pub unread: usize,
    /// Longest time [`crate::Group::join`] waits. Default 10 s.
    pub join_within: Duration,
    /// Longest time a leave takes; what is not ordered by then has the outcome `Unknown`. Default 1 s.
    pub leave_within: Duration,
    /// Allow sockets beyond loopback although nothing is authenticated or encrypted. Default no.
    pub insecure: bool,
    /// Where to write the trace that `gms-cli check` reads, one JSON object a line.
    pub trace: Option<Box<dyn io::Write + Send>>,
}

impl Config {
    /// A member of the group called `group`, on this machine.
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            id: None,
            network: UdpConfig::default(),
            contacts: Vec::new(),
            bootstrap: Bootstrap::Auto,
            level: Level::Uniform,
            params: Params::default(),
            timing: Timing::default(),
            pending: 4 << 20,
            unread: 8 << 20,
            join_within: Duration::from_secs(10),
            leave_within: Duration::from_secs(1),
            insecure: false,
            trace: None,
        }
    }
}
