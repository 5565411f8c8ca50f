//! Servers that are killed and stopped: the others go on, as far as their quorum allows.
#![cfg(unix)]

mod common;

use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use common::{Server, are_sound, group_of, group_with, multicast, program, run};

/// What a client sends all the while, until nobody takes it any more.
struct Load(Child);

impl Load {
    /// A message a millisecond through any server, until dropped; returns once the first has its place.
    fn start(meeting: &str) -> Self {
        let arguments =
            ["send", "--multicast", meeting, "--count", "1000000", "--rate", "1000", "--size", "100", "--wait", "30"];
        let mut child = program(&arguments).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut printed = child.stdout.take().expect("piped");
        std::io::Read::read_exact(&mut printed, &mut [0]).expect("something is ordered");
        std::thread::spawn(move || drain(printed));
        Self(child)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn drain(mut printed: ChildStdout) {
    let _ = std::io::copy(&mut printed, &mut std::io::sink());
}

/// Of servers 0 and so on.
fn traces(dir: &Path, count: u64) -> Vec<String> {
    (0..count).map(|id| dir.join(format!("{id}.jsonl")).display().to_string()).collect()
}

/// Waits until it has printed more messages than now.
fn goes_on(server: &Server) {
    let count = |lines: &[String]| lines.iter().filter(|line| line.starts_with(r#"{"event":"message""#)).count();
    let before = count(&server.lines());
    server.wait_until("more messages", |lines| count(lines) > before);
}

#[test]
fn with_fail_stop_a_group_under_load_may_lose_leader_after_leader_down_to_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let meeting = multicast();
    let mut servers = group_with(5, &meeting, Some(dir.path()), &["--quorum", "fail-stop"]);
    let _load = Load::start(&meeting);
    for left in (0..4).rev() {
        let leader = servers[0].wait_for_followers(left + 1) as usize;
        let mut leader =
            servers.remove(servers.iter().position(|server| server.id() == leader as u64).expect("one of them"));
        leader.crash();
        for server in &servers {
            server.wait_for_followers(left);
            goes_on(server);
        }
    }
    servers[0].write("alone\n");
    servers[0].wait_until("its own message", |lines| lines.iter().any(|line| line.contains(r#""payload":"alone""#)));
    let (code, _) = servers[0].terminate();
    assert_eq!(code, 0);
    are_sound(traces(dir.path(), 5), dir.path());
}

#[test]
fn a_majority_group_shrinks_to_two_and_the_last_follower_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let meeting = multicast();
    let mut servers = group_with(4, &meeting, Some(dir.path()), &["--election", "seniority"]);
    // The youngest never leads. It speaks to people, for they are told more than programs.
    let trace = dir.path().join("4.jsonl").display().to_string();
    let arguments = ["server", "--multicast", &meeting, "--id", "4", "--election", "seniority", "--trace", &trace];
    let mut last = Server::run(program(&arguments));
    for left in [3, 2, 1] {
        let leader = servers[0].wait_for_followers(left + 1);
        servers.remove(servers.iter().position(|server| server.id() == leader).expect("one of them")).crash();
        for server in &servers {
            server.wait_for_followers(left);
        }
        servers[0].write("still here\n");
        goes_on(&servers[0]);
    }
    // Who is no leader is half of the two, and not the half that counts.
    assert_eq!(servers[0].wait_for_followers(1), servers[0].id());
    servers[0].crash();
    last.wait_until("what to do", |lines| {
        let mut blocked = lines.iter().filter(|line| line.starts_with("blocked: "));
        blocked.any(|line| line.contains("1 of 2 voters") && line.contains("gms-cli force-view"))
    });
    let (code, _) = last.terminate();
    assert_eq!(code, 0);
    are_sound(traces(dir.path(), 5), dir.path());
}

#[test]
fn a_leader_that_is_stopped_is_replaced_and_joins_again_when_it_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let meeting = multicast();
    let mut servers = group_of(3, &meeting, Some(dir.path()));
    let leader = servers[0].wait_for_followers(2) as usize;
    let others: Vec<usize> = (0..3).filter(|id| *id != leader).collect();
    servers[leader].signal("-STOP");
    // What is typed meanwhile is its own, of a life that ends.
    servers[leader].write("from the old leader\n");
    for id in &others {
        assert_ne!(servers[*id].wait_for_followers(1) as usize, leader);
    }
    servers[leader].signal("-CONT");
    servers[leader].wait_for("excluded");
    for server in &servers {
        server.wait_for_followers(2);
    }
    for server in &mut servers {
        server.write("after all\n");
    }
    for server in &servers {
        server.wait_until("all messages", |lines| lines.iter().filter(|line| line.contains("after all")).count() == 3);
    }
    let own = servers[leader].messages();
    let theirs = servers[others[0]].messages();
    assert_eq!(own.last(), theirs.last());
    for mut server in servers {
        assert_eq!(server.terminate().0, 0);
    }
    are_sound(traces(dir.path(), 3), dir.path());
}

#[test]
fn a_server_with_other_settings_is_told_which() {
    let meeting = multicast();
    let first = Server::start(&["--multicast", &meeting, "--id", "1", "--bootstrap"]);
    first.wait_for_followers(0);
    let group_and_own = [
        (&["--quorum", "fail-stop"][..], "quorum is majority in the group and fail-stop here"),
        (&["--election", "seniority"], "election is bully in the group and seniority here"),
        (&["--preempt"], "preempt is off in the group and on here"),
        (&["--min-voters", "2"], "min_voters is 1 in the group and 2 here"),
        (&["--profile", "local"], "heartbeat is 100 ms in the group and 25 ms here"),
    ];
    for (settings, difference) in group_and_own {
        let refused = run(&[&["server", "--multicast", &meeting, "--id", "2"], settings].concat());
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(difference), "{refused:?}");
    }
}
