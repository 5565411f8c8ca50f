//! What one run does: drawn from a seed, so that every seed has its own mix (swarm testing).

mod clients;
mod label;
mod lineage;
mod mortality;
mod name;
mod network;
mod policy;
mod traffic;

use std::ops::RangeInclusive;
use std::time::Duration;

use gms_core::{Params, Planted, Time};

use crate::draw::Draw;

pub use clients::ClientPlan;
pub(crate) use label::Inside;
pub use label::Label;
pub use lineage::{Again, Kill, LastWords, Lineages, Narrow, Passes, Rift, Side, Standstill, Step, Way};
pub use mortality::{Blow, Closing, Crash, Death, Mortality, Strike, Whom};
pub use name::{NoSuchRun, RunName};
pub use network::{Burst, Cut, NetworkPlan, Pause, Shape, Silence, Spike, Victim};
pub use policy::{Order, Proofs, Wish};
pub use traffic::{Reader, Sizes, Traffic};

/// Everything that happens in one run. The same scenario always gives the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called. The run draws from the seed in it what the scenario leaves open.
    pub name: RunName,
    /// What the group agrees on.
    pub params: Params,
    /// The processes, in the order of their starts.
    pub births: Vec<Birth>,
    /// Programs that send through the processes.
    pub clients: Vec<ClientPlan>,
    /// Who is asked to leave, and when.
    pub departures: Vec<Departure>,
    /// What an operator tells the leader.
    pub orders: Vec<Order>,
    /// The process that never leaves, by its place in `births`: joiners can always ask it.
    pub anchor: usize,
    /// A process that left starts again as a new one.
    pub rejoin: bool,
    /// What the network does until `chaos` is over.
    pub network: NetworkPlan,
    /// Processes may die and be given up, the leader too. Otherwise they only leave.
    pub mortality: Option<Mortality>,
    /// What makes more than one lineage of the name, if anything does.
    pub lineages: Option<Lineages>,
    /// Processes keep a directory, and give up who is silent for half a second, as they do by default.
    /// Otherwise they say nothing of themselves, and are more patient than any fault lasts.
    pub watchful: bool,
    /// From the arrival of a datagram to the process looking at it; more may have come by then.
    pub wake: Duration,
    /// How long there are faults and sends.
    pub chaos: Duration,
    /// How long after that everything must be delivered and settled.
    pub limit: Duration,
    /// A bug that all processes have, for a test.
    pub planted: Planted,
}

/// A process and its application.
#[derive(Debug, Clone, PartialEq)]
pub struct Birth {
    /// When it starts.
    pub at: Time,
    /// Its configured number: its rank.
    pub node: u64,
    /// Its rank where the group ranks by weight.
    pub weight: u32,
    /// Where it is reached: who starts again after a crash is at the same place.
    pub place: usize,
    /// How it comes to the group.
    pub entry: Entry,
    /// What its application sends.
    pub traffic: Traffic,
    /// How its application reads.
    pub reader: Reader,
    /// Bytes of receive buffer.
    pub budget: u32,
    /// Bytes of own messages that may wait.
    pub pending: usize,
}

/// How a process comes to the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It creates the group, if there is none.
    Create,
    /// It looks for the group, and may create it if there is none.
    Auto,
    /// The same, and it asks the processes at these places by name, too.
    Listed(Vec<usize>),
    /// It looks for the group, which is created once all processes of this kind are there.
    Expected,
    /// It joins through the processes at these places.
    Through(Vec<usize>),
    /// It joins by multicast.
    Multicast,
}

/// A process is asked to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// When.
    pub at: Time,
    /// The leader, if it may, else any follower.
    pub leader: bool,
}

/// Processes in one run, at most.
const MOST: u64 = 12;

/// Share of the seeds whose processes may die.
const MORTAL: f64 = 0.7;

/// How large a run is.
struct Size {
    /// Processes at the start, at least.
    fewest: u64,
    /// Microseconds of faults and sends.
    lasts: RangeInclusive<u64>,
    /// Messages, about.
    messages: u64,
}

impl Scenario {
    /// The scenario of `seed`.
    pub fn draw(seed: u64) -> Self {
        let mortal = Draw::new(seed, 3).chance(MORTAL);
        let scenario = if mortal { Self::mortal(seed) } else { Self::immortal(seed) };
        Self { name: RunName::draw(seed), ..scenario }
    }

