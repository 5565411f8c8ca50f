//! What the network does to packets: links cut in one direction, packets lost. By nft, in the receiver's namespace.
//!
//! What the transport sends as one train travels as one packet and would be lost as one; while packets are lost, the
//! senders' kernels cut the trains up first.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::namespaces::{Hosts, say};

/// The network of the servers, on hosts 0 and so on, and of their clients behind them.
pub(crate) struct Weather {
    hosts: Hosts,
    servers: usize,
    /// From whom to whom nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    /// Who gets nothing that is multicast.
    filtered: BTreeSet<usize>,
    /// Percent of what arrives at a server that is lost.
    loss: u64,
}

impl Weather {
    /// A network for so many servers and a host for the clients. `None`, and a line that says why, where it cannot be.
    pub(crate) fn new(servers: usize) -> Option<Self> {
        if Command::new("nft").arg("--version").stdout(Stdio::null()).status().is_err() {
            say("SKIP: no nft here, which cuts links and loses packets (Debian has it in nftables)");
            return None;
        }
        let hosts = Hosts::new(servers + 1)?;
        let weather = Self { hosts, servers, cut: BTreeSet::new(), filtered: BTreeSet::new(), loss: 0 };
        if let Err(why) = weather.apply(0) {
            say(&format!("SKIP: nft does not work here: {why}"));
            return None;
        }
        Some(weather)
    }

    /// The namespace of a server.
    pub(crate) fn host(&self, server: usize) -> &str {
        self.hosts.name(server)
    }

    /// The namespace of all clients.
    pub(crate) fn clients(&self) -> &str {
        self.hosts.name(self.servers)
    }

    /// Plugs a server's cable in, or out.
    pub(crate) fn plug(&self, server: usize, into: bool) {
        self.hosts.plug(server, into);
    }

    /// Nothing arrives any more, from the first to the second of each pair.
    pub(crate) fn cut(&mut self, links: &[(usize, usize)]) {
        self.cut.extend(links);
        self.apply_to_all();
    }

    /// It does again.
    pub(crate) fn mend(&mut self, links: &[(usize, usize)]) {
        self.cut.retain(|link| !links.contains(link));
        self.apply_to_all();
    }

    /// Nothing that is multicast reaches these servers, or it does again.
    pub(crate) fn filter_multicast(&mut self, servers: &[usize], filtered: bool) {
        for server in servers {
            if filtered {
                self.filtered.insert(*server)
            } else {
                self.filtered.remove(server)
            };
        }
        self.apply_to_all();
    }

    /// So many percent of what arrives at each server are lost.
    pub(crate) fn lose(&mut self, percent: u64) {
        self.loss = percent;
        let segments = if percent > 0 { "1" } else { "65535" };
        for server in 0..self.servers {
            let arguments = ["-n", self.host(server), "link", "set", "eth0", "gso_max_segs", segments];
            assert!(Command::new("ip").args(arguments).status().expect("ip runs").success());
        }
        self.apply_to_all();
    }

    fn apply_to_all(&self) {
        (0..self.servers).for_each(|server| self.apply(server).expect("nft worked before"));
    }

    /// Replaces the rules of one host at once.
    fn apply(&self, server: usize) -> Result<(), String> {
        let mut rules = String::from("add table ip chaos\ndelete table ip chaos\nadd table ip chaos\n");
        rules += "add chain ip chaos input { type filter hook input priority 0; }\n";
        for (from, _) in self.cut.iter().filter(|(_, to)| *to == server) {
            rules += &format!("add rule ip chaos input ip saddr {} drop\n", address(*from));
        }
        if self.filtered.contains(&server) {
            rules += "add rule ip chaos input ip daddr 224.0.0.0/4 drop\n";
        }
        if self.loss > 0 {
            rules += &format!("add rule ip chaos input iifname eth0 numgen random mod 100 < {} drop\n", self.loss);
        }
        let mut nft = Command::new("ip")
            .args(["netns", "exec", self.host(server), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        // One that ends early says why below.
        let _ = nft.stdin.take().expect("piped").write_all(rules.as_bytes());
        let output = nft.wait_with_output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
    }
}

/// Of a server.
pub(crate) fn address(server: usize) -> String {
    format!("10.77.0.{}", server + 1)
}
