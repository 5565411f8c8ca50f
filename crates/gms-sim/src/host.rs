//! One process in the simulated world: its node, its application, and the socket between it and the network.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, DetectorConfig, DirectoryConfig, Node, NodeConfig};
use gms_check::{Record, Uid};
use gms_core::{Config, Event, Gid, Input, Refusal, Time, Timing, Transmit};

use crate::application::{Application, End};
use crate::draw::Draw;
use crate::exclusion::Membership;
use crate::mortality::Doom;
use crate::scenario::{Birth, Entry, Reader, Scenario};
use crate::witness::Witness;

/// A process.
pub(crate) struct Host {
    pub(crate) node: Node,
    pub(crate) uid: Uid,
    pub(crate) place: usize,
    pub(crate) address: SocketAddr,
    pub(crate) app: Application,
    /// What its socket holds.
    inbox: VecDeque<(SocketAddr, Bytes)>,
    charge: u64,
    budget: u64,
    /// When it will look at its socket.
    pub(crate) wake_at: Option<Time>,
    /// When its node's timer will be served.
    pub(crate) timer_at: Option<Time>,
    /// Until when it stands still.
    pub(crate) paused_until: Time,
    /// It has been taken off the network.
    pub(crate) gone: bool,
    /// It is about to die.
    pub(crate) doom: Option<Doom>,
    /// The last place of the order it handled.
    pub(crate) reached: u64,
    /// The last view it recorded.
    pub(crate) membership: Option<Membership>,
    /// The last view it was in.
    pub(crate) last_view: Option<std::sync::Arc<gms_core::View>>,
    /// The lineage in which it was told that a message of its own is ordered, since somebody asked.
    pub(crate) spoke: Option<Gid>,
    /// When it last delivered a message at a level that may not be lost.
    pub(crate) uniform_at: Time,
    events: Vec<Event>,
}

/// What one datagram costs the kernel's buffer.
fn charge(datagram: &Bytes) -> u64 {
    (2 * datagram.len() as u64).max(1024)
}

/// Where the process at `place` is reached.
pub(crate) fn address(place: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, place as u8 + 1], 7000))
}

impl Host {
    /// Starts process `index` of `scenario` the way `birth` says, where the interface may carry less than usual.
    pub(crate) fn start(scenario: &Scenario, index: usize, birth: &Birth, now: Time, carries: Option<u16>) -> Self {
        let mut draw = Draw::new(scenario.name.seed(), 100 + index as u64);
        let uid = gms_core::Uid::new(birth.node, draw.bits());
        let largest = carries.unwrap_or(Config::MOST_IN_A_DATAGRAM);
        let core = Config {
            params: gms_core::Params { datagram: scenario.params.datagram.min(largest), ..scenario.params.clone() },
            largest,
            budget: birth.budget,
            pending: birth.pending,
            weight: birth.weight,
            seed: draw.bits(),
            trace: true,
            process: scenario.lineages.as_ref().map(|lineages| lineages.identity(birth.place, index)),
            planted: scenario.planted,
            ..Config::new("simulated", uid, address(birth.place))
        };
        let mut config = NodeConfig::new(core);
        if scenario.lineages.is_none() && !matches!(birth.entry, Entry::Auto | Entry::Expected) {
            // There is one group, which exists.
            (config.discover, config.settle) = (Duration::ZERO, Duration::ZERO);
        }
        (config.bootstrap, config.contacts) = match &birth.entry {
            Entry::Create => (Bootstrap::Create, vec![]),
            Entry::Auto => (Bootstrap::Auto, vec![]),
            Entry::Listed(contacts) => (Bootstrap::Auto, addresses(contacts)),
            Entry::Expected => (Bootstrap::Expect(scenario.expected()), vec![]),
            Entry::Multicast => (Bootstrap::Join, vec![]),
            Entry::Through(contacts) => (Bootstrap::Join, addresses(contacts)),
        };
        if !scenario.watchful {
            (config.directory, config.detector) = (silent(), patient());
        }
        if scenario.mortality.as_ref().is_some_and(|mortality| mortality.quick) {
            (config.core.timing, config.detector) = (quick(), DetectorConfig::local());
        }
        Self {
            node: Node::new(config, now).expect("scenarios draw settings that fit together"),
            uid: Uid { node: uid.node.0, incarnation: uid.incarnation },
            place: birth.place,
            address: address(birth.place),
            app: Application::new(birth.traffic.clone(), birth.reader.clone(), draw),
            inbox: VecDeque::new(),
            charge: 0,
            budget: u64::from(birth.budget),
            wake_at: None,
            timer_at: None,
            paused_until: Time::ZERO,
            gone: false,
            doom: None,
            reached: 0,
            membership: None,
            last_view: None,
            spoke: None,
            uniform_at: Time::ZERO,
            events: Vec::new(),
        }
    }

