//! Who gets what the leader multicasts. Multicast carries data only, and its death is nobody's: a switch forgets a
//! group (IGMP snooping without a querier, say) while all else passes. Members without it get copies by unicast.
//!
//! The leader finds out from the acks, which say whether any multicast of its own came since the last one; a copy is
//! marked as such. Only intervals in which it did multicast count, so that a late leader takes nobody for deaf.

use std::net::SocketAddr;
use std::time::Duration;

use crate::context::Context;
use crate::event::Event;
use crate::id::Uid;
use crate::membership::{Membership, Stage};
use crate::time::Time;
use crate::transmit::{Destination, Transmit};
use crate::view::{Role, ViewMember};
use crate::wire::Envelope;

/// Heartbeats without multicast, though acks come, after which a member gets copies.
const MISSED_HEARTBEATS: u32 = 3;
/// Heartbeats in a row with multicast after which it gets none any more: at first,
const HEARD_HEARTBEATS: u32 = 10;
/// and so long, at most, once it has fallen back again and again. A member that has kept it for so long starts afresh.
const LONGEST_PROBATION: Duration = Duration::from_secs(600);
/// How long a member gets copies before the user is told.
const TOLD_AFTER: Duration = Duration::from_millis(1_500);

/// At the leader: whether a member gets its multicast.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reception {
    /// It does not: since when it is sent copies.
    copied_since: Option<Time>,
    /// Heartbeats in a row, with an ack each, that tell the opposite.
    streak: u32,
    /// How many it takes.
    needed: u32,
    /// What acks have said since the last heartbeat.
    said: Option<bool>,
    /// When it last began to get multicast again.
    since: Time,
}

impl Reception {
    /// A member that was not here before gets copies until it says that it needs none; the others had it.
    pub(crate) fn new(member: &ViewMember, now: Time) -> Self {
        let copied_since = (member.role == Role::Learner).then_some(now);
        Self { copied_since, streak: 0, needed: 1, said: None, since: now }
    }

    /// An ack says whether multicast came since the one before.
    pub(crate) fn note(&mut self, heard: bool) {
        self.said = Some(heard || self.said == Some(true));
    }

    fn lose(&mut self, now: Time, heartbeat: Duration) {
        if self.copied_since.is_some() {
            return;
        }
        let most = (LONGEST_PROBATION.as_millis() / heartbeat.as_millis().max(1)) as u32;
        let lasted = now - self.since >= LONGEST_PROBATION;
        self.needed = if lasted || self.needed < HEARD_HEARTBEATS { HEARD_HEARTBEATS } else { 2 * self.needed };
        self.needed = self.needed.min(most.max(HEARD_HEARTBEATS));
        (self.copied_since, self.streak) = (Some(now), 0);
    }

    /// A heartbeat has passed in which the leader multicast something.
    fn beat(&mut self, now: Time, heartbeat: Duration) {
        let copied = self.copied_since.is_some();
        match self.said.take() {
            Some(heard) if heard == copied => self.streak += 1,
            Some(_) => self.streak = 0,
            // No ack: that is another subject.
            None => {}
        }
        if copied && self.streak >= self.needed {
            (self.copied_since, self.streak, self.since) = (None, 0, now);
        } else if !copied && self.streak >= MISSED_HEARTBEATS {
            self.lose(now, heartbeat);
        }
    }
}

/// What a leader's heartbeat says beside the status.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct LeaderNotes {
    /// Members that get copies, for multicast does not reach them.
    pub(crate) unreached: u16,
    /// Milliseconds that the leader runs late.
    pub(crate) late: u16,
}

impl LeaderNotes {
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        if self == Self::default() {
            return;
        }
        out.extend_from_slice(&self.unreached.to_le_bytes());
        out.extend_from_slice(&self.late.to_le_bytes());
    }

    /// Without a body there is nothing to say.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        if body.is_empty() {
            return Some(Self::default());
        }
        let [a, b, c, d] = body.try_into().ok()?;
        Some(Self { unreached: u16::from_le_bytes([a, b]), late: u16::from_le_bytes([c, d]) })
    }
}

/// A train that is to go to some once more, by unicast.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Copies {
    train: Vec<u8>,
    segment_size: usize,
    to: Vec<SocketAddr>,
}

