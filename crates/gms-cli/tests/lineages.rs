//! Lineages and operators across hosts: groups that were made apart and meet, and going on without a quorum.
#![cfg(target_os = "linux")]

mod common;

use std::process::Command;
use std::time::Instant;

use common::namespaces::{Hosts, say};
use common::{Finished, LIMIT, Server, one_leader, program_on, stop_all};
use serde_json::Value;

const NETWORK: [&str; 4] = ["--multicast", "239.77.0.1:7400", "--interface", "eth0"];

fn server_on(hosts: &Hosts, host: usize, id: &str, more: &[&str]) -> Server {
    Server::start_on(hosts.name(host), &[&NETWORK[..], &["--insecure", "--id", id], more].concat())
}

fn run_on(hosts: &Hosts, host: usize, arguments: &[&str]) -> Finished {
    let output = program_on(hosts.name(host), &[arguments, &NETWORK].concat()).output();
    Finished::of(&output.expect("the program runs"))
}

/// The status that a host sees, once it is that one.
fn status_on(hosts: &Hosts, host: usize, state: &str) -> (Finished, Value) {
    let start = Instant::now();
    loop {
        let json = run_on(hosts, host, &["status", "--json"]);
        let told: Value = serde_json::from_str(&json.stdout).unwrap_or_default();
        if told["state"] == state {
            let words = run_on(hosts, host, &["status"]);
            assert_eq!(words.code, json.code, "{words:?}");
            if words.stdout.starts_with(state) {
                return (words, told);
            }
        }
        assert!(start.elapsed() < LIMIT, "{state} is not seen: {json:?}");
    }
}

