//! The bench: its figures are there and verified, and it leaves no process behind, however it ends.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{LIMIT, multicast, program, run};
use serde_json::Value;

/// Goes on for minutes.
const LONG: [&str; 8] = ["bench", "--json", "--seconds", "0.3", "--warm-up", "0", "--repeats", "1"];

#[test]
fn one_row_has_all_figures_and_is_verified() {
    let finished = run(&["bench", "--seconds", "1", "--repeats", "1", "--size", "100", "--json"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    assert!(!finished.stderr.contains("ceiling"), "a bar where there is no terminal: {finished:?}");
    assert_eq!(finished.stdout.lines().count(), 1, "{finished:?}");
    let row: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(row["order_verified"], true, "{row}");
    assert_eq!((&row["size"], &row["members"], &row["repeats"]), (&100.into(), &3.into(), &1.into()), "{row}");
    assert_eq!((&row["senders"], &row["level"]), (&"all".into(), &"agreed".into()), "{row}");
    let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {row}"));
    let rate = number("messages_per_second");
    assert!(rate > 0.0, "{row}");
    assert_eq!((rate, rate), (number("messages_per_second_min"), number("messages_per_second_max")), "{row}");
    assert!((number("megabytes_per_second") - rate * 100.0 / 1e6).abs() < 0.1, "{row}");
    let share = rate / number("ceiling_messages_per_second") * 100.0;
    assert!((number("ceiling_percent") - share).abs() < 0.1, "{row}");
    for keys in [&["p50_us", "p99_us", "p999_us"][..], &["idle_p50_us", "idle_p99_us"]] {
        let values: Vec<f64> = keys.iter().map(|key| number(key)).collect();
        assert!(values[0] > 0.0 && values.is_sorted(), "{row}");
    }
    assert!(row.get("why").is_none(), "{row}");
}

#[test]
fn the_table_says_what_was_measured() {
    let meeting = multicast();
    let arguments = ["bench", "--seconds", "0.5", "--warm-up", "0", "--repeats", "2", "--multicast", &meeting];
    for (more, heading) in [
        (["--members", "2", "--senders", "leader", "--level", "uniform"], "2 members in 2 processes, the leader sends"),
        (["--members", "4", "--senders", "one", "--level", "stable"], "4 members in 4 processes, one follower sends"),
    ] {
        let finished = run(&[&arguments[..], &more, &["--size", "1,3000", "--size", "200000"]].concat());
        assert_eq!(finished.code, 0, "{finished:?}");
        let lines: Vec<&str> = finished.stdout.lines().collect();
        assert!(lines[0].starts_with(heading) && lines[0].contains(more[5]), "{finished:?}");
        let rows: Vec<&&str> = lines.iter().filter(|line| line.ends_with(" verified")).collect();
        let sizes: Vec<&str> = rows.iter().filter_map(|row| row.split_whitespace().next()).collect();
        assert_eq!(sizes, ["1", "3000", "200000"], "{finished:?}");
    }
}

/// A few leaders that end in one way; returns the rows.
fn failovers(fault: &str, members: &str, rates: &str) -> Vec<Value> {
    let few = ["bench", "--failover", "--json", "--trials", "2", "--fault", fault];
    let finished = run(&[&few[..], &["--members", members, "--rate", rates]].concat());
    assert_eq!(finished.code, 0, "{finished:?}");
    finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn leaders_end_and_nothing_is_lost() {
    for (fault, members, rates) in [("kill", "3", "500,max"), ("leave", "4", "500,max"), ("stop", "3", "500")] {
        let rows = failovers(fault, members, rates);
        assert_eq!(rows.len(), rates.split(',').count(), "{rows:?}");
        for (row, rate) in rows.iter().zip(rates.split(',')) {
            assert_eq!((&row["fault"], &row["rate"]), (&fault.into(), &rate.into()), "{row}");
            assert_eq!(row["members"].to_string(), members, "{row}");
            assert_eq!((&row["level"], &row["size"], &row["trials"]), (&"uniform".into(), &100.into(), &2.into()));
            assert_eq!([&row["lost"], &row["duplicates"], &row["out_of_order"]], [&Value::from(0); 3], "{row}");
            assert!(row.get("why").is_none(), "{row}");
            let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} is missing in {row}"));
            for kind in ["pause", "view"] {
                let (p50, worst) = (number(&format!("{kind}_p50_ms")), number(&format!("{kind}_worst_ms")));
                assert!(p50 > 0.0 && p50 <= worst, "{row}");
            }
            assert!(number("usual_pause_ms") > 0.0, "{row}");
            assert_eq!(row["rejoin_worst_ms"].is_null(), fault != "stop", "{row}");
        }
    }
}

#[test]
fn the_table_says_how_leaders_ended() {
    let few = ["bench", "--failover", "--trials", "1", "--members", "2", "--fault", "leave", "--rate", "200"];
    let finished = run(&[&few[..], &["--size", "10,3000", "--level", "stable"]].concat());
    assert_eq!(finished.code, 0, "{finished:?}");
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(lines[0].contains("level stable; 1 trials each"), "{finished:?}");
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
    let rows: Vec<&Vec<&str>> = rows.iter().filter(|row| row.get(1) == Some(&"leave")).collect();
    assert_eq!(rows.iter().map(|row| row[3]).collect::<Vec<_>>(), ["10", "3000"], "{finished:?}");
    assert!(rows.iter().all(|row| row.ends_with(&["-", "-", "0", "0", "0"])), "{finished:?}");
}

#[test]
fn wrong_values_are_usage_errors() {
    for (arguments, word) in [
        (&["--members", "1"][..], "2..=64"),
        (&["--senders", "nobody"], "leader"),
        (&["--level", "best"], "agreed"),
        (&["--size", "0"], "16777216"),
        (&["--size", "100,many"], "many"),
        (&["--seconds", "0"], "0.1 to 3600"),
        (&["--repeats", "0"], "1..=100"),
        (&["--warm-up", "61"], "0 to 60"),
        (&["--multicast", "here"], "socket address"),
        (&["--multicast", "127.0.0.1:9000"], "239.0.0.0/8"),
        (&["--multicast", "239.1.1.1:65533"], "choose 1 to 65532"),
        (&["--interface", "nope0"], "nope0"),
        (&["--failover", "--senders", "one"], "--senders"),
        (&["--failover", "--seconds", "1"], "--seconds"),
        (&["--failover", "--fault", "flood"], "leave"),
        (&["--failover", "--rate", "0"], "max"),
        (&["--failover", "--trials", "0"], "1..=1000"),
        (&["--failover", "--interface", "nope0"], "nope0"),
        (&["--trials", "5"], "--failover"),
        (&["--fault", "kill"], "--failover"),
        (&["--rate", "max"], "--failover"),
    ] {
        let finished = run(&[&["bench"], arguments].concat());
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(word), "{word} is not in {}", finished.stderr);
    }
    assert!(!run(&["--help"]).stdout.contains("bench-member"));
}

#[test]
fn a_member_is_not_for_people() {
    let mut child = program(&["bench-member"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"hello\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("use that one"), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_member_that_dies_ends_the_bench() {
    for victim in [0, 2] {
        let mut bench = Bench::start();
        let dead = bench.members[victim];
        kill("-KILL", dead);
        let (code, stderr) = bench.end();
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(&format!("(process {dead}) ended too early: signal: 9")), "{stderr}");
        bench.wait_until_nobody_is_left();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_is_left_however_the_bench_is_ended() {
    for (signal, code, words) in [("-INT", 1, "interrupted"), ("-TERM", -1, ""), ("-KILL", -1, "")] {
        let mut bench = Bench::start();
        kill(signal, bench.child.id());
        let (ended, stderr) = bench.end();
        assert_eq!(ended, code, "{signal}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
        bench.wait_until_nobody_is_left();
    }
}

/// A bench in the middle of its work; killed when dropped.
struct Bench {
    child: Child,
    members: Vec<u32>,
}

impl Bench {
    /// Starts one with three members and waits for its first row.
    fn start() -> Self {
        let sizes = vec!["100"; 200].join(",");
        let mut command = program(&[&LONG[..], &["--size", &sizes]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut rows = BufReader::new(child.stdout.take().expect("piped"));
        let mut row = String::new();
        rows.read_line(&mut row).expect("it can be read");
        assert!(row.contains(r#""order_verified":true"#), "{row}");
        // As long as it writes, somebody has to read.
        thread::spawn(move || rows.lines().map_while(Result::ok).for_each(drop));
        let pid = child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("Linux says it");
        let members: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().expect("a number")).collect();
        assert_eq!(members.len(), 3, "{children}");
        Self { child, members }
    }

    /// Waits for its end; returns the exit code, or -1 after a signal, and standard error.
    fn end(&mut self) -> (i32, String) {
        let mut stderr = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
        (self.child.wait().expect("it ends").code().unwrap_or(-1), stderr)
    }

    fn wait_until_nobody_is_left(&self) {
        let start = Instant::now();
        while let Some(pid) = self.members.iter().find(|pid| is_running(**pid)) {
            assert!(start.elapsed() < LIMIT, "process {pid} is left");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether it is neither gone nor only waits for somebody to ask how it ended.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill runs").success());
}
