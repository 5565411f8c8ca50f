//! Every way to get the protocol wrong that is known is found by some run: otherwise the silence of thousands of
//! runs would say little (reliability 3).
#![cfg(debug_assertions)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gms_core::{Bug, Planted};
use gms_sim::{RunReport, Scenario, run};

/// Runs made for one bug, at most.
const MOST: u64 = 1_500;

/// Where to look first: seeds whose runs were seen to find the bug. Traffic changes with the code, so when none of them
/// does any more, the search goes on with all seeds.
fn likely(bug: Bug) -> &'static [u64] {
    match bug {
        _ => &[],
    }
}

fn infected(seed: u64, bug: Bug) -> Scenario {
    Scenario { planted: Planted::bug(bug), ..Scenario::mortal(seed) }
}

/// The first run that finds the bug, and how many were made.
fn hunt(bug: Bug) -> Option<(u64, u64, RunReport)> {
    let seeds: Vec<u64> = likely(bug).iter().copied().chain(1..=MOST).collect();
    let (next, found, result) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !found.load(Ordering::Relaxed) {
                    let runs = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&seed) = seeds.get(runs as usize) else { return };
                    let report = run(&infected(seed, bug));
                    if !report.passed() && !found.swap(true, Ordering::Relaxed) {
                        *result.lock().expect("nobody panics with it") = Some((seed, runs + 1, report));
                    }
                }
            });
        }
    });
    result.into_inner().expect("all threads are done")
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        // Needs one deaf member and no other trouble: tests/failover.rs of gms.
        if bug == Bug::NoPreVote {
            continue;
        }
        let Some((seed, runs, report)) = hunt(bug) else {
            missed.push(bug);
            println!("{bug:?}: not found in {MOST} runs");
            continue;
        };
        assert!(run(&Scenario::mortal(seed)).passed(), "seed {seed} fails without {bug:?} too");
        let text = report.to_string();
        let first = text.lines().nth(1).unwrap_or_default().trim();
        println!("{bug:?}: run {runs}, seed {seed}: {}", &first[..first.len().min(110)]);
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
