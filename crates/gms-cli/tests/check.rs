//! Judging traces, and repeating runs of the simulator.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::run;
use serde_json::Value;

#[test]
fn a_trace_that_was_changed_breaks_a_property() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("seven.jsonl");
    let name = path.to_str().expect("text");
    let replayed = run(&["sim", "--replay", "7", "--trace", name]);
    assert_eq!(replayed.code, 0, "{}", replayed.stderr);
    assert!(replayed.stdout.starts_with("seed 7: ") && replayed.stdout.contains(" delivers #"));
    let checked = run(&["check", name]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);

    let text = fs::read_to_string(&path).expect("reads");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let delivery =
        lines.iter().rposition(|line| line.contains(r#""event":"deliver""#)).expect("something is delivered");
    let mut record: Value = serde_json::from_str(&lines[delivery]).expect("JSON");
    record["digest"] = 1.into();
    lines[delivery] = record.to_string();
    fs::write(&path, lines.join("\n")).expect("writes");
    let checked = run(&["check", name]);
    assert_eq!(checked.code, 1, "{}", checked.stdout);
    let place = format!("P5 Integrity at gseq {}", record["gseq"]);
    assert!(checked.stdout.lines().any(|line| line.starts_with(&place)), "{}", checked.stdout);
    assert!(checked.stdout.contains("VIOLATED"), "{}", checked.stdout);
}

#[test]
fn files_that_cannot_be_read_name_the_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = dir.path().join("missing.jsonl").display().to_string();
    let finished = run(&["check", &missing]);
    assert_eq!(finished.code, 2);
    assert!(finished.stderr.contains(&missing) && finished.stderr.lines().count() == 1, "{}", finished.stderr);
    let bad = dir.path().join("bad.jsonl");
    let good = r#"{"at_us":0,"process":{"node":1,"incarnation":2},"event":"left"}"#;
    fs::write(&bad, format!("{good}\nnonsense\n{good}\n")).expect("writes");
    let finished = run(&["check", &bad.display().to_string()]);
    assert_eq!(finished.code, 2);
    assert!(finished.stderr.contains(&format!("{}:2:", bad.display())), "{}", finished.stderr);
}

#[test]
fn seeds_run_on_all_cores_and_end_with_a_table() {
    let finished = run(&["sim", "--seeds", "1..6"]);
    assert_eq!(finished.code, 0, "{}", finished.stdout);
    assert!(finished.stdout.contains("seeds") && finished.stdout.contains("P13"), "{}", finished.stdout);
    assert_eq!(finished.stderr, "");
}

#[test]
fn a_replay_ends_with_a_diagram_and_only_what_fails_is_shrunk() {
    let replayed = run(&["sim", "--replay", "7", "--last", "12"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    let lines: Vec<&str> = replayed.stdout.lines().rev().skip(1).take(13).collect();
    assert!(lines[..12].iter().all(|line| line.contains(" s  ") && line.len() <= 120), "{lines:#?}");
    assert!(lines[12].split_whitespace().all(|node| node == "-" || node.parse::<u64>().is_ok()), "{lines:#?}");
    // Of the same seed, other runs.
    let digest = |name: &str| {
        let replayed = run(&["sim", "--replay", name, "--last", "0"]);
        assert_eq!(replayed.code, 0, "{name}: {}", replayed.stderr);
        assert!(replayed.stdout.starts_with(&format!("seed {name}: ")), "{}", replayed.stdout);
        let last = replayed.stdout.lines().last().expect("the report").to_owned();
        last.rsplit_once("digest ").expect("it has one").1.to_owned()
    };
    let digests: BTreeSet<String> = ["m542", "m542-plain", "i542", "m542-followers"].map(digest).into();
    assert_eq!(digests.len(), 4, "{digests:?}");
    assert_eq!(run(&["sim", "--shrink", "m542"]).stdout, "seed m542 passes: there is nothing to shrink\n");
    let shrunk = run(&["sim", "--shrink", "7"]);
    assert_eq!((shrunk.code, shrunk.stdout.as_str()), (0, "seed 7 passes: there is nothing to shrink\n"));
}
