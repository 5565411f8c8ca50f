//! Runs of many seeds, each judged by the checker.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gms_check::Property;
use gms_sim::{
    BLAME_FAULT_KINDS, Blockade, Campaign, Ending, FAULT_KINDS, Hits, LINEAGE_FAULT_KINDS, RunName, Scenario,
    Situation, run,
};

fn named(name: &str) -> RunName {
    name.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The seeds of `range` between what stands before and behind each.
fn names(before: &str, range: RangeInclusive<u64>, behind: &str) -> Vec<RunName> {
    range.map(|seed| named(&format!("{before}{seed}{behind}"))).collect()
}

/// Runs all on two threads and returns their sum; fails with the reports of those that failed, and what repeats them.
fn campaign(names: &[RunName]) -> Campaign {
    let (next, total) = (AtomicU64::new(0), Mutex::new((Campaign::new(), String::new())));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let report = catch_unwind(|| run(&name.scenario()));
                    let mut total = total.lock().expect("nobody panics with it");
                    let failure = match &report {
                        Ok(report) => {
                            total.0.add(report);
                            (!report.passed()).then(|| report.to_string())
                        }
                        Err(_) => Some(format!("seed {name}: panicked")),
                    };
                    if let Some(failure) = failure {
                        total.1 += &format!("{failure}\n  {}\n", name.replay());
                    }
                }
            });
        }
    });
    let (campaign, failures) = total.into_inner().expect("all threads are done");
    assert!(failures.is_empty(), "{failures}");
    campaign
}

#[test]
fn no_seed_breaks_a_property_and_everything_is_exercised() {
    let campaign = campaign(&names("", 1..=2200, ""));
    for property in Property::ALL {
        assert!(campaign.counters.exercised(property) > 0, "{property} was never exercised\n{campaign}");
    }
    use Property::*;
    for (property, part) in [
        (P1, "quorums"),
        (P1, "ballots"),
        (P1, "proved"),
        (P4, "next leaders"),
        (P6, "over views"),
        (P6, "repeats left out"),
        (P9, "views"),
        (P9, "unstable"),
        (P11, "over views"),
        (P13, "views later"),
        (P13, "by the gone"),
        (P13, "crashed first"),
        (P16, "ordered"),
        (P16, "not ordered"),
        (P16, "unknown"),
        (P17, "delivered"),
        (P17, "not ordered"),
        (P26, "repeats"),
        (P26, "gaps"),
        (P26, "resumed"),
        (P26, "expired"),
        (P23, "converged"),
        (P23, "blocked by design"),
    ] {
        assert!(campaign.counters.part(property, part) > 0, "{property} '{part}' was never exercised\n{campaign}");
    }
    for situation in Situation::ALL {
        let count = campaign.situations.get(&situation);
        assert!(count.is_some_and(|count| *count > 0), "never: {}\n{campaign}", situation.name());
    }
    for blockade in Blockade::ALL {
        assert!(campaign.blockades.contains_key(&blockade), "never: {}\n{campaign}", blockade.name().trim());
    }
    let blocked = campaign.endings.get(&Ending::Blocked).copied().unwrap_or(0);
    assert!(5 * blocked < campaign.seeds, "too many runs are excused from going on\n{campaign}");
    // Of the change of views, and of joins.
    for label in ["Prepare", "Promise", "Accept", "Accepted", "Install", "InstallAck", "Suspect", "JoinProof"] {
        let Hits { struck, silenced } = campaign.hits.get(label).copied().unwrap_or_default();
        assert!(struck > 0 && silenced > 0, "no strike or no silence hits {label}\n{campaign}");
    }
    for kind in FAULT_KINDS {
        assert!(campaign.faults.get(kind).is_some_and(|count| *count > 0), "no fault '{kind}'\n{campaign}");
    }
}

#[test]
fn no_seed_in_which_processes_die_breaks_a_property() {
    campaign(&names("m", 10_001..=10_600, ""));
}

#[test]
fn followers_die_and_come_again() {
    let campaign = campaign(&names("m", 1..=300, "-followers"));
    for kind in ["crash", "restart"] {
        assert!(campaign.faults.get(kind).is_some_and(|count| *count > 0), "no fault '{kind}'\n{campaign}");
    }
    for (property, part) in
        [(Property::P23, "converged"), (Property::P23, "blocked by design"), (Property::P16, "open")]
    {
        assert!(campaign.counters.part(property, part) > 0, "{property} '{part}' was never exercised\n{campaign}");
    }
}

#[test]
fn no_lineage_gives_up_what_it_acknowledged() {
    let campaign = campaign(&names("l", 1..=1200, ""));
    for kind in LINEAGE_FAULT_KINDS.iter().chain(&["pause", "crash of a leader", "restart", "again much later"]) {
        assert!(campaign.faults.get(kind).is_some_and(|count| *count > 0), "no fault '{kind}'\n{campaign}");
    }
    use Property::{P27, P28};
    for (property, part) in [
        (P27, "messages"),
        (P27, "discarded"),
        (P27, "quorum lost"),
        (P27, "returned"),
        (P27, "created apart"),
        (P28, "exclusions"),
    ] {
        assert!(campaign.counters.part(property, part) > 0, "{property} '{part}' was never exercised\n{campaign}");
    }
    for ending in [Ending::Converged, Ending::Blocked, Ending::Apart] {
        assert!(campaign.endings.get(&ending).is_some_and(|count| *count > 0), "none ended {ending:?}\n{campaign}");
    }
}

