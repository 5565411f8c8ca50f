//! Who is missing of those without whom the group is not created.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use gms::{FindConfig, find_servers};
use tokio::time::sleep;

use super::settings::ServerSettings;
use crate::failure::complain;

/// After so long it is said who is missing,
const FIRST: Duration = Duration::from_secs(1);
/// and again after so long, or when it is somebody else.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says on standard error which of `expected` do not answer, now and then. Cancel safe.
pub(super) async fn name_missing(settings: &ServerSettings, expected: &BTreeSet<u64>) -> Infallible {
    let (mut said, mut looks) = (BTreeSet::new(), 0);
    sleep(FIRST).await;
    loop {
        let missing = missing(settings, expected).await;
        if !missing.is_empty() && (missing != said || looks * LOOK_EVERY >= AGAIN) {
            let ids: Vec<String> = missing.iter().map(u64::to_string).collect();
            complain(&format!("waiting for server {}: not there yet", ids.join(", ")));
            (said, looks) = (missing, 0);
        }
        looks += 1;
        sleep(LOOK_EVERY).await;
    }
}

/// Those that do not answer. Where nobody can be asked, nobody is known to be missing.
async fn missing(settings: &ServerSettings, expected: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut peers = Vec::new();
    for peer in &settings.peers {
        peers.extend(gms_net::resolve(peer).await.into_iter().flatten());
    }
    let (multicast, interface) = (settings.network.multicast, settings.network.interface.clone());
    let find = FindConfig { multicast, interface, peers, ..FindConfig::new(settings.group.clone()) };
    let Ok(found) = find_servers(&find).await else { return BTreeSet::new() };
    let there: BTreeSet<u64> = found.iter().map(|server| server.id).chain(settings.id).collect();
    expected.difference(&there).copied().collect()
}
