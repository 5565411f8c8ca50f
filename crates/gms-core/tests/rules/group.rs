//! Members on a network that carries what a test lets it, and whom it may speak for.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::wire::{Control, Envelope, Frame, Kind, Limits};
use gms_core::{Addressing, Config, Destination, Event, Fseq, Gid, Input, Level, Member, Start, Time, Uid, Vid};

/// What a member says, and to whom.
pub(crate) type Said = (usize, Control);

/// Members 0 and so on. Nothing takes any time on the way.
pub(crate) struct Group {
    pub(crate) now: Time,
    pub(crate) members: Vec<Member>,
    pub(crate) events: Vec<Vec<Event>>,
    /// Those whom no multicast reaches.
    pub(crate) without_multicast: Vec<usize>,
    /// Datagrams to and from the first of each that are longer than that are lost. Connections carry everything.
    pub(crate) black_holes: Vec<(usize, usize)>,
    /// Copies of what is multicast that have been sent.
    pub(crate) copies: usize,
    gid: Gid,
}

pub(crate) fn uid(index: usize) -> Uid {
    Uid::new(index as u64, 1000 + index as u64)
}

pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8], 7000))
}

/// Whose address it is; there may be nobody.
fn place(at: SocketAddr) -> usize {
    (0..=u8::MAX as usize).find(|index| address(*index) == at).expect("one of them")
}

/// Nothing is lost.
pub(crate) fn all(_: usize, _: usize, _: Option<&Control>) -> bool {
    true
}

impl Group {
    /// So many voters, led by 0; nothing is under way.
    pub(crate) fn of(count: usize) -> Self {
        Self::with(count, |_| {})
    }

    /// The same, with other settings.
    pub(crate) fn with(count: usize, change: impl Fn(&mut Config)) -> Self {
        let mut group = Self {
            now: Time::ZERO,
            members: vec![],
            events: vec![],
            without_multicast: vec![],
            black_holes: vec![],
            copies: 0,
            gid: Gid::NONE,
        };
        for index in 0..count {
            let start = if index == 0 { Start::Create } else { Start::Join(vec![]) };
            group.add(start, &change);
        }
        let all_vote = |member: &Member| member.view().is_some_and(|view| view.voters().count() == count);
        group.gid = group.members[0].view().expect("it has created one").gid;
        group.until(|group| group.members.iter().all(all_vote), all);
        group.passes(Duration::from_millis(50), all);
        group
    }

    /// One more process, which asks to be let in.
    pub(crate) fn joins(&mut self, change: impl Fn(&mut Config)) {
        self.add(Start::Join(vec![]), change);
    }

    fn add(&mut self, start: Start, change: impl Fn(&mut Config)) {
        let index = self.members.len();
        let mut config = Config::new("test", uid(index), address(index));
        change(&mut config);
        self.members.push(Member::new(config, start, self.now).expect("settings that fit"));
        self.events.push(vec![]);
    }

    /// Everybody runs for so long; what is sent arrives if this says so of its sender, its receiver, and the message if
    /// it is a control message. Returns all control messages: who says it, to whom, and what.
    pub(crate) fn passes(
        &mut self,
        time: Duration,
        arrives: impl Fn(usize, usize, Option<&Control>) -> bool,
    ) -> Vec<(usize, usize, Control)> {
        let (until, mut said) = (self.now + time, vec![]);
        loop {
            let sent: Vec<(usize, usize, Bytes)> = (0..self.members.len())
                .flat_map(|from| self.sends(from).into_iter().map(move |(to, datagram)| (from, to, datagram)))
                .collect();
            let silent = sent.is_empty();
            for (from, to, datagram) in sent {
                let message = control(&datagram);
                if to < self.members.len() && arrives(from, to, message.as_ref()) {
                    self.members[to].handle(self.now, Input::Datagram { from: address(from), datagram });
                }
                said.extend(message.map(|message| (from, to, message)));
            }
            if silent {
                let next = self.members.iter().filter_map(Member::poll_timeout).min();
                let Some(next) = next.filter(|next| *next <= until) else {
                    self.now = until;
                    return said;
                };
                self.now = self.now.max(next);
                self.members.iter_mut().for_each(|member| member.handle(self.now, Input::Tick));
            }
        }
    }

