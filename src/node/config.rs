//! What a process brings into its [`Node`](super::Node).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::ParamsError;
use gms_discovery::{DetectorConfig, DetectorError, DirectoryConfig, DirectoryError};
use gms_election::{ElectionConfig, ElectionError};

use crate::profile::Profile;

/// How a process comes to its group (docs/lineages.md). However it came, one that was put out of a group with a history
/// creates none any more: it returns.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Bootstrap {
    /// Looks for the group first; of several that find none at the same time, the one with the highest
    /// id creates it. Convenient on one network; where some servers have never heard of the others, each side
    /// may create a group of its own.
    #[default]
    Auto,
    /// Looks for the group first; it is created by the highest of these ids, once all of them are there.
    /// Never makes two groups.
    Expect(BTreeSet<u64>),
    /// Looks for the group first. If there is none, creates it, even if others look for it, too.
    Create,
    /// Only joins.
    Join,
}

/// Settings of a [`Node`](super::Node). Plain data: no sockets, no clock.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NodeConfig {
    /// Those of the protocol itself.
    pub core: gms_core::Config,
    /// How to come to the group.
    pub bootstrap: Bootstrap,
    /// Members to ask, by their unicast addresses; when empty, everybody is asked.
    pub contacts: Vec<SocketAddr>,
    /// The servers named to this process where there is no multicast, this one or not, each with the addresses that were
    /// found for its name: none if it was not found. With [`Bootstrap::Auto`] a lineage is created only when a majority of
    /// them is there and fresh, this one included. See [`Node::set_peers`](super::Node::set_peers).
    pub peers: Option<Vec<Vec<SocketAddr>>>,
    /// Whether a lineage that a majority of `peers` creates keeps so many voters (`min_voters`).
    pub keeps_majority: bool,
    /// Whether the id was drawn and not chosen: then another one is drawn when it is taken.
    pub drawn_id: bool,
    /// Whether a process that was excluded although it lives joins again by itself, as a new incarnation.
    pub rejoin: bool,
    /// What people call this server.
    pub server_name: String,
    /// Where this server serves clients.
    pub clients: Option<SocketAddr>,
    /// How long to look for a group, at least, before one is created (T_discover). With zero, [`Bootstrap::Create`]
    /// does not look at all: for networks on which nobody else can be.
    pub discover: Duration,
    /// How long the leader of a new lineage looks for other ones before anything is said in it (T_settle). With zero it
    /// does not look at all.
    pub settle: Duration,
    /// Whether the leader of a lineage with history gives it up for a larger one that it meets: one of more voters, and
    /// of two alike the one of the lower number. Else both stay until an operator chooses ([`Node::merge`](super::Node::merge)).
    pub absorb: bool,
    /// Times of the directory.
    pub directory: DirectoryConfig,
    /// Times of the failure detector.
    pub detector: DetectorConfig,
    /// Times of the election of the process that creates the group.
    pub election: ElectionConfig,
    /// Times of the election of one who proposes what ends the view, when the leader is gone.
    pub succession: ElectionConfig,
}

impl NodeConfig {
    /// Defaults around `core`.
    pub fn new(core: gms_core::Config) -> Self {
        Self {
            core,
            bootstrap: Bootstrap::Auto,
            contacts: Vec::new(),
            peers: None,
            keeps_majority: true,
            drawn_id: false,
            rejoin: true,
            server_name: String::new(),
            clients: None,
            discover: Profile::Lan.discover(),
            settle: Profile::Lan.settle(),
            absorb: false,
            directory: DirectoryConfig::default(),
            detector: Profile::Lan.detector(),
            election: Profile::Lan.creation(),
            succession: Profile::Lan.succession(),
        }
    }
}

/// Settings that contradict each other. Nothing has happened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NodeError {
    /// Of the group.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Of the directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Of the failure detector.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// Of the election.
    #[error(transparent)]
    Election(#[from] ElectionError),
}
