//! One process: the real member, its own clock, and what its application has been told.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gms_core::wire::{Addressing, Control, Envelope, Kind, Limits, Successor};
use gms_core::{Ballot, Config, Destination, Event, Input, Level, Member, Start, Time, Uid, Vid};

/// Processes in the group.
pub(crate) const PROCESSES: usize = 3;

/// Something that many states share, hashed once.
#[derive(Clone)]
pub(crate) struct Shared<T>(Arc<(u64, T)>);

impl<T: Hash> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(Arc::new((hasher.finish(), value)))
    }
}

impl<T> Shared<T> {
    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.0
    }
}

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.1.fmt(f)
    }
}

/// A datagram for one receiver.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Datagram {
    pub(crate) from: usize,
    pub(crate) to: usize,
    bytes: Bytes,
    /// What it proposes, if it does.
    pub(crate) proposes: Option<(Ballot, Successor)>,
    /// To the leader, that it is taken to be dead: it takes note, and does nothing with it.
    pub(crate) idle: bool,
    /// In which view it was sent, unless it is what another view may need.
    pub(crate) bound_to: Option<Vid>,
    /// It asks for frames: once is enough, for what it obtains can arrive again and again.
    pub(crate) once: bool,
}

impl Datagram {
    fn new(from: usize, to: usize, bytes: Bytes) -> Self {
        let (envelope, body) = Envelope::decode(bytes.clone(), &Limits::default()).expect("a member sent it");
        let control = (envelope.kind == Kind::Control as u8).then(|| Control::decode(&body, &Limits::default()));
        let control = control.and_then(Result::ok);
        let idle = matches!(control, Some(Control::Suspect { who, .. }) if who == uid(to));
        let crosses = matches!(
            control,
            Some(Control::Install { .. } | Control::Nack { .. } | Control::Excluded { .. } | Control::ViewRequest)
        ) || envelope.kind == Kind::Repair as u8;
        let bound_to = (!crosses).then_some(envelope.vid);
        let once = matches!(control, Some(Control::Nack { .. }));
        let proposes = match control {
            Some(Control::Accept { ballot, next }) => Some((ballot, next)),
            _ => None,
        };
        Self { from, to, bytes, proposes, idle, bound_to, once }
    }
}

/// `0 → 2, view 4: Ordered [7, 6, 5]`
impl fmt::Debug for Datagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (envelope, body) = Envelope::decode(self.bytes.clone(), &Limits::default()).expect("a member sent it");
        write!(f, "{} → {}, view {}: ", self.from, self.to, envelope.vid)?;
        let next = |next: &Successor| match next {
            Successor::Whole(next) => format!("{}, cut {}", next.view, next.cut()),
            Successor::Delta(delta) => format!("{delta:?}"),
        };
        match Kind::from_byte(envelope.kind) {
            Some(Kind::Control) => match Control::decode(&body, &Limits::default()) {
                Ok(Control::Accept { ballot, next: value }) => write!(f, "ACCEPT {ballot:?} of {}", next(&value)),
                Ok(Control::Install { next: value, .. }) => write!(f, "INSTALL {}", next(&value)),
                Ok(Control::Promise { ballot, accepted, have, ranges, .. }) => {
                    let accepted = accepted.map(|(ballot, value)| format!("{ballot:?} of {}", next(&value)));
                    write!(f, "PROMISE {ballot:?}, accepted {accepted:?}, have {have} and {ranges:?}")
                }
                Ok(control) => write!(f, "{control:?}"),
                Err(error) => write!(f, "{error}"),
            },
            kind => write!(f, "{kind:?} {:?}, {} B", envelope.status, body.len()),
        }
    }
}

