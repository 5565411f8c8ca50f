//! Scenarios in which more than one lineage of the name may arise: processes come as a product lets them come, and are
//! cut off, stopped, killed and started again so long that groups lose each other, and meet again.

use std::ops::RangeInclusive;
use std::time::Duration;

use gms_core::{Params, Planted, Time};
use gms_net::FaultRates;

use super::{Birth, ClientPlan, Entry, Mortality, NetworkPlan, Reader, RunName, Scenario, Sizes, Traffic};
use crate::draw::Draw;

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

impl Scenario {
    /// The scenario of `seed` in which lineages arise, part and meet.
    pub fn lineage(seed: u64) -> Self {
        let mut draw = Draw::new(seed, 10);
        let initial = if draw.chance(0.05) { draw.within(8..=MOST - 2) } else { draw.within(2..=7) };
        let late = if draw.chance(0.5) { draw.within(1..=2) } else { 0 };
        let mut chaos = draw.magnitude(3_000_000..=40_000_000);
        let mut births = draw_births(&mut draw, initial as usize, late as usize, chaos);
        let mut lineages = Lineages {
            rifts: Vec::new(),
            standstills: Vec::new(),
            kills: Vec::new(),
            first_words: None,
            forced: Vec::new(),
            refuses: draw.chance(0.8),
            beside: draw.pick(&[1, 1, 1, 2, MOST as usize]),
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
        let (from, to) = (Duration::ZERO, Duration::from_micros(chaos));
        let mut network = NetworkPlan {
            rates: FaultRates {
                delay: Duration::from_micros(50)..Duration::from_micros(draw.magnitude(100..=5_000)),
                ..FaultRates::NONE
            },
            from,
            spikes: Vec::new(),
            cuts: Vec::new(),
            pauses: Vec::new(),
            bursts: Vec::new(),
            silences: Vec::new(),
            echoes: if draw.chance(0.25) { draw.pick(&[0.002, 0.01, 0.05]) } else { 0.0 },
            corruption: 0.0,
        };
        if draw.chance(0.15) {
            network.rates.loss = draw.pick(&[0.01, 0.05, 0.2]);
        }
        network.draw_corruption(seed);
        let clients = draw_clients(&mut draw, to);
        Self {
            name: RunName::lineage(seed),
            params: Params::default(),
            births,
            clients,
            departures: Vec::new(),
            orders: Vec::new(),
            anchor: 0,
            rejoin: false,
            network,
            mortality: Some(Mortality { noticed: draw.chance(0.6), ..Mortality::default() }),
            lineages: Some(lineages),
            watchful: true,
            wake: Duration::ZERO,
            chaos: to,
            limit: Duration::from_secs(60),
            planted: Planted::default(),
        }
    }
}

/// Processes that come as a product lets them come, and the places that they are at.
fn draw_births(draw: &mut Draw, initial: usize, late: usize, chaos: u64) -> Vec<Birth> {
    let count = initial + late;
    let mut nodes: Vec<u64> = (1..=count as u64).collect();
    for last in (1..count).rev() {
        nodes.swap(last, draw.index(last + 1));
    }
    // Some are told who is to be there, or whom to ask; most are not.
    let style = draw.weighted(&[7, 2, 1, 1]);
    let most = if draw.chance(0.5) { initial.div_ceil(2) } else { initial };
    let expected = draw.within(1..=most as u64) as usize;
    let together = draw.pick(&[0, 1_000, 300_000, 2_000_000]);
    let traffic = Traffic {
        count: draw.magnitude(5..=40),
        burst: draw.within(1..=3),
        gap: Duration::from_micros(draw.magnitude(5_000..=400_000)),
        sizes: Sizes { small: 40, share: 0.0, large: 40, huge: None },
        levels: draw.pick(&[[0, 1, 0], [0, 1, 0], [1, 4, 1]]),
        bound: 0.0,
        at_views: false,
    };
    let silent = draw.pick(&[0.0, 0.0, 0.3, 0.6]);
    let birth = |(index, node)| {
        let entry = match style {
            1 if index < expected => Entry::Expected,
            1 => Entry::Multicast,
            2 => Entry::Listed((0..initial).filter(|place| *place != index).collect()),
            3 if index == 0 => Entry::Create,
            _ => Entry::Auto,
        };
        let at = match index >= initial {
            true => draw.within(0..=chaos * 3 / 4),
            false => draw.within(0..=together.min(chaos / 2)),
        };
        let mut traffic = Traffic { gap: draw.around(traffic.gap), ..traffic.clone() };
        if draw.chance(silent) {
            traffic.count = 0;
        }
        Birth {
            at: Time::from_nanos(at * 1000),
            node,
            weight: 0,
            place: index,
            entry,
            traffic,
            reader: Reader::Eager,
            budget: 4 << 20,
            pending: 4 << 20,
        }
    };
    nodes.into_iter().enumerate().map(birth).collect()
}

fn draw_clients(draw: &mut Draw, chaos: Duration) -> Vec<ClientPlan> {
    if !draw.chance(0.4) {
        return Vec::new();
    }
    let gap = Duration::from_micros(draw.magnitude(10_000..=400_000));
    let client = |_| ClientPlan {
        at: Time::ZERO + draw.micros(0..=chaos.as_micros() as u64 / 2),
        count: draw.magnitude(3..=40),
        burst: 1,
        gap,
        size: 20,
        window: draw.magnitude(1..=5),
        fickle: draw.pick(&[0.0, 0.05]),
        hasty: 0.0,
        patience: Duration::from_micros(draw.magnitude(50_000..=2_000_000)),
    };
    (0..1 + chaos.as_micros() % 2).map(client).collect()
}

/// What is drawn from, and for whom.
struct Dice<'a> {
    draw: &'a mut Draw,
    births: &'a mut [Birth],
    chaos: &'a mut u64,
}

