//! What the client commands do not do: without a server, for another group, or with arguments that cannot be.

use std::net::TcpListener;

use crate::common::{Server, multicast, run};
use crate::programs::{json, place};

#[test]
fn a_server_of_another_group_takes_nothing() {
    let server = Server::start(&["--multicast", &multicast(), "--bootstrap"]);
    let finished = run(&["send", "--server", &place(&server), "--group", "other", "--wait", "0.1", "misled"]);
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.stderr.contains("belongs to group 'gms', not 'other'"), "{finished:?}");
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
