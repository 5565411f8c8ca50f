//! Judging traces, and repeating runs of the simulator.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{group_of, multicast, run};
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

/// Three servers talk, one is killed, one leaves.
#[test]
fn traces_of_servers_that_were_killed_are_sound_and_missing_ones_are_named_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut servers = group_of(3, &multicast(), Some(dir.path()));
    let trace = |id: usize| dir.path().join(format!("{id}.jsonl")).display().to_string();
    for round in 0..20 {
        for (id, server) in servers.iter_mut().enumerate() {
            server.write_line(&format!("{id} says {round}"));
        }
    }
    servers[0].wait_until("all messages", |lines| lines.iter().filter(|line| line.contains("says")).count() == 60);
    servers[2].crash();
    servers[0].wait_for_followers(1);
    servers[1].wait_for_followers(1);
    servers[1].write_line("still here");
    servers[0].wait_for_message("still here");
    assert_eq!(servers[1].terminate().0, 0);
    assert_eq!(servers[0].terminate().0, 0);
    let all = [trace(0), trace(1), trace(2)];
    let checked = run(&["check", &all[0], &all[1], &all[2]]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    assert!(checked.stdout.lines().any(|line| line.starts_with("P25") && line.contains("not checked")));
    let strict = run(&["check", "--no-faults", &all[0], &all[1], &all[2]]);
    assert_eq!(strict.code, 1, "{}", strict.stdout);
    assert!(strict.stdout.contains("P25 No needless change at view"), "{}", strict.stdout);
    for missing in 0..3 {
        let there: Vec<&str> = (0..3).filter(|id| *id != missing).map(|id| all[id].as_str()).collect();
        let checked = run(&["check", there[0], there[1]]);
        assert_eq!(checked.code, 0, "{}", checked.stdout);
        let note = format!("no trace of {missing}@");
        assert_eq!(checked.stdout.lines().filter(|line| line.starts_with(&note)).count(), 1, "{}", checked.stdout);
    }
}

/// What is wrong again and again is shown three times.
#[test]
fn of_many_violations_of_a_property_some_are_shown_and_the_rest_is_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("seven.jsonl");
    let name = path.to_str().expect("text");
    assert_eq!(run(&["sim", "--replay", "7", "--trace", name]).code, 0);
    let text = fs::read_to_string(&path).expect("reads");
    let text: Vec<String> = text
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).expect("JSON");
            if record["event"] == "deliver" {
                record["digest"] = 1.into();
            }
            record.to_string()
        })
        .collect();
    fs::write(&path, text.join("\n")).expect("writes");
    let checked = run(&["check", name]);
    let shown = checked.stdout.lines().filter(|line| line.starts_with("P5 Integrity at")).count();
    let more = checked.stdout.lines().filter(|line| line.starts_with("P5 Integrity: … and ")).count();
    assert_eq!((checked.code, shown, more), (1, 3, 1), "{}", checked.stdout);
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
