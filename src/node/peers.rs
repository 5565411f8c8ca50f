//! Where there is no multicast, a process is told the names of the servers, and only a majority of them creates a lineage:
//! two of them cannot, whoever is cut off from whom (docs/lineages.md, *Creating*).

use std::net::SocketAddr;
use std::time::Duration;

use super::Node;
use super::inquiry::Standing;

/// How many of the servers named are there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Peers {
    /// Those that have just answered that they are in no group, and this process.
    pub(super) there: u16,
    /// All of them, with this process.
    pub(super) of: u16,
}

impl Peers {
    pub(super) fn majority(self) -> u16 {
        self.of / 2 + 1
    }

    /// So many more have to be there.
    pub(super) fn missing(self) -> u16 {
        self.majority().saturating_sub(self.there)
    }
}

impl Node {
    /// How many of the servers named are there and fresh, if any are named.
    pub(super) fn peers_there(&self, now: Duration) -> Option<Peers> {
        let home = self.config.core.address;
        // Where several addresses were found for a name, any will do.
        let mut others: Vec<&Vec<SocketAddr>> = self.config.peers.as_ref()?.iter().collect();
        others.retain(|addresses| !addresses.contains(&home));
        others.sort();
        // A name that was not found is another one than the next that was not.
        others.dedup_by(|a, b| a == b && !a.is_empty());
        let is_fresh = |address: &SocketAddr| {
            self.inquiries.of(now, *address).is_some_and(|answer| answer.standing == Standing::Fresh)
        };
        let there = others.iter().filter(|addresses| addresses.iter().any(is_fresh)).count();
        let count = |others: usize| u16::try_from(others + 1).unwrap_or(u16::MAX);
        Some(Peers { there: count(there), of: count(others.len()) })
    }
}