/// Multicast ends, or what is long is lost: whom that does not concern stays in, and at last all go on.
#[test]
fn nobody_is_blamed_for_what_does_not_get_through_elsewhere() {
    let campaign = campaign(&names("b", 1..=150, ""));
    for kind in BLAME_FAULT_KINDS.iter().chain(&["narrow", "too long", "rift of multicast"]) {
        assert!(campaign.faults.get(kind).is_some_and(|count| *count > 0), "no fault '{kind}'\n{campaign}");
    }
    let excluded = campaign.situations.get(&Situation::Excluded);
    assert!(excluded.is_some_and(|count| *count > 0), "nobody was put out\n{campaign}");
    assert_eq!(campaign.endings.get(&Ending::Converged), Some(&campaign.seeds), "{campaign}");
}

#[test]
fn seeds_that_once_failed_pass() {
    let listed = include_str!("../regressions.txt").lines().filter(|line| !line.starts_with('#'));
    let listed: Vec<RunName> = listed.map(|line| named(line.split(' ').next().expect("a name"))).collect();
    let mortal = listed.iter().filter(|name| name.to_string().starts_with('m')).count();
    assert!(mortal > 15 && listed.len() - mortal > 50);
    // Each also as it was when there were fewer faults. Most were found when nobody gave up the silent, too, which
    // brings about other views.
    let scenarios = listed.iter().map(|name| name.scenario());
    let scenarios: Vec<Scenario> = scenarios.flat_map(|scenario| [scenario.clone(), scenario.plain()]).collect();
    let patient = scenarios.iter().filter(|scenario| scenario.orders.is_empty()).cloned();
    let patient: Vec<Scenario> = patient.filter_map(Scenario::unwatched).collect();
    assert!(patient.len() > 50, "{}", patient.len());
    campaign(&scenarios.iter().chain(&patient).map(|scenario| scenario.name).collect::<Vec<_>>());
}

#[test]
fn a_seed_repeats_itself_and_others_differ() {
    let digest = |seed| run(&Scenario::draw(seed)).digest;
    assert_eq!(digest(17), digest(17));
    assert_ne!(digest(17), digest(18));
}

/// What a report says is enough to see the same again, whatever was run.
#[test]
fn the_name_in_a_report_repeats_the_run() {
    let first = |which: &dyn Fn(u64) -> Option<Scenario>| (1..).find_map(which).expect("there is one");
    let scenarios = [
        Scenario::draw(5),
        Scenario::mortal(5),
        Scenario::immortal(5),
        Scenario::lineage(5),
        Scenario::blame(5),
        Scenario::mortal(5).only_followers_die(),
        first(&|seed| Some(Scenario::mortal(seed)).filter(|s| !s.orders.is_empty())).plain(),
        first(&|seed| Some(Scenario::immortal(seed)).filter(|s| s.watchful)?.plain().unwatched()),
    ];
    let mut digests = BTreeSet::new();
    for scenario in &scenarios {
        let report = run(scenario);
        let text = report.to_string();
        let name = text.strip_prefix("seed ").and_then(|text| text.split(':').next()).expect("its name");
        assert_eq!(run(&named(name).scenario()).digest, report.digest, "{name}");
        digests.insert(report.digest);
    }
    // The drawn one is one of the other two.
    assert_eq!(digests.len(), scenarios.len() - 1);
}

/// The same of a run that fails, here because a bug is planted.
#[cfg(debug_assertions)]
#[test]
fn the_name_in_a_failure_repeats_the_run() {
    use gms_core::{Bug, Planted};
    let planted = Planted::bug(Bug::SafeByTheLeaderAlone);
    let fails = |scenario: Scenario| {
        let report = run(&Scenario { planted, ..scenario });
        (!report.passed()).then_some(report)
    };
    let report = (1..).find_map(|seed| fails(Scenario::mortal(seed).plain())).expect("one that finds it");
    let mut campaign = Campaign::new();
    campaign.add(&report);
    let table = campaign.to_string();
    let name = table.trim_end().rsplit("gms-cli sim --replay ").next().expect("the last line");
    assert!(name.starts_with('m') && name.ends_with("-plain"), "{table}");
    assert_eq!(fails(named(name).scenario()).map(|again| again.digest), Some(report.digest));
}

/// In the end everybody has to show that it still can.
#[test]
fn who_has_nothing_to_say_sends_at_each_level_once_at_rest() {
    let calm = |scenario: &Scenario| scenario.network.is_calm() && scenario.orders.is_empty();
    let mut scenario = (1..).map(Scenario::immortal).find(calm).expect("a calm one");
    scenario.births.iter_mut().for_each(|birth| birth.traffic.count = 0);
    scenario.clients.clear();
    scenario.departures.clear();
    let (report, members) = (run(&scenario), scenario.births.len() as u64);
    assert!(report.passed() && report.settled.is_some(), "{report}");
    assert_eq!(report.deliveries, 3 * members * members);
}
