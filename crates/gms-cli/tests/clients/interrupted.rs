//! Clients whose server is killed, lost or blocked in the middle of what they do.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use crate::common::{Server, group_of, multicast, one_leader, program, run, stop_all};
use crate::programs::{fed_for, json, place, spawn, wait_for_clients};

#[test]
fn clients_move_on_when_their_server_is_killed() {
    clients_move_on(|leader| (leader + 1) % 3);
}

#[test]
fn clients_move_on_when_the_leader_is_killed() {
    clients_move_on(|leader| leader);
}

/// Kills the server that a sender and a receiver use: each line is delivered once, in order, where it is said to be.
fn clients_move_on(victim_of: fn(usize) -> usize) {
    const LINES: usize = 50_000;
    let meeting = multicast();
    let mut servers = group_of(3, &meeting, None);
    let leader = servers[0].wait_for_followers(2) as usize;
    let victim = victim_of(leader);
    let watcher = (victim + 1) % 3;
    let (first, second) = (place(&servers[victim]), place(&servers[watcher]));
    let both = ["--server", &first, "--server", &second];
    let mut receiving = spawn(program(&[&["recv", "--json"], &both[..]].concat()));
    wait_for_clients(TcpStream::connect(&first).expect("connects"), 2);
    let mut sending = spawn(program(&[&["send", "--json"], &both[..]].concat()));
    let mut input = sending.stdin.take().expect("piped");
    let feeding = thread::spawn(move || {
        // Less than a server's history, so that nobody can fall behind.
        for n in 0..LINES {
            if writeln!(input, "number {n}").is_err() {
                break;
            }
        }
    });
    servers[watcher].wait_until("some messages", |lines| lines.len() > 1000);
    servers[victim].crash();
    let output = sending.wait_with_output().expect("it ends");
    feeding.join().expect("no panic");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let outcomes: Vec<Value> = String::from_utf8(output.stdout).expect("text").lines().map(json).collect();

    assert_eq!(run(&["send", "--server", &second, "the end"]).code, 0);
    servers[watcher].wait_until("the end", |lines| lines.iter().any(|line| line.contains("\"the end\"")));
    let printed = servers[watcher].messages();
    let mut received = Vec::new();
    for line in BufReader::new(receiving.stdout.take().expect("piped")).lines() {
        let line = line.expect("reads");
        assert!(!line.contains(r#""event":"gap""#), "{line}");
        if line.starts_with(r#"{"event":"message""#) {
            received.push(line);
        }
        if received.last().is_some_and(|line| line.contains("\"the end\"")) {
            break;
        }
    }
    receiving.kill().and_then(|()| receiving.wait()).expect("it can be killed");
    assert_eq!(received, printed, "nothing lost, nothing twice");
    assert_eq!((outcomes.len(), printed.len()), (LINES, LINES + 1));
    for (n, (outcome, message)) in outcomes.iter().zip(&printed).enumerate() {
        let message = json(message);
        assert_eq!(message["payload"], format!("number {n}"));
        assert_eq!((&outcome["outcome"], &outcome["gseq"]), (&"ordered".into(), &message["gseq"]), "number {n}");
    }
}

#[test]
fn what_was_in_flight_when_the_last_server_was_lost_is_exit_code_5() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("free");
    let place = listener.local_addr().expect("an address").to_string();
    let losing = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
        assert!(lines.next().expect("a line").expect("reads").starts_with(r#"{"hello":{"protocol":1,"#));
        let hello = r#"{"hello":{"protocol":1,"id":1,"line_limit":1000,"message_limit":1000,"sessions":true}}"#;
        writeln!(&stream, "{hello}").expect("writes");
        let opening = lines.next().expect("a line").expect("reads");
        assert_eq!(opening, r#"{"hello":{"protocol":1,"session":"new"}}"#);
        writeln!(&stream, "{}", hello.replace("\"sessions\"", "\"session\":\"7\",\"sessions\"")).expect("writes");
        assert_eq!(lines.next().expect("a line").expect("reads"), r#"{"send":{"number":1,"payload":"lost"}}"#);
    });
    let finished = run(&["send", "--server", &place, "--wait", "0.1", "--json", "lost"]);
    losing.join().expect("no panic");
    assert_eq!((finished.code, finished.stdout.as_str()), (5, "{\"outcome\":\"unknown\"}\n"), "{finished:?}");
    assert!(finished.stderr.contains("1 of 1") && finished.stderr.lines().count() == 1, "{finished:?}");
}

/// Two of three servers stand still: the leader that is left hears no quorum.
#[test]
fn clients_of_a_blocked_group_say_why_they_wait_and_send_ends_when_its_time_is_over() {
    let servers = group_of(3, &multicast(), None);
    let leader = one_leader(&servers);
    let place = place(&servers[leader]);
    // Before the group is blocked it has a session, and messages that are ordered.
    let mut open = spawn(program(&["send", "--timeout", "30", "--server", &place]));
    let mut input = open.stdin.take().expect("piped");
    let mut output = BufReader::new(open.stdout.take().expect("piped"));
    input.write_all(b"before\n").expect("it reads");
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert!(line.starts_with("ordered at "), "{line}");
    let others: Vec<&Server> = (0..3).filter(|id| *id != leader).map(|id| &servers[id]).collect();
    stop_all(&others);
    servers[leader].wait_for("blocked");
    let why = "waiting: the server is blocked: no quorum: only 1 of 3 voters are heard";
    // Nothing is written before the group has opened a session: it is certain that nothing is ordered.
    let finished = run(&["send", "--timeout", "4", "--server", &place, "hello"]);
    assert_eq!(finished.code, 4, "{finished:?}");
    assert_eq!(finished.stderr.lines().filter(|line| line.starts_with("waiting: ")).count(), 1, "{finished:?}");
    assert!(finished.stderr.starts_with(why), "{finished:?}");
    fed_for(&["chat", "--server", &place], "hello\n", |complaint| complaint.starts_with(why));
    // What was written may be ordered when the others come back.
    input.write_all(b"during\n").expect("it reads");
    let ended = open.wait_with_output().expect("it ends");
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(complaint.starts_with(why) && complaint.contains("may or may not"), "{complaint}");
    assert_eq!(ended.status.code(), Some(5), "{complaint}");
    drop(input);
    others.iter().for_each(|server| server.signal("-CONT"));
}
