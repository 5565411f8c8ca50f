//! `status`: which servers there are, whether they agree, and why a group is blocked.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{LIMIT, Server, group_of, group_with, multicast, one_leader, run, stop_all, told_at};
use crate::programs::{json, place};

#[test]
fn status_asks_those_too_whom_only_the_servers_named_have_seen() {
    let servers = group_of(3, &multicast(), None);
    let start = Instant::now();
    loop {
        let status = json(&run(&["status", "--json", "--server", &place(&servers[1])]).stdout);
        assert_eq!(status["agree"], true, "{status}");
        let rows = status["servers"].as_array().expect("a list");
        if rows.len() == 3 && rows.iter().all(|row| row["role"] != "silent") {
            return;
        }
        // That one has not heard of all of them yet.
        assert!(start.elapsed() < LIMIT, "{status}");
    }
}

#[test]
fn status_counts_what_a_server_drops_by_cause() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    server.wait_for_followers(0);
    let place = place(&server);
    let dropped = || {
        let finished = run(&["status", "--json", "--server", &place]);
        json(&finished.stdout)["servers"][0]["dropped"].clone()
    };
    assert_eq!(dropped(), serde_json::json!({}));
    let address = server.wait_for("started")["address"].as_str().expect("an address").to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let start = Instant::now();
    while dropped()["foreign"].as_u64().is_none() {
        socket.send_to(b"what no server of a group has ever said", &address).expect("it is sent");
        assert!(start.elapsed() < LIMIT, "{}", dropped());
    }
}

#[test]
fn status_shows_every_server_and_whether_they_agree() {
    let meeting = multicast();
    let mut servers = group_of(3, &meeting, None);
    let leader = servers[0].wait_for_followers(2);
    let finished = run(&["status", "--json", "--multicast", &meeting]);
    let status = json(&finished.stdout);
    assert_eq!((finished.code, &status["agree"], &status["leader"]), (0, &true.into(), &leader.into()), "{status}");
    assert_eq!(
        (&status["state"], &status["voters"], &status["voters_heard"]),
        (&"serving".into(), &3.into(), &3.into())
    );
    assert_eq!(status["followers"].as_array().map(Vec::len), Some(2));
    for (id, row) in status["servers"].as_array().expect("a list").iter().enumerate() {
        let address = servers[id].wait_for("started")["address"].clone();
        assert_eq!((&row["id"], &row["address"], &row["view"]), (&id.into(), &address, &status["servers"][0]["view"]));
        assert_eq!(row["role"], if id as u64 == leader { "leader" } else { "follower" });
        assert_eq!((&row["state"], &row["clients_at"]), (&"serving".into(), &place(&servers[id]).into()));
    }
    let words = run(&["status", "--multicast", &meeting]);
    let first = words.stdout.lines().next().expect("a line");
    assert!(first.starts_with(&format!("serving: leader {leader}, followers ")), "{first}");
    assert!(first.ends_with(", 3 of 3 voters heard"), "{first}");
    assert_eq!((words.code, words.stdout.lines().count()), (0, 5), "{}", words.stdout);
    assert!(words.stdout.contains("CLIENTS") && words.stdout.contains(&place(&servers[0])), "{}", words.stdout);

    // A second group of the same name: nobody agrees with it.
    let other = multicast();
    let stranger = Server::start(&["--multicast", &other, "--bootstrap", "--id", "9"]);
    let places: Vec<String> = servers.iter().chain([&stranger]).map(place).collect();
    let arguments: Vec<&str> = places.iter().flat_map(|place| ["--server", place]).collect();
    let finished = run(&[&["status", "--json"], &arguments[..]].concat());
    let status = json(&finished.stdout);
    assert_eq!((&status["agree"], status.get("leader")), (&false.into(), None), "{status}");
    assert_eq!((finished.code, &status["state"]), (1, &"split".into()), "{status}");
    let mut lineages: Vec<&Value> =
        status["lineages"].as_array().expect("a list").iter().map(|l| &l["servers"]).collect();
    lineages.sort_by_key(|servers| servers.as_array().map(Vec::len));
    assert_eq!(lineages, [&json("[9]"), &json("[0,1,2]")], "{status}");
    let words = run(&[&["status"], &arguments[..]].concat());
    assert!(words.code == 1 && words.stdout.starts_with("split: 2 lineages of this name: "), "{words:?}");
    assert!(words.stdout.contains("(servers 0 1 2)") && words.stdout.contains("(servers 9)"), "{words:?}");
    assert_eq!(status["servers"].as_array().map(Vec::len), Some(4), "{status}");

    let gone = (leader as usize + 1) % 3;
    servers[gone].crash();
    let status = json(&run(&["status", "--json", "--multicast", &meeting]).stdout);
    assert_eq!(status["servers"][gone]["role"], "silent", "{status}");
}

