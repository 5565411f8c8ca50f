//! The run itself: what happens, in the order of time.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_check::{Event, Record};
use gms_core::{Gid, Time};

use crate::application::End;
use crate::ballots::Ballots;
use crate::blockade::Blockade;
use crate::clients::{self, Client};
use crate::draw::Draw;
use crate::ending::dump;
use crate::host::Host;
use crate::lineages::Trouble;
use crate::network::Network;
use crate::operator::Proof;
use crate::queue::Queue;
use crate::report::{Ending, HitCounts, RunReport};
use crate::scenario::{Birth, Reader, Scenario};
use crate::situation::{SituationCounts, add_situations, given};
use crate::trial::Trial;
use crate::watch::Watcher;
use crate::witness::Witness;

/// Between two looks at memory and at whether all is done.
const LOOK: Duration = Duration::from_millis(10);
/// The same where a run lasts long.
const LONG_LOOK: Duration = Duration::from_millis(100);
/// Things that may happen at one moment before time is taken to stand still.
const CROWD: u64 = 1_000_000;

/// What can happen. Processes are named by their place among `hosts`.
pub(crate) enum Happening {
    Start(usize),
    /// At a place, for the process that is there by then; a strike may come with it.
    Arrive {
        to: usize,
        from: SocketAddr,
        datagram: Bytes,
        strike: Option<usize>,
    },
    Wake(usize),
    Timer(usize),
    Send(usize),
    Read(usize),
    Depart(usize),
    Order(usize),
    Client(usize),
    Rage,
    Spike(Option<Duration>),
    Cut(usize),
    /// A cut.
    Heal(usize),
    Pause(usize),
    Burst(Option<f64>),
    Crash(usize),
    Prove(usize),
    /// A connection.
    Close {
        at: usize,
        address: SocketAddr,
    },
    /// Connections between processes that live.
    Reset(usize),
    /// At one end of such a connection.
    Noticed {
        at: usize,
        address: SocketAddr,
    },
    /// A step of a rift.
    Rift {
        index: usize,
        step: usize,
    },
    Standstill(usize),
    /// One process.
    Still {
        who: usize,
        lasts: Duration,
    },
    Kill(usize),
    /// The leader of a lineage.
    Silence(Gid),
    Force,
    /// A place, by the number of the narrow.
    Narrow(usize),
    /// It is over.
    Widen(usize),
    MulticastEnds,
    /// At a place.
    Interface(usize),
    Dial,
    Calm,
    Look,
}

