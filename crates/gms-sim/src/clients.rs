//! Clients with sessions, as `gms::Client` is one: a message has one number for ever, and is sent through one process
//! after the other until there is an answer, also while earlier copies are still under way. The checker sees whether
//! it is delivered once (P26).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Gid, Level, Outcome, SESSION_HOLD, SESSION_RELEASE, SessionNumber, Time};

use crate::draw::Draw;
use crate::scenario::{ClientPlan, Scenario};
use crate::situation::Situation;
use crate::world::{Happening, World};

/// The longest that a client's patience becomes.
const MOST_PATIENT: Duration = Duration::from_secs(5);

/// What another lineage has refused so often will never be ordered there.
const REFUSED_ELSEWHERE: u32 = 3;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    plan: ClientPlan,
    draw: Draw,
    session: u128,
    /// The group knows the session.
    open: bool,
    /// Messages made so far, in all sessions.
    made: u64,
    /// Number of the last one in this session.
    last: u64,
    unanswered: BTreeMap<u64, (Bytes, Level)>,
    /// The next number to hand to the present process.
    cursor: u64,
    /// The present process, by its place among the hosts.
    through: Option<usize>,
    /// The last time there was an answer, or a change of process.
    progress: Time,
    /// How long it waits for the next answer.
    patience: Duration,
    /// The highest message that was acknowledged, and in which lineage; how often in a row another one has refused the next.
    acknowledged: (u64, Gid),
    refusals: u32,
    /// What was accepted by which process under which number, and has no outcome yet: session and number.
    copies: BTreeMap<(usize, u64), (u128, u64)>,
    /// What processes have to say of its sessions, beside its messages.
    notices: Vec<(usize, SessionNumber)>,
}

/// The clients of a scenario.
pub(crate) fn born(scenario: &Scenario) -> Vec<Client> {
    let client = |(index, plan): (usize, &ClientPlan)| Client {
        plan: plan.clone(),
        draw: Draw::new(scenario.name.seed(), 1000 + index as u64),
        session: 0,
        open: false,
        made: 0,
        last: 0,
        unanswered: BTreeMap::new(),
        cursor: 0,
        through: None,
        progress: Time::ZERO,
        patience: plan.patience,
        acknowledged: (0, Gid::NONE),
        refusals: 0,
        copies: BTreeMap::new(),
        notices: Vec::new(),
    };
    scenario.clients.iter().enumerate().map(client).collect()
}

/// Why the clients are not at their end.
pub(crate) fn unanswered(clients: &[Client]) -> Option<String> {
    let waiting = clients.iter().position(|client| !client.is_done())?;
    let Client { plan, made, unanswered, through, open, .. } = &clients[waiting];
    let (of, open) = (plan.count, if *open { "open" } else { "not open" });
    Some(format!(
        "client {waiting} has sent {made} of {of}, {} without an answer, through {through:?}, its session is {open}",
        unanswered.len()
    ))
}

impl Client {
    fn is_done(&self) -> bool {
        self.made >= self.plan.count && self.unanswered.is_empty()
    }

    /// Begins anew; what has no answer will never have one.
    fn draw_session(&mut self) {
        self.disconnect();
        self.session = u128::from(self.draw.bits()) << 64 | u128::from(self.draw.bits());
        (self.open, self.last, self.cursor) = (false, 0, 0);
        (self.acknowledged, self.refusals) = ((0, Gid::NONE), 0);
        self.unanswered.clear();
    }

    /// Goes to another process if there is one, and sends everything that has no answer once more.
    fn go(&mut self, now: Time, servers: &[usize]) {
        self.disconnect();
        let others: Vec<usize> = servers.iter().copied().filter(|index| Some(*index) != self.through).collect();
        self.through = if others.is_empty() { servers.first().copied() } else { Some(self.draw.pick(&others)) };
        self.progress = now;
        self.send_again();
        if !self.open {
            // The session may have been opened, and is used by nobody: this is another one.
            self.draw_session();
        } else if let Some(through) = self.through {
            self.notices.push((through, SessionNumber { session: self.session, number: SESSION_HOLD }));
        }
    }

