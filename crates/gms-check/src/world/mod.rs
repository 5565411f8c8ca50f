//! What all properties look at: the processes, the views and entries of each lineage, the messages.
//!
//! One canonical copy of the order is kept per lineage, and every process is compared with it. Within one view only its
//! leader gives places, so (view, gseq) holds one entry for everybody, also for a process whose deliveries are lost
//! later; the views then tell which of them are in the one history: those before the entry of the next view.

mod handled;
mod lineage;
mod message;
mod process;
mod ranges;
mod step;

use std::collections::BTreeMap;

pub(crate) use handled::{Class, Handled};
pub(crate) use lineage::{Lineage, Slot, ViewInfo};
pub(crate) use message::{Id, Message, Placed, Sent};
pub(crate) use process::{Number, Process};
pub(crate) use ranges::Ranges;
pub(crate) use step::{Key, Step};

use crate::{Event, Origin, Outcome, PassReason, Record, Uid};

/// Number of a process in the tables here.
pub(crate) type ProcessId = u32;

/// Everything known so far.
#[derive(Debug, Default)]
pub(crate) struct World {
    index: BTreeMap<Uid, ProcessId>,
    processes: Vec<Process>,
    gids: BTreeMap<u128, usize>,
    lineages: Vec<Lineage>,
    /// What lineages that were created with a history go on from.
    origins: BTreeMap<u128, Origin>,
    messages: BTreeMap<Id, Message>,
    /// Further places of messages, beside `Message::place`: few.
    elsewhere: BTreeMap<Id, Vec<Placed>>,
    faulty: bool,
    /// The records are traces of processes, as far as there are any, and no harness tells how each of them ended.
    of_traces: bool,
    rest: Option<Rest>,
    one_clock: bool,
}

/// Who runs at the end, long enough after the last fault.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Those that must have found together.
    pub(crate) up: Vec<Uid>,
    /// Those that cannot go on.
    pub(crate) blocked: Vec<Uid>,
}

/// Looking.
impl World {
    /// A world whose records come in the order of time.
    pub(crate) fn of_one_clock() -> World {
        World { one_clock: true, ..World::default() }
    }

    /// Whether the records of all processes together come in the order of time.
    pub(crate) fn has_one_clock(&self) -> bool {
        self.one_clock
    }

    pub(crate) fn rest(&self) -> Option<&Rest> {
        self.rest.as_ref()
    }

    /// The process called `uid`, if any record is of it or names it.
    pub(crate) fn find(&self, uid: Uid) -> Option<&Process> {
        self.index.get(&uid).map(|who| self.process(*who))
    }

    pub(crate) fn process(&self, who: ProcessId) -> &Process {
        &self.processes[who as usize]
    }

    pub(crate) fn processes(&self) -> impl Iterator<Item = (ProcessId, &Process)> {
        (0..).zip(&self.processes)
    }

    pub(crate) fn uid(&self, who: ProcessId) -> Uid {
        self.process(who).uid
    }

    pub(crate) fn lineages(&self) -> &[Lineage] {
        &self.lineages
    }

    /// The lineage a process is in.
    pub(crate) fn lineage_of(&self, who: ProcessId) -> Option<&Lineage> {
        self.process(who).lineage.map(|lineage| &self.lineages[lineage])
    }

    pub(crate) fn lineage_named(&self, gid: u128) -> Option<&Lineage> {
        self.gids.get(&gid).map(|lineage| &self.lineages[*lineage])
    }

