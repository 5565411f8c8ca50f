//! What `send`, `recv` and `chat` say and show, and when they end.

use std::io::{BufRead, BufReader};
use std::thread;

use crate::common::{Server, group_of, multicast, program, run};
use crate::programs::{fed, json, lines_of, place, recv, spawn};

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
fn what_is_too_large_is_exit_code_4() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let finished = run(&["send", "--server", &place(&server), "--count", "1", "--size", "3000000"]);
    assert_eq!(finished.code, 4, "{finished:?}");
    assert!(finished.stderr.contains("2097152") && finished.stderr.lines().count() == 1, "{finished:?}");
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