    /// Everybody runs until this holds.
    pub(crate) fn until(
        &mut self,
        done: impl Fn(&Self) -> bool,
        arrives: impl Fn(usize, usize, Option<&Control>) -> bool,
    ) {
        let since = self.now;
        while !done(self) {
            assert!(self.now - since < Duration::from_secs(10), "it does not come to that");
            self.passes(Duration::from_millis(1), &arrives);
        }
    }

    /// Only `who` runs for so long. Returns what it says.
    pub(crate) fn waits(&mut self, who: usize, time: Duration) -> Vec<Said> {
        let (until, mut said) = (self.now + time, vec![]);
        loop {
            said.extend(self.says(who));
            match self.members[who].poll_timeout().filter(|next| *next <= until) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.members[who].handle(self.now, Input::Tick);
        }
        self.now = until;
        said
    }

    /// `who` hears this of `from`, who is in the view it is in itself. Returns what it says then, to anybody.
    pub(crate) fn hears(&mut self, who: usize, from: usize, control: &Control) -> Vec<Said> {
        let vid = self.members[who].view().expect("a member").vid;
        self.hears_in(vid, who, from, control)
    }

    /// `who` hears this of `from`, who is in that view.
    pub(crate) fn hears_in(&mut self, vid: Vid, who: usize, from: usize, control: &Control) -> Vec<Said> {
        self.hears_of(uid(from), vid, who, from, control)
    }

    /// `who` hears this from the place of `from`, said by the process that is there now.
    pub(crate) fn hears_of(&mut self, sender: Uid, vid: Vid, who: usize, from: usize, control: &Control) -> Vec<Said> {
        let mut body = vec![];
        control.encode(&mut body);
        let envelope = Envelope { kind: Kind::Control as u8, gid: self.gid, vid, sender, status: [0; 3] };
        let mut datagram = vec![];
        envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
        self.is_told(who, Input::Datagram { from: address(from), datagram: datagram.into() })
    }

    /// `who` gets this datagram of frames, or of a status alone, from where `from` is, in its name and in the view
    /// `who` is in itself. Returns what it says then.
    pub(crate) fn gets(
        &mut self,
        who: usize,
        from: usize,
        kind: Kind,
        status: [u64; 3],
        frames: &[Frame],
    ) -> Vec<Said> {
        self.gets_from(who, uid(from), from, self.vid(who), kind, status, frames)
    }

