//! Scenarios in which more than one lineage of the name may arise: processes come as a product lets them come, and are
//! cut off, stopped, killed and started again so long that groups lose each other, and meet again.

mod arrivals;
mod blame;
mod trouble;

use std::time::Duration;

use gms_core::{Params, Planted, Time};

use super::{Birth, Entry, Mortality, NetworkPlan, RunName, Scenario};
use crate::draw::Draw;
use arrivals::{draw_births, draw_clients};
use trouble::Dice;

/// What happens to the lineages of one run, beside what happens to any run.
#[derive(Debug, Clone, PartialEq)]
pub struct Lineages {
    /// The network falls apart and comes together.
    pub rifts: Vec<Rift>,
    /// Processes stand still.
    pub standstills: Vec<Standstill>,
    /// Processes are killed, some of them or all.
    pub kills: Vec<Kill>,
    /// So long after a lineage has acknowledged something for the first time, its leader is killed.
    pub first_words: Option<LastWords>,
    /// An operator forces a view at one process, if one that is blocked can be found.
    pub forced: Vec<Time>,
    /// Long datagrams do not get through to a place, or from it.
    pub narrows: Vec<Narrow>,
    /// From then on no multicast reaches anybody, after the faults are over, too.
    pub multicast_ends: Option<Time>,
    /// A connection to a place without a living process is refused, as a host does it. Otherwise the dead are silent.
    pub refuses: bool,
    /// So many places, one after the other, are of one host, which can prove to its processes who of its own is dead.
    pub beside: usize,
}

/// The places fall into parts for a while, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Rift {
    /// When it begins.
    pub at: Time,
    /// Who is on one side, the same in all steps.
    pub side: Side,
    /// What passes, and for how long. Afterwards everything does.
    pub steps: Vec<Step>,
}

/// One side of a rift; all other places are on the other one, those of processes that start later, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// These places.
    Places(Vec<usize>),
    /// The place of a leader, when the rift begins.
    Leader,
    /// That of any process.
    Any,
}

/// One step of a rift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What passes.
    pub passes: Passes,
    /// For how long.
    pub lasts: Duration,
}

/// What passes between the sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// Everything.
    All,
    /// Nothing.
    Nothing,
    /// The side hears the others, and is not heard.
    In,
    /// The side is heard, and hears nothing.
    Out,
    /// One process of the other side hears the side, and is heard by it.
    Bridge,
    /// Only what goes to the next place and the one before, whatever the sides are.
    Ring,
    /// No multicast reaches the side.
    Unicast,
}

/// Datagrams longer than a limit are lost on their way to a place, or from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrow {
    /// When it begins.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// Whose place: [`Side::Places`] names one.
    pub side: Side,
    /// Bytes that get through.
    pub bytes: u16,
    /// On which way what is longer is lost.
    pub way: Way,
}

/// Ways to and from a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To it.
    In,
    /// From it.
    Out,
    /// Both.
    Both,
    /// From it, and its interface says so: its MTU is lower.
    Interface,
}

/// Processes stand still.
#[derive(Debug, Clone, PartialEq)]
pub struct Standstill {
    /// When.
    pub at: Time,
    /// For how long.
    pub lasts: Duration,
    /// All but one; otherwise one.
    pub all_but_one: bool,
    /// After that, the others: from when on, before the end of the first, and for how long.
    pub others: Option<(Duration, Duration)>,
}

/// Some processes are killed at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Kill {
    /// When.
    pub at: Time,
    /// How many of those that live, at most; the leader first if there is one.
    pub count: usize,
    /// The process at this place lives on.
    pub spared: Option<usize>,
    /// They are started again.
    pub again: Option<Again>,
}

/// How processes are started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// How long after the death the first is there.
    pub first: Duration,
    /// And how long after it each further one.
    pub apart: Duration,
    /// At other places, as other hosts are; otherwise where they were.
    pub elsewhere: bool,
    /// Each is told to create the group.
    pub creates: bool,
}

/// The leader is killed after the first acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastWords {
    /// So long after it.
    pub after: Duration,
    /// It is started again.
    pub again: Option<Again>,
}

/// Processes in one run of this kind, at most.
const MOST: u64 = 24;
/// Kinds of trouble that one seed may have or not.
const CLASSES: u64 = 11;

impl Lineages {
    /// Nothing happens to them.
    fn quiet() -> Self {
        Self {
            rifts: Vec::new(),
            standstills: Vec::new(),
            kills: Vec::new(),
            first_words: None,
            forced: Vec::new(),
            narrows: Vec::new(),
            multicast_ends: None,
            refuses: true,
            beside: 1,
        }
    }
}

