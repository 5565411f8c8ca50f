//! Three processes and the network between them, as stateright sees them.
//!
//! The network is the set of all that was ever sent. What is in it may arrive at any time, in any order, any number of
//! times, or never. That is loss, duplication and reordering without a bound, and crashes too: a process that crashes
//! is one that takes no further step, and what it had not sent yet is what never arrives.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::RwLock;
use std::time::Duration;

use gms_core::wire::Limits;
use gms_core::{Bug, Config, Event, Planted, Start, Timing};
use stateright::{Model, Property};

use crate::bounds::Bounds;
use crate::process::{Datagram, PROCESSES, Process, Shared, Step, address, uid};
use crate::properties;

const HOUR: Duration = Duration::from_secs(3600);

/// A clock that stands still must not be waited for: no time is needed between two ballots, and nobody becomes unheard
/// by time alone.
fn timing() -> Timing {
    let (heartbeat, presence, quorum, flow, linger) = (HOUR, HOUR, HOUR, HOUR, HOUR);
    let (collect, attempt) = (Duration::ZERO, Duration::ZERO);
    Timing { heartbeat, presence, quorum, flow, linger, collect, attempt, ..Timing::default() }
}

#[derive(Clone, PartialEq, Hash)]
pub(crate) struct Group {
    pub(crate) processes: [Shared<Process>; PROCESSES],
    /// Sorted by fingerprint.
    pub(crate) network: Vec<Shared<Datagram>>,
    /// Bit by bit, of the suspicions and trusts allowed.
    suspicions: u32,
    trusts: u32,
    transferred: bool,
    ballots: u8,
    pauses: u8,
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, process) in self.processes.iter().enumerate() {
            writeln!(f, "process {index} {:?}: {:?}", process.member().progress(), process.told)?;
        }
        Ok(())
    }
}

impl Group {
    /// How often a process has heard what nobody should say. It is not part of the state: what counts is the first path
    /// to it.
    pub(crate) fn lies(&self, at: usize) -> u64 {
        self.processes[at].member().stats().lies()
    }

    /// What the application at process `at` has been told, since it was in the view in which all began.
    pub(crate) fn told(&self, at: usize) -> &[Event] {
        &self.processes[at].told
    }

    /// Puts process `index` where its step has brought it. Whether that changes anything.
    fn put(&mut self, index: usize, process: Shared<Process>, sent: &[Shared<Datagram>]) -> bool {
        let mut changed = self.processes[index] != process;
        self.processes[index] = process;
        for datagram in sent.iter().filter(|datagram| !datagram.idle) {
            if let Err(place) = self.network.binary_search_by_key(&datagram.fingerprint(), Shared::fingerprint) {
                self.network.insert(place, datagram.clone());
                changed = true;
            }
        }
        changed
    }
}

/// Which process does what.
#[derive(Clone, PartialEq)]
pub(crate) struct Action {
    at: usize,
    step: Step,
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Step::Arrival(datagram) => write!(f, "{datagram:?}"),
            Step::Suspicion(who) => write!(f, "{} suspects {who}", self.at),
            Step::Trust(who) => write!(f, "{} trusts {who} again", self.at),
            Step::Transfer(heir) => write!(f, "{} is to hand over to {heir}", self.at),
            Step::Stand => write!(f, "{} stands", self.at),
            Step::Pause(time) => write!(f, "{} pauses for {time:?}", self.at),
        }
    }
}

/// The process after its step, and what it sent.
type Outcome = (Shared<Process>, Vec<Shared<Datagram>>);

/// A group within bounds.
pub(crate) struct World {
    pub(crate) bounds: Bounds,
    /// A step depends on nothing but the process that makes it: by the fingerprint of both, each is made once.
    steps: RwLock<HashMap<u64, Outcome>>,
}

impl World {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, steps: RwLock::default() }
    }

    /// Different steps of different processes that have been made.
    pub(crate) fn steps(&self) -> usize {
        self.steps.read().expect("nobody panics with it").len()
    }

    fn config(&self, index: usize) -> Config {
        let mut config = Config::new("model", uid(index), address(index));
        config.timing = timing();
        config.planted = planted(self.bounds.bug);
        // What comes too early for the next view can come again in it.
        config.limits = Limits { early_datagrams: 0, ..Limits::default() };
        config.params.sessions = 1;
        config
    }

    /// Three voters that have nothing more to say, on a network where everything arrives at once.
    fn created(&self) -> [Process; PROCESSES] {
        let start = |index| if index == 0 { Start::Create } else { Start::Join(vec![]) };
        let mut processes: [Process; PROCESSES] =
            std::array::from_fn(|index| Process::start(self.config(index), start(index)));
        let quiet = Duration::from_secs(60);
        for _ in 0..1000 {
            let voters = |process: &Process| process.member().view().map_or(0, |view| view.voters().count());
            let due = processes.iter().map(Process::due).min().expect("three");
            if due > quiet && processes.iter().all(|process| voters(process) == PROCESSES) {
                return processes;
            }
            let mut network: Vec<Datagram> = Vec::new();
            for process in &mut processes {
                let (after, sent) = process.after(&Step::Pause(due));
                *process = after;
                network.extend(sent);
            }
            while !network.is_empty() {
                for datagram in std::mem::take(&mut network) {
                    let to = datagram.to;
                    let (after, sent) = processes[to].after(&Step::Arrival(Shared::new(datagram)));
                    processes[to] = after;
                    network.extend(sent);
                }
            }
        }
        panic!("no group after a thousand steps: {processes:?}");
    }

    fn outcome(&self, process: &Shared<Process>, step: &Step) -> Outcome {
        let mut hasher = DefaultHasher::new();
        (process.fingerprint(), step).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.steps.read().expect("nobody panics with it").get(&key) {
            return known.clone();
        }
        // A panic is a find like any other, and has a trace too.
        let (after, sent) = catch_unwind(AssertUnwindSafe(|| process.after(step)))
            .unwrap_or_else(|_| (process.broken("it panics"), Vec::new()));
        let outcome = (Shared::new(after), sent.into_iter().map(Shared::new).collect());
        self.steps.write().expect("nobody panics with it").entry(key).or_insert(outcome).clone()
    }
}

