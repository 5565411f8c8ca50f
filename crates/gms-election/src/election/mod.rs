//! The election: asks those above, claims when none is alive, follows the latest sound claim.

mod messages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::config::{ElectionConfig, ElectionError};
use crate::electorate::{Electorate, Order};
use crate::message::{Message, Round};
use crate::phase::{Claim, Phase};
use crate::random::Random;
use crate::rank::Rank;

/// How many are asked first; twice as many after each silence. With two, a dead highest rank costs one
/// T1 whichever process starts, and n processes that start at once send O(n) messages.
const FIRST_ASKED: usize = 2;
/// Attempts that lengthen the back-off.
const LONGEST_BACKOFF: u32 = 8;

/// What can happen to an election.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input<Id> {
    /// A leader is needed: at the start, or once the one there was is suspected. Does nothing while one
    /// is known and not suspected, or an election runs already.
    Start,
    /// A message has arrived. A suspicion of its sender ends.
    Received {
        /// Who sent it.
        from: Id,
        /// What it says.
        message: Message,
    },
    /// This process is dead: it is not waited for and not followed until it says something. Starts nothing.
    Suspect(Id),
    /// The leader has not done what it was elected for: elects again, without it until it says something,
    /// unless it is this process itself.
    Depose,
    /// Time has passed; see [`Election::poll_timeout`].
    Tick,
    /// A later view: its candidates, and its leader if it has one. Ends an election that runs.
    Candidates(Electorate<Id>),
}

/// Where a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Destination<Id> {
    /// All candidates but the sender.
    All,
    /// One of them.
    One(Id),
}

/// A message to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transmit<Id> {
    /// Where it goes.
    pub to: Destination<Id>,
    /// What it says.
    pub message: Message,
}

/// What an election tells its user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event<Id> {
    /// Another process leads.
    Elected {
        /// Who.
        leader: Id,
        /// Since which round.
        round: Round,
    },
    /// This process leads.
    Won {
        /// Since which round.
        round: Round,
    },
    /// Those above are alive and did not claim, time after time. The next start begins anew.
    GaveUp {
        /// Attempts made.
        attempts: u32,
    },
}

/// What was dropped or ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Stats {
    /// Elections begun, each attempt counted.
    pub attempts: u64,
    /// Messages of another view, or not of a candidate, or claims of a round that is not the sender's.
    pub foreign: u64,
    /// Claims ignored because a later one is known.
    pub stale: u64,
    /// Claims ignored because a higher rank is alive.
    pub outranked: u64,
}

/// Elects a leader, without sockets and clock. Feed it with [`handle`](Self::handle), then empty
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event), and come back at
/// [`poll_timeout`](Self::poll_timeout).
///
/// A leader is who should propose, not who may decide: while messages are lost two processes may
/// follow two leaders, always of different rounds. Decisions need a quorum and the round as ballot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Election<Id> {
    config: ElectionConfig,
    me: Id,
    rank: Rank<Id>,
    order: Order<Id>,
    random: Random,
    now: Duration,
    /// The latest round in any message of this view.
    seen: u64,
    /// The latest round accepted in this view.
    accepted: u64,
    leader: Option<(Id, Round)>,
    suspected: BTreeSet<Id>,
    heard: BTreeMap<Id, Duration>,
    phase: Phase<Id>,
    claim: Option<Claim<Id>>,
    attempts: u32,
    stats: Stats,
    transmits: VecDeque<Transmit<Id>>,
    events: VecDeque<Event<Id>>,
}

