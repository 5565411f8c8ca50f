//! Hosts of a network of the test's own: network namespaces whose interfaces `eth0` meet at a bridge in a
//! namespace of its own, so that nothing of it touches this machine's network.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// The network; gone when dropped.
pub(crate) struct Hosts {
    names: Vec<String>,
    bridge: String,
}

impl Hosts {
    /// So many hosts, 10.77.0.1 and fd77::1 and so on; `None`, and a line that says why, where there can be none.
    pub(crate) fn new(count: usize) -> Option<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let prefix = format!("gms-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let bridge = format!("{prefix}-bridge");
        if let Err(why) = ip(&["netns", "add", &bridge]) {
            say(&format!("SKIP: no network namespaces here (they need root): {why}"));
            return None;
        }
        let names = (0..count).map(|index| format!("{prefix}-{index}")).collect();
        let hosts = Self { names, bridge };
        hosts.set_up().unwrap_or_else(|why| panic!("a namespace was made, but not its network: {why}"));
        Some(hosts)
    }

    fn set_up(&self) -> Result<(), String> {
        let bridge = &self.bridge;
        ip(&["-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", bridge, "link", "set", "br0", "up"])?;
        // Nothing is here but when the network is split.
        ip(&["-n", bridge, "link", "add", "br1", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", bridge, "link", "set", "br1", "up"])?;
        for (index, name) in self.names.iter().enumerate() {
            let (port, number) = (format!("port{index}"), index + 1);
            ip(&["netns", "add", name])?;
            ip(&["-n", bridge, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name])?;
            ip(&["-n", bridge, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
            ip(&["-n", name, "address", "add", &format!("10.77.0.{number}/24"), "dev", "eth0"])?;
            ip(&["-n", name, "address", "add", &format!("fd77::{number}/64"), "dev", "eth0", "nodad"])?;
            ip(&["-n", name, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }

    /// The namespace of host `index`.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Gives `eth0` of host `index` an address, as `10.77.0.9/24`,
    pub(crate) fn give(&self, index: usize, address: &str) {
        ip(&["-n", &self.names[index], "address", "add", address, "dev", "eth0"]).expect("the link is there");
    }

    /// or takes one away from it.
    pub(crate) fn take(&self, index: usize, address: &str) {
        ip(&["-n", &self.names[index], "address", "delete", address, "dev", "eth0"]).expect("it is there");
    }

    /// The link-local address of `eth0` of host `index`.
    pub(crate) fn link_local(&self, index: usize) -> String {
        let of_host = ["-n", &self.names[index], "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"];
        let told = Command::new("ip").args(of_host).output().expect("it was there before");
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let address = told.split_whitespace().find(|word| word.starts_with("fe80:")).expect("every link has one");
        address.split('/').next().expect("before the length").to_owned()
    }

    /// Cuts these hosts off from the others, together; hosts that are not named are with the others again.
    pub(crate) fn split(&self, apart: &[usize]) {
        for index in 0..self.names.len() {
            let side = if apart.contains(&index) { "br1" } else { "br0" };
            ip(&["-n", &self.bridge, "link", "set", &format!("port{index}"), "master", side])
                .expect("the link is there");
        }
    }

    /// Lets multicast through to host `index`, or not, as a switch that has forgotten who takes part in a group. What is for
    /// one host passes.
    pub(crate) fn let_multicast(&self, index: usize, through: bool) {
        let (port, flood) = (format!("port{index}"), if through { "on" } else { "off" });
        run("bridge", &["-n", &self.bridge, "link", "set", "dev", &port, "mcast_flood", flood]).expect("a port");
    }

    /// Has `eth0` of host `index`, and the port that it is plugged into, carry packets of so many bytes.
    pub(crate) fn set_mtu(&self, index: usize, mtu: u32) {
        let (port, mtu) = (format!("port{index}"), mtu.to_string());
        ip(&["-n", &self.bridge, "link", "set", &port, "mtu", &mtu]).expect("a port");
        ip(&["-n", &self.names[index], "link", "set", "eth0", "mtu", &mtu]).expect("the link is there");
    }

    /// The port that host `index` is plugged into swallows what is longer: the host does not notice. Trains are cut before
    /// they leave a host, for a bridge passes whole ones.
    pub(crate) fn swallow_longer_than(&self, index: usize, mtu: u32) {
        for name in &self.names {
            ip(&["-n", name, "link", "set", "eth0", "gso_max_segs", "1"]).expect("the link is there");
        }
        ip(&["-n", &self.bridge, "link", "set", &format!("port{index}"), "mtu", &mtu.to_string()]).expect("a port");
    }

    /// Plugs the cable of host `index` in, or out.
    pub(crate) fn plug(&self, index: usize, into: bool) {
        let state = if into { "up" } else { "down" };
        ip(&["-n", &self.bridge, "link", "set", &format!("port{index}"), state]).expect("the link is there");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in self.names.iter().chain([&self.bridge]) {
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// Straight to the standard error: the test runner shows what passes only when asked to.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let why = || format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    if output.status.success() { Ok(()) } else { Err(why()) }
}