impl Membership {
    /// At the leader, once each heartbeat: judges who gets its multicast.
    pub(crate) fn judge_reception(&mut self, cx: &mut Context) {
        let heartbeat = cx.config.timing.heartbeat;
        let Some(sequencer) = &self.sequencer else { return };
        // A heartbeat is multicast right after this; the timer may be a little late the next time.
        let multicast = sequencer.multicast_at > Time::ZERO && cx.now - sequencer.multicast_at < heartbeat * 2;
        if !multicast || !self.copies_where_needed() {
            return;
        }
        self.peers.iter_mut().for_each(|peer| peer.reception.beat(cx.now, heartbeat));
        let lasting = |since: Option<Time>| since.is_some_and(|since| cx.now - since >= TOLD_AFTER);
        let members = self.view.members.iter().zip(&self.peers);
        let unreached: Vec<Uid> = members
            .filter(|(member, peer)| member.uid != cx.config.uid && lasting(peer.reception.copied_since))
            .map(|(member, _)| member.uid)
            .collect();
        // Who has got copies for less is neither here nor there.
        let settled =
            self.peers.iter().all(|p| p.reception.copied_since.is_none() || lasting(p.reception.copied_since));
        if settled && unreached != self.unreached {
            self.unreached.clone_from(&unreached);
            cx.events.push_back(Event::Unreached { members: unreached });
        }
    }

    /// This member stores nothing, though it is heard: whatever the reason, it gets everything by unicast before it is
    /// blamed.
    pub(crate) fn serve_by_unicast(&mut self, cx: &Context, index: usize) {
        if self.copies_where_needed() {
            self.peers[index].reception.lose(cx.now, cx.config.timing.heartbeat);
        }
    }

    /// Whether member `index` has been sent copies for so long, or needs none because all get their own.
    pub(crate) fn was_served_by_unicast(&self, cx: &Context, index: usize, long: Duration) -> bool {
        !self.copies_where_needed()
            || self.peers[index].reception.copied_since.is_some_and(|since| cx.now - since >= long)
    }

    /// What a heartbeat says beside the status.
    pub(crate) fn leader_notes(&self, cx: &Context) -> LeaderNotes {
        LeaderNotes { unreached: self.unreached.len() as u16, late: cx.late }
    }

    /// At a follower: multicast of its leader has come, or at least a copy.
    pub(crate) fn note_multicast(&mut self, cx: &Context, is_copy: bool) {
        if !is_copy {
            self.acks.multicast_came = true;
            self.multicast_at = cx.now;
        }
    }

    /// At a follower: what its leader says beside the status.
    pub(crate) fn note_leader(&mut self, notes: LeaderNotes) {
        self.unreached_elsewhere = notes.unreached;
        if let Some(leader) = self.view.index_of(self.view.leader) {
            self.peers[leader].late = notes.late;
        }
    }

    /// At a follower: whether its leader is heard, and none of it by multicast.
    pub(crate) fn hears_no_multicast(&self, cx: &Context) -> bool {
        let patience = cx.config.timing.heartbeat * (MISSED_HEARTBEATS + 1);
        let follows = self.stage != Stage::Gone && !self.is_leader() && self.copies_where_needed();
        follows && cx.now - self.multicast_at > patience && self.served > self.multicast_at
    }

    /// Whether some members get copies, as far as is known here.
    pub(crate) fn multicast_fails(&self, cx: &Context) -> bool {
        match self.is_leader() {
            true => !self.unreached.is_empty(),
            false => self.unreached_elsewhere > 0 || self.hears_no_multicast(cx),
        }
    }

    fn copies_where_needed(&self) -> bool {
        self.view.params.multicast && !self.planted.is(crate::planted::Bug::MulticastOrNothing)
    }

    /// A train has been written for all: keeps it for those whom it does not reach.
    pub(crate) fn copy(&mut self, cx: &Context, train: &[u8], segment_size: usize) {
        if !self.copies_where_needed() || !self.is_leader() {
            return;
        }
        let members = self.view.members.iter().zip(&self.peers);
        let lacks = |(member, peer): &(&ViewMember, &crate::membership::Peer)| {
            member.uid != cx.config.uid && peer.reception.copied_since.is_some()
        };
        let to: Vec<SocketAddr> = members.filter(lacks).map(|(member, _)| member.address).collect();
        if to.is_empty() {
            return;
        }
        let mut train = train.to_vec();
        train.chunks_mut(segment_size.max(1)).for_each(Envelope::mark_copy);
        self.copies = Some(Copies { train, segment_size, to });
    }

    /// Writes the next copy.
    pub(crate) fn transmit_copy(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        let copies = self.copies.as_mut().filter(|_| self.stage != Stage::Gone)?;
        let Some(to) = copies.to.pop() else {
            self.copies = None;
            return None;
        };
        let segment_size = copies.segment_size;
        if copies.to.is_empty() {
            out.append(&mut self.copies.take().expect("just seen").train);
        } else {
            out.extend_from_slice(&copies.train);
        }
        Some(Transmit { destination: Destination::Unicast(to), segment_size })
    }
}