    pub(crate) fn message(&self, id: Id) -> Option<&Message> {
        self.messages.get(&id)
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = (Id, &Message)> {
        self.messages.iter().map(|(id, message)| (*id, message))
    }

    /// Messages found at more than one place.
    pub(crate) fn scattered(&self) -> impl Iterator<Item = Id> {
        self.elsewhere.keys().copied()
    }

    /// All places of a message.
    pub(crate) fn places(&self, id: Id) -> impl Iterator<Item = Placed> {
        let first = self.message(id).and_then(|message| message.place);
        first.into_iter().chain(self.elsewhere.get(&id).into_iter().flatten().copied())
    }

    /// Whether a place is behind the end of its view: what was there is not in the history.
    pub(crate) fn lost(&self, placed: Placed) -> bool {
        self.lineages[placed.lineage].lost(placed.view, placed.gseq)
    }

    /// What a lineage goes on from, and what that went on from.
    pub(crate) fn origins(&self, gid: u128) -> impl Iterator<Item = Origin> {
        let origin = |gid: u128| self.origins.get(&gid).copied();
        // There are no more than these, unless a trace makes a ring of them.
        std::iter::successors(origin(gid), move |before| origin(before.gid)).take(self.origins.len())
    }

    /// Whether a place is one of a lineage: its own, or one of those that it began with.
    pub(crate) fn holds(&self, lineage: usize, placed: Placed) -> bool {
        let of = self.lineages[placed.lineage].gid;
        let began_with = |origin: Origin| origin.gid == of && placed.view <= origin.view && placed.gseq <= origin.upto;
        lineage == placed.lineage || self.origins(self.lineages[lineage].gid).any(began_with)
    }

    /// Whether the sending of a message may be missing because records of its sender are: there is no trace of it, or
    /// one that just ends.
    pub(crate) fn may_be_untold(&self, id: Id) -> bool {
        let sender = self.process(id.sender);
        let just_ends = sender.incomplete || !(sender.left || sender.excluded);
        self.of_traces && (!sender.recorded || (just_ends && id.sseq > sender.sent))
    }

    /// Whether a process may have done anything of which there is no record.
    pub(crate) fn is_untold(&self, uid: Uid) -> bool {
        self.of_traces && self.find(uid).is_none_or(|process| !process.recorded || process.incomplete)
    }

    /// Whether any fault was injected.
    pub(crate) fn faulty(&self) -> bool {
        self.faulty
    }
}

/// Growing.
impl World {
    /// Nothing yet, of processes that wrote traces; whether faults happened, they do not tell.
    pub(crate) fn of_traces(faulty: bool) -> World {
        World { of_traces: true, faulty, ..World::default() }
    }

    /// Gives the processes a record names their numbers.
    pub(crate) fn enter(&mut self, record: &Record) -> Key {
        let who = self.number(record.process);
        let sender = match &record.event {
            Event::Deliver { sender, .. } | Event::Pass { sender: Some(sender), .. } => self.number(*sender),
            _ => who,
        };
        Key { who, sender }
    }

    fn number(&mut self, uid: Uid) -> ProcessId {
        let next = self.processes.len() as ProcessId;
        let known = *self.index.entry(uid).or_insert(next);
        if known == next {
            self.processes.push(Process::new(uid));
        }
        known
    }

