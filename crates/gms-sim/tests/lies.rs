//! Lies change nothing for anybody but the liar.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gms_core::{Bug, Planted};
use gms_sim::lies::{Lies, lie};

/// Groups for one bound, at most.
const MOST: u64 = 3000;

/// The lies of all seeds from `first` on, until so many were told.
fn tell(first: u64, count: u64, planted: Planted) -> Lies {
    let (next, all) = (AtomicU64::new(first), Mutex::new(Lies::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while all.lock().expect("nobody panics with it").told < count {
                    let lies = lie(next.fetch_add(1, Ordering::Relaxed), planted);
                    all.lock().expect("nobody panics with it").add(lies);
                }
            });
        }
    });
    all.into_inner().expect("all threads are done")
}

#[test]
fn a_hundred_thousand_lies_end_nobody_and_change_nothing() {
    let lies = tell(1, 100_000, Planted::default());
    print!("{lies}");
    assert!(lies.failures.is_empty(), "{lies}\n{}", lies.failures.join("\n"));
}

/// Each bound that is left out is missed: otherwise the silence of the rest would say little.
#[cfg(debug_assertions)]
#[test]
fn every_bound_that_is_left_out_is_found_missing() {
    // What panics in the groups is expected to.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in Bug::BY_LIES {
        let found = (1..=MOST).find_map(|seed| Some((seed, lie(seed, Planted::bug(bug)).failures.pop()?)));
        match found {
            Some((seed, what)) => {
                println!("{bug:?}: group {seed}: {}", what.lines().next().unwrap_or_default());
                assert!(lie(seed, Planted::default()).failures.is_empty(), "without {bug:?}, too");
            }
            None => missed.push(bug),
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not found in {MOST} groups: {missed:?}");
}
