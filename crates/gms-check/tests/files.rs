//! Trace files on disk.

use std::io::Write;
use std::path::PathBuf;

use gms_check::{
    Event, Faults, Level, Property, Record, TraceError, TraceMember, Uid, check_files, digest, read_traces,
};

fn uid(node: u64) -> Uid {
    Uid { node, incarnation: u64::MAX - node }
}

/// What `node`, one of two, records in a run of one message from 1.
fn records(node: u64) -> Vec<Record> {
    let members = [1, 2].map(|node| TraceMember { uid: uid(node), voter: true }).to_vec();
    let mut events =
        vec![Event::View { gid: 1 << 100, view: 1, at: 1, gseq: 1, leader: uid(2), members, fail_stop: false }];
    if node == 1 {
        events.push(Event::Send {
            sseq: 1,
            level: Level::Uniform,
            digest: digest(b"one"),
            only_in_view: None,
            to: vec![],
            client: None,
        });
    }
    let (sender, digest) = (uid(1), digest(b"one"));
    events.push(Event::Deliver { view: 1, gseq: 2, sender, sseq: 1, digest, level: Level::Uniform });
    events.into_iter().map(|event| Record { at_us: 0, process: uid(node), event }).collect()
}

fn lines(records: &[Record]) -> String {
    records.iter().map(|record| serde_json::to_string(record).expect("serialises") + "\n").collect()
}

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).expect("writes");
    path
}

#[test]
fn one_file_for_each_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let paths = [file(&dir, "2", &lines(&records(2))), file(&dir, "1", &lines(&records(1)))];
    let report = check_files(&paths, Faults::Recorded).expect("reads");
    assert!(report.passed(), "{:?}", report.violations);
    assert_eq!(report.exercised(Property::P5), 2);
    assert_eq!(read_traces(&paths).count(), 5);
}

#[test]
fn a_last_line_may_be_cut_off() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = lines(&records(1));
    for cut in 1..text.len() {
        let path = file(&dir, "cut", &text[..cut]);
        let report = check_files(&[path], Faults::Recorded).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(report.passed(), "{:?}", report.violations);
    }
}

#[test]
fn errors_name_file_and_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = lines(&records(1)) + "\n{\"at_us\":0}\n" + &lines(&records(2));
    let path = file(&dir, "broken", &text);
    let error = check_files(std::slice::from_ref(&path), Faults::Recorded).expect_err("a broken line");
    assert!(matches!(error, TraceError::Line { line: 5, .. }));
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}:5: ", path.display())) && text.contains("process"), "{text}");

    let gone = dir.path().join("gone");
    let error = check_files(&[&gone], Faults::Recorded).expect_err("no file");
    assert!(matches!(error, TraceError::Io { .. }));
    assert!(error.to_string().starts_with(&gone.display().to_string()));
}