    /// Takes a record in, after every property has looked at it.
    pub(crate) fn apply(&mut self, key: Key, event: &Event) {
        let own = |sseq| Id { sender: key.who, sseq };
        let process = &mut self.processes[key.who as usize];
        // Those are a harness's.
        process.recorded |= !matches!(event, Event::Crash | Event::Proved { .. } | Event::Fault { .. });
        if let Event::Send { sseq, .. } = event {
            process.sent = process.sent.max(*sseq);
        }
        match event {
            Event::Send { sseq, level, digest, only_in_view, client, .. } => {
                let process = &self.processes[key.who as usize];
                let sent = Sent {
                    level: *level,
                    digest: *digest,
                    only_in_view: *only_in_view,
                    of_client: client.is_some(),
                    after: process.reached(),
                    heard: process.heard,
                };
                let message = self.messages.entry(own(*sseq)).or_default();
                if message.sent.is_none() {
                    message.sent = Some(sent);
                    message.digest = Some(*digest);
                }
            }
            Event::Outcome { sseq, result } => {
                self.messages.entry(own(*sseq)).or_default().outcome.get_or_insert(*result);
            }
            Event::Deliver { digest, .. } => {
                if let Some(handled) = Handled::of(key, event) {
                    self.handle(key, &handled);
                    if let Some(id) = handled.id {
                        self.messages.entry(id).or_default().digest.get_or_insert(*digest);
                        self.processes[key.who as usize].heard |= id.sender != key.who;
                    }
                }
            }
            Event::Pass { why, .. } => {
                if let Some(handled) = Handled::of(key, event) {
                    self.handle(key, &handled);
                    if let (PassReason::Duplicate, Some(id)) = (*why, handled.id) {
                        self.messages.entry(id).or_default().duplicate = true;
                    }
                }
            }
            Event::View { gid, view, at, gseq, leader, members, fail_stop } => {
                let (members, fail_stop) = (members.clone(), *fail_stop);
                let value = event.value().expect("it is a view");
                let info = ViewInfo { at: *at, gseq: *gseq, leader: *leader, members, fail_stop, value, by: key.who };
                self.install(key.who, *gid, *view, info);
            }
            Event::Excluded => self.processes[key.who as usize].excluded = true,
            Event::Incomplete { .. } => self.processes[key.who as usize].incomplete = true,
            Event::Left => self.processes[key.who as usize].left = true,
            Event::Dissolved { .. } => {
                let process = &mut self.processes[key.who as usize];
                (process.left, process.moved) = (true, true);
            }
            Event::Created { gid, from: Some(origin) } => {
                self.processes[key.who as usize].returned = Some(*gid);
                self.origins.insert(*gid, *origin);
            }
            Event::Discarded { gid } => self.processes[key.who as usize].forsakes = Some(*gid),
            Event::Crash => {
                self.processes[key.who as usize].crashed = true;
                self.faulty = true;
            }
            Event::CutLink { .. } | Event::Fault { .. } => self.faulty = true,
            Event::Rest { up, blocked } => self.rest = Some(Rest { up: up.clone(), blocked: blocked.clone() }),
            Event::Stamp { .. }
            | Event::Accepted { .. }
            | Event::Repeated { .. }
            | Event::Created { from: None, .. }
            | Event::Heard { .. }
            | Event::Lives { .. }
            | Event::GaveUp { .. }
            | Event::Blocked { .. }
            | Event::Unblocked
            | Event::Memory { .. }
            | Event::Proved { .. }
            | Event::Restart
            | Event::Heal => {}
        }
    }

    fn install(&mut self, who: ProcessId, gid: u128, view: u64, info: ViewInfo) {
        let fresh = self.lineages.len();
        let lineage = *self.gids.entry(gid).or_insert(fresh);
        if lineage == fresh {
            self.lineages.push(Lineage::new(gid));
        }
        self.processes[who as usize].install(lineage, view, info.gseq);
        self.lineages[lineage].views.entry(view).or_insert(info);
    }

    fn handle(&mut self, key: Key, handled: &Handled) {
        let process = &mut self.processes[key.who as usize];
        process.handle(handled);
        let (Some(lineage), Some(current)) = (process.lineage, process.view()) else {
            return;
        };
        // What a process delivers when an operator has it return is the history of the lineage that it creates: the old
        // one may go on without that.
        if process.forsakes == Some(self.lineages[lineage].gid) {
            return;
        }
        if handled.view == current {
            self.lineages[lineage].enter(handled, key.who);
        }
        if let (Class::Message, Some(id)) = (handled.class, handled.id)
            && handled.view <= current
        {
            self.place(id, Placed { lineage, view: handled.view, gseq: handled.gseq, by: key.who });
        }
    }

    fn place(&mut self, id: Id, placed: Placed) {
        let message = self.messages.entry(id).or_default();
        let first = *message.place.get_or_insert(placed);
        if !first.same(placed) {
            let others = self.elsewhere.entry(id).or_default();
            if !others.iter().any(|other| other.same(placed)) {
                others.push(placed);
            }
        }
    }
}

/// What a sender was told, where it matters to others.
pub(crate) fn ordered(outcome: Option<Outcome>) -> Option<(u64, u64)> {
    match outcome {
        Some(Outcome::Ordered { gseq, view }) => Some((gseq, view)),
        _ => None,
    }
}
