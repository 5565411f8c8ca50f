//! Model check
mod group;
mod process;
mod properties;

use std::time::{Duration, Instant};

use gms_core::{Bug, Level};
use group::{Bounds, World};
use stateright::{Checker, HasDiscoveries, Model};

fn explore(name: &str, bounds: Bounds) {
    let begun = Instant::now();
    let checker = World::new(bounds)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .timeout(Duration::from_secs(std::env::var("T").map_or(60, |t| t.parse().unwrap())))
        .spawn_bfs()
        .join();
    println!(
        "{name}: {} states, {} unique, depth {}, done {}, {:?}, steps {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        checker.is_done(),
        begun.elapsed(),
        checker.model().steps()
    );
    checker.model().census();
    for (name, path) in checker.discoveries() {
        println!("--- {name}: {}", path.clone().into_actions().len());
        if std::env::var("V").is_ok() || name.starts_with("P") || name.starts_with("I") {
            for action in path.clone().into_actions() {
                println!("   {action:?}");
            }
            println!("{:?}", path.last_state());
        }
    }
}

fn base() -> Bounds {
    Bounds {
        sends: &[(0, Level::Uniform)],
        accusers: &[1, 2],
        suspicions: &[],
        ballots: 1,
        pauses: 0,
        pause: Duration::from_millis(5),
        sleepers: &[0, 1, 2],
        candidates: &[1, 2],
        timing: Bounds::timing(),
        linger: false,
        bug: None,
    }
}

#[test]
fn all() {
    let only = std::env::var("ONLY").unwrap_or_default();
    use Level::*;
    let configs: Vec<(&str, Bounds)> = vec![
        ("a1-one-candidate", Bounds { candidates: &[1], ..base() }),
        ("a2", Bounds { ..base() }),
        ("a3-agreed", Bounds { sends: &[(0, Agreed)], candidates: &[1], ..base() }),
        ("a4-follower", Bounds { sends: &[(1, Uniform)], candidates: &[1], ..base() }),
        ("a5-follower", Bounds { sends: &[(1, Uniform)], candidates: &[2], ..base() }),
        ("p1-planned", Bounds { sends: &[(0, Agreed)], suspicions: &[(0, 1)], candidates: &[1], ..base() }),
        ("p2-planned", Bounds { sends: &[], suspicions: &[(0, 1)], candidates: &[1], ..base() }),
        ("t1-two ballots", Bounds { sends: &[], ballots: 2, ..base() }),
        ("t2-two ballots", Bounds { sends: &[(0, Agreed)], ballots: 2, ..base() }),
        (
            "s1-pause",
            Bounds { sends: &[(0, Agreed)], ballots: 1, candidates: &[1], pauses: 1, sleepers: &[1], ..base() },
        ),
    ];
    for (name, bounds) in configs {
        if name.starts_with(&only) {
            explore(name, bounds);
        }
    }
}