impl<Id: Copy + Ord> Election<Id> {
    /// An election at process `me`, quiet until it is started or hears of one. Processes should have
    /// different seeds. One that is no candidate follows claims and never starts.
    pub fn new(
        config: ElectionConfig,
        me: Id,
        candidates: &Electorate<Id>,
        rank: Rank<Id>,
        seed: u64,
    ) -> Result<Self, ElectionError> {
        config.check()?;
        let order = Order::new(candidates, &rank);
        Ok(Self {
            leader: order.first.map(|leader| (leader, order.round(0))),
            config,
            me,
            rank,
            order,
            random: Random(seed),
            now: Duration::ZERO,
            seen: 0,
            accepted: 0,
            suspected: BTreeSet::new(),
            heard: BTreeMap::new(),
            phase: Phase::Idle,
            claim: None,
            attempts: 0,
            stats: Stats::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    /// Takes one input in. Never blocks, never fails: what is dropped is counted in [`Stats`].
    pub fn handle(&mut self, now: Duration, input: Input<Id>) {
        self.now = self.now.max(now);
        match input {
            Input::Start => self.start(),
            Input::Received { from, message } => self.receive(from, message),
            Input::Suspect(id) => self.suspect(id),
            Input::Depose => self.depose(),
            Input::Tick => {}
            Input::Candidates(electorate) => self.replace(&electorate),
        }
        self.run_timers();
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<Id>> {
        self.transmits.pop_front()
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<Event<Id>> {
        self.events.pop_front()
    }

    /// When [`Input::Tick`] is due; `None` once all is settled.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let claim = self.claim.as_ref().map(|claim| claim.at);
        self.phase.deadline().into_iter().chain(claim).min()
    }

    /// Who leads, and since which round.
    pub fn leader(&self) -> Option<(Id, Round)> {
        self.leader
    }

    /// The candidates from the highest rank to the lowest.
    pub fn candidates(&self) -> &[Id] {
        self.order.all()
    }

    /// What was dropped or ignored so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn leads(&self) -> bool {
        self.leader.is_some_and(|(leader, _)| leader == self.me)
    }

    fn send(&mut self, to: Id, message: Message) {
        self.transmits.push_back(Transmit { to: Destination::One(to), message });
    }

    fn start(&mut self) {
        if self.leader.is_none() && self.phase == Phase::Idle && self.order.contains(self.me) {
            self.attempts = 0;
            self.begin();
        }
    }

    fn depose(&mut self) {
        if let Some((leader, _)) = self.leader.take() {
            self.claim = None;
            self.suspect(leader);
        }
        self.start();
    }

    /// One attempt: asks those above, in a round after all seen.
    fn begin(&mut self) {
        if self.leads() {
            self.leader = None;
            self.claim = None;
        }
        let Some(number) = self.order.next(self.me, self.seen).filter(|_| self.attempts < self.config.attempts) else {
            self.phase = Phase::Idle;
            self.events.push_back(Event::GaveUp { attempts: self.attempts });
            self.attempts = 0;
            return;
        };
        self.attempts += 1;
        self.stats.attempts += 1;
        self.ask(number, BTreeSet::new(), FIRST_ASKED);
    }

    /// Asks the highest that are not known to be dead or silent; claims when there are none.
    fn ask(&mut self, number: u64, silent: BTreeSet<Id>, breadth: usize) {
        let above = &self.order.all()[..self.order.above(self.me)];
        let alive = above.iter().filter(|id| !self.suspected.contains(id) && !silent.contains(id));
        let asked: BTreeSet<Id> = alive.copied().take(breadth).collect();
        if asked.is_empty() {
            return self.claim(number);
        }
        let (again, until) = (self.now + self.config.ask_gap(), self.now + self.config.answer);
        self.send_asks(number, &asked);
        self.phase = Phase::Asking { number, asked, silent, breadth, again, until };
    }

    fn send_asks(&mut self, number: u64, asked: &BTreeSet<Id>) {
        let message = Message::Election { round: self.order.round(number) };
        for id in self.order.all() {
            if asked.contains(id) {
                self.transmits.push_back(Transmit { to: Destination::One(*id), message });
            }
        }
    }

    fn claim(&mut self, number: u64) {
        let fresh = if number >= self.seen { Some(number) } else { self.order.next(self.me, self.seen) };
        let Some(number) = fresh else { return self.begin() };
        let round = self.order.round(number);
        (self.seen, self.accepted) = (number, number);
        self.leader = Some((self.me, round));
        self.phase = Phase::Idle;
        self.attempts = 0;
        let others = self.order.all().iter().filter(|id| **id != self.me && !self.suspected.contains(id));
        let gap = self.config.answer;
        self.claim = Some(Claim {
            unconfirmed: others.copied().collect(),
            repeats: self.config.repeats,
            gap,
            at: self.now + gap,
        });
        self.transmits.push_back(Transmit { to: Destination::All, message: Message::Coordinator { round } });
        self.events.push_back(Event::Won { round });
        self.settle_claim();
    }

    /// Ends the repeats when nobody is left to tell, or enough was said.
    fn settle_claim(&mut self) {
        if self.claim.as_ref().is_some_and(|claim| claim.unconfirmed.is_empty() || claim.repeats == 0) {
            self.claim = None;
        }
    }

    fn receive(&mut self, from: Id, message: Message) {
        let Round { view, number } = message.round();
        let is_claim = matches!(message, Message::Coordinator { .. });
        let foreign = view != self.order.view || from == self.me || !self.order.contains(from);
        if foreign || (is_claim && self.order.owner(number) != Some(from)) {
            // An observer's confirmation comes here too: nobody waits for it.
            self.stats.foreign += 1;
            return;
        }
        self.seen = self.seen.max(number);
        self.suspected.remove(&from);
        self.heard.insert(from, self.now);
        match message {
            Message::Election { .. } => self.on_election(from, number),
            Message::Ok { .. } => self.on_ok(from, number),
            Message::Coordinator { .. } => self.on_claim(from, number),
        }
    }

    fn suspect(&mut self, id: Id) {
        if id == self.me || !self.order.contains(id) || !self.suspected.insert(id) {
            return;
        }
        self.heard.remove(&id);
        self.leader = self.leader.filter(|(leader, _)| *leader != id);
        if let Some(claim) = &mut self.claim {
            claim.unconfirmed.remove(&id);
            self.settle_claim();
        }
        match &mut self.phase {
            Phase::Asking { number, asked, silent, breadth, .. } => {
                if asked.remove(&id) && asked.is_empty() {
                    let (number, silent, breadth) = (*number, std::mem::take(silent), *breadth);
                    self.ask(number, silent, breadth);
                }
            }
            Phase::Waiting { answered, .. } => {
                if answered.remove(&id) && answered.is_empty() {
                    self.begin();
                }
            }
            Phase::Idle | Phase::Backoff { .. } => {}
        }
    }

    fn replace(&mut self, electorate: &Electorate<Id>) {
        if electorate.view <= self.order.view {
            self.stats.foreign += 1;
            return;
        }
        self.order = Order::new(electorate, &self.rank);
        (self.seen, self.accepted, self.attempts) = (0, 0, 0);
        let order = &self.order;
        self.suspected.retain(|id| order.contains(*id));
        self.heard.clear();
        self.phase = Phase::Idle;
        self.claim = None;
        self.leader =
            order.first.filter(|leader| !self.suspected.contains(leader)).map(|leader| (leader, order.round(0)));
    }

    fn run_timers(&mut self) {
        while self.phase.deadline().is_some_and(|at| at <= self.now) {
            self.phase_is_due();
        }
        if self.claim.as_ref().is_some_and(|claim| claim.at <= self.now) {
            self.repeat_claim();
        }
    }

    fn phase_is_due(&mut self) {
        let (now, gap) = (self.now, self.config.ask_gap());
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle => {}
            Phase::Asking { number, asked, mut silent, breadth, until, .. } if until <= now => {
                silent.extend(asked);
                self.ask(number, silent, breadth.saturating_mul(2));
            }
            Phase::Asking { number, asked, silent, breadth, until, .. } => {
                self.send_asks(number, &asked);
                self.phase = Phase::Asking { number, asked, silent, breadth, again: now + gap, until };
            }
            Phase::Waiting { .. } => self.phase = Phase::Backoff { until: now + self.backoff() },
            Phase::Backoff { .. } => self.begin(),
        }
    }

    /// Longer for lower ranks, each in its slot, and longer from attempt to attempt.
    fn backoff(&mut self) -> Duration {
        let above = self.order.above(self.me) as u32;
        let slot = self.config.backoff / self.order.all().len().max(1) as u32;
        let within = slot * self.random.permille() / 1000;
        (slot * above + within) * self.attempts.clamp(1, LONGEST_BACKOFF)
    }

    fn repeat_claim(&mut self) {
        let (Some((_, round)), Some(claim)) = (self.leader, &mut self.claim) else { return };
        claim.repeats = claim.repeats.saturating_sub(1);
        claim.gap = (claim.gap * 2).min(self.config.coordinate);
        claim.at = self.now + claim.gap;
        let message = Message::Coordinator { round };
        self.transmits.extend(claim.unconfirmed.iter().map(|id| Transmit { to: Destination::One(*id), message }));
        self.settle_claim();
    }
}
