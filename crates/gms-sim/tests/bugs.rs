//! Every way to get the protocol wrong that is known is found by some run: otherwise the silence of thousands of
//! runs would say little (reliability 3).
#![cfg(debug_assertions)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gms_core::{Bug, Planted};
use gms_sim::{Scenario, run};

/// Runs made for one bug, at most.
const MOST: u64 = 8_000;

/// Where to look first: seeds whose runs were seen to find the bug. Traffic changes with the code, so when none of them
/// does any more, the search goes on with all seeds.
fn likely(bug: Bug) -> &'static [u64] {
    match bug {
        Bug::BothHalvesOfATie => &[20],
        Bug::SafeByTheLeaderAlone => &[34],
        Bug::RepackedInTheView => &[53],
        Bug::HoldKeptOverAView => &[24],
        Bug::StampsAfterProposing => &[8],
        Bug::AcceptedValueIgnored => &[53],
        Bug::CutByTheMinimum => &[48],
        Bug::CutByMyOwnLog => &[126],
        Bug::PromiseWithoutWedge => &[604],
        Bug::SurvivorsWithoutPromise => &[234],
        Bug::WedgedAndSilent => &[3196],
        Bug::WedgedLeaderWaits | Bug::UnwedgedByPlanOnly => &[80],
        Bug::NewLifeRefused => &[343],
        Bug::GoneNotUnderstood => &[264],
        Bug::NeverSettles => &[100],
        Bug::BlamesAnybody => &[33],
        Bug::EndNeedsTheNextView => &[28],
        _ => &[],
    }
}

/// What the run with this bug comes to, if it fails. A check in the code that panics has found it, too.
fn symptom(scenario: Scenario, bug: Bug) -> Option<String> {
    let scenario = Scenario { planted: Planted::bug(bug), ..scenario };
    match catch_unwind(AssertUnwindSafe(|| run(&scenario))) {
        Ok(report) if report.passed() => None,
        Ok(report) => Some(report.to_string().lines().nth(1).unwrap_or_default().trim().to_owned()),
        Err(_) => Some("an assertion fails".to_owned()),
    }
}

/// The first run of those drawn so that finds the bug, and how many were made.
fn hunt(bug: Bug, draw: fn(u64) -> Scenario) -> Option<(u64, u64, String)> {
    let seeds: Vec<u64> = likely(bug).iter().copied().chain(1..=MOST).collect();
    let (next, found, result) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !found.load(Ordering::Relaxed) {
                    let runs = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&seed) = seeds.get(runs as usize) else { return };
                    if let Some(symptom) = symptom(draw(seed), bug)
                        && !found.swap(true, Ordering::Relaxed)
                    {
                        *result.lock().expect("nobody panics with it") = Some((seed, runs + 1, symptom));
                    }
                }
            });
        }
    });
    result.into_inner().expect("all threads are done")
}

/// Hunts all of them; what panics in the runs is expected to.
fn hunt_all(bugs: &[Bug], draw: fn(u64) -> Scenario) {
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in bugs {
        let Some((seed, runs, symptom)) = hunt(*bug, draw) else {
            missed.push(bug);
            println!("{bug:?}: not found in {MOST} runs");
            continue;
        };
        assert!(run(&draw(seed)).passed(), "seed {seed} fails without {bug:?} too");
        println!("{bug:?}: run {runs}, seed {seed}: {}", symptom.chars().take(110).collect::<String>());
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_planted_bug_is_found() {
    // Theirs are moments that hardly come by chance, see tests/partitions.rs and tests/failover.rs of gms: a single
    // deaf member and no other trouble, an old leader that orders something when it is back; a hole that nobody can
    // fill. And tests/rules/install.rs of gms-core: a member that is more views behind than the others remember.
    let rare = [Bug::NoPreVote, Bug::FrameWithoutItsView, Bug::CutAboveAHole, Bug::LaggardsAreOut];
    let bugs: Vec<Bug> = Bug::ALL.into_iter().filter(|bug| !rare.contains(bug)).collect();
    hunt_all(&bugs, Scenario::mortal);
}

#[test]
fn every_planted_bug_of_lineages_is_found() {
    // Found by a schedule: tests/lineages.rs of gms. A process that was put out hears of its lineage again before it
    // could create one.
    let bugs = Bug::OF_LINEAGES.into_iter().filter(|bug| *bug != Bug::ExileCreates);
    hunt_all(&bugs.collect::<Vec<_>>(), Scenario::lineage);
}

#[test]
fn every_planted_bug_of_blame_is_found() {
    hunt_all(&Bug::OF_BLAME, Scenario::blame);
}
