//! An operator's orders: who leads, who is in, and going on without a quorum.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use common::{Server, group_of, group_with, multicast, program, run, stop_all, told_at};
use serde_json::{Value, json};

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
    assert!(out.code == 0 && out.stdout.starts_with("member 2 is out; if it lives, it joins again"), "{out:?}");
    // It lives, is told, and joins again.
    servers[2].wait_until("the exclusion", |lines| lines.iter().any(|line| line.contains("\"excluded\"")));
    view(&servers[2], |view| view["leader"] == 0 && view["followers"].as_array().is_some_and(|all| all.len() == 2));
}

#[test]
fn a_server_that_is_told_to_leave_hands_over_and_stays_out() {
    let place = multicast();
    let mut servers = group_of(3, &place, None);
    let leader = servers[0].wait_for_followers(2);
    let mut reader = Server::run(program(&["recv", "--json", "--multicast", &place]));
    let left = run(&["leave", &leader.to_string(), "--multicast", &place]);
    assert_eq!((left.code, left.stdout.trim()), (0, &*format!("server {leader} has left")), "{}", left.stderr);
    assert_eq!(servers[leader as usize].wait(), 0);
    let rest: Vec<usize> = (0..3).filter(|id| *id != leader as usize).collect();
    rest.iter().for_each(|id| _ = servers[*id].wait_for_followers(1));
    servers[rest[0]].write_line("without it");
    reader.wait_for_message("without it");
    reader.terminate();
    let nobody = run(&["drain", "77", "--multicast", &place]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert!(nobody.stderr.contains("no server with id 77 answers"), "{}", nobody.stderr);
}

#[test]
fn an_exclusion_below_min_voters_is_refused() {
    let place = multicast();
    let servers = group_with(2, &place, None, &["--min-voters", "2"]);
    let leader = servers[0].wait_for_followers(1);
    let refused = run(&["exclude", &(1 - leader).to_string(), "--multicast", &place]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("the group keeps at least 2 voters: let another server join"),
        "{}",
        refused.stderr
    );
}

/// A server that answers a survey as server `id`, alone in its lineage, and refuses every order.
fn stubborn_server(id: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("free");
    let place = listener.local_addr().expect("bound").to_string();
    let address = place.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut answers = &stream;
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    let request: Value = serde_json::from_str(&line).expect("JSON");
                    let answer = if request.get("hello").is_some() {
                        json!({"hello": {"protocol": 1, "id": id, "line_limit": 1000, "message_limit": 1000,
                                         "sessions": true}})
                    } else if request.get("status").is_some() {
                        json!({"status": {"id": id, "address": address, "role": "none", "gid": "", "view": 0,
                                          "leader": null, "followers": [], "learners": [], "stored": 0, "safe": 0,
                                          "stable": 0, "gseq": 0, "members": [], "uptime_ms": 1, "clients": 1,
                                          "servers": []}})
                    } else {
                        json!({"refused": {"reason": "not today"}})
                    };
                    writeln!(answers, "{answer}").expect("the client reads");
                }
            });
        }
    });
    place
}

#[test]
fn a_survivor_that_refuses_is_told_apart_from_the_one_that_goes_on() {
    let place = multicast();
    let server = Server::start(&["--multicast", &place, "--id", "1", "--bootstrap"]);
    let one = server.wait_for("started")["clients"][0].as_str().expect("an endpoint").to_owned();
    server.wait_for("view");
    let both = format!("{one},{}", stubborn_server(2));
    let forced = run(&["force-view", "--survivors", "1,2", "--yes-discard", "--server", &both]);
    assert_eq!(forced.code, 1);
    assert!(forced.stderr.contains("server 1 goes on, and server 2: not today"), "{}", forced.stderr);
}

/// Stands still for good: nothing proves that it is dead, as if its host were gone.
fn lose(servers: &[&Server]) {
    stop_all(servers);
}

fn blocked(server: &Server) {
    server.wait_until("the lost quorum", |lines| lines.iter().any(|line| line.contains("\"blocked\"")));
}

