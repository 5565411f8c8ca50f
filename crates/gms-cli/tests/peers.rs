//! Groups without multicast: servers that know each other by lists.
#![cfg(unix)]

mod common;

use common::{Server, all_agree, multicast, one_leader, ports, run};

fn list(ports: &[u16], host: &str) -> String {
    ports.iter().map(|port| format!("{host}:{port}")).collect::<Vec<_>>().join(",")
}

fn start(id: usize, port: u16, peers: &str, more: &[&str]) -> Server {
    let (id, port) = (id.to_string(), port.to_string());
    Server::start(&[&["--id", &id, "--port", &port, "--peer", peers], more].concat())
}

#[test]
fn servers_with_lists_of_peers_make_one_group_and_agree_although_datagrams_are_lost() {
    let ports = ports(4);
    // The last of them never runs; each list names its own server, too.
    let peers = list(&ports, "127.0.0.1");
    let mut servers: Vec<Server> = (0..3).map(|id| start(id, ports[id], &peers, &["--loss", "0.1"])).collect();
    let leader = one_leader(&servers);
    all_agree(&mut servers, 2_000);
    servers.remove((leader + 1) % 3).crash();
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(1), leader as u64));
}

#[test]
fn one_known_peer_is_enough_to_come_in_and_need_not_be_the_leader() {
    let ports = ports(3);
    let first = start(5, ports[0], &list(&ports[..1], "127.0.0.1"), &[]);
    first.wait_for_followers(0);
    let second = start(1, ports[1], &list(&ports[..1], "localhost"), &[]);
    second.wait_for_followers(1);
    let third = start(2, ports[2], &list(&ports[1..2], "127.0.0.1"), &[]);
    let mut servers = [first, second, third];
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(2), 5));
    all_agree(&mut servers, 100);
}

#[test]
fn servers_find_each_other_over_ipv6_too() {
    let ports = ports(2);
    let peers = list(&ports, "[::1]");
    let mut servers: Vec<Server> = (0..2).map(|id| start(id, ports[id], &peers, &["--interface", "::1"])).collect();
    one_leader(&servers);
    all_agree(&mut servers, 100);
}

#[test]
fn what_is_wrong_with_a_peer_is_said_and_the_others_are_tried() {
    let ports = ports(2);
    let first = start(1, ports[0], &list(&ports[..1], "127.0.0.1"), &["--bootstrap"]);
    first.wait_for_followers(0);
    let peers = format!("no-such-host.invalid:7000,127.0.0.1:{}", ports[0]);
    let second = start(2, ports[1], &peers, &[]);
    second.wait_for_followers(1);
    second.wait_for_complaint("cannot find the peer no-such-host.invalid:7000");
    for (peers, why) in [
        ("10.255.0.1:7000", "10.255.0.1:7000 cannot be reached from 127.0.0.1"),
        ("127.0.0.1:7000,[::1]:7000", "one family"),
    ] {
        let refused = run(&["server", "--peer", peers]);
        assert_eq!(refused.code, 2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
}

#[test]
fn a_server_of_another_group_or_with_multicast_is_told_why_it_cannot_join() {
    let ports = ports(2);
    let first = start(7, ports[0], &list(&ports[..1], "127.0.0.1"), &[]);
    first.wait_for_followers(0);
    let mut other = start(8, ports[1], &list(&ports[..1], "127.0.0.1"), &["--group", "other"]);
    assert_eq!(other.wait(), 1);
    assert!(other.complaints().contains("group 'gms'"), "{}", other.complaints());
    let taken = run(&["server", "--multicast", &multicast(), "--port", &ports[0].to_string()]);
    assert_eq!(taken.code, 1);
    assert!(taken.stderr.contains(&ports[0].to_string()), "{}", taken.stderr);
}

#[test]
fn two_groups_that_a_third_server_brings_together_become_one() {
    let ports = ports(3);
    let alone = |id: usize| start(id, ports[id], &list(&ports[id..=id], "127.0.0.1"), &[]);
    let mut servers = vec![alone(0), alone(1)];
    for (id, server) in servers.iter_mut().enumerate() {
        server.wait_for_followers(0);
        server.write(&format!("{id} says something while apart\n"));
        server.wait_for("message");
    }
    servers.push(start(2, ports[2], &list(&ports[..2], "127.0.0.1"), &[]));
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    let dissolved: Vec<&Server> =
        servers.iter().filter(|server| server.lines().iter().any(|l| l.contains("\"dissolved\""))).collect();
    assert_eq!(dissolved.len(), 1);
    assert!(dissolved[0].wait_for("dissolved")["discarded_upto"].as_u64() >= Some(2), "the view and the message");
    servers[2].write("together\n");
    let together = |line: &String| line.contains(r#""payload":"together""#);
    servers.iter().for_each(|server| server.wait_until("the message", |lines| lines.iter().any(together)));
}
