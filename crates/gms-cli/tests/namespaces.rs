//! Servers on hosts of a network of the test's own: each in a network namespace, on one bridge.
#![cfg(target_os = "linux")]

mod common;

use std::io::Write;
use std::process::{Child, Stdio};

use common::namespaces::Hosts;
use common::{Server, all_agree, one_leader, program_on};

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

fn meet_and_talk(reach: Reach, more: &[&str], lines: usize) {
    let Some(hosts) = Hosts::new(3) else { return };
    let mut servers = servers_on(&hosts, 3, reach, more);
    let leader = one_leader(&servers);
    all_agree(&mut servers, lines);
    servers.remove((leader + 1) % 3).crash();
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(1), leader as u64));
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

/// Lines that three clients send at once, each through the server of its host; a fourth reads, on a host without a
/// server. All of them find their servers by themselves.
fn clients_talk(reach: Reach, way: &[&str]) {
    let Some(hosts) = Hosts::new(4) else { return };
    let servers = servers_on(&hosts, 3, reach, &["--loss", "0.1"]);
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    let common = [&["--interface", "eth0", "--json"], way].concat();
    let read = [&["recv", "--from", "1", "--count", "3000"], &common[..]].concat();
    let mut reader = Server::run(program_on(hosts.name(3), &read));
    let senders: Vec<Child> = (0..3)
        .map(|id| {
            let server = servers[id].wait_for("started")["clients"][0].as_str().expect("an address").to_owned();
            let mut command = program_on(hosts.name(id), &["send", "--json", "--server", &server]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
            let lines: String = (0..1000).map(|number| format!("{id} says {number}\n")).collect();
            child.stdin.take().expect("piped").write_all(lines.as_bytes()).expect("it reads");
            child
        })
        .collect();
    for sender in senders {
        let output = sender.wait_with_output().expect("it ends");
        let outcomes = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success() && outcomes.lines().all(|line| line.starts_with(r#"{"outcome":"ordered""#)));
        assert_eq!(outcomes.lines().count(), 1000);
    }
    for server in &servers {
        server.wait_until("all messages", |seen| seen.iter().filter(|l| l.contains("says")).count() == 3000);
        assert_eq!(server.messages(), servers[0].messages());
    }
    for id in 0..3 {
        let expected: Vec<String> = (0..1000).map(|number| format!(r#""{id} says {number}""#)).collect();
        let mine: Vec<String> =
            servers[0].messages().into_iter().filter(|l| l.contains(&format!("{id} says"))).collect();
        assert!(mine.iter().zip(&expected).all(|(line, end)| line.contains(end)) && mine.len() == 1000, "FIFO");
    }
    assert_eq!(reader.wait(), 0);
    assert_eq!(servers[0].messages(), reader.messages());
}

#[test]
fn clients_find_servers_by_multicast_and_read_one_order() {
    clients_talk(Reach::Multicast, &["--multicast", "239.77.0.1:7400"]);
}

#[test]
fn clients_find_servers_through_a_peer_and_read_one_order() {
    clients_talk(Reach::Peers, &["--peer", "10.77.0.2:7000"]);
}

#[test]
fn a_follower_whose_cable_is_pulled_is_given_up_and_hears_of_it_when_it_is_plugged_in_again() {
    let Some(hosts) = Hosts::new(3) else { return };
    // The highest of those expected creates the group, so 0 follows.
    let mut servers = servers_on(&hosts, 3, Reach::Multicast, &["--expect", "0,1,2"]);
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    hosts.plug(0, false);
    for server in &servers[1..] {
        assert_eq!(server.wait_for_followers(1), 2);
    }
    servers[0].wait_for("blocked");
    servers[1].write("without it\n");
    servers[2].wait_for("message");
    hosts.plug(0, true);
    servers[0].wait_for("excluded");
    assert!(servers[0].messages().is_empty());
    // It joins again as a new member.
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    servers[1].write("with it\n");
    servers[0].wait_for("message");
}

/// Five servers under load, led by 4; two of them, 4 among them or not, are cut off from the three others for a while.
fn cut_in_two(apart: [usize; 2], when_blocked: &str) {
    let Some(hosts) = Hosts::new(5) else { return };
    let traces = tempfile::tempdir().expect("a directory");
    let trace = |id: usize| traces.path().join(format!("{id}.jsonl")).display().to_string();
    let mut servers: Vec<Server> = (0..5)
        .map(|id| {
            let (number, file) = (id.to_string(), trace(id));
            let common =
                ["--multicast", "239.77.0.1:7400", "--interface", "eth0", "--insecure", "--expect", "0,1,2,3,4"];
            let own = ["--id", &number, "--trace", &file, "--when-blocked", when_blocked, "--listen", "0.0.0.0:7500"];
            Server::start_on(hosts.name(id), &[&common[..], &own].concat())
        })
        .collect();
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(4), 4));
    let staying: Vec<usize> = (0..5).filter(|id| !apart.contains(id)).collect();
    servers[staying[0]].write_line("all five");
    servers.iter().for_each(|server| server.wait_for_message("all five"));

    hosts.split(&apart);
    // The three go on.
    let leaders: Vec<usize> = staying.iter().map(|id| servers[*id].wait_for_followers(2) as usize).collect();
    assert!(leaders.iter().all(|leader| *leader == leaders[0]) && staying.contains(&leaders[0]), "{leaders:?}");
    servers[staying[0]].write_line("three of five");
    staying.iter().for_each(|id| servers[*id].wait_for_message("three of five"));
    // The two say that they do not, and do with messages what they are told.
    for id in apart {
        let why = servers[id].wait_for("blocked")["why"].as_str().expect("text").to_owned();
        assert!(
            why.contains("2 of 5 voters") || why.contains("1 of 5 voters") || why.contains("has not been heard"),
            "{why}"
        );
        servers[id].write_line("two of five");
    }
    let places: Vec<String> = apart.iter().map(|id| format!("10.77.0.{}:7500", id + 1)).collect();
    // Until it is said no, or for as long as it takes.
    let wait = if when_blocked == "refuse" { "2" } else { "30" };
    let send = ["send", "--json", "--wait", wait, "--server", &places.join(","), "of a client"];
    let mut client = Server::run(program_on(hosts.name(apart[0]), &send));
    if when_blocked == "refuse" {
        apart.iter().for_each(|id| servers[*id].wait_for_complaint("not sent, blocked: "));
        assert_eq!(client.wait(), 4, "it is not ordered");
        let told = client.lines().join("\n");
        assert!(told.contains(r#""outcome":"not_ordered""#) && told.contains("blocked: no quorum"), "{told}");
    } else {
        assert!(client.lines().is_empty(), "it waits");
    }

    hosts.split(&[]);
    apart.iter().for_each(|id| _ = servers[*id].wait_for("excluded"));
    servers.iter().for_each(|server| _ = server.wait_for_followers(4));
    if when_blocked == "hold" {
        assert_eq!(client.wait(), 0, "what a client has waiting is ordered once it can be");
        // By the first that is back: the other one may still be out.
        staying.iter().for_each(|id| servers[*id].wait_for_message("of a client"));
    }
    servers[apart[0]].write_line("all five again");
    servers.iter().for_each(|server| server.wait_for_message("all five again"));
    // Those who were out have missed what was said meanwhile, and nothing else.
    let said = |id: usize, what: &str| servers[id].messages().iter().filter(|line| line.contains(what)).count();
    for id in 0..5 {
        assert_eq!(said(id, "three of five"), usize::from(staying.contains(&id)));
        let of_a_client = said(id, "of a client");
        assert!(of_a_client == usize::from(when_blocked == "hold") || of_a_client == 0 && apart.contains(&id));
    }
    let end = |id: usize| servers[id].messages().last().cloned();
    (1..5).for_each(|id| assert_eq!(end(id), end(0)));
    for server in &mut servers {
        assert_eq!(server.terminate().0, 0);
    }
    common::are_sound((0..5).map(trace).collect(), traces.path());
}

#[test]
fn a_group_cut_in_two_goes_on_in_the_larger_part_and_holds_messages_in_the_smaller() {
    cut_in_two([3, 4], "hold");
}

#[test]
fn a_group_cut_in_two_refuses_messages_in_the_smaller_part_if_it_is_to() {
    cut_in_two([0, 1], "refuse");
}