/// A client's connection to a server.
struct Client(BufReader<TcpStream>);

impl Client {
    fn of(server: &Server) -> Self {
        let place = server.wait_for("started")["clients"][0].as_str().expect("an endpoint").to_owned();
        Self(BufReader::new(TcpStream::connect(place).expect("it listens")))
    }

    fn ask(&mut self, line: &Value) -> Value {
        writeln!(self.0.get_mut(), "{line}").expect("it reads");
        let mut answer = String::new();
        self.0.read_line(&mut answer).expect("it answers");
        serde_json::from_str(&answer).expect("JSON")
    }
}

#[test]
fn one_of_three_goes_on_with_the_history_and_the_sessions() {
    let place = multicast();
    let servers = group_of(3, &place, None);
    let mut client = Client::of(&servers[0]);
    let hello = client.ask(&json!({"hello": {"protocol": 1, "session": "new"}}));
    assert!(hello["hello"]["session"].is_string(), "{hello}");
    let say = |number: u64| json!({"send": {"number": number, "payload": format!("said {number}")}});
    let placed: Vec<Value> = (1..=5).map(|number| client.ask(&say(number))).collect();
    assert!(placed.iter().all(|answer| answer["ordered"]["gseq"].is_u64()), "{placed:?}");
    lose(&[&servers[1], &servers[2]]);
    blocked(&servers[0]);
    let missing = run(&["force-view", "--survivors", "0,1", "--multicast", &place]);
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    assert!(missing.stderr.contains("nothing was changed: server 1 does not answer"), "{}", missing.stderr);
    let forced = run(&["force-view", "--survivors", "0", "--multicast", &place]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    let from = placed[0]["ordered"]["gseq"].to_string();
    let read = run(&["recv", "--multicast", &place, "--from", &from, "--count", "5"]);
    assert!(read.code == 0 && (1..=5).all(|number| read.stdout.contains(&format!("said {number}"))), "{read:?}");
    let mut client = Client::of(&servers[0]);
    client.ask(&json!({"hello": {"protocol": 1, "session": hello["hello"]["session"]}}));
    let (first, again) = (&placed[4]["ordered"], client.ask(&say(5))["ordered"].clone());
    assert_eq!((&again["gseq"], &again["view"]), (&first["gseq"], &first["view"]), "where the first copy is");
    assert_ne!(again["gid"], first["gid"], "in the history of another lineage");
    assert!(client.ask(&say(6))["ordered"]["gseq"].is_u64());
    let again = servers[0].messages();
    assert_eq!(again.iter().filter(|line| line.contains("said 5")).count(), 1, "{again:?}");
}

#[test]
fn a_group_that_serves_is_forced_only_if_that_is_meant() {
    let place = multicast();
    let servers = group_of(3, &place, None);
    // An empty lineage would give way to the one that is discarded.
    let sent = run(&["send", "a history", "--multicast", &place]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let forced = |more: &[&str]| run(&[&["force-view", "--survivors", "0", "--multicast", &place], more].concat());
    let refused = forced(&[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was changed: server 0 serves in view"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--yes-discard"), "{}", refused.stderr);
    assert!(!servers[1].lines().iter().any(|line| line.contains("\"left\":[0]")));
    let meant = forced(&["--yes-discard"]);
    assert_eq!(meant.code, 0, "{}", meant.stderr);
    assert!(meant.stdout.starts_with("discarding lineage "), "{}", meant.stdout);
    assert!(meant.stdout.contains("2 of its servers are not among the survivors"), "{}", meant.stdout);
}

#[test]
fn survivors_without_a_quorum_go_on_when_an_operator_says_so() {
    let place = multicast();
    let servers = group_of(5, &place, None);
    // All at once, or the group would shrink with them.
    lose(&servers[2..].iter().collect::<Vec<_>>());
    blocked(&servers[0]);
    let missing = run(&["force-view", "--survivors", "1,4", "--multicast", &place]);
    assert_eq!(missing.code, 3, "{}", missing.stderr);
    let forced = run(&["force-view", "--survivors", "1,0", "--multicast", &place]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    let given_up = servers[0].wait_for("given_up")["why"].to_string();
    assert!(given_up.contains("an operator has given it up for this server"), "{given_up}");
    assert!(servers[0].lines().iter().all(|line| !line.contains("went on without")), "{:?}", servers[0].lines());
    for server in &servers[..2] {
        view(server, |view| view["leader"] == 1 && view["followers"].as_array().is_some_and(|all| all.len() == 1));
    }
    let sent = run(&["send", "on we go", "--multicast", &place]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    servers[0].wait_until("the message", |lines| lines.iter().any(|line| line.contains("on we go")));
}

/// The operator took it for dead.
#[test]
fn a_server_that_comes_back_after_a_forced_view_is_told_what_happened() {
    let place = multicast();
    let servers = group_of(5, &place, None);
    let sent = run(&["send", "a history", "--multicast", &place]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    servers.iter().for_each(|server| server.wait_for_message("a history"));
    lose(&servers[2..].iter().collect::<Vec<_>>());
    blocked(&servers[0]);
    let forced = run(&["force-view", "--survivors", "1,0", "--multicast", &place]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    servers[2].signal("-CONT");
    let given_up = servers[2].wait_for("given_up")["why"].to_string();
    assert!(given_up.contains("its quorum is lost for good, and lineage "), "{given_up}");
    view(&servers[2], |view| view["followers"].as_array().is_some_and(|all| all.len() == 2));
    assert!(servers[2].lines().iter().all(|line| !line.contains("went on without")), "{:?}", servers[2].lines());
}

/// A client opens sessions in vain while the group is blocked. The server tells the group that they are over.
#[test]
fn what_clients_sessions_need_is_not_told_as_messages() {
    let place = multicast();
    let servers = group_with(3, &place, None, &["--when-blocked", "refuse"]);
    lose(&[&servers[1], &servers[2]]);
    blocked(&servers[0]);
    let clients = servers[0].wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let sent = run(&["send", "in vain", "--server", &clients, "--wait", "1"]);
    assert_ne!(sent.code, 0, "{sent:?}");
    let forced = run(&["force-view", "--survivors", "0", "--multicast", &place]);
    assert_eq!(forced.code, 0, "{}", forced.stderr);
    let sent = run(&["send", "on we go", "--server", &clients]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    servers[0].wait_for_message("on we go");
    let lines = servers[0].lines();
    assert!(lines.iter().all(|line| !line.contains("not_ordered") && !line.contains("outcome")), "{lines:#?}");
}

/// An operator has given up the only lineage there is.
#[test]
fn a_server_without_a_lineage_to_join_says_that_it_is_in_none() {
    let place = multicast();
    let mut servers = group_of(1, &place, None);
    servers[0].write_line("a history");
    servers[0].wait_for_message("a history");
    let mut client = Client::of(&servers[0]);
    let answer = client.ask(&json!({"operate": {"force_view": {"part": "join", "discard": true}}}));
    assert_eq!(answer, json!({"operated": {}}));
    servers[0].wait_for("excluded");
    let why = servers[0].wait_for("blocked")["why"].to_string();
    assert!(why.contains("an operator has given it up") && why.contains("it goes on asking"), "{why}");
    let clients = servers[0].wait_for("started")["clients"][0].as_str().expect("a place").to_owned();
    let told = told_at(&clients);
    assert_eq!(
        (&told["state"], &told["role"], &told["blocked"]["kind"]),
        (&"none".into(), &"none".into(), &"out".into())
    );
    let status = run(&["status", "--server", &clients]);
    assert!(status.code == 3 && status.stdout.starts_with("none: servers 0 in no group; server 0: "), "{status:?}");
    let status = run(&["status", "--server", &clients, "--json"]);
    assert!(status.code == 3 && status.stdout.starts_with(r#"{"state":"none""#), "{status:?}");
    let sent = run(&["send", "in vain", "--server", &clients, "--wait", "1"]);
    assert!(sent.code == 3 || sent.code == 4, "{sent:?}");
    assert!(sent.stderr.contains("joins it again"), "{sent:?}");
}