    /// The process that it goes through holds its session no longer.
    fn disconnect(&mut self) {
        if let Some(through) = self.through.filter(|_| self.cursor > 0 || self.open) {
            self.notices.push((through, SessionNumber { session: self.session, number: SESSION_RELEASE }));
        }
    }

    /// Nothing more is wanted of the group.
    fn end(&mut self) {
        self.disconnect();
        (self.through, self.open) = (None, false);
    }

    fn send_again(&mut self) {
        self.cursor = self.unanswered.keys().next().copied().unwrap_or(self.last + 1);
    }

    /// An outcome, from a process in lineage `gid`.
    fn hear(&mut self, now: Time, copy: (usize, u64), outcome: Outcome, gid: Gid) {
        let Some((session, number)) = self.copies.remove(&copy) else { return };
        if session != self.session {
            return;
        }
        (self.progress, self.patience) = (now, self.plan.patience);
        match outcome {
            Outcome::Ordered { .. } if number == 0 => (self.open, self.cursor) = (true, 1),
            Outcome::Ordered { .. } | Outcome::PlaceForgotten => {
                self.unanswered.remove(&number);
                self.refusals = 0;
                if number >= self.acknowledged.0 {
                    self.acknowledged = (number, gid);
                }
            }
            Outcome::SessionExpired => self.draw_session(),
            Outcome::NotOrdered | Outcome::Unknown if number == 0 => self.draw_session(),
            Outcome::NotOrdered if self.is_lost(number, gid) => self.draw_session(),
            Outcome::NotOrdered | Outcome::Unknown if self.unanswered.contains_key(&number) => self.send_again(),
            Outcome::NotOrdered | Outcome::Unknown => {}
        }
    }

    /// Whether this lineage lacks what was acknowledged in another one, as it has refused the next message again. The one
    /// that has acknowledged the highest message has all before it, too.
    fn is_lost(&mut self, number: u64, gid: Gid) -> bool {
        let (_, there) = self.acknowledged;
        let elsewhere = gid != Gid::NONE && there != Gid::NONE && gid != there;
        let is_first = self.unanswered.first_key_value().is_some_and(|(first, _)| *first == number);
        self.refusals = if elsewhere && is_first { self.refusals + 1 } else { 0 };
        self.refusals >= REFUSED_ELSEWHERE
    }

    /// The next message to hand over, made if need be.
    fn next(&mut self) -> Option<(u64, Bytes, Level)> {
        if !self.open {
            return (self.cursor == 0).then(|| (0, Bytes::new(), Level::Uniform));
        }
        // What has been answered meanwhile need not be sent again, but what comes after it has to be.
        while self.cursor <= self.last && !self.unanswered.contains_key(&self.cursor) {
            self.cursor += 1;
        }
        (self.cursor <= self.last || self.make()).then(|| self.numbered(self.cursor))
    }

    /// Makes another message, if there is to be one.
    fn make(&mut self) -> bool {
        let may = self.made < self.plan.count && (self.unanswered.len() as u64) < self.plan.window;
        if may {
            self.made += 1;
            self.last += 1;
            let size = self.draw.within(0..=self.plan.size) as usize;
            let payload: Vec<u8> = (0..size).map(|_| self.draw.bits() as u8).collect();
            let level = self.draw.pick(&[Level::Agreed, Level::Uniform, Level::Uniform, Level::Stable]);
            self.unanswered.insert(self.last, (payload.into(), level));
        }
        may
    }

    fn numbered(&self, number: u64) -> (u64, Bytes, Level) {
        let (payload, level) = &self.unanswered[&number];
        (number, payload.clone(), *level)
    }

