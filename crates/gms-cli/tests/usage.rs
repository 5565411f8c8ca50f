//! Wrong flags, files and places: one clear line and the exit code that fits.

mod common;

use std::net::UdpSocket;
use std::process::Stdio;

use common::{multicast, program, run};

/// One line on standard error that has these words, nothing on standard output.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let finished = run(arguments);
    assert_eq!((finished.code, finished.stdout.as_str()), (code, ""), "{arguments:?}: {finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word} is not in {}", finished.stderr);
    }
}

#[test]
fn unknown_flags_and_values_are_usage_errors() {
    for arguments in [
        &["server", "--colour"][..],
        &["server", "--loss", "2"],
        &["server", "--multicast", "here"],
        &["server", "--level", "best"],
        &["server", "--id", "-1"],
        &["demo", "--rate", "fast"],
        &["demo", "--members", "1"],
        &["demo", "--seed", "1"],
        &["send", "--count", "1", "--size", "1000000000000"],
        &["sim"],
        &["sim", "--seeds", "9..1"],
        &["sim", "--seeds", "1", "--trace", "x"],
        &["sim", "--seeds", "1", "--shrink", "1"],
        &["sim", "--shrink", "1", "--trace", "x"],
        &["sim", "--seeds", "1", "--last", "5"],
        &["sim", "--replay", "1", "--last", "few"],
        &["sim", "--replay", "x7"],
        &["sim", "--shrink", "m7-unwatched"],
        &["check"],
        &["dance"],
        &[],
    ] {
        let finished = run(arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty());
    }
    let unread = run(&["sim", "--replay", "m7-dead"]).stderr;
    assert!(unread.contains("'m7-dead'") && unread.contains("give a seed, as 17, m542"), "{unread}");
    assert_eq!(run(&["--help"]).code, 0);
    assert_eq!(run(&["--version"]).code, 0);
}

#[test]
fn settings_that_cannot_be_name_what_to_change() {
    refused(&["server", "--bootstrap", "--expect", "1,2", "--id", "1"], 2, &["bootstrap", "expect", "only one"]);
    refused(&["server", "--seed", "3"], 2, &["seed", "loss"]);
    refused(&["server", "--peer", "nowhere"], 2, &["nowhere", "HOST:PORT"]);
    refused(&["server", "--multicast", "127.0.0.1:9000"], 2, &["127.0.0.1:9000", "239.0.0.0/8"]);
    refused(&["server", "--multicast", "239.1.1.1:65535"], 2, &["65535", "65534"]);
    refused(&["server", "--interface", "nope0"], 2, &["nope0", "lo"]);
    refused(&["server", "--min-voters", "0", "--multicast", &multicast()], 2, &["min_voters", "1 or more"]);
    refused(&["demo", "--size", "10"], 2, &["--size", "--rate max"]);
}

#[test]
fn the_file_is_checked_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gms.toml");
    let name = path.to_str().expect("text");
    refused(&["server", "--config", name], 2, &[name, "cannot read"]);
    std::fs::write(&path, "group = 'a'\ncolour = 'red'\n").expect("writes");
    refused(&["server", "--config", name], 2, &[&format!("{name}:2:"), "`colour`", "multicast"]);
    std::fs::write(&path, "min-voters = 0\n").expect("writes");
    let meeting = multicast();
    let arguments = ["server", "--config", name, "--multicast", meeting.as_str()];
    refused(&arguments, 2, &["min_voters"]);
    // The environment comes before the file, a flag before both.
    let output = program(&arguments).env("GMS_INTERFACE", "nope0").output().expect("runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nope0"));
    let output = program(&[&arguments[..], &["--interface", "nope1"]].concat()).env("GMS_INTERFACE", "nope0").output();
    assert!(String::from_utf8_lossy(&output.expect("runs").stderr).contains("nope1"));
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let meeting = multicast();
    let (_, port) = meeting.rsplit_once(':').expect("a port");
    let _holder = UdpSocket::bind(("0.0.0.0", port.parse().expect("a number"))).expect("binds");
    refused(&["server", "--multicast", &meeting], 1, &["another program", port, "choose another"]);
}

#[test]
fn beyond_loopback_only_when_it_is_wanted() {
    let outside = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    let Ok(outside) = outside else { return };
    let ip = outside.ip().to_string();
    refused(&["server", "--interface", &ip, "--multicast", &multicast()], 2, &["not loopback", "--insecure"]);
}

#[test]
fn a_trace_that_cannot_be_written_is_named() {
    refused(
        &["server", "--multicast", &multicast(), "--trace", "/nowhere/t"],
        1,
        &["cannot write the trace /nowhere/t"],
    );
    refused(&["sim", "--replay", "1", "--trace", "/nowhere/t"], 1, &["cannot write the trace /nowhere/t"]);
}

#[test]
fn a_reader_that_goes_away_before_all_is_printed_is_told_of() {
    let meeting = multicast();
    for arguments in
        [&["sim", "--replay", "7"][..], &["demo", "--for", "1"], &["server", "--multicast", &meeting, "--json"]]
    {
        let mut child =
            program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.starts_with("error: standard output was closed"), "{arguments:?}: {complaint}");
        assert_eq!((output.status.code(), complaint.lines().count()), (Some(1), 1), "{arguments:?}: {complaint}");
    }
}