/// The leader and one more of three stand still: the third hears too few to go on.
#[test]
fn status_of_a_blocked_group_says_why_since_when_and_what_helps() {
    let meeting = multicast();
    let servers = group_of(3, &meeting, None);
    let leader = one_leader(&servers);
    let left = (leader + 1) % 3;
    assert_eq!(told_at(&place(&servers[left]))["state"], "serving");
    let others: Vec<&Server> = (0..3).filter(|id| *id != left).map(|id| &servers[id]).collect();
    stop_all(&others);
    servers[left].wait_for("blocked");
    let reason = "no quorum: only 1 of 3 voters are heard";
    let start = Instant::now();
    let status = loop {
        let finished = run(&["status", "--json", "--multicast", &meeting]);
        let status = json(&finished.stdout);
        // It may be the silent leader first, and then that nobody else is heard either.
        if status["blocked"]["reason"] == reason {
            assert_eq!((finished.code, &status["state"]), (4, &"blocked".into()), "{status}");
            break status;
        }
        assert!(start.elapsed() < LIMIT, "{finished:?}");
    };
    assert_eq!((&status["agree"], status.get("leader")), (&false.into(), None), "{status}");
    assert_eq!(
        (&status["blocked"]["server"], status["blocked"]["since_ms"].is_u64()),
        (&left.into(), true),
        "{status}"
    );
    let command = format!("gms-cli force-view --survivors {left} --multicast {meeting}");
    assert_eq!(status["blocked"]["command"], command);
    let words = run(&["status", "--multicast", &meeting]);
    let first = words.stdout.lines().next().expect("a line");
    assert!(first.starts_with(&format!("blocked: server {left}: {reason}, for ")), "{first}");
    assert!(first.ends_with(&format!("if the others are dead for good: {command}")) && words.code == 4, "{first}");
    assert!(words.stdout.contains("follower, blocked") && words.stdout.contains("silent"), "{}", words.stdout);
    let told = told_at(&place(&servers[left]));
    assert_eq!((&told["state"], &told["blocked"]["kind"]), (&"blocked".into(), &"quorum".into()), "{told}");
    assert_eq!((&told["blocked"]["reason"], told["blocked"]["since_ms"].is_u64()), (&reason.into(), true), "{told}");
    others.iter().for_each(|server| server.signal("-CONT"));
}

#[test]
fn status_of_servers_that_are_in_no_group_is_none() {
    let meeting = multicast();
    let server = Server::start(&["--multicast", &meeting, "--id", "1", "--expect", "1,2"]);
    server.wait_for("started");
    let start = Instant::now();
    let status = loop {
        let status = run(&["status", "--json", "--multicast", &meeting]);
        let told = json(&status.stdout);
        assert_eq!((status.code, &told["state"]), (3, &"none".into()), "{told}");
        if told["servers"][0]["role"] == "none" {
            break told;
        }
        assert!(start.elapsed() < LIMIT, "{told}");
    };
    assert_eq!((&status["servers"][0]["id"], &status["agree"]), (&1.into(), &false.into()), "{status}");
    let words = run(&["status", "--multicast", &meeting]);
    assert!(words.code == 3 && words.stdout.starts_with("none: "), "{words:?}");
}

/// Members say other things all the time, and that they are there seldom.
#[test]
fn status_says_when_anything_was_heard_of_a_server() {
    let meeting = multicast();
    let mut servers = group_with(3, &meeting, None, &["--announce-every", "8"]);
    // Before anything is said, they ask each other all the time whether there is another group.
    servers[0].write_line("a history");
    servers.iter().for_each(|server| server.wait_for_message("a history"));
    let uptime = |server: &Server| told_at(&place(server))["uptime_ms"].as_u64().expect("a number");
    while uptime(&servers[2]) < 6_000 {
        thread::sleep(Duration::from_millis(50));
    }
    let crash = Instant::now();
    servers[2].crash();
    let status = json(&run(&["status", "--json", "--multicast", &meeting]).stdout);
    let row = status["servers"].as_array().expect("a list").iter().find(|row| row["id"] == 2).expect("known").clone();
    let silent = Duration::from_millis(row["last_seen_ms"].as_u64().expect("a number"));
    assert_eq!(row["role"], "silent", "{row}");
    assert!(silent < crash.elapsed() + Duration::from_secs(3), "{row}");
}

#[test]
fn a_server_is_found_at_either_of_its_addresses() {
    let meeting = multicast();
    let servers = group_of(2, &meeting, None);
    let member = servers[1].wait_for("started")["address"].as_str().expect("an address").to_owned();
    let clients = place(&servers[1]);
    for contact in [["--server", &member], ["--server", &clients], ["--peer", &member], ["--peer", &clients]] {
        let sent = run(&[&["send", "hello"], &contact[..]].concat());
        assert_eq!(sent.code, 0, "{contact:?}: {sent:?}");
        let status = run(&[&["status", "--json"], &contact[..]].concat());
        let rows = json(&status.stdout)["servers"].clone();
        let row = rows.as_array().expect("a list").iter().find(|row| row["id"] == 1).expect("it answers").clone();
        assert_eq!((status.code, &row["clients_at"]), (0, &clients.as_str().into()), "{contact:?}: {row}");
    }
}
