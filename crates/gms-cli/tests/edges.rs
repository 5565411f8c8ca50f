//! What the network does to a group besides losing and cutting: multicast that dies, and links of different MTUs.
#![cfg(target_os = "linux")]

mod common;

use common::namespaces::Hosts;
use common::{Finished, Server, program_on};
use serde_json::Value;

/// Bytes of the largest message that a group takes by default.
const LARGEST: usize = 64 << 20;

/// The server of host `index`, at a port that stays the same.
fn start(hosts: &Hosts, index: usize, more: &[&str]) -> Server {
    let id = (index + 1).to_string();
    let common = ["--multicast", "239.77.0.1:7400", "--interface", "eth0", "--insecure", "--port", "7000", "--id", &id];
    Server::start_on(hosts.name(index), &[&common, more].concat())
}

fn group_on(hosts: &Hosts, count: usize) -> Vec<Server> {
    let servers: Vec<Server> = (0..count).map(|index| start(hosts, index, &[])).collect();
    servers.iter().for_each(|server| _ = server.wait_for_followers(count - 1));
    servers
}

fn all_hear(servers: &mut [Server], from: usize, words: &str) {
    servers[from].write_line(words);
    servers.iter().for_each(|server| server.wait_for_message(words));
}

/// Ids of the members that a server has last said multicast does not reach, as these lines of it tell.
fn unreached(lines: &[String]) -> Option<Vec<u64>> {
    let line = lines.iter().rfind(|line| line.starts_with(r#"{"event":"unreached""#))?;
    let line: Value = serde_json::from_str(line).expect("JSON");
    let mut ids: Vec<u64> = line["members"].as_array()?.iter().filter_map(Value::as_u64).collect();
    ids.sort_unstable();
    Some(ids)
}

fn views(server: &Server) -> usize {
    server.lines().iter().filter(|line| line.starts_with(r#"{"event":"view""#)).count()
}

fn gid(server: &Server) -> String {
    let lines = server.lines();
    let line = lines.iter().rfind(|line| line.starts_with(r#"{"event":"view""#)).expect("a view");
    serde_json::from_str::<Value>(line).expect("JSON")["gid"].to_string()
}

/// First at one follower, then at all; the leader dies meanwhile, and comes back to the same group.
#[test]
fn multicast_dies_and_the_group_does_not() {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers = group_on(&hosts, 3);
    let leader = servers[0].wait_for_followers(2) as usize - 1;
    all_hear(&mut servers, 0, "with multicast");
    let (deaf, before) = ((leader + 1) % 3, views(&servers[leader]));

    hosts.let_multicast(deaf, false);
    all_hear(&mut servers, deaf, "without it at one");
    let expected = vec![deaf as u64 + 1];
    servers[leader].wait_until("one unreached", |lines| unreached(lines) == Some(expected.clone()));

    (0..3).for_each(|host| hosts.let_multicast(host, false));
    all_hear(&mut servers, leader, "without it at all");
    servers[leader].wait_until("two unreached", |lines| unreached(lines).is_some_and(|ids| ids.len() == 2));
    assert_eq!(views(&servers[leader]), before, "nobody is given up for it");

    servers[leader].crash();
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    others.iter().for_each(|index| _ = servers[*index].wait_for_followers(1));
    servers[others[0]].write_line("after the leader's death");
    others.iter().for_each(|index| servers[*index].wait_for_message("after the leader's death"));

    servers[leader] = start(&hosts, leader, &[]);
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    assert_eq!(gid(&servers[leader]), gid(&servers[others[0]]), "it is the same group");
    all_hear(&mut servers, leader, "it is back");

    (0..3).for_each(|host| hosts.let_multicast(host, true));
    let next = servers[leader].wait_for_followers(2) as usize - 1;
    servers[next].wait_until("multicast reaches all", |lines| unreached(lines) == Some(vec![]));
    all_hear(&mut servers, 0, "with multicast again");
}

/// Where the creator's interface carries little, all others can; the longest message there is gets through.
#[test]
fn a_group_with_a_small_mtu_delivers_the_largest_message() {
    let Some(hosts) = Hosts::new(3) else { return };
    hosts.set_mtu(0, 1280);
    let mut servers = vec![start(&hosts, 0, &[])];
    servers[0].wait_for_followers(0);
    servers.extend((1..3).map(|index| start(&hosts, index, &[])));
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    servers[1].write_behind(format!("{}\n", "x".repeat(LARGEST)));
    for server in &servers {
        server.wait_until("all of it", |lines| lines.iter().any(|line| line.len() > LARGEST));
    }
    all_hear(&mut servers, 2, "and goes on");
}

/// One that could not carry what the others send is refused with both numbers; one that carries more joins.
#[test]
fn a_server_whose_mtu_is_smaller_than_the_groups_is_refused_with_both_numbers() {
    let Some(hosts) = Hosts::new(4) else { return };
    hosts.set_mtu(1, 1280);
    hosts.set_mtu(2, 1420);
    hosts.set_mtu(3, 9000);
    let creator = start(&hosts, 0, &[]);
    creator.wait_for_followers(0);
    for (index, carries) in [(1, "1252"), (2, "1392")] {
        let mut refused = start(&hosts, index, &[]);
        assert_ne!(refused.wait(), 0);
        let said = refused.complaints();
        assert!(said.contains("1472") && said.contains(carries), "{said}");
    }
    let large = start(&hosts, 3, &[]);
    assert_eq!(large.wait_for_followers(1), 1);
    let asks_too_much = ["server", "--interface", "eth0", "--insecure", "--datagram", "8000"];
    let refused = Finished::of(&program_on(hosts.name(0), &asks_too_much).output().expect("it runs"));
    assert!(refused.code == 2 && refused.stderr.contains("8000") && refused.stderr.contains("1472"), "{refused:?}");
}

/// The network swallows long packets to one of three: that one is out, and knows why it does not come back.
#[test]
fn one_behind_a_black_hole_is_out_and_the_others_go_on() {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers = group_on(&hosts, 3);
    let leader = servers[0].wait_for_followers(2) as usize - 1;
    let victim = (leader + 1) % 3;
    hosts.swallow_longer_than(victim, 1280);
    let long = "long ".repeat(1000);
    servers[leader].write_line(&long);
    let others: Vec<usize> = (0..3).filter(|index| *index != victim).collect();
    others.iter().for_each(|index| _ = servers[*index].wait_for_followers(1));
    others.iter().for_each(|index| servers[*index].wait_for_message(&long));
    servers[victim].wait_until("it says why", |lines| lines.iter().any(|line| line.contains("1472 bytes do not get")));
    servers[others[0]].write_line("without it");
    others.iter().for_each(|index| servers[*index].wait_for_message("without it"));
}
