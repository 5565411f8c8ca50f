//! Lies told to groups of three nodes: well-formed datagrams that nobody should have sent. Those of a stranger must
//! change nothing for anybody; those of a member, about itself, must end nobody else. Afterwards each group has to
//! order messages and, if it has all its nodes still, survive its leader.

mod forge;
mod group;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use gms_check::Property;
use gms_core::{Event, Level, Planted, Uid};

use self::forge::{Forge, Liar, Lie};
use self::group::{Group, NODES, address};
use crate::draw::Draw;

/// Lies told to one group, at most.
const LIES_EACH: u64 = 250;
/// The same while it replaces its leader.
const LIES_LATE: u64 = 20;
/// How often a group that a member has lied to is looked at again, three seconds later.
const PATIENCE: usize = 20;
/// What a group may send for each lie and each millisecond, at most, before it is taken to be flooded by it.
const DATAGRAMS: u64 = 60;

/// What came of many lies.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// How many were told.
    pub told: u64,
    /// Groups they were told to.
    pub groups: u64,
    /// How many of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// Processes that do not exist and were let in, for they answered what only they can know.
    pub ghosts: u64,
    /// Members excluded by the lie of a leader, which may do so; they came in again.
    pub excluded: u64,
    /// Nodes that a lie of their own has ended.
    pub ended: u64,
    /// Groups without a message yet that went on waiting for a lineage that never was, until their operator discarded
    /// it: whatever is heard of one may be true.
    pub delayed: u64,
    /// What went wrong, with the seed of the group.
    pub failures: Vec<String>,
}

impl Lies {
    /// Adds those of another run.
    pub fn add(&mut self, other: Self) {
        self.told += other.told;
        self.groups += other.groups;
        self.ghosts += other.ghosts;
        self.excluded += other.excluded;
        self.ended += other.ended;
        self.delayed += other.delayed;
        other.kinds.into_iter().for_each(|(kind, count)| *self.kinds.entry(kind).or_default() += count);
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Lies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20}{:>10}", "lie", "times")?;
        for (kind, count) in &self.kinds {
            writeln!(f, "{kind:<20}{count:>10}")?;
        }
        writeln!(f, "{} lies told to {} groups; {} failed", self.told, self.groups, self.failures.len())?;
        writeln!(
            f,
            "liars that ended themselves: {}, members excluded by their leader's lie: {}",
            self.ended, self.excluded
        )?;
        writeln!(f, "ghosts let in: {}, groups delayed by lineages that never were: {}", self.ghosts, self.delayed)
    }
}

/// Tells the lies of `seed` to one group, whose nodes have this bug: a stranger's if the seed is even, else a member's.
///
/// ```
/// let lies = gms_sim::lies::lie(1, gms_core::Planted::default());
/// assert!(lies.told > 0 && lies.failures.is_empty(), "{lies}");
/// ```
pub fn lie(seed: u64, planted: Planted) -> Lies {
    let mut lies = Lies { groups: 1, ..Lies::default() };
    match catch_unwind(AssertUnwindSafe(|| told(seed, planted))) {
        Ok((outcome, failure)) => {
            lies = outcome;
            lies.failures.extend(failure.map(|what| format!("seed {seed}: {what}")));
        }
        Err(panic) => {
            let what = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            lies.failures.push(format!("seed {seed}: panicked: {}", what.unwrap_or_default()));
        }
    }
    lies
}

fn told(seed: u64, planted: Planted) -> (Lies, Option<String>) {
    let mut draw = Draw::new(seed, 22);
    let mut group = Group::start(&mut draw, planted);
    let liar = if seed.is_multiple_of(2) { Liar::Stranger } else { Liar::Member(draw.index(NODES)) };
    let mut trial = Trial { lies: Lies { groups: 1, ..Lies::default() }, liar, before: uids(&group), busy: 0 };
    group.note("lies");
    let failure = trial.run(&mut draw, &mut group).err();
    let failure = failure.map(|what| format!("{what}\n  {liar:?} lies\n{group}"));
    let failure = failure.or_else(|| {
        let report = group.judge();
        // What a liar says of itself need not be so.
        let judged =
            |property| liar == Liar::Stranger || [Property::P2, Property::P3, Property::P22].contains(&property);
        report.violations.iter().find(|violation| judged(violation.property)).map(ToString::to_string)
    });
    (trial.lies, failure)
}

