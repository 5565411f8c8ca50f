//! Clients as processes: send, recv, chat and status, and clients written by hand.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{LIMIT, Server, group_of, group_with, multicast, one_leader, program, run, stop_all, told_at};
use serde_json::Value;

/// Where a server takes clients.
fn place(server: &Server) -> String {
    server.wait_for("started")["clients"][0].as_str().expect("an address").to_owned()
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Runs it with this input to its end.
fn fed(arguments: &[&str], input: &str) -> Output {
    let mut child = spawn(program(arguments));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Runs it with this input until it has complained like this.
fn fed_for(arguments: &[&str], input: &str, complained: impl Fn(&str) -> bool) {
    let mut child = spawn(program(arguments));
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(complained(&line), "{line}");
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// `recv` that has subscribed; it ends after `count` messages.
fn recv(arguments: &[&str], count: usize, place: &str) -> Child {
    let child = spawn(program(&[&["recv", "--json", "--count", &count.to_string()], arguments].concat()));
    wait_for_clients(TcpStream::connect(place).expect("connects"), 2);
    child
}

/// Asks the server at the other end until it has so many connections beside this one. `recv` has two: the second is
/// that of its subscription.
fn wait_for_clients(stream: impl Read + Write, count: u64) {
    let mut stream = BufReader::new(stream);
    loop {
        stream.get_mut().write_all(b"{\"status\":{}}\n").expect("writes");
        let mut status = String::new();
        stream.read_line(&mut status).expect("reads");
        if json(&status)["status"]["clients"] == count {
            return;
        }
    }
}

fn lines_of(child: Child) -> Vec<String> {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn what_is_sent_arrives_everywhere_as_the_servers_print_it() {
    let meeting = multicast();
    let servers = group_of(3, &meeting, None);
    let only = place(&servers[0]);
    let receiving = recv(&["--server", &only], 3000, &only);
    let senders: Vec<_> = (0..3)
        .map(|client| {
            let place = place(&servers[client]);
            thread::spawn(move || {
                let lines: String = (0..1000).map(|n| format!("{client} sends {n}\n")).collect();
                let output = fed(&["send", "--json", "--server", &place], &lines);
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).expect("text")
            })
        })
        .collect();
    let mut places = Vec::new();
    for sender in senders {
        let lines = sender.join().expect("no panic");
        let gseqs: Vec<u64> = lines.lines().map(|line| json(line)["gseq"].as_u64().expect(line)).collect();
        assert!(gseqs.len() == 1000 && gseqs.is_sorted_by(|a, b| a < b), "first in, first out");
        places.extend(gseqs);
    }
    let received = lines_of(receiving);
    for server in &servers {
        server.wait_until("all messages", |lines| lines.iter().filter(|l| l.contains(" sends ")).count() == 3000);
    }
    assert_eq!(servers[0].messages(), received, "byte for byte");
    assert_eq!(servers[1].messages(), servers[2].messages());
    for client in 0..3 {
        let of_client = format!("\"{client} sends ");
        let mine = received.iter().filter(|line| line.contains(&of_client)).enumerate();
        assert!(mine.clone().all(|(n, line)| line.ends_with(&format!("{client} sends {n}\"}}"))));
        assert_eq!(mine.count(), 1000);
    }
    places.sort();
    let delivered: Vec<u64> = received.iter().map(|line| json(line)["gseq"].as_u64().expect("a place")).collect();
    assert_eq!(places, delivered);

    let from = places[2990].to_string();
    let late = run(&["recv", "--json", "--multicast", &meeting, "--from", &from, "--count", "10"]);
    assert_eq!(
        (late.code, late.stdout.lines().collect::<Vec<_>>()),
        (0, received[2990..].iter().map(String::as_str).collect())
    );
    let words = run(&["recv", "--server", &only, "--from", &from, "--count", "1"]);
    assert!(words.stdout.starts_with(&format!("{from}  ")) && words.stdout.contains(": "), "{words:?}");
}

#[test]
fn a_reader_that_goes_away_ends_recv_although_nothing_happens() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let place = place(&server);
    let mut receiving = recv(&["--server", &place], 1, &place);
    drop(receiving.stdout.take());
    let output = receiving.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn messages_come_from_arguments_files_or_nowhere() {
    let meeting = multicast();
    let server = Server::start(&["--multicast", &meeting, "--bootstrap"]);
    let place = place(&server);
    let to = ["--server", &place];
    let receiving = recv(&["--multicast", &meeting], 8, &place);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("lines");
    std::fs::write(&file, "from a file\nwithout an end").expect("writes");
    let finished = run(&[&["send", "one", "two words"], &to[..]].concat());
    assert!(finished.code == 0 && finished.stdout.lines().count() == 2, "{finished:?}");
    assert!(finished.stdout.starts_with("ordered at 3 in view 1, "), "{finished:?}");
    let finished = run(&[&["send", "--file", file.to_str().expect("text"), "--level", "stable"], &to[..]].concat());
    assert_eq!(finished.code, 0, "{finished:?}");
    let finished =
        run(&[&["send", "--count", "3", "--size", "8", "--rate", "1000", "--quiet", "--json"], &to[..]].concat());
    let summary = json(&finished.stdout);
    assert_eq!((finished.code, &summary["ordered"], &summary["messages"]), (0, &3.into(), &3.into()), "{summary}");
    assert!(summary["latency_us"]["max"].as_u64() >= summary["latency_us"]["p50"].as_u64(), "{summary}");
    let chatting = fed(&[&["chat", "--name", "ann"], &to[..]].concat(), "hello\n\n");
    let shown = String::from_utf8(chatting.stdout).expect("text");
    assert!(chatting.status.success() && shown.contains(": ann: hello\n"), "{shown}");
    let payload = |line: &String| json(line)["payload"].as_str().expect("text").to_owned();
    let received: Vec<String> = lines_of(receiving).iter().map(payload).collect();
    let expected =
        ["one", "two words", "from a file", "without an end", "0.......", "1.......", "2.......", "ann: hello"];
    assert_eq!(received, expected);
}

#[test]
fn a_malformed_line_gets_its_position_and_the_connection_lives_on() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let mut stream = TcpStream::connect(place(&server)).expect("connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
    stream.write_all(b"{\"send\":{\"number\":1,\"payload\":\"a\"} oops\n").expect("writes");
    assert_eq!(json(&lines.next().expect("a line").expect("reads"))["error"]["position"], 35);
    stream.write_all(b"{\"send\":{\"number\":2,\"payload\":\"a\"}}\n").expect("writes");
    assert_eq!(json(&lines.next().expect("a line").expect("reads"))["ordered"]["number"], 2);
    // A line that never ends, until the server has had enough.
    let chunk = vec![b'x'; 64 << 10];
    for _ in 0..64 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let error = json(&lines.next().expect("a line").expect("reads"));
    assert_eq!(error["error"]["position"], (2 << 20) + 1, "{error}");
    assert!(json(&lines.next().expect("a line").expect("reads"))["closed"]["reason"].is_string());
}

#[test]
fn a_client_that_does_not_read_is_cut_off_while_others_go_on() {
    let meeting = multicast();
    let server = Server::start(&["--multicast", &meeting, "--bootstrap", "--client-grace", "0.3"]);
    let place = place(&server);
    let mut idle = TcpStream::connect(&place).expect("connects");
    idle.write_all(b"{\"subscribe\":{}}\n").expect("writes");
    let sent = run(&["send", "--server", &place, "--count", "2000", "--size", "20000", "--quiet"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    wait_for_clients(TcpStream::connect(&place).expect("connects"), 0);
    let start = Instant::now();
    while !server.complaints().contains("cut off: it has not read for 300 ms") {
        assert!(start.elapsed() < LIMIT, "{}", server.complaints());
        thread::sleep(Duration::from_millis(2));
    }
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(rest.len() < 2000 * 20_000);
    assert_eq!(run(&["send", "--server", &place, "still there"]).code, 0);
}

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

#[test]
fn what_is_too_large_is_exit_code_4() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let finished = run(&["send", "--server", &place(&server), "--count", "1", "--size", "3000000"]);
    assert_eq!(finished.code, 4, "{finished:?}");
    assert!(finished.stderr.contains("2097152") && finished.stderr.lines().count() == 1, "{finished:?}");
}

#[test]
fn a_server_of_another_group_takes_nothing() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let finished = run(&["send", "--server", &place(&server), "--group", "other", "--wait", "0.1", "misled"]);
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.stderr.contains("belongs to group 'gms', not 'other'"), "{finished:?}");
}

#[test]
fn input_that_is_not_sent_is_no_success() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let place = place(&server);
    let dir = tempfile::tempdir().expect("a directory");
    let unreadable = dir.path().to_str().expect("text");
    let finished = run(&["send", "--server", &place, "--file", unreadable]);
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(finished.stderr.contains(unreadable) && finished.stderr.contains("not all of the input"), "{finished:?}");
}

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

#[test]
fn nobody_to_talk_to_is_exit_code_3() {
    let meeting = multicast();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("free").local_addr().expect("an address").to_string();
    for command in ["send", "recv", "chat"] {
        let finished = run(&[command, "--multicast", &meeting, "--wait", "0.1"]);
        assert_eq!((finished.code, finished.stdout.as_str()), (3, ""), "{finished:?}");
        assert!(finished.stderr.contains(&meeting) && finished.stderr.lines().count() == 1, "{finished:?}");
        let finished = run(&[command, "--server", &nobody, "--wait", "0.1"]);
        assert_eq!(finished.code, 3, "{finished:?}");
        assert!(finished.stderr.contains(&nobody), "{finished:?}");
    }
    let finished = run(&["status", "--multicast", &meeting]);
    assert!(finished.code == 3 && finished.stdout.starts_with("none: no server found, tried "), "{finished:?}");
    assert!(finished.stdout.contains(&meeting) && finished.stderr.is_empty(), "{finished:?}");
    let finished = run(&["status", "--json", "--server", &nobody]);
    assert_eq!((finished.code, &json(&finished.stdout)["state"]), (3, &"none".into()), "{finished:?}");
}

#[test]
fn what_cannot_be_is_a_usage_error_that_names_it() {
    for (arguments, words) in [
        (&["send", "--server", "nowhere"][..], &["nowhere", "HOST:PORT"][..]),
        (&["send", "--rate", "0", "x"], &["--rate 0"]),
        (&["send", "--rate", "1e-20", "x"], &["--rate", "or more"]),
        (&["send", "--size", "5"], &["--count"]),
        (&["send", "--count", "5", "x"], &["--count"]),
        (&["send", "--file", "/nowhere/lines"], &["/nowhere/lines"]),
        (&["recv", "--from", "here"], &["--from"]),
        (&["recv", "--interface", "nope0"], &["nope0"]),
        (&["status", "--multicast", "127.0.0.1:7"], &["127.0.0.1:7", "239.0.0.0/8"]),
        (&["status", "--watch=0"], &["--watch"]),
        (&["recv", "--wait=-1"], &["--wait -1"]),
        (&["server", "--listen", "nowhere"], &["nowhere", "HOST:PORT"]),
        (&["server", "--listen", "none", "127.0.0.1:0"], &["none"]),
        (&["server", "--client-grace", "0"], &["client-grace"]),
        (&["server", "--listen", "0.0.0.0:0"], &["0.0.0.0:0", "--insecure"]),
    ] {
        let finished = run(arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{arguments:?}: {finished:?}");
        for word in words {
            assert!(finished.stderr.contains(word), "{word} is not in {}", finished.stderr);
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("free");
    let place = taken.local_addr().expect("an address").to_string();
    let finished = run(&["server", "--multicast", &multicast(), "--listen", &place]);
    assert_eq!((finished.code, finished.stdout.as_str()), (1, ""), "{finished:?}");
    assert!(finished.stderr.contains(&place) && finished.stderr.contains("another program"), "{finished:?}");
}

#[test]
fn a_reader_that_goes_away_is_not_the_success_of_send() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let place = place(&server);
    let mut sending = spawn(program(&["send", "--count", "10000000", "--server", &place]));
    let mut line = String::new();
    BufReader::new(sending.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("ordered at "), "{line}");
    let output = sending.wait_with_output().expect("it ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.starts_with("error: standard output was closed: "), "{complaint}");
    assert_eq!((output.status.code(), complaint.lines().count()), (Some(1), 1));
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

/// Each connection takes one of few file descriptors.
#[test]
fn a_server_without_file_descriptors_says_so_once_a_second_and_serves_when_there_are_some() {
    let mut command = Command::new("sh");
    let server = program(&["server", "--json", "--multicast", &multicast(), "--bootstrap"]);
    command.args(["-c", "ulimit -n 40; exec \"$@\"", "sh"]).arg(server.get_program()).args(server.get_args());
    let server = Server::run(command);
    let place = place(&server);
    let start = Instant::now();
    let connections: Vec<_> = (0..60).map(|_| TcpStream::connect(&place).expect("connects")).collect();
    let complaints = || server.complaints().lines().filter(|line| line.contains("cannot let a client in")).count();
    while complaints() < 3 {
        assert!(start.elapsed() < LIMIT, "{}", server.complaints());
        thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "{}", server.complaints());
    drop(connections);
    assert_eq!(run(&["send", "--server", &place, "--wait", "20", "again"]).code, 0);
}

#[test]
fn a_session_over_a_unix_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gms.sock");
    let place = format!("unix:{}", path.display());
    let mut server = Server::start(&["--multicast", &multicast(), "--bootstrap", "--listen", &place]);
    assert_eq!(server.wait_for("started")["clients"], Value::from(vec![place.clone()]));
    let receiving = spawn(program(&["recv", "--server", &place, "--count", "1"]));
    wait_for_clients(UnixStream::connect(&path).expect("connects"), 2);
    let status = json(&run(&["status", "--json", "--server", &place]).stdout);
    assert_eq!(status["agree"], true, "{status}");
    let finished = run(&["send", "--server", &place, "hello"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(lines_of(receiving)[0].ends_with(": hello"));
    assert_eq!(server.terminate().0, 0);
    assert!(!path.exists());
    let silent = Server::start(&["--multicast", &multicast(), "--bootstrap", "--listen", "none"]);
    assert_eq!(silent.wait_for("started")["clients"], Value::from(Vec::<Value>::new()));
}

#[test]
fn the_example_in_the_documentation_runs() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/client-protocol.md");
    let text = std::fs::read_to_string(document).expect("the document");
    let (_, rest) = text.split_once("```python\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIP: there is no python3 here to run the example with");
        return;
    }
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let place = place(&server);
    let (host, port) = place.rsplit_once(':').expect("a port");
    let output = Command::new("python3").args(["-c", example, host, port]).stdin(Stdio::null()).output().expect("runs");
    let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complaints}");
    assert!(printed.contains("ordered at 2") && printed.contains("hello from Python"), "{printed}");
    server.wait_until("its message", |lines| lines.iter().any(|line| line.contains("hello from Python")));
}
