//! Addresses that this process has to do with: while multicast fails, it tells them one by one that it is there, so
//! that a server that is started again finds the group; and one that looks for the group asks those it hears of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::Input;

use super::Node;
use crate::layers::{self, Layer};

/// Remembered, at most; the one met longest ago goes first.
const REMEMBERED: usize = 256;
/// For so long after it was met.
const KEPT: Duration = Duration::from_secs(3600);
/// How often each is told.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(200);

/// Those that were in a view, or asked to join, and when they were last met.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Acquaintances {
    met: BTreeMap<SocketAddr, Duration>,
    announce_at: Duration,
}

impl Acquaintances {
    pub(super) fn meet(&mut self, now: Duration, address: SocketAddr) {
        self.met.insert(address, now);
        if self.met.len() > REMEMBERED
            && let Some(oldest) = self.met.iter().min_by_key(|(_, at)| **at).map(|(address, _)| *address)
        {
            self.met.remove(&oldest);
        }
    }
}

impl Node {
    /// Tells all acquaintances that this server is there, if multicast fails to.
    pub(super) fn announce_one_by_one(&mut self, now: Duration) {
        if !self.member.multicast_fails() || now < self.acquaintances.announce_at {
            return;
        }
        self.acquaintances.announce_at = now + ANNOUNCE_EVERY;
        self.acquaintances.met.retain(|_, at| now.saturating_sub(*at) <= KEPT);
        let message = gms_discovery::Message::Announce(self.directory.me().clone());
        let Ok(body) = message.encode() else { return };
        let me = self.config.core.address;
        for address in self.acquaintances.met.keys().filter(|address| **address != me) {
            let datagram = layers::enclose(Layer::Directory, self.name, self.member.uid(), &body);
            self.outbox.push_back((gms_core::Destination::Unicast(*address), datagram));
        }
    }

    /// When [`Self::announce_one_by_one`] is due, if it is at all.
    pub(super) fn announce_due(&self) -> Option<Duration> {
        self.member.multicast_fails().then_some(self.acquaintances.announce_at)
    }

    /// While it looks for the group: asks at every address where a member of the name was heard, too. What is sent to
    /// all may reach nobody.
    pub(super) fn ask_those_heard(&mut self) {
        if !self.member.is_joining() {
            return;
        }
        let members = self.directory.servers().filter(|known| known.entry.gid != 0).map(|known| known.entry.address);
        let heard = self.lineages.all().map(|(_, sighting)| sighting.from);
        for address in members.chain(heard).collect::<Vec<_>>() {
            self.member.handle(self.now, Input::Contact(address));
        }
    }
}
