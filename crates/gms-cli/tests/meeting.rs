//! Servers find each other, settle who creates the group, and notice who is gone.
#![cfg(unix)]

mod common;

use std::time::Duration;

use common::{Server, group_of, multicast, one_leader, ports, run};

/// Servers with these ids, started one after the other without waiting.
fn start_all(meeting: &str, ids: std::ops::Range<usize>, more: &[&str]) -> Vec<Server> {
    ids.map(|id| Server::start(&[&["--multicast", meeting, "--id", &id.to_string()], more].concat())).collect()
}

/// The lineages of all views a server has printed.
fn lineages(server: &Server) -> Vec<String> {
    let views = server.lines().into_iter().filter(|line| line.starts_with(r#"{"event":"view""#));
    let mut gids: Vec<String> =
        views.map(|line| serde_json::from_str::<serde_json::Value>(&line).expect("JSON")["gid"].to_string()).collect();
    gids.dedup();
    gids
}

#[test]
fn servers_started_together_end_in_one_view() {
    for count in [3, 10, 3] {
        let servers = start_all(&multicast(), 0..count, &[]);
        one_leader(&servers);
        let first = lineages(&servers[0]);
        assert!(servers.iter().all(|server| lineages(server).last() == first.last()));
    }
}

#[test]
fn the_group_is_created_when_all_who_are_expected_are_there() {
    let meeting = multicast();
    let expect = ["--expect", "0,1,2"];
    let early = start_all(&meeting, 0..2, &expect);
    // One that is not expected changes nothing, and is let in later.
    let guest = start_all(&meeting, 5..6, &expect);
    for server in early.iter().chain(&guest) {
        server.wait_for("started");
    }
    // Meanwhile others that started later have looked for their groups and created them, twice.
    for group in ["first", "second"] {
        start_all(&meeting, 9..10, &["--group", group])[0].wait_for_followers(0);
    }
    assert!(early.iter().all(|server| server.lines().len() == 1), "created without the third");
    early[0].wait_for_complaint("waiting for server 2: not there yet");
    let last = start_all(&meeting, 2..3, &expect);
    for server in early.iter().chain(&guest).chain(&last) {
        assert_eq!(server.wait_for_followers(3), 2, "the highest of those expected creates the group");
    }
}

#[test]
fn a_follower_that_is_killed_leaves_the_view_and_the_others_lose_nothing() {
    let mut servers = group_of(3, &multicast(), None);
    let text: String = (0..60_000).map(|number| format!("says {number}\n")).collect();
    servers[0].write_behind(text.clone());
    servers[1].write_behind(text);
    servers[2].wait_until("some messages", |lines| lines.len() > 2000);
    servers[2].crash();
    assert_eq!(servers[0].wait_for_followers(1), 0);
    for server in &servers[..2] {
        server.wait_until("all messages", |lines| lines.iter().filter(|l| l.contains("says")).count() == 120_000);
    }
    assert_eq!(servers[0].messages(), servers[1].messages());
}

#[test]
fn a_killed_server_may_come_back_at_once_under_its_id() {
    let meeting = multicast();
    let mut servers = start_all(&meeting, 0..3, &[]);
    let leader = one_leader(&servers);
    let killed = (leader + 1) % 3;
    servers[killed].crash();
    let again = start_all(&meeting, killed..killed + 1, &[]);
    assert_eq!(again[0].wait_for_followers(2), leader as u64);
    assert_eq!(lineages(&again[0]).last(), lineages(&servers[leader]).last());
}

#[test]
fn of_two_servers_with_one_id_the_second_is_told_who_has_it() {
    let meeting = multicast();
    let first = start_all(&meeting, 7..8, &[]);
    first[0].wait_for_followers(0);
    let mut second = start_all(&meeting, 7..8, &[]);
    assert_eq!(second[0].wait(), 1);
    let address = first[0].wait_for("started")["address"].as_str().expect("text").to_owned();
    let expected = format!("id 7 is taken by the live server at {address}");
    assert!(second[0].complaints().contains(&expected), "{}", second[0].complaints());

    // Both at once: one of them gets it.
    let mut twins: Vec<Server> =
        (0..2).map(|_| Server::start(&["--multicast", &meeting, "--group", "twins", "--id", "7"])).collect();
    let winner = loop {
        match twins.iter().position(|twin| !twin.lines().iter().all(|line| !line.contains("\"view\""))) {
            Some(winner) => break winner,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert_eq!(twins[1 - winner].wait(), 1);
    assert!(twins[1 - winner].complaints().contains("id 7 is taken"), "{}", twins[1 - winner].complaints());
}

#[test]
fn a_server_without_an_id_has_the_same_at_each_start() {
    let meeting = multicast();
    let start = || {
        let server = Server::start(&["--multicast", &meeting]);
        server.wait_for("started");
        server
    };
    let mut servers = [start(), start(), start()];
    servers.iter().for_each(|server| _ = server.wait_for_followers(2));
    let ids = [0, 1, 2].map(|index| servers[index].id());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    // Whichever comes again has the one that is free, whether it was told to go or not.
    servers[1].crash();
    servers[1] = start();
    assert_eq!(servers[1].id(), ids[1]);
    servers[2].terminate();
    servers[2] = start();
    assert_eq!(servers[2].id(), ids[2]);
    for server in &servers {
        server.wait_for_followers(2);
        assert!(server.lines().iter().all(|line| !line.contains("\"renamed\"")), "{:?}", server.lines());
    }
    // With a port of its own it is told apart by that, in whichever order they start.
    let fixed = ports(2).into_iter().map(|port| port.to_string()).collect::<Vec<_>>();
    let start_at = |port: &str| Server::start(&["--multicast", &meeting, "--group", "fixed", "--port", port]);
    let start_all = |ports: [&str; 2]| ports.map(|port| start_at(port).id());
    let [first, second] = start_all([&fixed[0], &fixed[1]]);
    assert_eq!(start_all([&fixed[1], &fixed[0]]), [second, first]);
}

#[test]
fn a_server_that_is_not_expected_is_told_so() {
    let server = Server::start(&["--multicast", &multicast(), "--expect", "1,2", "--id", "5"]);
    server.wait_for("started");
    let said =
        "the group is created once servers 1, 2 are all there; this server, 5, is not among them, and joins it then";
    assert_eq!(server.errors().first().map(String::as_str), Some(said));
}

#[test]
fn groups_of_two_names_on_one_address_do_not_mix() {
    let meeting = multicast();
    let orders = start_all(&meeting, 0..2, &["--group", "orders"]);
    let prices = start_all(&meeting, 0..2, &["--group", "prices"]);
    let [orders, prices] = [orders, prices].map(|group| {
        one_leader(&group);
        lineages(&group[0])
    });
    assert_ne!(orders, prices);
}

#[test]
fn an_expected_server_needs_an_id() {
    let refused = run(&["server", "--expect", "0,1"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--id"), "{}", refused.stderr);
}
