//! What a server says of itself.

use std::fmt;
use std::net::SocketAddr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Bytes of a server's name, at most.
pub const NAME_LIMIT: usize = 255;

/// One server, as it describes itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Entry<Id> {
    /// Who it is. One that lives twice under different ids is two servers.
    pub id: Id,
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
    /// Where it serves programs that are no members, if it does.
    pub clients: Option<SocketAddr>,
}

impl<Id> Entry<Id> {
    /// A server that is in no group yet.
    pub fn new(id: Id, address: SocketAddr, name: impl Into<String>) -> Self {
        Self { id, address, name: name.into(), gid: 0, vid: 0, leader: None, size: 0, settings: 0, clients: None }
    }

    /// Whether it can be called and can be written.
    pub(crate) fn is_sound(&self) -> bool {
        self.name.len() <= NAME_LIMIT && self.is_reachable()
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