impl Scenario {
    /// The scenario of `seed` in which lineages arise, part and meet.
    pub fn lineage(seed: u64) -> Self {
        let mut draw = Draw::new(seed, 10);
        let initial = if draw.chance(0.05) { draw.within(8..=MOST - 2) } else { draw.within(2..=7) };
        let late = if draw.chance(0.5) { draw.within(1..=2) } else { 0 };
        let mut chaos = draw.magnitude(3_000_000..=40_000_000);
        let mut births = draw_births(&mut draw, initial as usize, late as usize, chaos);
        let mut lineages = Lineages {
            refuses: draw.chance(0.8),
            beside: draw.pick(&[1, 1, 1, 2, MOST as usize]),
            ..Lineages::quiet()
        };
        // Few classes in most seeds: many at a time hide each other.
        let most = draw.pick(&[1, 1, 2, 2, 3, 4]);
        let mut classes: Vec<u64> = (0..most).map(|_| draw.within(0..=CLASSES - 1)).collect();
        if births.iter().any(|birth| birth.entry == Entry::Expected) {
            classes.push(0);
        }
        classes.sort_unstable();
        classes.dedup();
        let mut dice = Dice { draw: &mut draw, births: &mut births, chaos: &mut chaos };
        classes.into_iter().for_each(|class| dice.add(class, &mut lineages));
        if draw.chance(0.06) {
            lineages.forced.push(Time::ZERO + draw.micros(chaos / 2..=chaos));
        }
        blame::add_narrows(seed, &mut lineages, &mut births, chaos);
        let (from, to) = (Duration::ZERO, Duration::from_micros(chaos));
        let delay = Duration::from_micros(50)..Duration::from_micros(draw.magnitude(100..=5_000));
        let mut network = NetworkPlan::calm(delay, from);
        if draw.chance(0.25) {
            network.echoes = draw.pick(&[0.002, 0.01, 0.05]);
        }
        if draw.chance(0.15) {
            network.rates.loss = draw.pick(&[0.01, 0.05, 0.2]);
        }
        network.draw_corruption(seed);
        let clients = draw_clients(&mut draw, to);
        let mortality = Some(Mortality { noticed: draw.chance(0.6), ..Mortality::default() });
        let base = Self::of_lineages(RunName::lineage(seed), births, lineages, network);
        Self { clients, mortality, chaos: to, ..base }
    }

    /// These processes in this network, with what happens to their lineages, and nothing else.
    fn of_lineages(name: RunName, births: Vec<Birth>, lineages: Lineages, network: NetworkPlan) -> Self {
        Self {
            name,
            params: Params::default(),
            births,
            clients: Vec::new(),
            departures: Vec::new(),
            orders: Vec::new(),
            anchor: 0,
            rejoin: false,
            network,
            mortality: Some(Mortality::default()),
            lineages: Some(lineages),
            watchful: true,
            wake: Duration::ZERO,
            chaos: Duration::ZERO,
            limit: Duration::from_secs(60),
            planted: Planted::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_trouble_is_drawn_and_left_out() {
        let scenarios: Vec<Scenario> = (0..600).map(Scenario::lineage).collect();
        let lineages = |s: &Scenario| s.lineages.clone().expect("it is of this kind");
        let some = |what: &str, which: &dyn Fn(&Scenario) -> bool| {
            assert!(scenarios.iter().any(which) && !scenarios.iter().all(which), "{what}");
        };
        let steps = |s: &Scenario| lineages(s).rifts.into_iter().flat_map(|rift| rift.steps).collect::<Vec<_>>();
        for passes in [Passes::In, Passes::Out, Passes::Bridge, Passes::Ring, Passes::Unicast, Passes::All] {
            some(&format!("{passes:?}"), &|s| steps(s).iter().any(|step| step.passes == passes));
        }
        let again = |s: &Scenario| {
            let kills = lineages(s).kills.into_iter().filter_map(|kill| kill.again);
            kills.chain(lineages(s).first_words.and_then(|words| words.again)).collect::<Vec<_>>()
        };
        some("told to create", &|s| again(s).iter().any(|again| again.creates));
        some("elsewhere", &|s| again(s).iter().any(|again| again.elsewhere));
        some("one after the other", &|s| again(s).iter().any(|again| again.apart > Duration::ZERO));
        some("all killed", &|s| lineages(s).kills.iter().any(|kill| kill.count == usize::MAX));
        some("one spared", &|s| lineages(s).kills.iter().any(|kill| kill.spared.is_some()));
        some("all but one", &|s| lineages(s).standstills.iter().any(|standstill| standstill.all_but_one));
        some("others after it", &|s| lineages(s).standstills.iter().any(|standstill| standstill.others.is_some()));
        some("first words", &|s| lineages(s).first_words.is_some());
        some("forced", &|s| !lineages(s).forced.is_empty());
        some("several on a host", &|s| lineages(s).beside > 1);
        some("refused", &|s| lineages(s).refuses);
        some("narrow", &|s| !lineages(s).narrows.is_empty());
        some("apart from the beginning", &|s| lineages(s).rifts.iter().any(|rift| rift.at == Time::ZERO));
        some("expected", &|s| !s.expected().is_empty());
        some("only those expected cut off", &|s| {
            let expected = s.births.iter().filter(|birth| birth.entry == Entry::Expected).map(|birth| birth.place);
            let side = Side::Places(expected.collect());
            side != Side::Places(vec![]) && lineages(s).rifts.iter().any(|rift| rift.side == side)
        });
        some("listed", &|s| s.births.iter().any(|birth| matches!(birth.entry, Entry::Listed(_))));
        some("clients", &|s| !s.clients.is_empty());
        some("echoes", &|s| s.network.echoes > 0.0);
        let sizes: BTreeSet<usize> = scenarios.iter().map(|s| s.births.len()).collect();
        assert!(sizes.first() == Some(&2) && *sizes.last().expect("some") > 16, "{sizes:?}");
        let messages = |s: &Scenario| s.births.iter().map(|birth| birth.traffic.count).sum::<u64>();
        assert!(scenarios.iter().map(messages).sum::<u64>() < 200 * scenarios.len() as u64);
        assert!(scenarios.iter().all(|s| *s == Scenario::lineage(s.name.seed()) && s.network.cuts.is_empty()));
    }
}
