//! What an application says about the group it wants to be in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Level, Params, Timing};
use gms_discovery::{DetectorConfig, DirectoryConfig};
use gms_election::ElectionConfig;
use gms_net::UdpConfig;

use crate::node::Bootstrap;
use crate::profile::Profile;

/// What becomes of messages sent between [`gms_core::Event::Blocked`] and [`gms_core::Event::Unblocked`]: in a group
/// cut in two, at all members of the smaller part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenBlocked {
    /// They are accepted as long as there is room, and ordered afterwards.
    #[default]
    Hold,
    /// [`crate::SendError::Blocked`]. What was accepted before is not taken back: it is held. A [`crate::Service`]
    /// sends its clients on, with what has no answer yet, to a server that is not blocked.
    Refuse,
}

/// Settings of one member. [`Config::new`] has defaults that work for members on one machine.
pub struct Config {
    /// Name of the group. Default `gms`.
    pub group: String,
    /// Id of this member and its rank; the highest takes over when a leader leaves. Two live servers of a
    /// group cannot have the same: the second is refused. Default: random, 32 bits.
    pub id: Option<u64>,
    /// Whether another id is drawn when a live server has [`Self::id`] already. Default no.
    pub redraw_id: bool,
    /// What people call this server. Default: nothing.
    pub server_name: String,
    /// Where this process serves clients, to be announced with the rest. Default: nowhere.
    pub clients: Option<SocketAddr>,
    /// Sockets. Default: 239.1.1.1:10000 on loopback.
    pub network: UdpConfig,
    /// Servers of the group by `host:port` of their unicast sockets, where there is no multicast: then none is
    /// used, and all that would be multicast is sent to each of them and to each member. Names that are not found
    /// are looked up again; whom the list misses is found through the others; oneself in it does no harm. The
    /// port of this one is [`UdpConfig::unicast_port`]. Default: none, but multicast.
    pub peers: Vec<String>,
    /// How to come to the group.
    pub bootstrap: Bootstrap,
    /// Level of messages that name none. Default [`Level::Uniform`].
    pub level: Level,
    /// What becomes of messages sent while this member is blocked. Default: they are held.
    pub when_blocked: WhenBlocked,
    /// Bytes of the group's datagrams, if this member creates it: what a joiner's interface carries has to be no less.
    /// Default: what the interface of this one carries, but no more than Ethernet does; [`Params::datagram`] on
    /// loopback and in memory.
    pub datagram: Option<u16>,
    /// What the group fixes for all its members when it is created. A joiner must have the same, but for the size of
    /// datagrams.
    pub params: Params,
    /// Weight of this member, where the group ranks by weight: the highest leads. Default 0.
    pub weight: u32,
    /// Timers of the protocol. Default [`Profile::Lan`], as the times below; see [`Self::set_profile`].
    pub timing: Timing,
    /// How long to look for the group, at least, before one is created (T_discover).
    pub discover: Duration,
    /// How long the leader of a new group looks for other ones before anything is said in it (T_settle): the first
    /// message waits for it. Zero where no others can be, as in a network in memory.
    pub settle: Duration,
    /// Whether this member, when it leads a group in which something was said and meets a larger one of the same name
    /// (of more voters, or else of the lower number), gives its own up, with what was ordered there. Default no: both
    /// go on, and say so, until an operator keeps one ([`crate::Operation::Merge`]).
    pub absorb: bool,
    /// Whether a group that a majority of [`Self::peers`] creates keeps so many voters: with fewer, messages wait.
    /// Default yes; no leaves `params.min_voters` as it is, and so does [`Bootstrap::Create`].
    pub keeps_majority: bool,
    /// Times of the election of the process that creates the group.
    pub creation: ElectionConfig,
    /// Times of the election of one who proposes what ends the view, when the leader is gone.
    pub succession: ElectionConfig,
    /// Times of the directory: announcing, probing, forgetting.
    pub directory: DirectoryConfig,
    /// Times of the failure detector.
    pub detector: DetectorConfig,
    /// Bytes of own messages that may wait to be ordered. Default 4 MiB.
    pub pending: usize,
    /// Bytes of events that may wait for the application before this member holds the group's senders
    /// back. Default 8 MiB.
    pub unread: usize,
    /// Longest time [`crate::Group::join`] waits. Default 10 s.
    pub join_within: Duration,
    /// Longest time a leave takes; what is not ordered by then has the outcome `Unknown`. Default 2 s: in a new group the first
    /// message waits for [`Self::settle`].
    pub leave_within: Duration,
    /// Allow sockets beyond loopback although nothing is authenticated or encrypted. Default no.
    pub insecure: bool,
    /// Where to write the trace that `gms-cli check` reads, one JSON object a line. A place that takes nothing, or is
    /// full, ends the trace, and not the member.
    pub trace: Option<Box<dyn io::Write + Send>>,
}

impl Config {
    /// A member of the group called `group`, on this machine.
    pub fn new(group: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            id: None,
            redraw_id: false,
            server_name: String::new(),
            clients: None,
            network: UdpConfig::default(),
            peers: Vec::new(),
            bootstrap: Bootstrap::Auto,
            level: Level::Uniform,
            when_blocked: WhenBlocked::Hold,
            datagram: None,
            params: Params::default(),
            weight: 0,
            timing: Profile::Lan.timing(),
            discover: Profile::Lan.discover(),
            settle: Profile::Lan.settle(),
            absorb: false,
            keeps_majority: true,
            creation: Profile::Lan.creation(),
            succession: Profile::Lan.succession(),
            directory: DirectoryConfig::default(),
            detector: Profile::Lan.detector(),
            pending: 4 << 20,
            unread: 8 << 20,
            join_within: Duration::from_secs(10),
            leave_within: Duration::from_secs(2),
            insecure: false,
            trace: None,
        }
    }

    /// Sets all times to those that fit this kind of network. All members of a group should have the same.
    pub fn set_profile(&mut self, profile: Profile) {
        self.timing = profile.timing();
        self.discover = profile.discover();
        self.settle = profile.settle();
        self.creation = profile.creation();
        self.succession = profile.succession();
        self.detector = profile.detector();
    }
}
