//! Servers on hosts of a network of the test's own: each in a network namespace, on one bridge.
#![cfg(target_os = "linux")]

mod common;

use common::Server;
use common::namespaces::Hosts;

/// How the servers reach each other.
#[derive(Clone, Copy)]
enum Reach {
    Multicast,
    Multicast6,
    Peers,
    Peers6,
}

/// A server on each host.
fn servers_on(hosts: &Hosts, count: usize, reach: Reach, more: &[&str]) -> Vec<Server> {
    let peers4: Vec<String> = (1..=count).map(|number| format!("10.77.0.{number}:7000")).collect();
    let peers6: Vec<String> = (1..=count).map(|number| format!("[fd77::{number}]:7000")).collect();
    let (peers4, peers6) = (peers4.join(","), peers6.join(","));
    let way: Vec<&str> = match reach {
        Reach::Multicast => vec!["--multicast", "239.77.0.1:7400"],
        Reach::Multicast6 => vec!["--multicast", "[ff15::77]:7400"],
        Reach::Peers => vec!["--port", "7000", "--peer", &peers4],
        Reach::Peers6 => vec!["--port", "7000", "--peer", &peers6],
    };
    let start = |id: usize| {
        let common = ["--interface", "eth0", "--insecure", "--id", &id.to_string()].map(str::to_owned);
        let common: Vec<&str> = common.iter().map(String::as_str).collect();
        Server::start_on(hosts.name(id), &[&common[..], &way, more].concat())
    };
    (0..count).map(start).collect()
}

/// Each says so many lines; all of those in `view` get all of them in one order.
fn talk(servers: &mut [Server], lines: usize) {
    let count = servers.len();
    for (id, server) in servers.iter_mut().enumerate() {
        server.write_behind((0..lines).map(|number| format!("{id} says {number}\n")).collect());
    }
    for server in servers.iter() {
        server.wait_until("all messages", |seen| seen.iter().filter(|l| l.contains("says")).count() == count * lines);
    }
    let first = servers[0].messages();
    assert!(servers.iter().all(|server| server.messages() == first));
}

fn meet_and_talk(reach: Reach, more: &[&str], lines: usize) {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers = servers_on(&hosts, 3, reach, more);
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(2), 2));
    talk(&mut servers, lines);
    servers[0].crash();
    assert_eq!(servers[1].wait_for_followers(1), 2);
}

#[test]
fn by_multicast() {
    meet_and_talk(Reach::Multicast, &[], 5_000);
}

#[test]
fn by_multicast_over_ipv6_with_loss() {
    meet_and_talk(Reach::Multicast6, &["--loss", "0.1"], 1_000);
}

#[test]
fn by_lists_of_peers() {
    meet_and_talk(Reach::Peers, &[], 5_000);
}

#[test]
fn by_lists_of_peers_over_ipv6_with_loss() {
    meet_and_talk(Reach::Peers6, &["--loss", "0.1"], 1_000);
}

#[test]
fn a_follower_whose_cable_is_pulled_is_given_up_and_hears_of_it_when_it_is_plugged_in_again() {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers = servers_on(&hosts, 3, Reach::Multicast, &[]);
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    hosts.plug(0, false);
    for server in &servers[1..] {
        assert_eq!(server.wait_for_followers(1), 2);
    }
    servers[0].wait_for("blocked");
    servers[1].write("without it\n");
    servers[2].wait_for("message");
    hosts.plug(0, true);
    assert_eq!(servers[0].wait(), 1);
    assert!(servers[0].complaints().contains("excluded"), "{}", servers[0].complaints());
    assert!(servers[0].messages().is_empty());
}
