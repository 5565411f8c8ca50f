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
/// family of `ours` count. What cannot be found is reported as a warning, once for each reason.
pub(crate) fn look_up(names: Vec<String>, ours: SocketAddr) -> watch::Receiver<Vec<SocketAddr>> {
    let (found, peers) = watch::channel(Vec::new());
    tokio::spawn(keep_looking(names, ours, found));
    peers
}

async fn keep_looking(names: Vec<String>, ours: SocketAddr, found: watch::Sender<Vec<SocketAddr>>) {
    let mut known: Vec<(String, Vec<SocketAddr>, Option<String>)> =
        names.into_iter().map(|name| (name, Vec::new(), None)).collect();
    let mut pause = RETRY;
    while !found.is_closed() {
        for (name, addresses, complaint) in &mut known {
            match find(name, ours).await {
                Ok(fresh) => (*addresses, *complaint) = (fresh, None),
                // An address that was good may still be.
                Err(why) if complaint.as_ref() != Some(&why) => {
                    tracing::warn!("{why}; trying again");
                    *complaint = Some(why);
                }
                Err(_) => {}
            }
        }
        let all: Vec<SocketAddr> = known.iter().flat_map(|(_, addresses, _)| addresses.iter().copied()).collect();
        found.send_if_modified(|before| {
            let changed = *before != all;
            *before = all;
            changed
        });
        let complete = known.iter().all(|(.., complaint)| complaint.is_none());
        let wait = if complete { RENEW } else { pause };
        pause = if complete { RETRY } else { (pause * 2).min(RENEW) };
        tokio::select! {
            () = sleep(wait) => {}
            () = found.closed() => {}
        }
    }
}

async fn find(name: &str, ours: SocketAddr) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host(name).await.map_err(|error| format!("cannot find the peer {name}: {error}"))?;
    let found: Vec<SocketAddr> = found.filter(|address| address.is_ipv4() == ours.is_ipv4()).collect();
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
        let names = ["127.0.0.1:7001", "no such host.invalid:1", "[::1]:7002", "127.0.0.1:7003"];
        let mut peers = look_up(names.map(str::to_owned).to_vec(), ours);
        peers.changed().await.expect("the first look ends");
        let ports: Vec<u16> = peers.borrow().iter().map(SocketAddr::port).collect();
        assert_eq!(ports, [7001, 7003]);
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
