//! Runs of many seeds, each judged by the checker.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use gms_check::Property;
use gms_sim::scenario::{Entry, Victim};
use gms_sim::{Campaign, Ending, FAULT_KINDS, Hits, Scenario, Situation, run};

/// Runs all seeds on two threads and returns their sum; fails with the reports of those that failed.
fn campaign(scenarios: &[Scenario]) -> Campaign {
    let (next, total) = (AtomicU64::new(0), Mutex::new((Campaign::new(), String::new())));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let report = run(scenario);
                    let mut total = total.lock().expect("nobody panics with it");
                    total.0.add(&report);
                    if !report.passed() {
                        total.1 += &format!("{report}\n  gms-cli sim --replay {}\n", scenario.seed);
                    }
                }
            });
        }
    });
    let (campaign, failures) = total.into_inner().expect("all threads are done");
    assert!(campaign.passed(), "{failures}");
    campaign
}

#[test]
fn no_seed_breaks_a_property_and_everything_is_exercised() {
    let scenarios: Vec<Scenario> = (1..=2200).map(Scenario::draw).collect();
    let campaign = campaign(&scenarios);
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
    campaign(&(10_001..=10_600).map(Scenario::mortal).collect::<Vec<_>>());
}

#[test]
fn followers_die_and_come_again() {
    let scenarios: Vec<Scenario> = (1..=300).map(|seed| only_followers_die(Scenario::mortal(seed))).collect();
    let campaign = campaign(&scenarios);
    for kind in ["crash", "restart"] {
        assert!(campaign.faults.get(kind).is_some_and(|count| *count > 0), "no fault '{kind}'\n{campaign}");
    }
    for (property, part) in
        [(Property::P23, "converged"), (Property::P23, "blocked by design"), (Property::P16, "open")]
    {
        assert!(campaign.counters.part(property, part) > 0, "{property} '{part}' was never exercised\n{campaign}");
    }
}

/// Leaves nothing of what happens to a leader.
fn only_followers_die(mut scenario: Scenario) -> Scenario {
    let mortality = scenario.mortality.as_mut().expect("a mortal one");
    mortality.strikes.clear();
    mortality.crashes.iter_mut().for_each(|crash| crash.victim = Victim::Follower);
    scenario.departures.clear();
    let network = &mut scenario.network;
    (network.cuts, network.pauses, network.silences, network.bursts) = Default::default();
    scenario
}

#[test]
fn seeds_that_once_failed_pass() {
    let listed = include_str!("../regressions.txt").lines().filter(|line| !line.starts_with('#'));
    let (mut mortal, mut immortal) = (Vec::new(), Vec::new());
    for line in listed {
        let name = line.split(' ').next().expect("a seed");
        let (kind, seed) = (&name[..1], name[1..].parse().expect("a seed"));
        match kind {
            "i" => immortal.push(Scenario::immortal(seed)),
            "m" => mortal.push(Scenario::mortal(seed)),
            _ => panic!("a seed of no kind: {line}"),
        }
    }
    assert!(mortal.len() > 15 && immortal.len() > 50);
    campaign(&with_plain_ones(mortal));
    let immortal = with_plain_ones(immortal);
    campaign(&immortal);
    // Most were found when nobody gave up the silent, which brings about other views.
    let patient =
        immortal.iter().filter(|s| s.births.iter().all(|b| ![Entry::Auto, Entry::Expected].contains(&b.entry)));
    let patient: Vec<Scenario> = patient
        .filter(|s| s.orders.is_empty())
        .map(|scenario| Scenario { watchful: false, ..scenario.clone() })
        .collect();
    campaign(&patient);
}

/// Each also as it was when operators had nothing to say and clients kept to the order of their messages, and
/// no connection closed but those of the dead.
fn with_plain_ones(mut scenarios: Vec<Scenario>) -> Vec<Scenario> {
    let plain = |scenario: &Scenario| {
        let mut plain = scenario.clone().ungoverned();
        plain.mortality.iter_mut().for_each(|mortality| mortality.closings.clear());
        plain.clients.iter_mut().for_each(|client| client.hasty = 0.0);
        plain
    };
    let plain: Vec<Scenario> = scenarios.iter().map(plain).collect();
    scenarios.extend(plain);
    scenarios
}

#[test]
fn a_seed_repeats_itself_and_others_differ() {
    let digest = |seed| run(&Scenario::draw(seed)).digest;
    assert_eq!(digest(17), digest(17));
    assert_ne!(digest(17), digest(18));
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
