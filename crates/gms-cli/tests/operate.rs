//! An operator's orders: who leads, who is in, and going on without a quorum.

mod common;

use common::{Server, group_of, multicast, run};
use serde_json::Value;

fn view(server: &Server, wanted: impl Fn(&Value) -> bool) {
    server.wait_until("the view", |lines| {
        let mut events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.rfind(|line| line["event"] == "view").is_some_and(|line| wanted(&line))
    });
}

#[test]
fn an_operator_moves_the_lead_and_puts_a_member_out() {
    let place = multicast();
    let servers = group_of(3, &place, None);
    let moved = run(&["transfer-leader", "0", "--multicast", &place]);
    assert_eq!((moved.code, moved.stdout.trim()), (0, "member 0 leads"), "{}", moved.stderr);
    view(&servers[2], |view| view["leader"] == 0);
    let own = run(&["exclude", "0", "--multicast", &place]);
    assert_eq!(own.code, 1);
    assert!(own.stderr.contains("server 0 leads: hand over first"), "{}", own.stderr);
    let nobody = run(&["exclude", "77", "--multicast", &place]);
    assert!(nobody.stderr.contains("no member has id 77"), "{}", nobody.stderr);
    let out = run(&["exclude", "2", "--multicast", &place]);
    assert_eq!((out.code, out.stdout.trim()), (0, "member 2 is out"), "{}", out.stderr);
    // It lives, is told, and joins again.
    servers[2].wait_until("the exclusion", |lines| lines.iter().any(|line| line.contains("\"excluded\"")));
    view(&servers[2], |view| view["leader"] == 0 && view["followers"].as_array().is_some_and(|all| all.len() == 2));
}

#[test]
fn survivors_without_a_quorum_go_on_when_an_operator_says_so() {
    let place = multicast();
    let mut servers = group_of(5, &place, None);
    // All at once, or the group would shrink with them.
    servers[2..].iter().for_each(|server| server.signal("-STOP"));
    servers[2..].iter_mut().for_each(Server::crash);
    servers[1].wait_until("the lost quorum", |lines| lines.iter().any(|line| line.contains("\"blocked\"")));
    let missing = run(&["force-view", "--survivors", "1,4", "--multicast", &place]);
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    let forced = run(&["force-view", "--survivors", "1,0", "--multicast", &place]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    for server in &servers[..2] {
        view(server, |view| view["leader"] == 1 && view["followers"].as_array().is_some_and(|all| all.len() == 1));
    }
    let sent = run(&["send", "on we go", "--multicast", &place]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    servers[0].wait_until("the message", |lines| lines.iter().any(|line| line.contains("on we go")));
}
