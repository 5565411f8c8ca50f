//! Making a scenario that fails smaller, until nothing can be left out any more.

use std::time::Duration;

use gms_core::Params;

use crate::scenario::{Birth, Death, Entry, Mortality, NetworkPlan, Reader, Scenario};

/// A list in a scenario: how long it is, and how one of it is left out. False: that one is needed.
type List = (fn(&Scenario) -> usize, fn(&mut Scenario, usize) -> bool);

/// Something that can be made simpler.
type Change = fn(&mut Scenario);

/// How long those that come to no end are watched while their scenario is made smaller.
const IMPATIENT: Duration = Duration::from_secs(12);

/// The smallest scenario found that `fails` as `scenario` does: without processes, faults, orders, messages that do not
/// matter. Each thing left out is tried alone and together with its neighbours, until nothing more can go.
pub fn shrink(scenario: &Scenario, fails: &mut dyn FnMut(&Scenario) -> bool) -> Scenario {
    let mut least = scenario.clone();
    // A run that never comes to rest need not be waited for so long, most of the time.
    attempt(&mut least, |s| s.limit = s.limit.min(IMPATIENT), fails);
    loop {
        let before = least.clone();
        for list in LISTS {
            leave_out(&mut least, list, fails);
        }
        for change in CHANGES {
            attempt(&mut least, change, fails);
        }
        for index in 0..least.births.len() {
            for simpler in BIRTHS {
                attempt(&mut least, |scenario| simpler(&mut scenario.births[index]), fails);
            }
        }
        for index in 0..crashes(&mut least).len() {
            attempt(&mut least, |scenario| crashes(scenario)[index].restart = None, fails);
            attempt(&mut least, |scenario| crashes(scenario)[index].after = 0, fails);
        }
        if least == before {
            return least;
        }
    }
}

/// Keeps what `change` makes of `least` if it still fails; whether it does.
fn attempt(least: &mut Scenario, change: impl FnOnce(&mut Scenario), fails: &mut dyn FnMut(&Scenario) -> bool) -> bool {
    let mut smaller = least.clone();
    change(&mut smaller);
    let keeps = smaller != *least && fails(&smaller);
    if keeps {
        *least = smaller;
    }
    keeps
}

/// Leaves out all of a list, or half of it, and so on down to each one, from its end.
fn leave_out(least: &mut Scenario, (len, remove): List, fails: &mut dyn FnMut(&Scenario) -> bool) {
    let mut chunk = len(least);
    while chunk > 0 {
        let mut end = len(least);
        while end > 0 {
            let start = end.saturating_sub(chunk);
            attempt(least, |scenario| (start..end).rev().for_each(|index| _ = remove(scenario, index)), fails);
            end = start;
        }
        chunk /= 2;
    }
}

/// All deaths of a scenario.
fn crashes(scenario: &mut Scenario) -> Vec<&mut Death> {
    scenario.mortality.iter_mut().flat_map(|m| m.crashes.iter_mut().map(|crash| &mut crash.death)).collect()
}

macro_rules! list {
    (mortality.$field:ident) => {
        list!(of mortality.$field)
    };
    (lineages.$field:ident) => {
        list!(of lineages.$field)
    };
    (of $part:ident.$field:ident) => {
        (
            |s| s.$part.as_ref().map_or(0, |part| part.$field.len()),
            |s, index| s.$part.as_mut().map(|part| part.$field.remove(index)).is_some(),
        )
    };
    ($($field:ident).+) => {
        (|s| s.$($field).+.len(), |s, index| {
            s.$($field).+.remove(index);
            true
        })
    };
}

const LISTS: [List; 17] = [
    list!(lineages.kills),
    list!(lineages.rifts),
    list!(lineages.standstills),
    list!(lineages.forced),
    list!(lineages.narrows),
    list!(clients),
    list!(orders),
    list!(departures),
    list!(mortality.strikes),
    list!(mortality.crashes),
    list!(mortality.closings),
    list!(network.silences),
    list!(network.cuts),
    list!(network.pauses),
    list!(network.bursts),
    list!(network.spikes),
    (|s| s.births.len(), remove_birth),
];

/// A process less; not the one that creates the group, nor the anchor.
fn remove_birth(scenario: &mut Scenario, index: usize) -> bool {
    let Birth { place, entry, .. } = scenario.births[index].clone();
    let only = scenario.births.iter().filter(|birth| birth.entry == entry).count() == 1;
    if index == scenario.anchor
        || (only && matches!(entry, Entry::Create | Entry::Auto | Entry::Listed(_) | Entry::Expected))
    {
        return false;
    }
    scenario.births.remove(index);
    scenario.anchor -= usize::from(index < scenario.anchor);
    for birth in &mut scenario.births {
        let (contacts, otherwise) = match &mut birth.entry {
            Entry::Through(contacts) => (contacts, Entry::Multicast),
            Entry::Listed(contacts) => (contacts, Entry::Auto),
            _ => continue,
        };
        contacts.retain(|contact| *contact != place);
        if contacts.is_empty() {
            birth.entry = otherwise;
        }
    }
    true
}