    /// The same in anybody's name, and any view.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn gets_from(
        &mut self,
        who: usize,
        sender: Uid,
        from: usize,
        vid: Vid,
        kind: Kind,
        status: [u64; 3],
        frames: &[Frame],
    ) -> Vec<Said> {
        let datagram = self.datagram(sender, vid, kind, status, frames);
        self.is_told(who, Input::Datagram { from: address(from), datagram: datagram.into() })
    }

    /// A datagram of frames, or of a status alone.
    pub(crate) fn datagram(&self, sender: Uid, vid: Vid, kind: Kind, status: [u64; 3], frames: &[Frame]) -> Vec<u8> {
        let envelope = Envelope { kind: kind as u8, gid: self.gid, vid, sender, status };
        let mut datagram = vec![];
        envelope.encode(&mut datagram, |out| frames.iter().for_each(|frame| frame.encode(out)));
        datagram
    }

    /// Something happens to `who`. Returns what it says then, to anybody.
    pub(crate) fn is_told(&mut self, who: usize, input: Input) -> Vec<Said> {
        self.members[who].handle(self.now, input);
        self.says(who)
    }

    /// `who` multicasts something, which stays with it until it is let run.
    pub(crate) fn sends_one(&mut self, who: usize, level: Level) {
        self.members[who].send(self.now, "hello".into(), level, Addressing::default()).expect("there is room");
    }

    /// The same, of so many bytes.
    pub(crate) fn sends_one_of(&mut self, who: usize, len: usize) {
        let payload = vec![0; len].into();
        self.members[who].send(self.now, payload, Level::Agreed, Addressing::default()).expect("there is room");
    }

    /// `who` takes its leader to be dead, and hears of these that they do, too.
    pub(crate) fn accuse(&mut self, who: usize, accusers: &[usize]) -> Vec<Said> {
        let view = self.members[who].view().expect("a member").clone();
        let mut said = self.is_told(who, Input::Closed(view.leader));
        for from in accusers {
            said.extend(self.hears(who, *from, &Control::Suspect { who: view.leader, dead: vec![] }));
        }
        said
    }

    /// The last frame up to which `who` has everything.
    pub(crate) fn have(&self, who: usize) -> Fseq {
        self.members[who].progress().0
    }

    /// The number of the view `who` is in.
    pub(crate) fn vid(&self, who: usize) -> Vid {
        self.members[who].view().expect("a member").vid
    }

    /// The members of the view `who` is in.
    pub(crate) fn view(&self, who: usize) -> Vec<usize> {
        let view = self.members[who].view().expect("a member");
        (0..self.members.len()).filter(|index| view.contains(uid(*index))).collect()
    }

    /// The control messages that `who` has to say now.
    fn says(&mut self, who: usize) -> Vec<Said> {
        self.sends(who).iter().filter_map(|(to, datagram)| Some((*to, control(datagram)?))).collect()
    }

    /// All that `who` sends now, and to whom.
    fn sends(&mut self, who: usize) -> Vec<(usize, Bytes)> {
        let (mut out, mut sent) = (vec![], vec![]);
        while let Some(transmit) = self.members[who].poll_transmit(self.now, 16, &mut out) {
            for datagram in out.chunks(transmit.segment_size).map(Bytes::copy_from_slice) {
                let others = || (0..self.members.len()).filter(|to| *to != who);
                self.copies += usize::from(is_copy(&datagram));
                let follows = |to: &usize| !self.members[*to].is_leader() && !self.without_multicast.contains(to);
                let to: Vec<usize> = match transmit.destination {
                    Destination::Data => others().filter(follows).collect(),
                    Destination::Control => others().collect(),
                    Destination::Unicast(at) | Destination::Stream(at) => vec![place(at)],
                };
                let streams = matches!(transmit.destination, Destination::Stream(_));
                let swallowed = |to: usize| {
                    let long = |(at, longest): &(usize, usize)| [who, to].contains(at) && datagram.len() > *longest;
                    !streams && self.black_holes.iter().any(long)
                };
                let to: Vec<usize> = to.into_iter().filter(|to| !swallowed(*to)).collect();
                sent.extend(to.into_iter().map(|to| (to, datagram.clone())));
            }
            out.clear();
        }
        self.members[who].poll_events(&mut self.events[who], usize::MAX);
        sent
    }
}

/// Whether a check of its own invariants has stopped `who`.
pub(crate) fn is_broken(group: &Group, who: usize) -> bool {
    group.events[who].iter().any(|event| matches!(event, Event::Broken(_)))
}

/// What this one says among all that is said.
pub(crate) fn said_by(who: usize, said: Vec<(usize, usize, Control)>) -> Vec<Said> {
    said.into_iter().filter(|(from, ..)| *from == who).map(|(_, to, control)| (to, control)).collect()
}

pub(crate) fn is_install(control: &Control) -> bool {
    matches!(control, Control::Install { .. })
}

/// The control message in a datagram, if it has one.
fn control(datagram: &Bytes) -> Option<Control> {
    let limits = Limits::default();
    let (envelope, body) = Envelope::decode(datagram.clone(), &limits).ok()?;
    (envelope.kind == Kind::Control as u8).then(|| Control::decode(&body, &limits).ok()).flatten()
}

fn is_copy(datagram: &Bytes) -> bool {
    Envelope::decode(datagram.clone(), &Limits::default()).is_ok_and(|(envelope, _)| envelope.is_copy())
}