fn say_on(hosts: &Hosts, host: usize, what: &str) {
    let sent = run_on(hosts, host, &["send", what]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
}

/// Groups made on two hosts that did not hear each other: servers 1 and 2, and 3.
fn two_groups(hosts: &Hosts, more: &[&str]) -> Vec<Server> {
    hosts.split(&[1]);
    let servers = [(0, "1"), (0, "2"), (1, "3")].map(|(host, id)| server_on(hosts, host, id, more));
    servers[0].wait_for_followers(1);
    servers[2].wait_for("view");
    say_on(hosts, 0, "said by two");
    say_on(hosts, 1, "said by one");
    hosts.split(&[]);
    servers.into()
}

fn are_one(hosts: &Hosts, servers: &[Server]) {
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    let (words, _) = status_on(hosts, 0, "serving");
    assert_eq!(words.code, 0, "{words:?}");
    say_on(hosts, 1, "one again");
    servers.iter().for_each(|server| server.wait_for_message("one again"));
}

#[test]
fn two_groups_that_meet_stay_two_until_an_operator_keeps_one() {
    let Some(hosts) = Hosts::new(2) else { return };
    let servers = two_groups(&hosts, &[]);
    let (words, told) = status_on(&hosts, 0, "split");
    assert_eq!(words.code, 1);
    let lineages = told["lineages"].as_array().expect("those there are");
    assert_eq!(lineages.len(), 2, "{told}");
    let of = |id: u64| {
        let lineage =
            lineages.iter().find(|lineage| lineage["servers"].as_array().is_some_and(|all| all.contains(&id.into())));
        lineage.expect("it is in one")["gid"].as_str().expect("text").to_owned()
    };
    let command = told["command"].as_str().expect("what helps");
    assert_eq!(
        command,
        format!("gms-cli merge --keep {} {} {} {} {}", of(1), NETWORK[0], NETWORK[1], NETWORK[2], NETWORK[3])
    );
    assert!(words.stdout.lines().next().is_some_and(|line| line.ends_with(command)), "{}", words.stdout);
    // Nobody is asked at no terminal, and so nothing happens.
    let asked = run_on(&hosts, 1, &["merge", "--keep", &of(1)]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert!(asked.stderr.contains("nothing was changed: --yes goes through"), "{}", asked.stderr);
    let loss = format!("discarding lineage {}: all that was ordered in it, up to place ", of(3));
    assert!(asked.stdout.starts_with(&loss) && asked.stdout.contains("servers 3"), "{}", asked.stdout);
    let nobody = run_on(&hosts, 0, &["merge", "--yes", "--keep", "77"]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    status_on(&hosts, 1, "split");
    // From the host of the lineage that goes.
    let merged = run_on(&hosts, 1, &["merge", "--yes", "--keep", &of(1)]);
    assert_eq!(merged.code, 0, "{merged:?}");
    are_one(&hosts, &servers);
    let into = servers[2].wait_for("dissolved")["into"].as_str().map(str::to_owned);
    assert_eq!(into, Some(of(1)));
    // One that came late knows the order from then on only.
    let first = servers[0].wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let read = run_on(&hosts, 1, &["recv", "--from", "1", "--count", "2", "--server", &first]);
    assert!(read.stdout.contains("said by two") && !read.stdout.contains("said by one"), "{}", read.stdout);
    let again = run_on(&hosts, 0, &["merge", "--keep", &of(1)]);
    assert_eq!((again.code, again.stdout.contains("nothing to do")), (0, true), "{again:?}");
}

#[test]
fn a_larger_group_takes_a_smaller_one_in_where_that_is_meant() {
    let Some(hosts) = Hosts::new(2) else { return };
    let servers = two_groups(&hosts, &["--absorb", "larger"]);
    are_one(&hosts, &servers);
    assert!(servers[0].lines().iter().chain(&servers[1].lines()).all(|line| !line.contains("dissolved")));
}

/// Three of five stand still for good, some on each host: nothing proves that they are dead.
#[test]
fn survivors_on_two_hosts_go_on_when_either_of_them_says_so() {
    for host in [0, 1] {
        let Some(hosts) = Hosts::new(2) else { return };
        let servers: Vec<Server> =
            (0..5).map(|id| server_on(&hosts, id % 2, &id.to_string(), &["--expect", "0,1,2,3,4"])).collect();
        one_leader(&servers);
        say_on(&hosts, 1, "a history");
        servers.iter().for_each(|server| server.wait_for_message("a history"));
        let forced = || run_on(&hosts, host, &["force-view", "--survivors", "0,1"]);
        let early = forced();
        assert_eq!(early.code, 1, "{early:?}");
        assert!(early.stderr.contains("nothing was changed: server 0 serves in view"), "{}", early.stderr);
        stop_all(&servers[2..].iter().collect::<Vec<_>>());
        servers[..2].iter().for_each(|server| _ = server.wait_for("blocked"));
        let (words, told) = status_on(&hosts, host, "blocked");
        assert_eq!(words.code, 4);
        let command = told["blocked"]["command"].as_str().expect("what helps").to_owned();
        let typed: Vec<&str> = command.split(' ').skip(1).collect();
        let forced_once = Finished::of(&program_on(hosts.name(host), &typed).output().expect("it runs"));
        assert_eq!(forced_once.code, 0, "{command}: {forced_once:?}");
        servers[..2].iter().for_each(|server| _ = server.wait_for_followers(1));
        let again = forced();
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.stderr.contains("nothing has to be forced"), "{}", again.stderr);
        say_on(&hosts, 1 - host, "on we go");
        servers[..2].iter().for_each(|server| server.wait_for_message("on we go"));
    }
}

/// Of two hosts the one whose server led loses its power. Nobody sees that its server is dead, but the host itself knows
/// it when it is back.
#[test]
fn two_servers_go_on_when_the_host_of_one_was_started_again() {
    let Some(hosts) = Hosts::new(2) else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let booted = |host: usize, boot: &str, id: &str| {
        let file = dir.path().join(boot);
        std::fs::write(&file, format!("{boot}\n")).expect("it is written");
        let program =
            program_on(hosts.name(host), &[&["server", "--json", "--insecure", "--id", id], &NETWORK[..]].concat());
        let mut arguments = program.get_args();
        let enter: Vec<_> = arguments.by_ref().take(3).collect();
        let mut command = Command::new(program.get_program());
        command.args(enter).args(["sh", "-c", "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\""]);
        command.arg(file).args(arguments);
        Server::run(command)
    };
    let server = booted(0, "the only boot of one", "1");
    let mut leader = booted(1, "the first boot of the other", "2");
    [&server, &leader].iter().for_each(|server| _ = server.wait_for_followers(1));
    if !std::path::Path::new("/etc/machine-id").exists() {
        say("SKIP two_servers_go_on_when_the_host_of_one_was_started_again: there is no /etc/machine-id");
        return;
    }
    say_on(&hosts, 0, "before");
    leader.crash();
    server.wait_for("blocked");
    let again = booted(1, "the second boot of the other", "2");
    again.wait_for_followers(1);
    say_on(&hosts, 1, "after");
    [&server, &again].iter().for_each(|server| server.wait_for_message("after"));
    let first = server.wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let read = run_on(&hosts, 0, &["recv", "--from", "1", "--count", "2", "--server", &first]);
    assert!(read.stdout.contains("before") && read.stdout.contains("after"), "{}", read.stdout);
}