    /// In its haste, the message after `number`, which has not been handed over yet.
    fn hurry(&mut self, number: u64) -> Option<(u64, Bytes, Level)> {
        let hurries = number > 0 && self.plan.hasty > 0.0 && self.draw.chance(self.plan.hasty);
        let there = hurries && (number < self.last || self.make());
        (there && self.unanswered.contains_key(&(number + 1))).then(|| self.numbered(number + 1))
    }
}

impl World<'_> {
    /// A client's turn.
    pub(crate) fn serve(&mut self, which: usize) {
        let mut clients = std::mem::take(&mut self.clients);
        let client = &mut clients[which];
        for (index, host) in self.hosts.iter_mut().enumerate() {
            let Some(host) = host else { continue };
            let gid = host.node.view().map_or(Gid::NONE, |view| view.gid);
            for (sseq, outcome) in host.app.answers_for(which) {
                client.hear(self.now, (index, sseq), outcome, gid);
            }
        }
        let servers = self.living(|host| host.app.vid.is_some() && !host.app.leaving);
        if client.is_done() {
            client.end();
        } else {
            self.choose(client, &servers);
        }
        self.notify(which, client, &servers);
        if let Some(through) = client.through.filter(|index| servers.contains(index)) {
            self.hand_over(which, client, through);
        }
        if !client.is_done() || !client.notices.is_empty() {
            self.queue.push(self.now + client.draw.around(client.plan.gap), Happening::Client(which));
        }
        self.clients = clients;
    }

    /// Goes to another process if the client's is gone, or it has had enough of it.
    fn choose(&self, client: &mut Client, servers: &[usize]) {
        let present = client.through.filter(|index| servers.contains(index));
        let waits = !client.unanswered.is_empty() || (client.cursor > 0 && !client.open);
        // Not before its session is open: each move would leave one behind.
        let fickle = !self.calm && client.draw.chance(client.plan.fickle) && client.open;
        let impatient = waits && self.now - client.progress > client.patience;
        if impatient {
            // Otherwise one that waits for less time than a group under load needs would hear no answer ever.
            client.patience = (2 * client.patience).min(MOST_PATIENT);
        }
        if present.is_none() || fickle || impatient {
            client.go(self.now, servers);
        }
    }

    /// Has processes say what there is to say of its sessions. One that is out of its group holds none.
    fn notify(&mut self, which: usize, client: &mut Client, servers: &[usize]) {
        for (through, notice) in std::mem::take(&mut client.notices) {
            let mut said = None;
            if servers.contains(&through) {
                self.act(through, |host, _, now| {
                    said = host.app.send_for(which, &mut host.node, now, Bytes::new(), Level::Uniform, notice);
                });
                if said.is_none() {
                    client.notices.push((through, notice));
                }
            }
        }
    }

    fn hand_over(&mut self, which: usize, client: &mut Client, through: usize) {
        let mut counted = false;
        for _ in 0..client.plan.burst {
            let Some(next) = client.next() else { break };
            let number = next.0;
            let early = client.hurry(number);
            // The early one comes again in its turn.
            if !early
                .into_iter()
                .chain([next])
                .all(|message| self.hand_in(which, client, message, &mut counted, through))
            {
                break;
            }
            client.cursor = number + 1;
        }
    }

    /// Whether the process accepts the message; what is sent for another time is `counted` once.
    fn hand_in(
        &mut self,
        which: usize,
        client: &mut Client,
        (number, payload, level): (u64, Bytes, Level),
        counted: &mut bool,
        through: usize,
    ) -> bool {
        let session = SessionNumber { session: client.session, number };
        let again = client.copies.values().any(|copy| *copy == (session.session, number));
        let mut accepted = None;
        self.act(through, |host, _, now| {
            accepted = host.app.send_for(which, &mut host.node, now, payload, level, session);
            if accepted.is_some() && again && !std::mem::replace(counted, true) {
                host.app.met(Situation::SentTwice);
            }
        });
        accepted.inspect(|sseq| _ = client.copies.insert((through, *sseq), (session.session, number))).is_some()
    }
}
