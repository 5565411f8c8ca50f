//! Whether what clients were told is what servers delivered, and whether the traces keep every property.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use gms_check::{Event, Record, Report, Uid};

use crate::client::Told;
use crate::spoken::{Life, Said};

/// Violations named, at most; the rest is in the traces.
const NAMED: usize = 20;

/// What one client was told, and the level of its messages.
pub(crate) struct Account {
    pub(crate) client: u32,
    pub(crate) level: &'static str,
    pub(crate) told: Vec<Told>,
}

impl Account {
    /// Keeps it for later.
    pub(crate) fn write(&self, folder: &Path) {
        let told = self.told.iter().enumerate().map(|(number, told)| format!("{number} {told:?}\n"));
        let path = folder.join(format!("client-{}-{}.told", self.client, self.level));
        fs::write(path, told.collect::<String>()).expect("it can be written");
    }
}

/// What the checker finds in the traces, in its words.
pub(crate) fn of_traces(mut traces: Vec<PathBuf>, folder: &Path) -> (Vec<String>, Report) {
    // Else nobody may have been excluded.
    let event = Event::Fault { kind: "chaos".to_owned() };
    let note = Record { at_us: 0, process: Uid { node: u64::MAX, incarnation: 0 }, event };
    let driver = folder.join("driver.jsonl");
    fs::write(&driver, serde_json::to_string(&note).expect("plain data") + "\n").expect("it can be written");
    traces.push(driver);
    match gms_check::check_files(&traces, gms_check::Faults::Unknown) {
        Ok(report) => (report.violations.iter().map(ToString::to_string).collect(), report),
        Err(error) => (vec![error.to_string()], Report::default()),
    }
}

/// Where the lives of the servers and the accounts of the clients differ, or either from itself; `present` are the
/// lives that went on to the end.
pub(crate) fn of_accounts(lives: &[Life], present: &[Life], accounts: &[Account]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut places, mut entries) = (HashMap::new(), HashMap::new());
    for life in lives {
        if let Some(pair) = life.delivered.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            wrong.push(format!("delivered out of order: {pair:?}"));
        }
        for &(gseq, said) in &life.delivered {
            // None is lost, not even an `agreed` one: those of a session are uniform at least.
            let place = *places.entry(said).or_insert(gseq);
            if place != gseq {
                wrong.push(format!("{said:?} was delivered at {place} and at {gseq}"));
            }
            match entries.entry(gseq) {
                Entry::Occupied(there) if *there.get() != said => {
                    wrong.push(format!("{:?} and {said:?} were delivered at {gseq}", there.get()));
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => _ = place.insert(said),
            }
        }
    }
    for account in accounts {
        let mut before = 0;
        for (number, told) in account.told.iter().enumerate() {
            let said = Said { client: account.client, number: number as u32 };
            let place = places.remove(&said);
            match (*told, place) {
                (Told::Ordered(gseq), Some(place)) if gseq != place => {
                    wrong.push(format!("{said:?} was reported at {gseq} and delivered at {place}"));
                }
                (Told::Ordered(gseq), None) => {
                    wrong.push(format!("{said:?} was reported at {gseq} and delivered nowhere"));
                }
                (Told::Not, Some(place)) => {
                    wrong.push(format!("{said:?} was reported as not ordered and delivered at {place}"));
                }
                _ => {}
            }
            if let Told::Ordered(gseq) = *told {
                if gseq <= before {
                    wrong.push(format!("{said:?} was reported at {gseq}, behind its follower at {before}"));
                }
                before = gseq;
            }
        }
    }
    wrong.extend(places.iter().map(|(said, place)| format!("{said:?}, delivered at {place}, was never sent")));
    for life in present {
        wrong.extend(missing(life, accounts));
    }
    let more = wrong.len().saturating_sub(NAMED);
    wrong.truncate(NAMED);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    wrong
}

/// What a life that went on to the end has not delivered although it was reported.
fn missing(life: &Life, accounts: &[Account]) -> Option<String> {
    let delivered: HashSet<Said> = life.delivered.iter().map(|(_, said)| *said).collect();
    let mut all = accounts.iter().flat_map(|account| {
        let said = |number| Said { client: account.client, number: number as u32 };
        account.told.iter().enumerate().map(move |(number, told)| (said(number), *told))
    });
    all.find_map(|(said, told)| match told {
        Told::Ordered(gseq) if gseq > life.from && !delivered.contains(&said) => {
            Some(format!("{said:?}, reported at {gseq}, is missing at a server that was there from {}", life.from))
        }
        _ => None,
    })
}

#[test]
fn every_difference_is_found() {
    let said = |client, number| Said { client, number };
    let good = Life { from: 1, delivered: vec![(3, said(0, 0)), (4, said(1, 0)), (7, said(0, 1))] };
    let account = |client, level, told: &[Told]| Account { client, level, told: told.to_vec() };
    use Told::{Not, Ordered, Unknown};
    let judge = |life: &Life, first: &[Told], level| {
        let accounts = [account(0, level, first), account(1, "agreed", &[Ordered(4)])];
        of_accounts(&[good.clone(), life.clone()], std::slice::from_ref(life), &accounts)
    };
    let clean: Vec<String> = Vec::new();
    // Also of what was sent as `agreed`.
    let again = Life { from: 1, delivered: vec![(5, said(1, 0)), (9, said(0, 0))] };
    let accounts = [account(0, "uniform", &[Ordered(9)]), account(1, "agreed", &[Ordered(4)])];
    let gone = Life { from: 1, delivered: vec![(4, said(1, 0))] };
    let wrong = of_accounts(&[gone, again.clone()], &[again], &accounts).join("; ");
    assert!(wrong.contains("was delivered at 4 and at 5"), "{wrong}");
    assert_eq!(judge(&good, &[Ordered(3), Ordered(7)], "uniform"), clean);
    assert_eq!(judge(&good, &[Unknown, Ordered(7), Not, Unknown], "uniform"), clean);
    for (told, word) in [
        (&[Ordered(3), Ordered(8)][..], "reported at 8 and delivered at 7"),
        (&[Ordered(3), Ordered(7), Ordered(8)], "delivered nowhere"),
        (&[Ordered(7), Ordered(3)], "behind its follower"),
        (&[Not, Ordered(7)], "reported as not ordered"),
        (&[Ordered(3)], "never sent"),
    ] {
        let wrong = judge(&good, told, "uniform").join("; ");
        assert!(wrong.contains(word), "{wrong}");
    }
    let lives = [
        (vec![(3, said(0, 0)), (4, said(1, 0))], "is missing at"),
        (vec![(3, said(0, 0)), (3, said(0, 1))], "out of order"),
        (vec![(3, said(0, 0)), (7, said(0, 1)), (9, said(0, 0))], "was delivered at 3 and at 9"),
        (vec![(3, said(0, 1))], "were delivered at 3"),
    ];
    for (delivered, word) in lives {
        let wrong = judge(&Life { from: 1, delivered }, &[Ordered(3), Ordered(7)], "uniform").join("; ");
        assert!(wrong.contains(word), "{wrong}");
    }
}
