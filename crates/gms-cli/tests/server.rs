//! Servers as processes: they agree, hand over, and go when told.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{LIMIT, Server, group_of, multicast, ports, program, run, stop_all};

/// A signal ends a server within about a second, on a machine that does nothing else.
const SOON: Duration = Duration::from_secs(10);

fn lines_of(id: usize, range: std::ops::Range<usize>) -> String {
    range.map(|number| format!("{id} says {number}\n")).collect()
}

fn payloads(messages: &[String], sender: usize) -> Vec<String> {
    let values = messages.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    values.filter(|v| v["sender"] == sender).map(|v| v["payload"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn servers_print_one_order_and_their_traces_hold() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut servers = group_of(3, &multicast(), Some(dir.path()));
    let started = servers[1].lines().remove(0);
    assert!(started.starts_with(r#"{"event":"started","id":1,"address":"127.0.0.1:"#), "{started}");
    thread::scope(|scope| {
        for (id, server) in servers.iter_mut().enumerate() {
            scope.spawn(move || server.write(&lines_of(id, 0..2000)));
        }
    });
    for server in &servers {
        server.wait_until("all messages", |lines| {
            lines.iter().filter(|line| line.starts_with(r#"{"event":"message""#)).count() == 6000
        });
    }
    let messages = servers[0].messages();
    assert_eq!(messages, servers[1].messages());
    assert_eq!(messages, servers[2].messages());
    for id in 0..3 {
        let expected: Vec<String> = lines_of(id, 0..2000).lines().map(str::to_owned).collect();
        assert_eq!(payloads(&messages, id), expected);
    }
    for mut server in servers {
        let (code, took) = server.terminate();
        assert!(code == 0 && took < SOON, "{code} after {took:?}");
        assert_eq!(server.lines().last().map(String::as_str), Some(r#"{"event":"left","released":true}"#));
        assert_eq!(server.complaints(), "");
    }
    let files: Vec<String> = (0..3).map(|id| dir.path().join(format!("{id}.jsonl")).display().to_string()).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let checked = run(&[&["check"], &files[..]].concat());
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert!(checked.stdout.contains("18000"), "{}", checked.stdout);
}

#[test]
fn a_leader_that_is_told_to_stop_hands_over_and_nothing_is_lost() {
    let mut servers = group_of(3, &multicast(), None);
    let leader = servers[0].wait_for_followers(2) as usize;
    for (id, server) in servers.iter_mut().enumerate() {
        server.write(&lines_of(id, 0..500));
    }
    servers[leader].wait_until("its own messages", |lines| {
        lines.iter().filter(|line| line.contains(&format!(r#""payload":"{leader} says"#))).count() == 500
    });
    let stayers: Vec<usize> = (0..3).filter(|id| *id != leader).collect();
    for id in &stayers {
        let server = &mut servers[*id];
        server.write_behind(lines_of(*id, 500..20_000));
    }
    let (code, took) = servers[leader].terminate();
    assert!(code == 0 && took < SOON, "{code} after {took:?}");
    let view = servers[stayers[0]].wait_for_followers(1);
    assert_ne!(view, leader as u64);
    for id in &stayers {
        servers[*id].wait_until("all messages", |lines| {
            lines.iter().filter(|line| line.starts_with(r#"{"event":"message""#)).count() == 40_500
        });
    }
    let messages = servers[stayers[0]].messages();
    assert_eq!(messages, servers[stayers[1]].messages());
    for id in &stayers {
        let expected: Vec<String> = lines_of(*id, 0..20_000).lines().map(str::to_owned).collect();
        assert_eq!(payloads(&messages, *id), expected);
    }
    assert_eq!(payloads(&messages, leader).len(), 500);
    let before = servers[leader].messages();
    assert_eq!(before, messages[..before.len()]);
}

#[test]
fn a_server_whose_id_is_taken_when_it_comes_back_says_so_and_fails() {
    let place = multicast();
    let mut servers = group_of(3, &place, None);
    servers[0].signal("-STOP");
    servers[1].wait_for_followers(1);
    let _another = Server::start(&["--multicast", &place, "--id", "0"]);
    servers[1].wait_for_followers(2);
    servers[0].signal("-CONT");
    assert_eq!(servers[0].wait(), 1);
    let complaints = servers[0].complaints();
    assert!(complaints.contains("error: refused: id 0 is taken by the live server at"), "{complaints}");
    let last = servers[0].lines().pop().expect("a line");
    assert!(last.starts_with(r#"{"event":"refused","why":"id 0 is taken"#), "{last}");
}

#[test]
fn clients_are_served_while_nobody_reads_what_is_printed_and_that_is_said() {
    let endpoint = format!("127.0.0.1:{}", ports(1)[0]);
    let server = Server::start_unread(&["--multicast", &multicast(), "--bootstrap", "--listen", &endpoint]);
    let start = Instant::now();
    let mut client = loop {
        match TcpStream::connect(&endpoint) {
            Ok(client) => break client,
            Err(error) => assert!(start.elapsed() < LIMIT, "{error}; {}", server.complaints()),
        }
        thread::sleep(Duration::from_millis(5));
    };
    client.set_read_timeout(Some(LIMIT)).expect("not zero");
    let mut answers = BufReader::new(client.try_clone().expect("a socket")).lines();
    let payload = "x".repeat(50_000);
    let mut send = |number: u64| {
        writeln!(client, r#"{{"send":{{"number":{number},"payload":"{payload}"}}}}"#).expect("the server reads");
    };
    // Much more than fits the pipe, and each is answered.
    for number in 0..40 {
        send(number);
        let answer = answers.next().expect("an answer").expect("in time");
        assert!(answer.starts_with(r#"{"ordered""#), "{answer}");
    }
    assert_eq!(server.complaints(), "");
    (40..120).for_each(&mut send);
    server.wait_for_complaint("standard output is not read");
}

#[test]
fn a_member_that_does_not_take_its_output_is_named_by_the_leader_and_by_status() {
    let meeting = multicast();
    let mut servers = group_of(2, &meeting, None);
    let _unread = Server::start_unread(&["--multicast", &meeting, "--id", "2", "--expect", "0"]);
    servers.iter().for_each(|server| assert_eq!(server.wait_for_followers(2), 0));
    servers[0].write_behind((["x"; 999].concat() + "\n").repeat(40_000));
    let why = servers[0].wait_for("blocked")["why"].as_str().expect("text").to_owned();
    assert!(why.starts_with("the window is full: member 2 has not confirmed anything for "), "{why}");
    let status = run(&["status", "--json", "--multicast", &meeting]);
    let told: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    let blocked = &told["blocked"];
    assert_eq!((status.code, &told["state"], &blocked["server"]), (4, &"blocked".into(), &0.into()), "{told}");
    assert!(blocked["reason"].as_str().is_some_and(|why| why.contains("member 2 ")), "{told}");
    assert!(blocked["since_ms"].is_u64(), "{told}");
    let command = format!("gms-cli exclude 2 --multicast {meeting}");
    assert_eq!(blocked["command"], command);
    let words = run(&["status", "--multicast", &meeting]);
    let first = words.stdout.lines().next().expect("a line");
    assert!(
        first.starts_with("blocked: server 0: the window is full: member 2 ") && first.ends_with(&command),
        "{first}"
    );
    // And that is all it takes.
    assert_eq!(run(&["exclude", "2", "--multicast", &meeting]).code, 0);
    let all =
        |lines: &[String]| lines.iter().filter(|line| line.starts_with(r#"{"event":"message""#)).count() == 40_000;
    servers.iter().for_each(|server| server.wait_until("all messages", all));
}

#[test]
fn without_a_quorum_all_are_blocked_and_can_still_be_stopped() {
    let mut servers = group_of(5, &multicast(), None);
    let leader = servers[0].wait_for_followers(4) as usize;
    let mut others = (0..5).filter(|id| *id != leader);
    let (idle, busy) = (others.next().unwrap(), others.next().unwrap());
    let dying: Vec<usize> = others.chain([leader]).collect();
    // All at once, or the group would shrink with them. Silent and not dead, or their host would prove it.
    stop_all(&dying.iter().map(|id| &servers[*id]).collect::<Vec<_>>());
    // More than may wait.
    servers[busy].write_behind((["x"; 99].concat() + "\n").repeat(100_000));
    for id in [idle, busy] {
        let why = servers[id].wait_for("blocked")["why"].as_str().expect("text").to_owned();
        assert!(why.contains(&format!("leader {leader}")) || why.contains("of 5 voters"), "{why}");
        let (code, took) = servers[id].terminate();
        assert!(code == 0 && took < SOON, "{id}: {code} after {took:?}");
        let complaints = servers[id].complaints();
        assert!(complaints.starts_with("warning: the group has not confirmed the leave"), "{complaints}");
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_group() {
    let mut servers = group_of(2, &multicast(), None);
    let leader = servers[0].wait_for_followers(1) as usize;
    // Silent and not dead, or its host would prove it, and the group would go on.
    servers[leader].signal("-STOP");
    let stayer = &mut servers[1 - leader];
    stayer.wait_for("blocked");
    // Two signals in a row may arrive as one: an impatient operator presses until it is over.
    let start = Instant::now();
    while stayer.is_running() && start.elapsed() < SOON {
        stayer.signal("-INT");
    }
    assert_eq!(stayer.wait(), 1);
    assert!(stayer.complaints().starts_with("stopped without leaving"), "{}", stayer.complaints());
}

/// A terminal that is closed sends SIGHUP; under `nohup` that is ignored.
#[test]
fn a_closed_terminal_is_a_leave_unless_it_is_to_be_ignored() {
    let meeting = multicast();
    let mut servers = group_of(2, &meeting, None);
    let leader = servers[0].wait_for_followers(1) as usize;
    servers[leader].signal("-HUP");
    assert_eq!(servers[leader].wait(), 0);
    assert_eq!(servers[leader].lines().last().map(String::as_str), Some(r#"{"event":"left","released":true}"#));
    let mut stayer = servers.swap_remove(1 - leader);
    stayer.write_line("goes on");
    stayer.wait_for_message("goes on");
    let server = program(&["server", "--json", "--multicast", &meeting, "--id", "7"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(server.get_program()).args(server.get_args());
    let mut lasting = Server::run(command);
    lasting.wait_for_followers(1);
    lasting.signal("-HUP");
    lasting.write_line("still here");
    stayer.wait_for_message("still here");
    assert_eq!(lasting.terminate().0, 0);
}

/// A pipe whose reader takes nothing, and one that has none.
#[test]
fn a_trace_that_goes_nowhere_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let pipe = |name: &str| {
        let path = dir.path().join(name).display().to_string();
        assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
        path
    };
    let (meeting, unread) = (multicast(), pipe("unread"));
    let mut first = Server::start(&["--multicast", &meeting, "--id", "1", "--bootstrap"]);
    let held = std::thread::spawn({
        let unread = unread.clone();
        move || std::fs::File::open(unread).expect("somebody writes")
    });
    let mut traced = Server::start(&["--multicast", &meeting, "--id", "2", "--trace", &unread]);
    let _held = held.join().expect("no panic");
    traced.wait_for_followers(1);
    first.write_behind(lines_of(1, 0..60_000));
    traced.wait_until("all messages", |lines| lines.iter().filter(|line| line.contains("1 says")).count() == 60_000);
    traced.wait_for_complaint("the trace ends here");
    let (code, took) = traced.terminate();
    assert!(code == 0 && took < SOON, "{code} after {took:?}");
    let complaints = traced.complaints();
    assert!(complaints.contains("records of the trace are lost"), "{complaints}");
    assert_eq!(complaints.lines().count(), 2, "{complaints}");
    assert!(first.lines().iter().all(|line| !line.contains("excluded")));
    let finished = run(&["server", "--multicast", &meeting, "--id", "3", "--trace", &pipe("alone")]);
    assert_eq!((finished.code, finished.stderr.lines().count()), (1, 1), "{finished:?}");
    assert!(finished.stderr.contains("does anybody read it?"), "{finished:?}");
}

/// The operator has moved the first one's socket away.
#[test]
fn a_server_that_ends_leaves_the_socket_of_its_successor_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, moved) = (dir.path().join("gms.sock"), dir.path().join("old.sock"));
    let (meeting, place) = (multicast(), format!("unix:{}", path.display()));
    let mut first = Server::start(&["--multicast", &meeting, "--id", "1", "--bootstrap", "--listen", &place]);
    first.wait_for("view");
    std::fs::rename(&path, &moved).expect("it can be moved");
    let mut second = Server::start(&["--multicast", &meeting, "--id", "2", "--listen", &place]);
    second.wait_for_followers(1);
    assert_eq!(first.terminate().0, 0);
    assert_eq!(run(&["send", "--server", &place, "hello"]).code, 0);
    assert_eq!(second.terminate().0, 0);
    assert!(!path.exists());
}

/// A shell puts a process that was stopped and goes on into the background, where reading the terminal stops it again.
#[test]
#[cfg(target_os = "linux")]
fn a_server_in_the_background_of_its_terminal_goes_on_and_reads_in_the_foreground() {
    const SHELL: &str = r#"
import os, pty, signal, subprocess, sys, time
orders, give = os.pipe()
hear, tell = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.close(give)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    server = subprocess.Popen(sys.argv[1:], stdout=open(os.environ["OUT"], "w"), preexec_fn=os.setpgrp)
    os.write(tell, b"%d\n" % server.pid)
    for order in os.fdopen(orders):
        os.tcsetpgrp(0, server.pid if order == "fg\n" else os.getpgrp())
        os.write(tell, b"done\n")
    server.wait()
    os._exit(0)
hear = os.fdopen(hear)
server = int(hear.readline())
def wait(what):
    while not what():
        time.sleep(0.005)
def printed(words):
    wait(lambda: words in open(os.environ["OUT"]).read())
def ground(order):
    os.write(give, order + b"\n")
    hear.readline()
def state():
    return open("/proc/%d/stat" % server).read().rsplit(")", 1)[1].split()[0]
printed('"event":"view"')
ground(b"fg")
os.write(terminal, b"typed\n")
printed('"payload":"typed"')
ground(b"bg")
os.kill(server, signal.SIGSTOP)
wait(lambda: state() == "T")
os.kill(server, signal.SIGCONT)
os.write(terminal, b"typed again\n")
subprocess.run([sys.argv[1], "send", "--multicast", os.environ["MEETING"], "from a client"], stdout=subprocess.DEVNULL)
printed('"payload":"from a client"')
assert state() != "T" and '"payload":"typed again"' not in open(os.environ["OUT"]).read()
ground(b"fg")
printed('"payload":"typed again"')
os.kill(server, signal.SIGTERM)
wait(lambda: state() == "Z" or '"event":"left"' in open(os.environ["OUT"]).read())
"#;
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIP: there is no python3 here to play the shell");
        return;
    }
    let (dir, meeting) = (tempfile::tempdir().expect("a directory"), multicast());
    let out = dir.path().join("out");
    std::fs::write(&out, "").expect("writes");
    let server = program(&["server", "--json", "--bootstrap", "--multicast", &meeting]);
    let mut shell = Command::new("timeout");
    shell.args(["-k", "1", "60", "python3", "-c", SHELL]).arg(server.get_program()).args(server.get_args());
    shell.env("OUT", &out).env("MEETING", &meeting).stdin(std::process::Stdio::null());
    let output = shell.output().expect("runs");
    let printed = std::fs::read_to_string(&out).expect("reads");
    assert!(output.status.success(), "{output:?}\n{printed}");
}

#[test]
fn a_member_the_group_cannot_spare_says_so_and_goes() {
    let meeting = multicast();
    let arguments = ["--multicast", &meeting, "--min-voters", "2", "--id"];
    let mut first = Server::start(&[&arguments[..], &["1", "--bootstrap"]].concat());
    let second = Server::start(&[&arguments[..], &["2"]].concat());
    second.wait_for_followers(1);
    first.wait_for_followers(1);
    let (code, took) = first.terminate();
    assert!(code == 0 && took < SOON, "{code} after {took:?}");
    assert!(first.complaints().contains("at least 2 voters"), "{}", first.complaints());
}

#[test]
fn servers_agree_although_datagrams_are_lost() {
    let meeting = multicast();
    let start = |id: &str| Server::start(&["--multicast", &meeting, "--id", id, "--loss", "0.2", "--seed", id]);
    let mut servers = [start("0"), start("1")];
    for (id, server) in servers.iter_mut().enumerate() {
        server.wait_for_followers(1);
        server.write(&lines_of(id, 0..300));
    }
    for server in &servers {
        server.wait_until("all messages", |lines| lines.iter().filter(|l| l.contains("says")).count() == 600);
        assert!(server.complaints().contains("dropping 20 %"), "{}", server.complaints());
    }
    assert_eq!(servers[0].messages(), servers[1].messages());
}

#[test]
fn the_end_of_the_input_is_not_the_end_of_the_server() {
    let mut server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    server.write("first\n\nlast without an end");
    server.close_input();
    let expected = ["first", "", "last without an end"];
    server.wait_until("all messages", |lines| lines.iter().filter(|l| l.contains(r#""payload":"#)).count() == 3);
    let messages = server.messages();
    for (message, payload) in messages.iter().zip(expected) {
        assert!(message.ends_with(&format!(r#""payload":"{payload}"}}"#)), "{message}");
    }
    let (code, took) = server.terminate();
    assert!(code == 0 && took < SOON, "{code} after {took:?}");
}
