//! Every view says why each member that it has lost is gone, to people and to programs, and all servers say the same.
#![cfg(unix)]

mod common;

use common::{Server, group_of, multicast, program};
use serde_json::Value;

/// Why server `id` is gone: of the view without it, on this server.
fn why_out(server: &Server, id: u64) -> Value {
    let view_without = |lines: &[String]| {
        let views = lines.iter().filter(|line| line.starts_with(r#"{"event":"view""#));
        let mut views = views.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        views.find(|view| view["left"] == serde_json::json!([id]))
    };
    server.wait_until("a view without it", |lines| view_without(lines).is_some());
    view_without(&server.lines()).expect("just seen")["why"][id.to_string()].clone()
}

/// What a server says to people after the view without server `id`.
fn line_after_view(spoken: &Server, id: u64) -> String {
    let left = format!(", left {id}");
    let after = |lines: &[String]| {
        let at = lines.iter().position(|line| line.starts_with("view ") && line.ends_with(&left))?;
        lines.get(at + 1).cloned()
    };
    spoken.wait_until("a line after the view", |lines| after(lines).is_some());
    after(&spoken.lines()).expect("just seen")
}

#[test]
fn the_survivors_of_kill_9_say_why_and_nothing_is_said_of_one_that_leaves() {
    let meeting = multicast();
    let mut servers = group_of(5, &meeting, None);
    let arguments = ["server", "--multicast", &meeting, "--id", "5", "--expect", "0"];
    let mut spoken = Server::run(program(&arguments));
    let mut leader = 0;
    for server in &servers {
        leader = server.wait_for_followers(5);
    }
    let follower = servers.iter().map(Server::id).find(|id| *id != leader).expect("one of them");
    for dead in [follower, leader] {
        servers.remove(servers.iter().position(|server| server.id() == dead).expect("one of them")).crash();
        let why = why_out(&servers[0], dead);
        assert!(why["reason"] == "closed" || why["reason"] == "dead", "{why}");
        assert!(servers.iter().all(|server| why_out(server, dead) == why));
        let text = why["text"].as_str().expect("text");
        assert_eq!(line_after_view(&spoken, dead), format!("member {dead} out: {text}"));
    }
    let mut leaver = servers.remove(0);
    let id = leaver.id();
    assert_eq!(leaver.terminate().0, 0);
    assert_eq!(why_out(&servers[0], id)["reason"], "left");
    spoken.write("goodbye\n");
    assert!(line_after_view(&spoken, id).ends_with("5: goodbye"));
}

#[test]
fn one_that_stands_still_was_silent_and_did_not_answer() {
    let servers = group_of(3, &multicast(), None);
    let leader = servers[0].wait_for_followers(2);
    let stopped = servers.iter().find(|server| server.id() != leader).expect("one of them");
    stopped.signal("-STOP");
    let leader = servers.iter().find(|server| server.id() == leader).expect("one of them");
    let why = why_out(leader, stopped.id());
    assert_eq!(why["reason"], "silent", "{why}");
    let text = why["text"].as_str().expect("text");
    assert!(text.starts_with("silent for ") && text.ends_with(" ms, 2 checks unanswered"), "{text}");
}
