//! Addresses that come late, go, or hold on one link only, on hosts of a network of the test's own.
#![cfg(target_os = "linux")]

mod common;

use common::namespaces::Hosts;
use common::{Finished, Server, all_agree, one_leader, program_on};

const ON_ETH0: [&str; 3] = ["--interface", "eth0", "--insecure"];

fn start(hosts: &Hosts, id: usize, way: &[&str]) -> Server {
    Server::start_on(hosts.name(id), &[&ON_ETH0[..], &["--id", &id.to_string()], way].concat())
}

/// Runs a client on a host to its end.
fn client(hosts: &Hosts, host: usize, arguments: &[&str]) -> Finished {
    Finished::of(&program_on(hosts.name(host), arguments).output().expect("it runs"))
}

#[test]
fn a_server_waits_for_the_address_of_its_interface_and_says_so() {
    let Some(hosts) = Hosts::new(2) else { return };
    let way = ["--multicast", "239.77.0.1:7400"];
    let first = start(&hosts, 0, &way);
    first.wait_for_followers(0);
    hosts.take(1, "10.77.0.2/24");
    let mut second = start(&hosts, 1, &way);
    second.wait_for_complaint("waiting: interface eth0 has no IPv4 address, which 239.77.0.1:7400 needs");
    hosts.give(1, "10.77.0.2/24");
    assert_eq!((second.wait_for_followers(1), first.wait_for_followers(1)), (0, 0));
    assert_eq!(second.terminate().0, 0);
    hosts.take(1, "10.77.0.2/24");
    let mut third = start(&hosts, 1, &way);
    third.wait_for_complaint("waiting: ");
    assert_eq!(third.terminate().0, 0, "it can be stopped while it waits");
    assert!(third.lines().is_empty(), "{:?}", third.lines());
}

#[test]
fn a_server_whose_address_is_gone_ends_and_says_why() {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers: Vec<Server> =
        (0..3).map(|id| start(&hosts, id, &["--multicast", "239.77.0.1:7400", "--expect", "0,1,2"])).collect();
    let leader = one_leader(&servers);
    let (moved, other) = ((leader + 1) % 3, (leader + 2) % 3);
    // Another address on the same interface, as DHCP gives it.
    hosts.take(moved, &format!("10.77.0.{}/24", moved + 1));
    hosts.give(moved, "10.77.0.77/24");
    assert_eq!(servers[moved].wait(), 1);
    let complaints = servers[moved].complaints();
    let reason = format!("10.77.0.{} is on no interface of this host any more", moved + 1);
    assert!(complaints.contains(&reason), "{complaints}");
    assert_eq!(complaints.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{complaints}");
    servers[leader].wait_for_followers(1);
    // Its service manager starts it again, at the new address.
    servers[moved] = start(&hosts, moved, &["--multicast", "239.77.0.1:7400"]);
    for id in [leader, moved, other] {
        assert_eq!(servers[id].wait_for_followers(2), leader as u64);
    }
    let address = servers[moved].wait_for("started")["address"].as_str().expect("text").to_owned();
    assert!(address.starts_with("10.77.0.77:"), "{address}");
}

/// Hosts with nothing but link-local addresses.
fn link_local_only(count: usize) -> Option<(Hosts, Vec<String>)> {
    let hosts = Hosts::new(count)?;
    for index in 0..count {
        hosts.take(index, &format!("10.77.0.{}/24", index + 1));
        hosts.take(index, &format!("fd77::{}/64", index + 1));
    }
    let addresses = (0..count).map(|index| hosts.link_local(index)).collect();
    Some((hosts, addresses))
}

#[test]
fn link_local_addresses_will_do_for_members_and_clients() {
    let Some((hosts, addresses)) = link_local_only(3) else { return };
    let way = ["--multicast", "[ff02::77:7]:7400"];
    let mut servers: Vec<Server> =
        (0..3).map(|id| start(&hosts, id, &[&way[..], &["--expect", "0,1,2"]].concat())).collect();
    one_leader(&servers);
    servers[1].write_line(&"x".repeat(300_000));
    servers.iter().for_each(|server| server.wait_for_message(&"x".repeat(300_000)));
    all_agree(&mut servers, 500);
    let found = client(&hosts, 0, &["send", "--multicast", way[1], "--interface", "eth0", "found"]);
    assert_eq!(found.code, 0, "{found:?}");
    let clients = servers[1].wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let port = clients.rsplit_once(':').expect("a port").1;
    let place = format!("[{}%eth0]:{port}", addresses[1]);
    let named = client(&hosts, 0, &["send", "--server", &place, "named"]);
    assert_eq!(named.code, 0, "{named:?}");
    // The others are asked where that one has seen them.
    let status = client(&hosts, 0, &["status", "--server", &place]);
    let answered = status.stdout.lines().filter(|line| line.contains("leader 2, followers")).count();
    assert_eq!((status.code, answered), (0, 4), "{}", status.stdout);
}

#[test]
fn peers_may_have_link_local_addresses_with_and_without_a_zone() {
    let Some((hosts, addresses)) = link_local_only(2) else { return };
    for (zone, port) in [("%eth0", 7000), ("", 7001)] {
        let peers: Vec<String> = addresses.iter().map(|address| format!("[{address}{zone}]:{port}")).collect();
        let (peers, port) = (peers.join(","), port.to_string());
        let servers: Vec<Server> = (0..2).map(|id| start(&hosts, id, &["--port", &port, "--peer", &peers])).collect();
        one_leader(&servers);
    }
    // The host is found later, perhaps through another network.
    let doubtful = start(&hosts, 0, &["--port", "7002", "--peer", "host.invalid:7002"]);
    doubtful.wait_for_complaint("eth0 has no address beyond its own link");
}
