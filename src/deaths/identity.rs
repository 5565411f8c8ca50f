//! Which process this is.

use std::net::IpAddr;
use std::sync::LazyLock;

use gms_core::ProcessIdentity;

/// Where a system does not say what its process ids are worth: they are compared with nothing.
pub(super) const UNKNOWN_HOST: u64 = 0;
/// Where nothing tells this machine from others that were made from one image: none is taken for another's former boot.
pub(super) const UNKNOWN_MACHINE: u64 = 0;

/// Files that hold a machine's id, which survives reboots.
const MACHINE_ID_PATHS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// The process this runs in, without the number of a member and its machine. The same at each call.
pub(super) fn own() -> ProcessIdentity {
    static OWN: LazyLock<ProcessIdentity> = LazyLock::new(|| {
        let pid = std::process::id();
        // Even then the members in one process know each other by a number that nobody else has drawn.
        let drawn = || (UNKNOWN_HOST, getrandom::u64().unwrap_or_default());
        let (host, started) = place(pid).unwrap_or_else(drawn);
        let boot = boot().map_or(0, |boot| digest(&boot));
        ProcessIdentity { host, machine: UNKNOWN_MACHINE, boot, pid, started, member: 0 }
    });
    *OWN
}

/// The machine of this process, as one that is reached at `address`: two that were made from one image have the same id,
/// but not the same address.
pub(super) fn machine(address: IpAddr) -> u64 {
    let id = MACHINE_ID_PATHS.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let id = id.filter(|id| !id.trim().is_empty() && boot().is_some());
    id.map_or(UNKNOWN_MACHINE, |id| digest(&format!("{} {address}", id.trim())))
}

/// Whether the death of one process can be proved to another on this host. Not on other systems than Linux, nor without
/// a `/proc` of the process's own or with a kernel or a sandbox that has no pidfds: there only members in one process
/// learn of each other's end, and a group of several processes with [`gms_core::QuorumMode::FailStop`] waits for ever
/// for one that has died.
pub fn proves_deaths() -> bool {
    own().host != UNKNOWN_HOST && has_pidfds()
}

#[cfg(target_os = "linux")]
fn has_pidfds() -> bool {
    super::process::is_watchable(std::process::id())
}

#[cfg(not(target_os = "linux"))]
fn has_pidfds() -> bool {
    false
}

/// The host with its namespaces, as a digest, and when this process started there.
#[cfg(target_os = "linux")]
fn place(pid: u32) -> Option<(u64, u64)> {
    let namespace = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    // In a namespace that /proc does not show, the ids there are not ours.
    if std::fs::read_link("/proc/self").ok()?.to_str()?.parse() != Ok(pid) {
        return None;
    }
    let boot = boot()?;
    // Start times are shifted by the time namespace; older kernels have none.
    let place = format!("{boot} {:?} {:?}", namespace("pid")?, namespace("time"));
    Some((digest(&place), super::process::started(pid)?))
}

/// What the kernel calls its present boot.
fn boot() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

fn digest(text: &str) -> u64 {
    let gms_core::Gid(digest) = gms_core::Gid::of_name(text);
    digest as u64
}

#[cfg(not(target_os = "linux"))]
fn place(_pid: u32) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_knows_its_host_and_its_start() {
        assert_ne!(own().host, UNKNOWN_HOST);
        assert_eq!((own().pid, own()), (std::process::id(), own()));
    }

    #[test]
    fn a_machine_is_told_by_its_address_too() {
        let [one, other] = [1, 2].map(|last| machine(IpAddr::from([10, 0, 0, last])));
        assert_eq!(one, machine(IpAddr::from([10, 0, 0, 1])));
        assert!(one != other || one == UNKNOWN_MACHINE);
    }
}