#[cfg(debug_assertions)]
fn planted(bug: Option<Bug>) -> Planted {
    bug.map_or_else(Planted::default, Planted::bug)
}

#[cfg(not(debug_assertions))]
fn planted(_: Option<Bug>) -> Planted {
    Planted::default()
}

impl Model for World {
    type State = Group;
    type Action = Action;

    fn init_states(&self) -> Vec<Group> {
        let mut processes = self.created();
        processes.iter_mut().for_each(Process::forget);
        for accuser in self.bounds.accusers {
            let (after, accusations) = processes[*accuser].after(&Step::Suspicion(0));
            processes[*accuser] = after;
            for accusation in accusations {
                let to = accusation.to;
                processes[to] = processes[to].after(&Step::Arrival(Shared::new(accusation))).0;
            }
        }
        let mut sent = Vec::new();
        for (index, level) in self.bounds.sends {
            sent.extend(processes[*index].send(*level).into_iter().map(Shared::new));
        }
        let mut group = Group {
            processes: processes.map(Shared::new),
            network: vec![],
            suspicions: 0,
            trusts: 0,
            transferred: false,
            ballots: 0,
            pauses: 0,
        };
        let first = group.processes[0].clone();
        group.put(0, first, &sent);
        vec![group]
    }

    fn actions(&self, group: &Group, actions: &mut Vec<Action>) {
        let arrivals = group.network.iter().cloned();
        actions.extend(arrivals.map(|datagram| Action { at: datagram.to, step: Step::Arrival(datagram) }));
        for (bit, (at, who)) in self.bounds.suspicions.iter().enumerate() {
            if group.suspicions & (1 << bit) == 0 {
                actions.push(Action { at: *at, step: Step::Suspicion(*who) });
            }
        }
        for (bit, (at, who)) in self.bounds.trusts.iter().enumerate() {
            if group.trusts & (1 << bit) == 0 {
                actions.push(Action { at: *at, step: Step::Trust(*who) });
            }
        }
        if let Some(heir) = self.bounds.heir.filter(|_| !group.transferred) {
            actions.push(Action { at: 0, step: Step::Transfer(heir) });
        }
        if group.ballots < self.bounds.ballots {
            let may = self.bounds.candidates.iter().filter(|at| group.processes[**at].member().needs_proposer());
            actions.extend(may.map(|at| Action { at: *at, step: Step::Stand }));
        }
        if group.pauses < self.bounds.pauses {
            let sleepers = self.bounds.sleepers.iter();
            actions.extend(sleepers.map(|at| Action { at: *at, step: Step::Pause(self.bounds.pause) }));
        }
    }

    fn next_state(&self, last: &Group, Action { at, step }: Action) -> Option<Group> {
        if !self.bounds.courtesy {
            let vid = last.processes[at].member().view().map(|view| view.vid);
            let astray = matches!(&step, Step::Arrival(d) if d.bound_to.is_some_and(|bound| Some(bound) != vid));
            if astray || last.told(at).last() == Some(&Event::Excluded) {
                return None;
            }
        }
        let (process, sent) = self.outcome(&last.processes[at], &step);
        let mut group = last.clone();
        let changed = group.put(at, process, &sent);
        match step {
            Step::Arrival(datagram) if changed && datagram.once => group.network.retain(|other| *other != datagram),
            Step::Arrival(_) => {}
            Step::Suspicion(who) => {
                let bit = self.bounds.suspicions.iter().position(|s| *s == (at, who)).expect("it is allowed");
                group.suspicions |= 1 << bit;
            }
            Step::Trust(who) => {
                let bit = self.bounds.trusts.iter().position(|s| *s == (at, who)).expect("it is allowed");
                group.trusts |= 1 << bit;
            }
            Step::Transfer(_) => group.transferred = true,
            Step::Stand => group.ballots += 1,
            Step::Pause(_) => group.pauses += 1,
        }
        changed.then_some(group)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all_properties()
    }
}
