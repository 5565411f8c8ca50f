//! Making lies: well-formed datagrams of any kind, with fields that are drawn, at a bound, or taken from what was
//! really said and altered.

use bytes::Bytes;
use gms_core::wire::{
    Control, ENVELOPE_LEN, Envelope, Frame, FrameFlags, FrameHeader, JoinRequest, Kind, Limits, Refusal, Successor,
};
use gms_core::{Ballot, Gid, Next, NodeId, Params, Position, Role, Snapshot, Uid, View, ViewMember, Why};

use super::group::{Group, NODES, address};
use crate::draw::Draw;
use crate::watch;

/// Who lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liar {
    /// Somebody that speaks in any name, from an address that belongs to no member.
    Stranger,
    /// This node: in its own name, from its own address. What it says of itself only, not what others are to have said
    /// or the order to be.
    Member(usize),
}

/// A lie, and what it is called.
pub(super) struct Lie {
    pub(super) name: String,
    pub(super) datagram: Bytes,
}

/// What liars know of the group.
pub(super) struct Forge<'a> {
    pub(super) draw: &'a mut Draw,
    pub(super) group: &'a Group,
    pub(super) liar: Liar,
    /// Whom it is told.
    pub(super) to: usize,
}

impl Forge<'_> {
    /// The next lie.
    pub(super) fn lie(&mut self) -> Lie {
        match self.draw.weighted(&[8, 5, 4, 4, 1]) {
            0 => self.control(),
            1 => self.frames(),
            2 => self.status(),
            3 => self.altered(),
            _ => self.other_layers(),
        }
    }

    fn view(&self) -> View {
        let view = self.group.nodes[self.to].view().or_else(|| self.group.nodes.iter().find_map(|node| node.view()));
        let view = view.map(|view| View::clone(view));
        view.unwrap_or_else(|| View {
            gid: self.group.gid,
            vid: 1,
            at: 1,
            gseq: 1,
            leader: self.group.nodes[0].uid(),
            members: vec![],
            params: Params::default(),
        })
    }

    /// A number near what is true, at the end of all numbers, or anything between.
    fn number(&mut self) -> u64 {
        let (have, safe, stable) = self.group.nodes[self.to].progress();
        let view = self.view();
        match self.draw.weighted(&[6, 3, 3, 1]) {
            0 => self.draw.pick(&[have, have + 1, have + 2, have + 100, have.saturating_sub(1), have + (1 << 20)]),
            1 => {
                self.draw.pick(&[safe, stable, view.at, view.gseq, view.vid, view.vid + 1, view.vid.saturating_sub(1)])
            }
            2 => self.draw.pick(&[
                0,
                1,
                2,
                u32::MAX.into(),
                1 << 40,
                1 << 62,
                1 << 63,
                u64::MAX / 2,
                u64::MAX - 1,
                u64::MAX,
            ]),
            _ => self.draw.bits(),
        }
    }

    fn uid(&mut self) -> Uid {
        let member = self.draw.index(NODES);
        match self.draw.weighted(&[6, 1, 1]) {
            0 => self.group.nodes[member].uid(),
            1 => Uid { incarnation: self.draw.bits(), ..self.group.nodes[member].uid() },
            _ => Uid::new(self.draw.within(0..=20), self.draw.bits()),
        }
    }

    fn sender(&mut self) -> Uid {
        match self.liar {
            Liar::Stranger => self.uid(),
            Liar::Member(me) => self.group.nodes[me].uid(),
        }
    }

    fn vid(&mut self) -> u64 {
        let vid = self.view().vid;
        match self.draw.weighted(&[7, 2, 1, 1]) {
            0 => vid,
            1 => vid + 1,
            2 => vid.saturating_sub(1),
            _ => self.number(),
        }
    }

    fn gid(&mut self) -> Gid {
        if self.draw.chance(0.95) { self.group.gid } else { Gid(u128::from(self.number())) }
    }

    fn datagram(&mut self, kind: u8, status: [u64; 3], body: &[u8]) -> Bytes {
        let envelope = Envelope { kind, gid: self.gid(), vid: self.vid(), sender: self.sender(), status };
        enclose(&envelope, body)
    }

    /// What a leader or a follower says of itself, without frames.
    fn status(&mut self) -> Lie {
        let kind =
            self.draw.pick(&[Kind::Ordered, Kind::Heartbeat, Kind::Held, Kind::Ack, Kind::Forward, Kind::Repair]);
        let status = [self.number(), self.number(), if self.draw.chance(0.5) { 0 } else { self.number() }];
        Lie { name: "status".into(), datagram: self.datagram(kind as u8, status, &[]) }
    }

    fn frame(&mut self, origin: Uid) -> Vec<u8> {
        let len = match self.draw.weighted(&[6, 2, 1]) {
            0 => self.draw.within(0..=60) as usize,
            1 => 1200,
            _ => self.draw.pick(&[1260, 1265, 4000, 60_000]),
        };
        let mut body = vec![0, len as u8, (len >> 8) as u8];
        body.resize(3 + len, self.draw.bits() as u8);
        let said = self.group.said[self.draw.index(NODES)];
        let sseq = match (self.liar, self.draw.index(4)) {
            (Liar::Member(me), 0 | 1) => self.group.said[me] + 1,
            (_, 0) => said + 1,
            (_, 2) => self.draw.within(1..=30),
            _ => self.number(),
        };
        let (fseq, gseq) = (self.number(), self.number());
        let header = FrameHeader {
            flags: FrameFlags::default(),
            count: 1,
            vid: self.vid(),
            fseq,
            gseq,
            origin,
            first: Position { sseq, offset: 0 },
        };
        let mut out = vec![];
        Frame { header, body: body.into(), end: header.first, open: 0 }.encode(&mut out);
        out
    }

    /// Frames. A member speaks for its own messages only, on their way to the leader.
    fn frames(&mut self) -> Lie {
        let kind = match self.liar {
            Liar::Stranger => self.draw.pick(&[Kind::Ordered, Kind::Repair, Kind::Forward]),
            Liar::Member(_) => Kind::Forward,
        };
        let (have, ..) = self.group.nodes[self.to].progress();
        let mut body = vec![];
        for _ in 0..self.draw.within(1..=3) {
            let origin = self.uid();
            let origin = if self.draw.chance(0.8) { self.sender() } else { origin };
            body.extend(self.frame(origin));
        }
        let status = if self.draw.chance(0.6) { [have, 0, 0] } else { [self.number(), self.number(), 0] };
        Lie { name: "frames".into(), datagram: self.datagram(kind as u8, status, &body) }
    }

    fn ballot(&mut self) -> Ballot {
        let owner = self.sender().node;
        let node = if self.draw.chance(0.8) { owner } else { NodeId(self.draw.within(0..=4)) };
        let round = self.draw.pick(&[0, 0, 1, 1, 2, 3, 1000, 1024, 1025, 5000, u32::MAX / 2 - 1, u32::MAX / 2]);
        Ballot { round, node }
    }

    fn next(&mut self) -> Successor {
        let mut view = self.view();
        (view.vid, view.at) = (view.vid + 1, self.group.nodes[self.to].progress().0 + 1);
        if self.draw.chance(0.3) {
            view.at = self.number().max(1);
        }
        view.gseq = if self.draw.chance(0.5) { view.gseq.wrapping_add(view.at).max(1) } else { self.number().max(1) };
        if self.draw.chance(0.2) {
            view.vid = self.vid().max(1);
        }
        if self.draw.chance(0.4) && view.members.len() > 1 {
            view.members.remove(self.draw.index(view.members.len()));
        }
        if self.draw.chance(0.2) {
            let (uid, at) = (self.uid(), self.draw.index(NODES + 2));
            let role = self.draw.pick(&[Role::Voter, Role::Learner]);
            let budget = self.draw.pick(&[0, 1 << 20, u32::MAX]);
            view.members.push(ViewMember { uid, address: address(at), role, budget, weight: 0, process: None });
        }
        if !view.members.is_empty() && (self.draw.chance(0.3) || !view.contains(view.leader)) {
            view.leader = view.members[self.draw.index(view.members.len())].uid;
        }
        if self.draw.chance(0.1) {
            view.params.window = self.draw.pick(&[1, 1 << 20, u32::MAX]);
        }
        let into = self.draw.chance(0.05).then(|| Gid(u128::from(self.draw.bits())));
        let ends = self.view();
        let gone = ends.members.iter().filter(|m| into.is_none() && !view.contains(m.uid)).count();
        let gone = if self.draw.chance(0.1) { gone + 1 } else { gone };
        let why = vec![self.draw.pick(&[Why::Left, Why::Dead, Why::Silent { millis: u32::MAX, checks: 0 }]); gone];
        Successor::Whole(Next { view, cut_digest: self.draw.bits(), into, why })
    }

    fn ranges(&mut self) -> Vec<(u64, u64)> {
        (0..self.draw.within(0..=3))
            .map(|_| (self.number(), self.number()))
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect()
    }

    fn request(&mut self) -> JoinRequest {
        let (uid, at) = (self.uid(), self.draw.index(NODES + 2));
        JoinRequest {
            name: "lied to".into(),
            uid,
            address: address(at),
            budget: 4 << 20,
            weight: 0,
            process: None,
            largest: self.draw.within(0..=u64::from(u16::MAX)) as u16,
            params: Params::default(),
            broadcast: self.draw.chance(0.5),
        }
    }

    fn control(&mut self) -> Lie {
        let who = self.uid();
        let me = self.group.nodes[self.to].uid();
        let who = if self.draw.chance(0.5) { me } else { who };
        // A stranger does not hear what a process asks.
        let asked = if self.liar == Liar::Stranger { self.draw.bits() } else { me.incarnation };
        let control = match self.draw.index(21) {
            0 => Control::JoinRequest(self.request()),
            1 => {
                let (datagram, padding) = (self.draw.within(0..=u64::from(u16::MAX)) as u16, vec![]);
                Control::JoinChallenge { to: asked, cookie: self.draw.bits(), datagram, padding }
            }
            2 => Control::JoinProof { cookie: self.draw.bits(), request: self.request(), padding: vec![] },
            3 => Control::JoinRedirect { to: asked, leader: address(self.draw.index(NODES + 2)) },
            4 => Control::JoinReject { to: asked, refusal: Refusal::Full(1) },
            5 => Control::LeaveRequest { attempt: self.draw.within(0..=2) as u32 },
            6 => Control::LeaveRefused { attempt: self.draw.within(0..=2) as u32, min_voters: 2 },
            7 => Control::Nack { ranges: self.ranges() },
            8 => Control::Gone { who, upto: self.number() },
            9 | 10 => Control::Accept { ballot: self.ballot(), next: self.next() },
            11 => Control::Accepted { ballot: self.ballot() },
            12 => {
                let leader = self.view().leader;
                Control::Suspect { who: if self.draw.chance(0.7) { leader } else { who }, dead: vec![who] }
            }
            13 => Control::Prepare { ballot: self.ballot(), carried: self.draw.chance(0.5) },
            14 => {
                let accepted = self.draw.chance(0.5).then(|| (self.ballot(), self.next()));
                Control::Promise {
                    ballot: self.ballot(),
                    accepted,
                    have: self.number(),
                    ranges: self.ranges(),
                    dead: vec![],
                }
            }
            15 => {
                let promised = self.draw.chance(0.7).then(|| self.ballot());
                Control::PromiseNo { ballot: self.ballot(), promised }
            }
            16 | 17 => {
                let next = self.next();
                let snapshot =
                    Snapshot { next: vec![], digest: self.draw.bits(), sessions_digest: Some(0), sessions: None };
                Control::Install { next, snapshot }
            }
            18 => Control::InstallAck { vid: self.vid() },
            19 => Control::Release { vid: self.vid() },
            _ if self.draw.chance(0.5) => Control::ViewRequest,
            _ => Control::Excluded { who },
        };
        let name = watch::name(&control);
        let mut body = vec![];
        control.encode(&mut body);
        Lie { name, datagram: self.datagram(Kind::Control as u8, [0; 3], &body) }
    }

    /// Something that was really said, in part.
    fn altered(&mut self) -> Lie {
        let Some(real) = self.group.seen.get(self.draw.index(self.group.seen.len().max(1))).cloned() else {
            return self.status();
        };
        let Ok((mut envelope, body)) = Envelope::decode(real, &Limits::default()) else { return self.status() };
        let Some(kind) = Kind::from_byte(envelope.kind) else { return self.other_layers() };
        let speaks_for_others = matches!(kind, Kind::Ordered | Kind::Repair | Kind::Forward) && !body.is_empty();
        if speaks_for_others && self.liar != Liar::Stranger {
            return self.status();
        }
        let mut body = body.to_vec();
        if self.liar != Liar::Stranger || self.draw.chance(0.1) {
            envelope.sender = self.sender();
        }
        for _ in 0..self.draw.within(0..=2) {
            match self.draw.index(4) {
                0 => envelope.vid = self.vid(),
                1 => envelope.status[self.draw.index(3)] = self.number(),
                2 if !body.is_empty() => {
                    let at = self.draw.index(body.len());
                    body[at] ^= 1 << self.draw.index(8);
                }
                _ => body.truncate(self.draw.index(body.len() + 1)),
            }
        }
        Lie { name: "altered".into(), datagram: enclose(&envelope, &body) }
    }

    /// What the layers beside gms-core really said, altered.
    fn other_layers(&mut self) -> Lie {
        let real: Vec<&Bytes> = self
            .group
            .seen
            .iter()
            .filter(|datagram| Envelope::peek_kind(datagram).is_some_and(|kind| kind > 15))
            .collect();
        if real.is_empty() {
            return self.status();
        }
        let real = real[self.draw.index(real.len())].clone();
        let Ok((mut envelope, body)) = Envelope::decode(real, &Limits::default()) else { return self.status() };
        let mut body = body.to_vec();
        envelope.sender = self.sender();
        envelope.kind = if self.draw.chance(0.7) { envelope.kind } else { self.draw.within(16..=18) as u8 };
        for _ in 0..self.draw.within(0..=3) {
            let at = self.draw.index(body.len().clamp(1, 40));
            if let Some(byte) = body.get_mut(at) {
                *byte = self.draw.bits() as u8;
            }
        }
        Lie { name: "other layers".into(), datagram: enclose(&envelope, &body) }
    }
}

fn enclose(envelope: &Envelope, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(ENVELOPE_LEN + body.len());
    envelope.encode(&mut out, |out| out.extend_from_slice(body));
    out.into()
}