    /// A member, or on the way to be one, that means to stay.
    pub(crate) fn stays(&self) -> bool {
        self.app.end.is_none() && !self.app.leaving
    }

    /// Puts a datagram into the socket's buffer. False when there is no room.
    pub(crate) fn deposit(&mut self, from: SocketAddr, datagram: Bytes) -> bool {
        let charge = charge(&datagram);
        if self.charge + charge > self.budget {
            return false;
        }
        self.charge += charge;
        self.inbox.push_back((from, datagram));
        true
    }

    /// Looks at the socket and the clock.
    pub(crate) fn wake(&mut self, now: Time) {
        while let Some((from, datagram)) = self.inbox.pop_front() {
            self.charge -= charge(&datagram);
            self.node.handle(now, Input::Datagram { from, datagram });
        }
        self.node.handle(now, Input::Tick);
    }

    /// The application reads if it is due to; returns whether that may have changed the node.
    pub(crate) fn read(&mut self, now: Time, due: bool, sends: bool) -> bool {
        let room = match self.app.reader {
            Reader::Eager => usize::MAX,
            Reader::Slow { room, .. } if due => room,
            Reader::Slow { .. } => return false,
        };
        let before = self.node.uid();
        self.node.poll_events(&mut self.events, room);
        let any = !self.events.is_empty();
        let lives_on = self.node.uid() != before;
        self.app.take(&mut self.node, now, &mut self.events, (sends, lives_on)) || any
    }

    /// The next train the node wants sent.
    pub(crate) fn transmit(&mut self, now: Time) -> Option<(Transmit, Vec<u8>)> {
        let mut out = Vec::new();
        self.node.poll_transmit(now, 16, &mut out).map(|transmit| (transmit, out))
    }

    /// Hands on what the node noted down.
    pub(crate) fn testify(&mut self, now: Time, witness: &mut Witness<'_>) {
        while let Some(record) = self.node.poll_trace(now) {
            if let Some(gseq) = handled(&record) {
                self.reached = gseq;
            }
            if let gms_check::Event::Deliver { level, .. } = &record.event
                && *level != gms_check::Level::Agreed
            {
                self.uniform_at = now;
            }
            Membership::follow(&mut self.membership, &record);
            if is_ordered(&record) {
                self.spoke = self.membership.as_ref().map(Membership::gid);
            }
            witness.take(&record, Some(self.place));
        }
        if let Some(view) = self.node.view() {
            self.last_view = Some(view.clone());
        }
        let uid = self.node.uid();
        self.uid = Uid { node: uid.node.0, incarnation: uid.incarnation };
    }

    /// The end of the process, if it is one that should not have been.
    pub(crate) fn failure(&self, scenario: &Scenario) -> Option<String> {
        match self.app.end.as_ref()? {
            End::Left { released: true } | End::Crashed => None,
            // Somebody has to let it go if anybody can hear it.
            End::Left { released: false } if !scenario.is_faultless() => None,
            // Its interface carries too little; it is started again when that is over.
            End::Refused(Refusal::Datagram { .. }) => None,
            End::Excluded if self.app.leaving || scenario.may_exclude() => None,
            end => Some(format!("{} ended with {end:?}", self.uid)),
        }
    }
}

fn addresses(places: &[usize]) -> Vec<SocketAddr> {
    places.iter().map(|place| address(*place)).collect()
}

/// A directory that never says anything.
fn silent() -> DirectoryConfig {
    let never = Duration::from_secs(1 << 20);
    DirectoryConfig {
        announce_every: never,
        change_gap: never,
        forget_after: 2 * never,
        probes: 0,
        ..Default::default()
    }
}

/// A detector that waits longer than any fault of a scenario lasts.
fn patient() -> DetectorConfig {
    let long = Duration::from_secs(5);
    DetectorConfig { floor: long, cap: long, ..DetectorConfig::lan() }
}

/// The times of a detector for one host, and those of the core that go with them.
fn quick() -> Timing {
    let ms = Duration::from_millis;
    Timing { heartbeat: ms(25), presence: ms(75), quorum: ms(300), ..Timing::default() }
}

fn is_ordered(record: &Record) -> bool {
    matches!(record.event, gms_check::Event::Outcome { result: gms_check::Outcome::Ordered { .. }, .. })
}

fn handled(record: &Record) -> Option<u64> {
    use gms_check::Event::{Deliver, Pass, View};
    match record.event {
        Deliver { gseq, .. } | Pass { gseq, .. } | View { gseq, .. } => Some(gseq),
        _ => None,
    }
}
