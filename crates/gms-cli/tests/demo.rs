//! The demo: everybody sees the same, and it ends.

mod common;

use common::run;
use serde_json::Value;

#[test]
fn a_group_talks_and_agrees() {
    let finished = run(&["demo"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let last = finished.stdout.lines().last().expect("lines");
    assert!(last.starts_with("agree: 4/4, ") && last.ends_with(" messages, one order"), "{last}");
    // Who leads next is the highest, unless another one is elected because that one is slow.
    let (_, later) = finished.stdout.split_once(" ms later member ").expect("another leader");
    let (next, _) = later.split_once(" leads").expect("which");
    let others = |gone: &[&str]| {
        let left = ["1", "2", "3", "4", "5"].into_iter().filter(|id| !gone.contains(id));
        format!("delivered by {}", left.collect::<Vec<_>>().join(" "))
    };
    let story = [
        "5 says".to_owned(),
        "member 0, the leader, dies".to_owned(),
        ", left 0".to_owned(),
        others(&[]),
        format!("member {next}, the leader, leaves"),
        format!("left {next}"),
        others(&[next]) + "\n",
    ];
    for words in story {
        assert!(finished.stdout.contains(&words), "{words} is missing in {}", finished.stdout);
    }
    assert!(!finished.stdout.contains('\x1b'));
}

#[test]
fn a_group_agrees_although_much_is_lost() {
    for (loss, seed) in [("0.1", "1"), ("0.3", "2")] {
        let finished = run(&["demo", "--loss", loss, "--seed", seed]);
        assert_eq!(finished.code, 0, "{finished:?}");
        assert!(finished.stdout.lines().last().expect("lines").starts_with("agree: 4/4, "), "{finished:?}");
    }
}

#[test]
fn with_fail_stop_the_leaders_die_until_one_is_left() {
    let finished = run(&["demo", "--quorum", "fail-stop"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let last = finished.stdout.lines().last().expect("lines");
    assert!(last.starts_with("agree: 1/1, "), "{last}");
    assert_eq!(finished.stdout.matches(", the leader, dies").count(), 5, "{}", finished.stdout);
}

#[test]
fn json_names_the_member_first_and_ends_with_the_verdict() {
    let finished = run(&["demo", "--json", "--for", "1.5", "--members", "3"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let (verdict, lines) =
        finished.stdout.lines().collect::<Vec<_>>().split_last().map(|(l, r)| (*l, r.len())).unwrap();
    assert!(verdict.starts_with(r#"{"event":"verdict","agree":true,"members":2,"messages":"#), "{verdict}");
    assert!(lines > 5);
    for line in finished.stdout.lines().take(lines) {
        assert!(line.starts_with(r#"{"member":"#), "{line}");
        serde_json::from_str::<Value>(line).expect("JSON");
    }
}

#[test]
fn a_flood_is_measured_and_its_order_verified() {
    let finished = run(&["demo", "--rate", "max", "--for", "1"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(finished.stdout.contains("3 members, 3 senders, uniform, order verified"), "{finished:?}");
    let finished = run(&["demo", "--rate", "max", "--for", "0.5", "--size", "3000", "--level", "stable", "--json"]);
    let verdict: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!((finished.code, &verdict["agree"], &verdict["size"]), (0, &true.into(), &3000.into()), "{verdict}");
    assert!(verdict["messages"].as_u64() > Some(0), "{verdict}");
}