/// Simpler worlds.
const CHANGES: [Change; 19] = [
    // What is left is of the run that fails, and called like it.
    |s| *s = Scenario { name: s.name, ..s.clone().plain() },
    |s| s.mortality = None,
    |s| s.lineages.iter_mut().for_each(|lineages| lineages.first_words = None),
    |s| s.lineages.iter_mut().flat_map(|l| &mut l.rifts).for_each(|rift| rift.steps.truncate(rift.steps.len() / 2 + 1)),
    |s| s.mortality = s.mortality.take().map(|m| Mortality { noticed: false, quick: false, ..m }),
    |s| s.network.rates.loss = 0.0,
    |s| s.network.rates.duplicate = 0.0,
    |s| s.network.rates.reorder = 0.0,
    |s| s.network.echoes = 0.0,
    |s| s.network.corruption = 0.0,
    |s| s.network = NetworkPlan { rates: s.network.rates.clone(), ..calm(&s.network) },
    |s| s.rejoin = false,
    |s| s.wake = Duration::ZERO,
    |s| s.params = Params { quorum: s.params.quorum, ranking: s.params.ranking, ..Params::default() },
    |s| s.params.preempt = false,
    |s| s.births.iter_mut().for_each(|birth| birth.traffic.count = 0),
    |s| s.births.iter_mut().for_each(|birth| birth.reader = Reader::Eager),
    |s| s.chaos /= 2,
    |s| s.chaos = s.chaos * 9 / 10,
];

fn calm(plan: &NetworkPlan) -> NetworkPlan {
    let (spikes, cuts, pauses, bursts, silences) = Default::default();
    NetworkPlan { spikes, cuts, pauses, bursts, silences, ..plan.clone() }
}

/// Simpler processes.
const BIRTHS: [fn(&mut Birth); 9] = [
    |birth| birth.traffic.count = 0,
    |birth| birth.traffic.count /= 2,
    |birth| birth.traffic.burst = 1,
    |birth| birth.traffic.bound = 0.0,
    |birth| birth.traffic.at_views = false,
    |birth| birth.traffic.sizes = crate::scenario::Sizes { small: 20, share: 0.0, large: 20, huge: None },
    |birth| birth.traffic.levels = [0, 1, 0],
    |birth| birth.reader = Reader::Eager,
    |birth| (birth.budget, birth.pending) = (4 << 20, 4 << 20),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Blow, Victim};

    /// Smaller than `from`, and needed to the last thing by one who judges like that.
    fn least(fails: fn(&Scenario) -> bool) -> Scenario {
        let seed = (1..).find(|seed| fails(&Scenario::mortal(*seed))).expect("a seed that fails");
        let mut tries = 0;
        let least = shrink(&Scenario::mortal(seed), &mut |scenario| {
            tries += 1;
            fails(scenario)
        });
        assert!(fails(&least) && tries < 2000, "{tries} tries");
        least
    }

    fn events(s: &Scenario) -> usize {
        LISTS.iter().map(|(len, _)| len(s)).sum::<usize>() - s.births.len()
    }

    #[test]
    fn only_the_death_that_matters_is_left() {
        let fails = |s: &Scenario| {
            let crashes = s.mortality.iter().flat_map(|m| &m.crashes);
            s.births.len() >= 3 && crashes.filter(|crash| crash.victim == Victim::Leader).count() >= 1
        };
        let least = least(fails);
        assert_eq!((least.births.len(), events(&least)), (3, 1), "{least:?}");
        assert!(least.births.iter().all(|birth| birth.traffic.count == 0 && birth.reader == Reader::Eager));
        let crash = &least.mortality.expect("it matters").crashes[0];
        assert_eq!((crash.death.after, crash.death.restart), (0, None));
    }

    #[test]
    fn what_matters_together_stays_together() {
        let fails = |s: &Scenario| {
            let strikes = s.mortality.iter().flat_map(|m| &m.strikes);
            let pauses = strikes.filter(|strike| matches!(strike.blow, Blow::Pause(_))).count();
            pauses > 0 && s.births.iter().map(|birth| birth.traffic.count).sum::<u64>() >= 10
        };
        let least = least(fails);
        assert_eq!(events(&least), 1, "{least:?}");
        let sent: u64 = least.births.iter().map(|birth| birth.traffic.count).sum();
        assert!((10..20).contains(&sent), "{sent}");
    }
}
