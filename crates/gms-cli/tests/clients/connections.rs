//! Connections of clients to a server, over TCP and Unix sockets: clients written by hand, slow ones, and too many.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{LIMIT, Server, multicast, program, run};
use crate::programs::{json, lines_of, place, spawn, wait_for_clients};

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
