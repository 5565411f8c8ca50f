//! Groups without multicast: lists of processes that each train is copied to.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::interface::Chosen;
use super::open;

/// The socket addresses one train goes to.
#[derive(Debug, Clone)]
pub(super) enum Targets {
    One(SocketAddr),
    Each(Arc<[SocketAddr]>),
}

impl Deref for Targets {
    type Target = [SocketAddr];

    fn deref(&self) -> &[SocketAddr] {
        match self {
            Self::One(address) => std::slice::from_ref(address),
            Self::Each(addresses) => addresses,
        }
    }
}

/// Who is to hear what is sent to a group.
///
/// A list is replaced, never changed: a train in progress goes on to those it was begun for.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    peers: Vec<SocketAddr>,
    members: Vec<SocketAddr>,
    control: Arc<[SocketAddr]>,
    data: Arc<[SocketAddr]>,
}

impl FanOut {
    /// All peers and all members, but oneself.
    pub(super) fn control(&self) -> Targets {
        Targets::Each(self.control.clone())
    }

    /// All members but oneself.
    pub(super) fn data(&self) -> Targets {
        Targets::Each(self.data.clone())
    }

    pub(super) fn set_peers(&mut self, peers: &[SocketAddr], local: SocketAddr, chosen: &Chosen) {
        self.peers = others(peers, local);
        self.renew_control(chosen);
    }

    pub(super) fn set_members(&mut self, members: &[SocketAddr], local: SocketAddr, chosen: &Chosen) {
        self.members = others(members, local);
        self.data = scoped(&self.members, chosen);
        self.renew_control(chosen);
    }

    fn renew_control(&mut self, chosen: &Chosen) {
        let mut all = self.peers.clone();
        all.extend(self.members.iter().filter(|member| !self.peers.contains(member)));
        self.control = scoped(&all, chosen);
    }
}

/// Each address once, without our own.
fn others(addresses: &[SocketAddr], local: SocketAddr) -> Vec<SocketAddr> {
    let mut others = Vec::new();
    for address in addresses.iter().copied().map(open::unscoped) {
        if address != local && !others.contains(&address) {
            others.push(address);
        }
    }
    others
}

fn scoped(addresses: &[SocketAddr], chosen: &Chosen) -> Arc<[SocketAddr]> {
    addresses.iter().map(|&address| open::scoped(address, chosen)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn ports(targets: &Targets) -> Vec<u16> {
        targets.iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn control_goes_to_peers_and_members_and_data_to_members_never_to_oneself() {
        let chosen = Chosen { name: "lo".to_owned(), index: Some(1), address: address(0).ip() };
        let local = address(1);
        let mut fan_out = FanOut::default();
        assert!(fan_out.control().is_empty() && fan_out.data().is_empty());
        fan_out.set_peers(&[1, 2, 3, 2].map(address), local, &chosen);
        assert_eq!(ports(&fan_out.control()), [2, 3]);
        let begun = fan_out.control();
        fan_out.set_members(&[4, 1, 3].map(address), local, &chosen);
        assert_eq!(ports(&fan_out.control()), [2, 3, 4]);
        assert_eq!(ports(&fan_out.data()), [4, 3]);
        fan_out.set_peers(&[], local, &chosen);
        assert_eq!(ports(&fan_out.control()), [4, 3]);
        assert_eq!(ports(&begun), [2, 3]);
    }
}