fn uids(group: &Group) -> Vec<Uid> {
    group.nodes.iter().map(|node| node.uid()).collect()
}

/// One group under trial.
struct Trial {
    lies: Lies,
    liar: Liar,
    /// Who the nodes were when all began.
    before: Vec<Uid>,
    /// Messages said.
    busy: u64,
}

impl Trial {
    fn run(&mut self, draw: &mut Draw, group: &mut Group) -> Result<(), String> {
        let count = draw.within(LIES_EACH / 2..=LIES_EACH);
        let busy = draw.chance(0.7);
        for _ in 0..count {
            self.lie(draw, group)?;
            if busy && draw.chance(0.3) {
                let who = draw.index(NODES);
                let level = draw.pick(&[Level::Agreed, Level::Uniform, Level::Stable]);
                self.say(group, who, level);
            }
            group.pass(Duration::from_micros(draw.pick(&[0, 50, 100, 300, 1000, 5000])));
            self.look(group)?;
        }
        // Until whatever was said in vain is forgotten, and who was excluded is back.
        group.pass(Duration::from_secs(3));
        self.look(group)?;
        self.goes_on(group)?;
        group.pass(Duration::from_secs(1));
        if self.is_liar_out(group) {
            self.lies.ended += 1;
            return Ok(());
        }
        let leader = (0..NODES).find(|at| group.nodes[*at].is_leader()).ok_or("nobody leads")?;
        group.kill(leader);
        for _ in 0..LIES_LATE {
            self.lie(draw, group)?;
            group.pass(Duration::from_millis(draw.within(0..=20)));
        }
        group.pass(Duration::from_secs(5));
        self.look(group)?;
        self.goes_on(group)
    }

    fn lie(&mut self, draw: &mut Draw, group: &mut Group) -> Result<(), String> {
        let others: Vec<usize> = (0..NODES).filter(|at| !group.dead[*at] && self.liar != Liar::Member(*at)).collect();
        let to = others[draw.index(others.len())];
        if matches!(self.liar, Liar::Member(me) if group.dead[me]) || self.is_liar_out(group) {
            return Ok(());
        }
        let from = match self.liar {
            Liar::Stranger => draw.pick(&[address(NODES), address(NODES + 1), SocketAddr::from(([10, 0, 0, 1], 7001))]),
            Liar::Member(me) => address(me),
        };
        let Lie { name, datagram } = Forge { draw, group, liar: self.liar, to }.lie();
        if name == "JoinReject" && self.liar != Liar::Stranger && group.nodes[to].view().is_none() {
            // A process that asks to be let in believes what a member tells it.
            return Ok(());
        }
        self.lies.told += 1;
        *self.lies.kinds.entry(name.clone()).or_default() += 1;
        // Some are told to all, and some again and again.
        let to = if draw.chance(0.2) { others } else { vec![to] };
        let times = if draw.chance(0.05) { 20 } else { 1 };
        let before = group.sent;
        for _ in 0..times {
            to.iter().for_each(|to| group.deliver(*to, from, datagram.clone()));
        }
        let answers = group.sent - before;
        match group.endless || answers > DATAGRAMS * times * to.len() as u64 {
            true => Err(format!("{answers} datagrams sent because of one lie ({name})")),
            false => Ok(()),
        }
    }

    fn say(&mut self, group: &mut Group, who: usize, level: Level) -> Option<Bytes> {
        self.busy += 1;
        let payload = Bytes::from(format!("{who} says {}", self.busy));
        group.say(who, level, payload.clone()).then_some(payload)
    }

    /// Whether the liar has lost its place by its own lies: ended, or put out, and not back yet.
    fn is_liar_out(&self, group: &Group) -> bool {
        matches!(self.liar, Liar::Member(me) if !group.dead[me] && group.nodes[me].view().is_none())
    }