/// What can happen to one process.
#[derive(Clone, PartialEq, Hash)]
pub(crate) enum Step {
    /// A datagram arrives.
    Arrival(Shared<Datagram>),
    /// Its failure detector takes another one to be dead.
    Suspicion(usize),
    /// It finds that one alive after all.
    Trust(usize),
    /// An operator wants that one to lead in its place.
    Transfer(usize),
    /// The election has it propose what ends the view.
    Stand,
    /// Its clock moves on, and what is due by then happens.
    Pause(Duration),
}

#[derive(Clone, PartialEq, Hash, Debug)]
pub(crate) struct Process {
    member: Member,
    clock: Time,
    /// Everything but the reports that there is no progress.
    pub(crate) told: Vec<Event>,
}

pub(crate) fn uid(index: usize) -> Uid {
    Uid::new(index as u64, 1000 + index as u64)
}

pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8], 7000))
}

impl Process {
    pub(crate) fn start(config: Config, start: Start) -> Self {
        let member = Member::new(config, start, Time::ZERO).expect("sound settings");
        Self { member, clock: Time::ZERO, told: Vec::new() }
    }

    pub(crate) fn member(&self) -> &Member {
        &self.member
    }

    /// What this step makes of the process, and what it then sends.
    pub(crate) fn after(&self, step: &Step) -> (Self, Vec<Datagram>) {
        let mut process = self.clone();
        let input = match step {
            Step::Arrival(datagram) => {
                Input::Datagram { from: address(datagram.from), datagram: datagram.bytes.clone() }
            }
            Step::Suspicion(who) => Input::Suspect { who: uid(*who), checks: 2 },
            Step::Trust(who) => Input::Trust(uid(*who)),
            Step::Transfer(heir) => Input::Transfer(uid(*heir)),
            Step::Stand => Input::Stand,
            Step::Pause(time) => {
                process.clock = process.clock + *time;
                Input::Tick
            }
        };
        process.member.handle(process.clock, input);
        let sent = process.speak();
        (process, sent)
    }

    /// The same, at its end.
    pub(crate) fn broken(&self, why: &str) -> Self {
        let mut process = self.clone();
        process.told.push(Event::Broken(why.to_owned()));
        process
    }

    /// The application sends a message that says whose it is.
    pub(crate) fn send(&mut self, level: Level) -> Vec<Datagram> {
        let payload = vec![self.me() as u8];
        self.member.send(self.clock, payload.into(), level, Addressing::default()).expect("room for a few");
        self.speak()
    }

    /// All that the application was told before its present view.
    pub(crate) fn forget(&mut self) {
        let view = self.told.iter().rposition(|event| matches!(event, Event::View(_)));
        self.told.drain(..view.expect("it is in a view"));
    }

    fn me(&self) -> usize {
        self.member.uid().node.0 as usize
    }

    /// Takes out all that the member has to say, to others and to its application.
    fn speak(&mut self) -> Vec<Datagram> {
        let (mut sent, mut out) = (Vec::new(), Vec::new());
        loop {
            let before = (sent.len(), self.told.len());
            while let Some(transmit) = self.member.poll_transmit(self.clock, 16, &mut out) {
                for datagram in out.chunks(transmit.segment_size) {
                    let bytes = Bytes::copy_from_slice(datagram);
                    let to = (0..PROCESSES).filter(|to| match transmit.destination {
                        Destination::Data | Destination::Control => *to != self.me(),
                        Destination::Unicast(at) | Destination::Stream(at) => at == address(*to),
                    });
                    sent.extend(to.map(|to| Datagram::new(self.me(), to, bytes.clone())));
                }
                out.clear();
            }
            let mut events = Vec::new();
            self.member.poll_events(&mut events, usize::MAX);
            self.told.extend(events.into_iter().filter(|e| !matches!(e, Event::Blocked(_) | Event::Unblocked)));
            if before == (sent.len(), self.told.len()) {
                return sent;
            }
        }
    }

    /// When something falls due.
    pub(crate) fn due(&self) -> Duration {
        self.member.poll_timeout().map_or(Duration::MAX, |at| at.since(self.clock))
    }
}