    /// The scenario of `seed` in which nobody dies: processes leave, and a live leader removes who is silent.
    pub fn immortal(seed: u64) -> Self {
        let mut draw = Draw::new(seed, 1);
        let calm = draw.chance(0.15);
        let size = Size { fewest: 2, lasts: 300_000..=2_500_000, messages: 2400 };
        let mut scenario = Self::draw_with(&mut draw, RunName::immortal(seed), calm, size);
        scenario.network.draw_echoes(seed);
        scenario.network.draw_corruption(seed);
        scenario.govern();
        scenario
    }

    /// The scenario of `seed` in which processes may die, and be cut off or stand still until they are given up.
    pub fn mortal(seed: u64) -> Self {
        let mut draw = Draw::new(seed, 4);
        let calm = draw.chance(0.6);
        // Of two, hardly one can go on without the other.
        let size = Size { fewest: if draw.chance(0.1) { 2 } else { 3 }, lasts: 800_000..=3_000_000, messages: 1000 };
        let mut scenario = Self::draw_with(&mut draw, RunName::mortal(seed), calm, size);
        let places = scenario.births.len();
        scenario.watchful = true;
        // The one that is asked may be dead: each asks all in turn.
        for birth in &mut scenario.births {
            if let Entry::Through(contacts) = &mut birth.entry {
                contacts.extend(0..places);
                contacts.retain(|contact| *contact != birth.place);
            }
        }
        // The first one takes the group with it if it dies before the others are in.
        let young = if draw.chance(0.1) { 20_000..=100_000 } else { 200_000..=400_000 };
        let young = draw.micros(young);
        let times = (scenario.network.from + young, scenario.chaos);
        let mut mortality = Mortality::draw(&mut draw, &mut scenario.network, times, places);
        mortality.draw_closings(seed, times);
        scenario.mortality = Some(mortality);
        scenario.network.draw_echoes(seed);
        scenario.network.draw_corruption(seed);
        scenario.govern();
        scenario
    }

    fn draw_with(draw: &mut Draw, name: RunName, calm: bool, size: Size) -> Self {
        let Size { fewest, lasts, messages } = size;
        let initial = if draw.chance(0.06) { draw.within(8..=MOST) } else { draw.within(fewest..=7) };
        let late = if draw.chance(0.6) { draw.within(1..=3).min(MOST.saturating_sub(initial)) } else { 0 };
        let leaves = if draw.chance(0.6) { draw.within(1..=4).min(initial + late - 1) } else { 0 };
        let chaos = draw.micros(lasts);
        let auto = draw.chance(0.15);
        let anchor = draw.within(0..=initial - 1) as usize;
        let settled = if auto { Duration::from_millis(1500) } else { Duration::ZERO };
        let mut params = draw_params(draw);
        let clients = ClientPlan::draw_all(name.seed(), &mut params, settled, settled + chaos);
        let network = NetworkPlan::draw(draw, calm, settled, settled + chaos);
        let style = traffic::Style::draw(draw, &params, chaos, messages / (initial + late));
        let small_budget = draw.chance(0.2).then(|| draw.pick(&[64 << 10, 100 << 10, 256 << 10]));
        let small_pending = draw.chance(0.2).then(|| draw.pick(&[1 << 10, 16 << 10, 128 << 10]));

        let mut nodes: Vec<u64> = (1..=initial + late).collect();
        draw.shuffle(&mut nodes);
        let together = draw.chance(0.4).then(|| draw.micros(0..=chaos.as_micros() as u64 * 3 / 4));
        let mut births = Vec::new();
        for (index, node) in nodes.into_iter().enumerate() {
            let late = index as u64 >= initial;
            let entry = match index {
                _ if auto && !late => Entry::Auto,
                0 => Entry::Create,
                _ if draw.chance(0.5) => Entry::Multicast,
                _ => {
                    let mut contacts = vec![anchor];
                    (0..draw.within(0..=2)).for_each(|_| contacts.push(draw.index(initial as usize)));
                    contacts.retain(|contact| *contact != index);
                    if draw.chance(0.5) {
                        contacts.reverse();
                    }
                    if contacts.contains(&anchor) { Entry::Through(contacts) } else { Entry::Multicast }
                }
            };
            let at = match (late, together) {
                (true, Some(at)) => settled + at,
                (true, None) => settled + draw.micros(0..=chaos.as_micros() as u64 * 3 / 4),
                (false, _) if index == 0 => Duration::ZERO,
                (false, _) => draw.micros(0..=if auto { 200_000 } else { 30_000 }),
            };
            births.push(Birth {
                at: Time::ZERO + at,
                node,
                weight: 0,
                place: index,
                entry,
                traffic: style.traffic(draw),
                reader: style.reader(draw),
                budget: small_budget.filter(|_| draw.chance(0.7)).unwrap_or(4 << 20),
                pending: small_pending.filter(|_| draw.chance(0.7)).unwrap_or(4 << 20),
            });
        }
        let mut departures: Vec<Departure> = (0..leaves)
            .map(|_| Departure {
                at: Time::ZERO + settled + draw.micros(100_000..=chaos.as_micros() as u64),
                leader: draw.chance(0.5),
            })
            .collect();
        departures.sort_by_key(|departure| departure.at);
        let rejoin = draw.chance(0.4);
        let wake = if draw.chance(0.5) { Duration::ZERO } else { draw.micros(5..=200) };
        Self {
            name,
            params,
            births,
            clients,
            departures,
            orders: Vec::new(),
            anchor,
            rejoin,
            network,
            mortality: None,
            lineages: None,
            // Drawn last, so that the rest of a seed's scenario is the same either way.
            watchful: draw.chance(0.7) || auto,
            wake,
            chaos: settled + chaos,
            limit: Duration::from_secs(60),
            planted: Planted::default(),
        }
    }
}

