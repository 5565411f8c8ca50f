//! What a server says of itself.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::wire;

/// Bytes of a server's name, at most.
pub const NAME_LIMIT: usize = 255;

/// Voters named in an entry, at most.
pub const VOTER_LIMIT: usize = 16;

/// One server, as it describes itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Entry<Id> {
    /// Who it is. One that lives twice under different ids is two servers.
    pub id: Id,
    /// Which life of it: drawn anew at each start.
    pub life: u64,
    /// Where it is reached.
    pub address: SocketAddr,
    /// What people call it; at most [`NAME_LIMIT`] bytes.
    #[serde(deserialize_with = "short_name")]
    pub name: String,
    /// The lineage of the group it is in; 0 while it is in none.
    pub gid: u128,
    /// The number of the view it is in.
    pub vid: u64,
    /// Whom it follows, or itself.
    pub leader: Option<Id>,
    /// Members of its view.
    pub size: u32,
    /// A digest of what all servers of its group have in common, for the caller to compare; 0 while it is in none.
    pub settings: u64,
    /// Whether anything was ever said in that lineage.
    pub history: bool,
    /// The lineage whose history that one began with; 0 if it began with none.
    pub origin: u128,
    /// While it is in no lineage: the one that it was put out of, and that it knows to have a history; 0 if none.
    pub former: u128,
    /// Those who vote in its view, or in the last one that it knows of the lineage it was put out of; the first
    /// [`VOTER_LIMIT`] of them.
    #[serde(deserialize_with = "few_voters")]
    pub voters: Vec<Voter<Id>>,
    /// How many they are in all.
    pub votes: u32,
    /// Where it serves programs that are no members, if it does.
    pub clients: Option<SocketAddr>,
}

/// A voter of a view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Voter<Id> {
    /// Who.
    pub id: Id,
    /// Which life of it.
    pub life: u64,
    /// Where it is reached.
    pub address: SocketAddr,
}

impl<Id> Entry<Id> {
    /// A server that is in no group yet.
    pub fn new(id: Id, life: u64, address: SocketAddr, name: impl Into<String>) -> Self {
        Self {
            id,
            life,
            address,
            name: name.into(),
            gid: 0,
            vid: 0,
            leader: None,
            size: 0,
            settings: 0,
            history: false,
            origin: 0,
            former: 0,
            voters: Vec::new(),
            votes: 0,
            clients: None,
        }
    }

    /// Whether it is in no lineage, and was put out of none that it knows to have a history.
    pub fn is_fresh(&self) -> bool {
        self.gid == 0 && self.former == 0
    }

    /// The lineage that it is in, or was put out of.
    pub fn lineage(&self) -> Option<u128> {
        [self.gid, self.former].into_iter().find(|gid| *gid != 0)
    }

    /// All who vote there, if they are named.
    pub fn all_voters(&self) -> Option<&[Voter<Id>]> {
        (self.voters.len() == self.votes as usize && self.votes > 0).then_some(&self.voters[..])
    }

    /// Whether it can be called and can be written.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_within_limits() && self.is_reachable()
    }

    pub(crate) fn is_within_limits(&self) -> bool {
        self.name.len() <= NAME_LIMIT && self.voters.len() <= VOTER_LIMIT
    }

    pub(crate) fn is_reachable(&self) -> bool {
        let ip = self.address.ip();
        self.address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
    }

    /// Whether `self` was said before `newer`, and overtaken by it: views of one lineage only grow.
    pub(crate) fn is_older_than(&self, newer: &Self) -> bool {
        self.gid != 0 && self.gid == newer.gid && self.vid < newer.vid
    }
}

fn few_voters<'de, D: Deserializer<'de>, Id: Deserialize<'de>>(deserializer: D) -> Result<Vec<Voter<Id>>, D::Error> {
    wire::short_list::<D, Voter<Id>, VOTER_LIMIT>(deserializer)
}

/// The limit is checked on the bytes received, before anything is allocated for them.
fn short_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct ShortName;
    impl Visitor<'_> for ShortName {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a name of at most {NAME_LIMIT} bytes")
        }
        fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
            if name.len() > NAME_LIMIT { Err(E::invalid_length(name.len(), &self)) } else { Ok(name.to_owned()) }
        }
    }
    deserializer.deserialize_str(ShortName)
}