    /// Nothing has happened that must not.
    fn look(&mut self, group: &mut Group) -> Result<(), String> {
        for who in (0..NODES).filter(|at| self.liar != Liar::Member(*at)) {
            let mut excluded = 0;
            for event in &group.events[who] {
                match event {
                    Event::Broken(_) | Event::Left { .. } | Event::Refused(_) | Event::Dissolved { .. } => {
                        return Err(format!("{} ended: {event:?}", self.before[who]));
                    }
                    Event::Excluded => excluded += 1,
                    _ => {}
                }
            }
            let by_its_leader = matches!(self.liar, Liar::Member(_));
            if excluded > 0 && !by_its_leader {
                return Err(format!("{} is out of its view", self.before[who]));
            }
            self.lies.excluded += excluded;
            if !group.dead[who] && group.nodes[who].view().is_some_and(|view| view.gid != group.gid) {
                return Err(format!("{} is in another lineage", self.before[who]));
            }
        }
        for who in (0..NODES).filter(|at| self.liar != Liar::Member(*at)) {
            group.events[who].retain(|event| matches!(event, Event::Message(_) | Event::Outcome { .. }));
        }
        Ok(())
    }

    /// What each of the others says is delivered to all others, and these are in one view without anybody dead.
    fn goes_on(&mut self, group: &mut Group) -> Result<(), String> {
        let mut delayed = group.keep_only_this_lineage();
        let is_liar_out = self.is_liar_out(group);
        let is_gone = |at: usize| group.dead[at] || (is_liar_out && self.liar == Liar::Member(at));
        let all: Vec<usize> = (0..NODES).filter(|at| !is_gone(*at)).collect();
        for who in &all {
            let Some(view) = group.nodes[*who].view() else {
                return Err(format!("{} is in no view", self.before[*who]));
            };
            let all_in = all.iter().all(|other| view.contains(group.nodes[*other].uid()));
            let dead_out = (0..NODES).filter(|at| group.dead[*at]).all(|at| !view.contains(group.nodes[at].uid()));
            if !all_in || !dead_out {
                return Err(format!("{} is in view {view}, of {all:?}", self.before[*who]));
            }
            self.lies.ghosts += view.members.iter().filter(|m| !uids(group).contains(&m.uid)).count() as u64;
        }
        for who in &all {
            let mut result = self.speaks(group, *who, &all);
            // A leader's lies may put somebody out late, and that one is soon in again. Or they have bound others to
            // far rounds, which take a candidate several attempts.
            let patience = if self.liar == Liar::Stranger { 0 } else { PATIENCE };
            for _ in 0..patience {
                if result.is_err() {
                    group.pass(Duration::from_secs(3));
                    delayed |= group.keep_only_this_lineage();
                    result = self.speaks(group, *who, &all);
                }
            }
            result?;
        }
        self.lies.delayed += u64::from(delayed);
        Ok(())
    }

    /// What `who` says is delivered to all others.
    fn speaks(&mut self, group: &mut Group, who: usize, all: &[usize]) -> Result<(), String> {
        group.events.iter_mut().for_each(Vec::clear);
        let Some(payload) = self.say(group, who, Level::Uniform) else {
            return Err(format!("{} may say nothing", self.before[who]));
        };
        group.pass(Duration::from_secs(1));
        // A liar may find only now that others heard something else in its name; what it says itself is its own affair.
        let is_out = |at: usize| self.liar == Liar::Member(at) && self.is_liar_out(group);
        if self.liar != Liar::Member(who) {
            if !group.has_ordered(who) {
                return Err(format!("what {} says is not ordered: {:?}", self.before[who], group.nodes[who].blocked()));
            }
            if let Some(deaf) = all.iter().find(|other| !group.has_heard(**other, &payload) && !is_out(**other)) {
                return Err(format!("{} does not hear {}", self.before[*deaf], self.before[who]));
            }
        }
        self.look(group)
    }
}