impl Scenario {
    /// The same with nothing of what happens to a leader: followers die, and come again.
    pub fn only_followers_die(mut self) -> Self {
        self.name.followers = true;
        if let Some(mortality) = &mut self.mortality {
            mortality.strikes.clear();
            mortality.crashes.iter_mut().for_each(|crash| crash.victim = Victim::Follower);
        }
        self.departures.clear();
        let network = &mut self.network;
        (network.cuts, network.pauses, network.silences, network.bursts) = Default::default();
        self
    }

    /// The same with nobody [`watchful`](Self::watchful); `None` where that would leave somebody waiting for ever:
    /// where processes die, look for each other or are excluded by an operator.
    pub fn unwatched(mut self) -> Option<Self> {
        let looks = |birth: &Birth| matches!(birth.entry, Entry::Auto | Entry::Expected);
        if self.mortality.is_some() || self.births.iter().any(looks) || self.orders_exclusions() {
            return None;
        }
        self.name.unwatched = true;
        self.watchful = false;
        Some(self)
    }
}

impl Scenario {
    /// Whether nothing ever goes wrong.
    pub fn is_faultless(&self) -> bool {
        self.network.is_calm() && self.mortality.is_none() && !self.orders_exclusions()
    }

    /// Whether processes die, and nothing else happens to them: then nobody who lives need be excluded.
    pub(crate) fn spares_the_living(&self) -> bool {
        if self.lineages.is_some() {
            return false;
        }
        let only_deaths = |mortality: &Mortality| {
            mortality.closings.is_empty() && mortality.strikes.iter().all(|s| matches!(s.blow, Blow::Crash(_)))
        };
        self.network.is_calm() && self.mortality.as_ref().is_some_and(only_deaths) && !self.orders_exclusions()
    }

    /// Whether nobody dies and no link is down, but not all gets through: see [`Scenario::blame`].
    pub(crate) fn is_of_blame(&self) -> bool {
        self.name.is_of_blame()
    }

    /// Whether a live process may be taken to be dead.
    pub fn may_exclude(&self) -> bool {
        self.watchful && !(self.network.is_calm() && self.mortality.is_none()) || self.orders_exclusions()
    }
}

fn draw_params(draw: &mut Draw) -> Params {
    let mut params = Params::default();
    if draw.chance(0.25) {
        params.datagram = draw.pick(&[512, 600, 1000, 9000]);
    }
    if draw.chance(0.15) {
        params.message_limit = draw.pick(&[1 << 10, 64 << 10]);
        params.reassembly = u64::from(params.message_limit) * draw.within(1..=3);
    }
    if draw.chance(0.2) {
        params.window = draw.pick(&[1, 32 << 10, 128 << 10]);
    }
    if draw.chance(0.05) {
        params.min_voters = draw.within(1..=3) as u16;
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_draws_a_scenario_that_can_run() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let scenario = Scenario::draw(seed);
            assert_eq!(scenario, Scenario::draw(seed));
            assert_eq!(Scenario::mortal(seed), Scenario::mortal(seed));
            assert!(scenario.params.check().is_ok());
            assert!(scenario.births.len() <= MOST as usize + 3 && scenario.anchor < scenario.births.len());
            assert!(scenario.births.iter().all(|b| b.entry != Entry::Through(vec![])));
            assert!(scenario.departures.iter().all(|d| d.at <= Time::ZERO + scenario.chaos));
            sizes.insert(scenario.births.len());
        }
        assert!(sizes.len() > 8, "{sizes:?}");
    }
}
