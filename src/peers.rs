//! Peers given by name, for groups without multicast: looked up, and again while that fails.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// First pause before a name that was not found is looked up again; doubled each time,
const RETRY: Duration = Duration::from_secs(1);
/// up to this. So often names that were found are looked up again, too: hosts move.
const RENEW: Duration = Duration::from_secs(60);

/// Looks the names up in the background, as long as somebody wants to know. Only addresses of the
/// family of `ours` count, and those given as addresses are there from the first. What cannot be found is reported as a
/// warning, once for each reason. Each peer has the addresses found for its name, in the order given.
pub(crate) fn look_up(names: Vec<String>, ours: SocketAddr) -> watch::Receiver<Vec<Vec<SocketAddr>>> {
    let known: Vec<Peer> = names.into_iter().map(|name| Peer::new(name, ours)).collect();
    let (found, peers) = watch::channel(addresses(&known));
    tokio::spawn(keep_looking(known, ours, found));
    peers
}

/// One peer, as it was given and as far as it has been found.
struct Peer {
    name: String,
    addresses: Vec<SocketAddr>,
    complaint: Option<String>,
}

impl Peer {
    fn new(name: String, ours: SocketAddr) -> Self {
        let address = gms_net::address_in(&name).filter(|address: &SocketAddr| address.is_ipv4() == ours.is_ipv4());
        Self { name, addresses: address.into_iter().collect(), complaint: None }
    }
}

fn addresses(known: &[Peer]) -> Vec<Vec<SocketAddr>> {
    // Without the number that the interface has here: members are known without it.
    let plain = |address: &SocketAddr| SocketAddr::new(address.ip(), address.port());
    known.iter().map(|peer| peer.addresses.iter().map(plain).collect()).collect()
}

async fn keep_looking(mut known: Vec<Peer>, ours: SocketAddr, found: watch::Sender<Vec<Vec<SocketAddr>>>) {
    let mut pause = RETRY;
    while !found.is_closed() {
        for index in 0..known.len() {
            let peer = &mut known[index];
            match find(&peer.name, ours).await {
                Ok(fresh) => (peer.addresses, peer.complaint) = (fresh, None),
                // An address that was good may still be.
                Err(why) if peer.complaint.as_ref() != Some(&why) => {
                    tracing::warn!("{why}; trying again");
                    peer.complaint = Some(why);
                }
                Err(_) => {}
            }
            // The next name may take long.
            let all = addresses(&known);
            found.send_if_modified(|before| {
                let changed = *before != all;
                *before = all;
                changed
            });
        }
        let complete = known.iter().all(|peer| peer.complaint.is_none());
        let wait = if complete { RENEW } else { pause };
        pause = if complete { RETRY } else { (pause * 2).min(RENEW) };
        tokio::select! {
            () = sleep(wait) => {}
            () = found.closed() => {}
        }
    }
}

async fn find(name: &str, ours: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let found = gms_net::resolve(name).await.map_err(|error| format!("cannot find the peer {name}: {error}"))?;
    let found: Vec<SocketAddr> = found.into_iter().filter(|address| address.is_ipv4() == ours.is_ipv4()).collect();
    if found.is_empty() {
        let family = if ours.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(format!("the peer {name} has no {family} address, as this server has ({})", ours.ip()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_found_and_those_that_are_not_hold_up_nobody() {
        let ours = SocketAddr::from(([127, 0, 0, 1], 1));
        let names = ["127.0.0.1:7001", "no such host.invalid:1", "[::1]:7002", "127.0.0.1:7003", "localhost:7004"];
        let mut peers = look_up(names.map(str::to_owned).to_vec(), ours);
        let ports = |peers: &watch::Receiver<Vec<Vec<SocketAddr>>>| -> Vec<u16> {
            let mut ports: Vec<u16> = peers.borrow().iter().flatten().map(SocketAddr::port).collect();
            ports.dedup();
            ports
        };
        assert_eq!(ports(&peers), [7001, 7003], "an address needs no looking up");
        peers.changed().await.expect("the look ends");
        assert_eq!(ports(&peers), [7001, 7003, 7004]);
    }

    #[tokio::test]
    async fn each_reason_says_what_is_wrong() {
        let ours = SocketAddr::from(([127, 0, 0, 1], 1));
        let why = find("[::1]:7002", ours).await.expect_err("another family");
        assert!(why.contains("[::1]:7002 has no IPv4 address"), "{why}");
        let why = find("no such host.invalid:1", ours).await.expect_err("nobody");
        assert!(why.starts_with("cannot find the peer no such host.invalid:1"), "{why}");
    }
}
