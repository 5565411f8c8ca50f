//! Who is missing of those without whom the group is not created, and which group does not let this server in.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use gms::{Bootstrap, FindConfig, FoundServer, find_servers};
use tokio::time::sleep;

use super::settings::ServerSettings;
use crate::failure::complain;

/// After so long it is said who is missing,
const FIRST: Duration = Duration::from_secs(1);
/// and again after so long, or when it is somebody else.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether the group is created only once others are there.
pub(super) fn waits_for_others(settings: &ServerSettings) -> bool {
    match settings.bootstrap {
        Bootstrap::Expect(_) => true,
        Bootstrap::Auto => !settings.peers.is_empty(),
        Bootstrap::Create | Bootstrap::Join => false,
    }
}

/// Says on standard error what the server at address `own` waits for, now and then. Cancel safe.
pub(super) async fn name_missing(settings: &ServerSettings, own: SocketAddr) -> Infallible {
    let (mut said, mut looks) = (None, 0);
    sleep(FIRST).await;
    loop {
        let wanted = wanted(settings, own).await;
        if wanted.is_some() && (wanted != said || looks * LOOK_EVERY >= AGAIN) {
            complain(&format!("waiting for {}", wanted.as_deref().unwrap_or_default()));
            (said, looks) = (wanted, 0);
        }
        looks += 1;
        sleep(LOOK_EVERY).await;
    }
}

/// What has to come, in words. Where nobody can be asked, nobody is known to be missing.
async fn wanted(settings: &ServerSettings, own: SocketAddr) -> Option<String> {
    let mut peers = Vec::new();
    for peer in &settings.peers {
        let found = gms_net::resolve(peer).await.unwrap_or_default();
        // Servers are known without the number that the interface has here.
        let plain = found.into_iter().map(|address| SocketAddr::new(address.ip(), address.port()));
        peers.push((peer.as_str(), plain.collect::<Vec<_>>()));
    }
    let (multicast, interface) = (settings.network.multicast, settings.network.interface.clone());
    let addresses = peers.iter().flat_map(|(_, addresses)| addresses.iter().copied()).collect();
    let find = FindConfig { multicast, interface, peers: addresses, ..FindConfig::new(settings.group.clone()) };
    let there = find_servers(&find).await.ok()?;
    match &settings.bootstrap {
        Bootstrap::Expect(expected) => {
            let known: BTreeSet<u64> = there.iter().map(|server| server.id).chain(settings.id).collect();
            let missing: Vec<String> = expected.difference(&known).map(u64::to_string).collect();
            (!missing.is_empty()).then(|| format!("server {}: not there yet", missing.join(", ")))
        }
        _ => missing_peers(&peers, &there, own),
    }
}

/// What a server with these peers waits for, where `there` have answered.
fn missing_peers(peers: &[(&str, Vec<SocketAddr>)], there: &[FoundServer], own: SocketAddr) -> Option<String> {
    if let Some(member) = there.iter().find(|server| server.gid.is_some()) {
        let FoundServer { id, address, .. } = member;
        return Some(format!("the group of server {id} at {address}, which does not let this server in yet"));
    }
    let others: Vec<_> = peers.iter().filter(|(_, addresses)| !addresses.contains(&own)).collect();
    let answers = |addresses: &[SocketAddr]| there.iter().any(|server| addresses.contains(&server.address));
    let (there, missing): (Vec<_>, Vec<_>) = others.iter().partition(|(_, addresses)| answers(addresses));
    let (there, of) = (there.len() + 1, others.len() + 1);
    let name = |(peer, addresses): &&&(&str, Vec<SocketAddr>)| match &addresses[..] {
        [] => format!("{peer} (no such host)"),
        _ => (*peer).to_owned(),
    };
    let names: Vec<String> = missing.iter().map(name).collect();
    let majority = of / 2 + 1;
    (there < majority).then(|| {
        format!(
            "{majority} of the {of} servers of --peer, this one included, to create the group: {there} there, {} not yet",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn found(port: u16, gid: Option<gms::Gid>) -> FoundServer {
        let (id, address) = (u64::from(port), at(port));
        FoundServer { id, address, clients: None, name: String::new(), gid, view: 0, leader: None, size: 0 }
    }

    #[test]
    fn a_majority_of_the_peers_has_to_be_there_and_those_missing_are_named() {
        let peers = [("a:1", vec![at(1)]), ("b:2", vec![at(2)]), ("c:3", vec![])];
        let waits = |there: &[FoundServer], own| missing_peers(&peers, there, at(own));
        let alone = "2 of the 3 servers of --peer, this one included, to create the group: 1 there, b:2, c:3 (no such host) \
                     not yet";
        assert_eq!(waits(&[], 1).as_deref(), Some(alone));
        assert_eq!(waits(&[found(2, None)], 1), None);
        let outsider = waits(&[found(2, None)], 9).expect("3 of 4");
        assert!(outsider.starts_with("3 of the 4") && outsider.contains(": 2 there, a:1, c:3"), "{outsider}");
        let member = waits(&[found(2, Some(gms::Gid(7)))], 1).expect("it is not let in");
        assert_eq!(member, "the group of server 2 at 127.0.0.1:2, which does not let this server in yet");
        assert_eq!(missing_peers(&[], &[], at(1)), None);
    }
}
