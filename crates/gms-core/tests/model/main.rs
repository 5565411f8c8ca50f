//! Model check (reliability 3): every order of events of a small group within bounds, made by the real
//! [`gms_core::Member`], none left out. What the simulator finds by chance is found here for certain, with the shortest
//! way there, but only among three processes and a handful of messages.
//!
//! `cargo test -p gms-core --test model -- --nocapture` prints the figures; with `--ignored`, those of larger bounds.

mod bounds;
mod group;
mod process;
mod properties;

use std::collections::HashSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use bounds::{Bounds, large, small};
use group::World;
use properties::to_be_reached;

/// Explores these bounds, at most so many states: what was reached, and whether nothing was left out.
fn explore(name: &str, bounds: Bounds, most: usize) -> (HashSet<&'static str>, bool) {
    let begun = Instant::now();
    let builder = World::new(bounds).checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.target_state_count(most).spawn_bfs().join();
    let complete = checker.state_count() < most;
    println!(
        "{name}: {} states, {} of them different, {} deep, {} steps of processes, {:.1} s, {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth() - 1,
        checker.model().steps(),
        begun.elapsed().as_secs_f64(),
        if complete { "complete" } else { "cut off" }
    );
    let found = checker.discoveries();
    let reached: HashSet<&str> = to_be_reached().filter(|name| found.contains_key(name)).collect();
    if let Some((property, path)) = found.into_iter().find(|(property, _)| !reached.contains(property)) {
        let end = path.last_state().clone();
        let steps: Vec<String> = path.into_actions().iter().map(|action| format!("  {action:?}\n")).collect();
        panic!("{name}: does not hold: {property}\n{}{end:?}", steps.concat());
    }
    (reached, complete)
}

#[test]
fn every_order_of_events_within_small_bounds_is_safe() {
    let mut reached = HashSet::new();
    for (name, bounds) in small() {
        let (here, complete) = explore(name, bounds, 20_000_000);
        assert!(complete, "{name} has grown: choose smaller bounds");
        reached.extend(here);
    }
    let missed: Vec<&str> = to_be_reached().filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?}");
}

#[test]
#[ignore = "takes many minutes and gigabytes"]
fn larger_bounds_are_safe_as_far_as_explored() {
    for (name, bounds) in large() {
        explore(name, bounds, 20_000_000);
    }
}

/// Planted bugs, each found within the bounds named, long before all of it is explored.
#[cfg(debug_assertions)]
#[test]
fn planted_bugs_are_found() {
    use gms_core::Bug;
    let hidden = [
        (Bug::CutByTheMinimum, "leader lost"),
        (Bug::CutByMyOwnLog, "leader lost"),
        (Bug::PromiseWithoutWedge, "leader lost"),
        (Bug::NoDuplicateCheck, "follower sends"),
        (Bug::SafeByTheLeaderAlone, "two uniform messages"),
        (Bug::AcceptedValueIgnored, "plan against ballot"),
        (Bug::SurvivorsWithoutPromise, "leader trusted again"),
    ];
    for (bug, place) in hidden {
        let bounds = small().into_iter().chain(large()).find(|(name, _)| *name == place).expect("one of them").1;
        let mut found = shortest(Bounds { bug: Some(bug), ..bounds });
        found.sort_unstable();
        let (steps, property) = found.first().unwrap_or_else(|| panic!("{bug:?} is not found in {place:?}"));
        println!("{bug:?}: {steps} steps in {place:?}; {property}");
    }
}

/// What does not hold within these bounds, and after how many steps at least.
#[cfg(debug_assertions)]
fn shortest(bounds: Bounds) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    // The states of `depth` steps are the last that are looked at.
    let mut depth = usize::MAX - 2;
    loop {
        let builder = World::new(bounds.clone()).checker().finish_when(HasDiscoveries::AnyFailures);
        let checker = builder.target_max_depth(depth + 2).spawn_bfs().join();
        let failures =
            checker.discoveries().into_iter().filter(|(name, _)| to_be_reached().all(|other| other != *name));
        let failures: Vec<(usize, &str)> = failures.map(|(name, path)| (path.into_actions().len(), name)).collect();
        let Some(least) = failures.iter().map(|(steps, _)| *steps).min() else { return found };
        depth = least - 1;
        found = failures;
    }
}