impl Dice<'_> {
    /// One kind of trouble.
    fn add(&mut self, class: u64, to: &mut Lineages) {
        match class {
            0..=2 => self.heals_after_an_exclusion(&mut to.rifts),
            3 => self.flaps(&mut to.rifts),
            4 => self.hears_one_way(&mut to.rifts),
            5 => self.standstills(&mut to.standstills),
            6 => self.kills(&mut to.kills),
            7 => {
                let (after, again) = (self.draw.micros(0..=50_000), self.again());
                to.first_words = Some(LastWords { after, again });
            }
            8 => self.begins_apart(&mut to.rifts),
            9 => self.is_outlived(to),
            _ => self.without_multicast(&mut to.rifts),
        }
    }

    fn time(&mut self) -> Time {
        Time::ZERO + self.draw.micros(300_000..=*self.chaos * 3 / 4)
    }

    fn lasts(&mut self, millis: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.draw.magnitude(millis.start() * 1000..=millis.end() * 1000))
    }

    fn step(&mut self, passes: Passes, millis: RangeInclusive<u64>) -> Step {
        Step { passes, lasts: self.lasts(millis) }
    }

    /// Some places, at least one and not all; where some are expected, often those.
    fn half(&mut self) -> Side {
        let expected = |birth: &&Birth| birth.entry == Entry::Expected;
        let expected: Vec<usize> = self.births.iter().filter(expected).map(|birth| birth.place).collect();
        if !expected.is_empty() && expected.len() < self.births.len() && self.draw.chance(0.6) {
            return Side::Places(expected);
        }
        let mut places: Vec<usize> = self.births.iter().map(|birth| birth.place).collect();
        for last in (1..places.len()).rev() {
            places.swap(last, self.draw.index(last + 1));
        }
        places.truncate(if self.draw.chance(0.6) { places.len() / 2 } else { 1 + self.draw.index(places.len() - 1) });
        Side::Places(places)
    }

    fn side(&mut self) -> Side {
        match self.draw.weighted(&[4, 2, 1]) {
            0 => self.half(),
            1 => Side::Leader,
            _ => Side::Any,
        }
    }

    /// A cut longer than it takes to give somebody up, a moment in which it is told, and a cut again.
    fn heals_after_an_exclusion(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let passes = match self.draw.weighted(&[8, 1, 1, 1, 1]) {
            0 => Passes::Nothing,
            1 => Passes::In,
            2 => Passes::Out,
            3 => Passes::Bridge,
            _ => Passes::Ring,
        };
        let mut steps = vec![self.step(passes, 700..=5_000)];
        for _ in 0..self.draw.within(1..=3) {
            steps.push(self.step(Passes::All, 1..=400));
            steps.push(self.step(Passes::Nothing, 400..=6_000));
        }
        rifts.push(Rift { at, side, steps });
    }

    /// A cable with a loose contact.
    fn flaps(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let (off, on) = (self.draw.magnitude(50..=1_500), self.draw.magnitude(5..=800));
        let count = self.draw.within(4..=20);
        let steps = (0..count)
            .flat_map(|_| [self.step(Passes::Nothing, off / 2..=off * 2), self.step(Passes::All, on / 2 + 1..=on * 2)]);
        rifts.push(Rift { at, side, steps: steps.collect() });
    }

    /// Two sides that first lose each other, and then hear each other one way only.
    fn hears_one_way(&mut self, rifts: &mut Vec<Rift>) {
        let (at, side) = (self.time(), self.side());
        let mut steps = Vec::new();
        if self.draw.chance(0.6) {
            steps.push(self.step(Passes::Nothing, 500..=5_000));
        }
        for _ in 0..self.draw.within(1..=2) {
            let passes = self.draw.pick(&[Passes::In, Passes::Out]);
            steps.push(self.step(passes, 300..=10_000));
        }
        rifts.push(Rift { at, side, steps });
    }

    /// Each side begins by itself; more may start there while they are apart.
    fn begins_apart(&mut self, rifts: &mut Vec<Rift>) {
        let mut steps = vec![self.step(Passes::Nothing, 1_000..=8_000)];
        if self.draw.chance(0.4) {
            let passes = self.draw.pick(&[Passes::In, Passes::Out]);
            steps.push(self.step(passes, 300..=8_000));
        }
        rifts.push(Rift { at: Time::ZERO, side: self.half(), steps });
    }

    /// A newcomer has just heard of a group, or come into it, when all others die. It goes on by itself, and then it
    /// stands still for long.
    fn is_outlived(&mut self, to: &mut Lineages) {
        let (comes, dies) = (self.lasts(1_500..=4_000), self.lasts(1..=200));
        let (stops, lasts) = (self.lasts(3_500..=9_000), self.lasts(4_000..=25_000));
        *self.chaos = (*self.chaos).max((comes + dies + stops + lasts).as_micros() as u64 + 4_000_000);
        let newcomer = self.births.last_mut().expect("there are two");
        newcomer.at = Time::ZERO + comes;
        newcomer.traffic.count = newcomer.traffic.count.max(20);
        newcomer.traffic.gap = newcomer.traffic.gap.max(Duration::from_millis(200));
        let (at, place) = (newcomer.at + dies, newcomer.place);
        let again = self.again().filter(|_| self.draw.chance(0.3));
        to.kills.push(Kill { at, count: usize::MAX, spared: Some(place), again });
        to.standstills.push(Standstill { at: at + stops, lasts, all_but_one: false, others: None });
    }

    /// Unicast works. Often it is so when somebody joins.
    fn without_multicast(&mut self, rifts: &mut Vec<Rift>) {
        let newcomer = self.draw.index(self.births.len());
        let Birth { at: born, place, .. } = self.births[newcomer];
        let (at, side) = match self.draw.weighted(&[2, 2, 1]) {
            0 => (born, Side::Places(vec![place])),
            1 => (self.time(), self.side()),
            _ => (self.time(), Side::Places(self.births.iter().map(|birth| birth.place).collect())),
        };
        let steps = vec![self.step(Passes::Unicast, 500..=12_000)];
        rifts.push(Rift { at, side, steps });
    }

    /// One for long and then the others, or all but one.
    fn standstills(&mut self, standstills: &mut Vec<Standstill>) {
        for _ in 0..self.draw.within(1..=2) {
            let (at, all_but_one) = (self.time(), self.draw.chance(0.3));
            let lasts = self.lasts(600..=25_000);
            let others = self.draw.chance(0.6).then(|| (self.lasts(1..=600), self.lasts(100..=3_000)));
            standstills.push(Standstill { at, lasts, all_but_one, others });
        }
    }

    /// Some or all, once or again and again.
    fn kills(&mut self, kills: &mut Vec<Kill>) {
        for _ in 0..self.draw.within(1..=3) {
            let all = self.draw.chance(0.3);
            let count = if all { usize::MAX } else { 1 + self.draw.index(self.births.len()) };
            let (at, again) = (self.time(), self.again());
            kills.push(Kill { at, count, spared: None, again });
        }
    }

    fn again(&mut self) -> Option<Again> {
        self.draw.chance(0.85).then(|| Again {
            first: self.lasts(50..=3_000),
            apart: if self.draw.chance(0.5) { Duration::ZERO } else { self.lasts(20..=2_000) },
            elsewhere: self.draw.chance(0.15),
            creates: self.draw.chance(0.15),
        })
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
