//! Groups without multicast: servers that know each other by lists.
#![cfg(unix)]

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Server, all_agree, multicast, one_leader, ports, run, told_at};

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
fn one_alone_says_whom_it_waits_for_and_a_majority_creates_the_group() {
    let ports = ports(3);
    let peers = list(&ports, "127.0.0.1");
    let mut first = start(0, ports[0], &peers, &[]);
    let missing = format!("1 there, 127.0.0.1:{}, 127.0.0.1:{} not yet", ports[1], ports[2]);
    first.wait_for_complaint(&missing);
    assert!(!first.lines().iter().any(|line| line.contains("\"view\"")), "{:?}", first.lines());
    let mut second = start(1, ports[1], &peers, &[]);
    assert_eq!([first.wait_for_followers(1), second.wait_for_followers(1)], [1, 1]);
    first.write_line("both");
    second.wait_for_message("both");
    // A minority of those named orders nothing.
    second.crash();
    first.wait_until("too few", |lines| lines.iter().any(|line| line.contains("only 1 of at least 2 voters")));
}

/// The operator takes the risk.
#[test]
fn a_group_with_peers_shrinks_to_one_where_that_is_said() {
    let ports = ports(2);
    let peers = list(&ports, "127.0.0.1");
    let mut servers: Vec<Server> = (0..2).map(|id| start(id, ports[id], &peers, &["--min-voters", "1"])).collect();
    servers.iter().for_each(|server| _ = server.wait_for_followers(1));
    servers[1].write_line("a history");
    servers[0].wait_for_message("a history");
    servers.remove(1).crash();
    servers[0].wait_for_followers(0);
    servers[0].write_line("alone");
    servers[0].wait_for_message("alone");
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

/// Two servers with lists of themselves alone, and a third one that knows both.
fn apart_and_brought_together(say: &[usize]) -> Vec<Server> {
    let ports = ports(3);
    let alone = |id: usize| start(id, ports[id], &list(&ports[id..=id], "127.0.0.1"), &[]);
    let mut servers = vec![alone(0), alone(1)];
    servers.iter().for_each(|server| _ = server.wait_for_followers(0));
    for id in say {
        servers[*id].write(&format!("{id} says something while apart\n"));
        servers[*id].wait_for("message");
    }
    servers.push(start(2, ports[2], &list(&ports[..2], "127.0.0.1"), &[]));
    servers
}

#[test]
fn of_two_groups_that_a_third_server_brings_together_the_one_that_said_something_stays() {
    for speaker in [0, 1] {
        let mut servers = apart_and_brought_together(&[speaker]);
        servers.iter().for_each(|server| _ = server.wait_for_followers(2));
        let dissolved = |server: &Server| server.lines().iter().any(|line| line.contains("\"dissolved\""));
        assert_eq!([0, 1].map(|id| dissolved(&servers[id])), [0, 1].map(|id| id != speaker));
        servers[2].write("together\n");
        servers.iter().for_each(|server| server.wait_for_message("together"));
    }
}

#[test]
fn two_groups_that_have_both_said_something_both_stay_and_say_so() {
    let mut servers = apart_and_brought_together(&[0, 1]);
    // The third one is in one of them, and brings news of the other one.
    servers[2].write("of the third\n");
    servers[2].wait_for_message("of the third");
    for id in [0, 1] {
        servers[id].write("goes on\n");
        servers[id].wait_for_message("goes on");
        assert!(!servers[id].lines().iter().any(|line| line.contains("\"dissolved\"")), "{:?}", servers[id].lines());
    }
    // The one that the third server did not join hears of the other one through it.
    let lists = |server: &&Server| server.lines().iter().any(|line| line.contains("\"rival\""));
    let start = Instant::now();
    let teller = loop {
        if let Some(teller) = servers.iter().find(lists) {
            break teller;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "nobody says that there are two");
        thread::sleep(Duration::from_millis(10));
    };
    let place = teller.wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let told = loop {
        let told = told_at(&place);
        if told["state"] == "split" {
            break told;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{told}");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(told["rivals"].as_array().map(Vec::len), Some(1), "{told}");
    let status = run(&["status", "--server", &place]);
    assert!(status.code == 1 && status.stdout.starts_with("split: 2 lineages of this name: "), "{status:?}");
    let status = run(&["status", "--json", "--server", &place]);
    assert!(status.code == 1 && status.stdout.starts_with(r#"{"state":"split""#), "{status:?}");
}