/// A run under way.
pub(crate) struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) draw: Draw,
    pub(crate) now: Time,
    pub(crate) queue: Queue<Happening>,
    pub(crate) births: Vec<Birth>,
    /// In the order of their births; those not born yet are `None`.
    pub(crate) hosts: Vec<Option<Host>>,
    pub(crate) network: Network,
    pub(crate) clients: Vec<Client>,
    pub(crate) witness: Witness<'a>,
    pub(crate) proofs: Vec<Proof>,
    /// What has been proposed and accepted.
    pub(crate) ballots: Ballots,
    /// What makes more than one lineage.
    pub(crate) trouble: Trouble,
    /// What happened to datagrams of a kind because they were of it.
    pub(crate) hits: HitCounts,
    /// Datagrams seen of the kind that each strike waits for.
    pub(crate) struck: Vec<u32>,
    /// Since when nobody can go on, if so.
    pub(crate) blocked_since: Option<Time>,
    /// What nobody can get over, if that is the end.
    pub(crate) blockade: Option<Blockade>,
    /// The last one, of those who have come to rest.
    pub(crate) trial: Option<Trial>,
    /// Faults and sends are over.
    pub(crate) calm: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, watcher: &'a mut dyn Watcher) -> Self {
        let mut draw = Draw::new(scenario.name.seed(), 2);
        let mut world = Self {
            scenario,
            now: Time::ZERO,
            queue: Queue::new(),
            births: scenario.births.clone(),
            hosts: scenario.births.iter().map(|_| None).collect(),
            network: Network::new(draw.bits(), &scenario.network),
            clients: clients::born(scenario),
            witness: Witness::new(watcher),
            proofs: Vec::new(),
            ballots: Ballots::default(),
            trouble: Trouble::default(),
            hits: HitCounts::new(),
            struck: scenario.mortality.iter().flat_map(|mortality| &mortality.strikes).map(|_| 0).collect(),
            blocked_since: None,
            blockade: None,
            trial: None,
            calm: false,
            draw,
        };
        world.plan();
        world
    }

    /// Lives it through.
    pub(crate) fn run(mut self) -> RunReport {
        let (ending, stalled) = match self.live() {
            Ok(ending) => (ending, None),
            Err(why) => (Ending::Neither, Some(why)),
        };
        let born = || self.hosts.iter().flatten();
        RunReport {
            name: self.scenario.name,
            ending,
            stalled,
            deliveries: born().map(|h| h.app.delivered).sum(),
            views: born().map(|h| h.app.views).sum(),
            datagrams: self.network.datagrams,
            faults: std::mem::take(&mut self.network.counts),
            hits: std::mem::take(&mut self.hits),
            situations: self.situations(),
            time: self.now.since(Time::ZERO),
            blockade: self.blockade.filter(|_| ending == Ending::Blocked),
            settled: self.trial.map(|trial| trial.since.since(Time::ZERO + self.scenario.chaos)),
            digest: self.witness.digest(),
            report: self.witness.finish(),
        }
    }

    fn plan(&mut self) {
        let plan = &self.scenario.network;
        for (index, birth) in self.births.iter().enumerate() {
            self.queue.push(birth.at, Happening::Start(index));
        }
        for (index, departure) in self.scenario.departures.iter().enumerate() {
            self.queue.push(departure.at, Happening::Depart(index));
        }
        for (index, order) in self.scenario.orders.iter().enumerate() {
            self.queue.push(order.at, Happening::Order(index));
        }
        for (index, client) in self.scenario.clients.iter().enumerate() {
            self.queue.push(client.at, Happening::Client(index));
        }
        self.queue.push(Time::ZERO + plan.from, Happening::Rage);
        for spike in &plan.spikes {
            self.queue.push(spike.at, Happening::Spike(Some(spike.delay)));
            self.queue.push(spike.at + spike.lasts, Happening::Spike(None));
        }
        for (index, cut) in plan.cuts.iter().enumerate() {
            self.queue.push(cut.at, Happening::Cut(index));
        }
        for (index, pause) in plan.pauses.iter().enumerate() {
            self.queue.push(pause.at, Happening::Pause(index));
        }
        for burst in &plan.bursts {
            self.queue.push(burst.at, Happening::Burst(Some(burst.loss)));
            self.queue.push(burst.at + burst.lasts, Happening::Burst(None));
        }
        let crashes = self.scenario.mortality.iter().flat_map(|mortality| &mortality.crashes);
        for (index, crash) in crashes.enumerate() {
            self.queue.push(crash.at, Happening::Crash(index));
        }
        let closings = self.scenario.mortality.iter().flat_map(|mortality| &mortality.closings);
        for (index, closing) in closings.enumerate() {
            self.queue.push(closing.at, Happening::Reset(index));
        }
        self.plan_lineages();
        self.queue.push(Time::ZERO + self.scenario.chaos, Happening::Calm);
        self.queue.push(Time::ZERO, Happening::Look);
    }

    /// Until all is settled, or can never be; fails with what went wrong.
    fn live(&mut self) -> Result<Ending, String> {
        let deadline = Time::ZERO + self.scenario.chaos + self.scenario.limit;
        let mut crowd = 0;
        while let Some((at, happening)) = self.queue.pop() {
            crowd = if at > self.now { 0 } else { crowd + 1 };
            self.now = self.now.max(at);
            if matches!(happening, Happening::Look)
                && let Some(ending) = self.look(self.now > deadline)?
            {
                return Ok(ending);
            }
            self.happen(happening);
            let failure = self.hosts.iter().flatten().find_map(|host| host.failure(self.scenario));
            let failure = failure.or_else(|| self.wrongly_out());
            let stuck = || (crowd > CROWD).then(|| "time stands still".to_owned());
            if let Some(why) = failure.or_else(stuck) {
                return Err(dump(&self.hosts, self.now, &why));
            }
        }
        Err("nothing happens any more".to_owned())
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start(index) => self.start(index),
            Happening::Arrive { to, from, datagram, strike } => self.arrive(to, from, datagram, strike),
            Happening::Wake(index) => {
                self.act(index, |host, _, now| {
                    host.wake_at = None;
                    host.wake(now);
                });
            }
            Happening::Timer(index) => {
                if let Some(host) = &mut self.hosts[index] {
                    host.timer_at = None;
                }
                self.act(index, |host, _, now| host.wake(now));
            }
            Happening::Send(index) => self.send(index),
            Happening::Read(index) => self.read(index),
            Happening::Depart(index) => self.depart(self.scenario.departures[index].leader),
            Happening::Client(index) => self.serve(index),
            Happening::Order(index) => self.order(index),
            Happening::Prove(index) => self.prove(index),
            Happening::Rage => {
                for kind in self.network.rage() {
                    self.note(Event::Fault { kind: kind.to_owned() });
                }
            }
            Happening::Spike(delay) => {
                self.network.slow_down(delay.filter(|_| !self.calm));
                if delay.is_some() {
                    self.note(Event::Fault { kind: "spike".to_owned() });
                }
            }
            Happening::Cut(index) => self.cut(&self.scenario.network.cuts[index]),
            Happening::Heal(cut) => {
                if self.network.heal(cut) {
                    self.note(Event::Heal);
                }
            }
            Happening::Pause(index) => self.pause(&self.scenario.network.pauses[index]),
            Happening::Burst(loss) => {
                self.network.lose(loss.filter(|_| !self.calm));
                if loss.is_some() {
                    self.network.count("burst of loss");
                    self.note(Event::Fault { kind: "burst".to_owned() });
                }
            }
            Happening::Crash(index) => {
                let crash = self.scenario.mortality.as_ref().map(|mortality| mortality.crashes[index].clone());
                if let Some(crash) = crash
                    && let Some(victim) = self.find(crash.victim)
                {
                    match crash.death.after {
                        0 => self.crash(victim, crash.death.restart),
                        _ => self.doom(victim, crash.death),
                    }
                }
            }
            Happening::Close { at, address } => self.close(at, address),
            Happening::Reset(index) => self.reset(index),
            Happening::Noticed { at, address } => self.notice(at, address),
            Happening::Calm => self.calm_down(),
            Happening::Rift { index, step } => self.rift(index, step),
            Happening::Standstill(index) => self.standstill(index),
            Happening::Still { who, lasts } if !self.calm => self.stand_still(who, lasts),
            Happening::Still { .. } => {}
            Happening::Kill(index) => self.kill(index),
            Happening::Silence(gid) => self.silence(gid),
            Happening::Force => self.force(),
            Happening::Narrow(index) => self.narrow(index),
            Happening::Widen(index) => self.widen(index),
            Happening::Interface(place) => self.look_at_interface(place),
            Happening::MulticastEnds => self.network.end_multicast(),
            Happening::Dial => self.dial(),
            Happening::Look => {
                let gap = if self.scenario.lineages.is_some() { LONG_LOOK } else { LOOK };
                self.queue.push(self.now + gap, Happening::Look);
            }
        }
    }

    fn start(&mut self, index: usize) {
        let birth = &self.births[index];
        let carries = self.interface(birth.place);
        self.hosts[index] = Some(Host::start(self.scenario, index, birth, self.now, carries));
        self.queue.push(self.now + birth.traffic.gap, Happening::Send(index));
        self.write_down();
        self.queue.push(self.now, Happening::Read(index));
        self.settle(index, false);
    }

    /// Lets a process do something now, or when it can move again, and sees to what follows from it.
    pub(crate) fn act(&mut self, index: usize, what: impl FnOnce(&mut Host, &mut Draw, Time)) {
        let now = self.now;
        let Some(host) = self.hosts[index].as_mut().filter(|host| !host.gone) else { return };
        if host.paused_until > now {
            if host.wake_at.is_none_or(|at| at <= now) {
                host.wake_at = Some(host.paused_until);
                self.queue.push(host.paused_until, Happening::Wake(index));
            }
            return;
        }
        what(host, &mut self.draw, now);
        self.settle(index, false);
    }

    fn send(&mut self, index: usize) {
        if self.calm {
            return;
        }
        let mut next = None;
        self.act(index, |host, _, now| {
            if host.app.wants_to_send() {
                next = Some(host.app.burst(&mut host.node, now));
            }
        });
        let Some(host) = self.hosts[index].as_ref().filter(|host| host.app.wants_to_send()) else { return };
        let at = next.unwrap_or(self.now + host.app.traffic.gap);
        self.queue.push(at, Happening::Send(index));
    }

    fn read(&mut self, index: usize) {
        let Some(host) = self.hosts[index].as_ref().filter(|host| host.app.end != Some(End::Crashed)) else { return };
        let Reader::Slow { pause, .. } = host.app.reader else { return };
        let again = self.now + self.draw.around(pause);
        if host.paused_until <= self.now {
            self.settle(index, true);
        }
        self.queue.push(again, Happening::Read(index));
    }

    /// After any input: events to the application, datagrams to the network, records to the witness.
    pub(crate) fn settle(&mut self, index: usize, mut read_due: bool) {
        loop {
            let (now, sends) = (self.now, !self.calm);
            let Some(host) = self.hosts[index].as_mut().filter(|host| !host.gone) else { return };
            let mut busy = host.read(now, std::mem::take(&mut read_due), sends);
            host.testify(now, &mut self.witness);
            self.hear_first_words(index);
            while let Some((transmit, out)) = self.hosts[index].as_mut().and_then(|host| host.transmit(now)) {
                self.dispatch(index, transmit, out.into());
                busy = true;
            }
            if !busy {
                break;
            }
        }
        let host = self.hosts[index].as_mut().expect("seen above");
        if host.gone {
            return;
        }
        host.testify(self.now, &mut self.witness);
        if let Some(End::Left { released: true } | End::Excluded) = host.app.end {
            host.gone = true;
            return self.left(index);
        }
        if let Some(at) = host.node.poll_timeout().map(|at| at.max(self.now).max(host.paused_until))
            && host.timer_at.is_none_or(|planned| at < planned)
        {
            host.timer_at = Some(at);
            self.queue.push(at, Happening::Timer(index));
        }
    }

    pub(crate) fn living(&self, which: impl Fn(&Host) -> bool) -> Vec<usize> {
        let living = |(index, host): (usize, &Option<Host>)| {
            host.as_ref().filter(|host| host.app.end.is_none() && which(host)).map(|_| index)
        };
        self.hosts.iter().enumerate().filter_map(living).collect()
    }

    fn situations(&self) -> SituationCounts {
        let mut all = given(self.scenario);
        self.hosts.iter().flatten().for_each(|host| add_situations(&mut all, &host.app.situations));
        all
    }

    /// Writes down what the harness did.
    pub(crate) fn note(&mut self, event: Event) {
        let process = self.hosts.iter().flatten().next().map(|host| host.uid);
        if let Some(process) = process {
            self.witness.take(&Record { at_us: self.now.as_nanos() / 1000, process, event }, None);
        }
    }
}
