//! Whether a run has come to its end, and what stands in the way.

use std::time::Duration;

use gms_core::Time;

use crate::host::Host;

/// Why the processes have not come to rest; `None` when they have: all who stay are voters of one view that holds
/// nobody else, have handled the same order to its end, and know the outcome of every message they sent.
pub(crate) fn unsettled(hosts: &[Option<Host>]) -> Option<String> {
    if hosts.iter().any(Option::is_none) {
        return Some("not all have started".to_owned());
    }
    if let Some(host) = hosts.iter().flatten().find(|h| h.app.end.is_none() && h.app.leaving) {
        return Some(format!("{} has not left", host.uid));
    }
    if nobody_can_know(hosts) {
        return None;
    }
    let members: Vec<&Host> = hosts.iter().flatten().filter(|h| h.app.end.is_none()).collect();
    let Some(first) = members.first() else { return Some("nobody is left".to_owned()) };
    let Some(view) = first.node.view() else { return Some(format!("{} is in no view", first.uid)) };
    for host in &members {
        let uid = host.uid;
        if host.node.view().is_none_or(|v| (v.gid, v.vid) != (view.gid, view.vid)) {
            return Some(format!("{uid} and {} are not in one view", first.uid));
        }
        if host.app.vid != Some(view.vid) || host.reached != first.reached {
            return Some(format!("{uid} has handled {} and {} has handled {}", host.reached, first.uid, first.reached));
        }
        if host.app.outcomes != host.app.sent {
            return Some(format!("{uid} knows the outcome of {} of {} messages", host.app.outcomes, host.app.sent));
        }
    }
    (view.voters().count() != members.len() || view.members.len() != members.len())
        .then(|| format!("view {view} is not of the {} who stay", members.len()))
}

/// Whether all who were in the latest view have left: who was excluded before can never learn it (P23 asks
/// for a quorum of that view).
fn nobody_can_know(hosts: &[Option<Host>]) -> bool {
    let latest = hosts.iter().flatten().map(|host| host.app.vid).max();
    !hosts.iter().flatten().any(|host| host.app.vid == latest.flatten() && host.app.end.is_none())
}

/// The state of all processes, for a run that stalled.
pub(crate) fn dump(hosts: &[Option<Host>], now: Time, why: &str) -> String {
    let mut text = format!("{why}, at {:.6} s", Duration::from_nanos(now.as_nanos()).as_secs_f64());
    for host in hosts.iter().flatten() {
        let view = host.node.view().map_or("none".to_owned(), |view| view.to_string());
        let (app, memory) = (&host.app, host.node.memory());
        text += &format!(
            "\n    {} at {}: view {view}{}{}{}, (have, safe, stable) {:?}, handled up to {}, {} sent, {} outcomes, {} of {} bytes, {:?}",
            host.uid,
            host.address,
            if host.node.is_leader() { ", leader" } else { "" },
            if app.leaving { ", leaving" } else { "" },
            app.end.as_ref().map_or(String::new(), |end| format!(", {end:?}")),
            host.node.progress(),
            host.reached,
            app.sent,
            app.outcomes,
            memory.used,
            memory.cap,
            host.node.stats(),
        );
    }
    text
}
