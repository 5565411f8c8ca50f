//! Who has what: acks, `safe`, `stable` and the window they open (protocol 4.3, 4.6).

use crate::context::Context;
use crate::id::Fseq;
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::timers::Timer;
use crate::transmit::{Destination, Transmit};
use crate::view::Role;
use crate::wire::{Frame, Kind};

/// Bytes received before an ack goes out although nobody waits for it.
const ACK_BYTES: u64 = 256 << 10;

/// A follower's debt of acks.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Acks {
    /// One should go out with this wake-up.
    pub(crate) due: bool,
    /// Charge stored since the last one.
    pub(crate) unsent: u64,
    /// Room that the last one promised.
    pub(crate) room: u64,
    /// The leader's multicast has come since the last one.
    pub(crate) multicast_came: bool,
}

/// What the third number of an ack says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AckNotes {
    /// The round of the ballot that its sender is bound to; 0 if none.
    pub(crate) promised: u32,
    /// The leader's multicast has come since the ack before.
    pub(crate) multicast_came: bool,
    /// Milliseconds that its sender runs late.
    pub(crate) late: u16,
}

/// The bit that says so; below it is the round, and above it how late the sender is.
const MULTICAST_CAME: u64 = 1 << 32;
const LATE_AT: u32 = 33;

impl AckNotes {
    fn to_word(self) -> u64 {
        let came = if self.multicast_came { MULTICAST_CAME } else { 0 };
        u64::from(self.promised) | came | u64::from(self.late) << LATE_AT
    }

    fn of_word(word: u64) -> Self {
        Self { promised: word as u32, multicast_came: word & MULTICAST_CAME != 0, late: (word >> LATE_AT) as u16 }
    }
}

impl Acks {
    /// A frame has become part of the dense prefix.
    pub(crate) fn stored(&mut self, frame: &Frame) {
        self.unsent += frame.charge();
        self.due |= frame.header.flags.wants_acks();
    }

    /// Charge after which an ack is due: often enough to keep the window open.
    pub(crate) fn batch(&self, window: u64) -> u64 {
        (2 * ACK_BYTES).min(window / 8)
    }
}

impl Membership {
    /// What an ack says: contiguous and stored up to here, and room for so much more.
    pub(crate) fn ack_status(&self, cx: &Context) -> [u64; 3] {
        let have = if self.planted.is(Bug::AckOverAGap) { self.log.top() } else { self.log.have() };
        let notes = AckNotes { promised: self.promised.round, multicast_came: self.acks.multicast_came, late: cx.late };
        [have, self.store_cap().saturating_sub(self.log.kept()), notes.to_word()]
    }

    /// An ack has left, alone or on the back of a FORWARD train.
    pub(crate) fn acked(&mut self, cx: &mut Context) {
        self.acks = Acks { room: self.ack_status(cx)[1], ..Acks::default() };
        cx.timers.stop(Timer::Ack);
        if !self.is_leader() {
            cx.timers.set(Timer::Heartbeat, cx.now + cx.config.timing.heartbeat);
        }
    }

    /// Writes an ACK if one is due.
    pub(crate) fn transmit_ack(&mut self, cx: &mut Context, out: &mut Vec<u8>) -> Option<Transmit> {
        let silent = self.is_wedged() && self.planted.is(Bug::WedgedAndSilent);
        if !self.acks.due || self.is_leader() || self.stage == Stage::Gone || silent {
            return None;
        }
        self.envelope(cx, Kind::Ack, self.ack_status(cx)).encode(out, |_| ());
        self.acked(cx);
        cx.stats.acks += 1;
        Some(Transmit { destination: Destination::Unicast(self.leader().address), segment_size: out.len() })
    }

    /// At the leader: a member says what it has.
    pub(crate) fn on_ack(&mut self, cx: &mut Context, index: usize, [have, room, notes]: [u64; 3]) {
        if self.is_wedged() {
            return;
        }
        let AckNotes { promised, multicast_came, late } = AckNotes::of_word(notes);
        self.peers[index].reception.note(multicast_came);
        self.peers[index].late = late;
        if promised > 0 {
            // It stores nothing new, whatever the round: what it has does not count any more.
            self.note_round(cx, promised);
            if !std::mem::replace(&mut self.peers[index].wedged, true) {
                self.consider(cx);
            }
            return;
        }
        let charge = self.log.charge_upto(have);
        let peer = &mut self.peers[index];
        let before = (peer.have, peer.edge);
        if have >= peer.have {
            peer.have = have;
            peer.edge = peer.edge.max(charge.saturating_add(room));
        }
        if (peer.have, peer.edge) != before || have == self.log.have() {
            self.recount(cx);
        }
    }

    /// Works out `safe`, `stable` and the window anew from what the members have.
    pub(crate) fn recount(&mut self, cx: &mut Context) {
        let me = self.me(cx);
        let mine = self.log.have();
        let have = |index: usize| if index == me { mine } else { self.peers[index].have };
        let safe = if self.planted.is(Bug::SafeByTheLeaderAlone) { mine } else { self.quorum_have(have) };
        let voters_only = self.planted.is(Bug::FreedAtTheVoters);
        let counts = |index: &usize| !voters_only || self.view.members[*index].role == Role::Voter;
        let stable = (0..self.peers.len()).filter(counts).map(have).min().unwrap_or(0);
        self.safe = self.safe.max(safe);
        if !self.leavers_need_frames(cx) {
            self.stable = self.stable.max(stable);
        }
        if let Some(index) = (0..self.peers.len()).find(|index| have(*index).max(self.view.at) < self.stable) {
            // I12: a member that is behind may need it. Nobody in this view needs what came before it.
            let (stable, behind) = (self.stable, self.view.members[index].uid);
            return self
                .stop(cx, format!("frames up to {stable} are about to be freed, and {behind} has not stored them"));
        }
        // First free, then count the room: in a group of one there is no ack to count it again.
        self.free();
        let window = self.window_charge();
        // The leader's own application may be the slow one.
        let (mut limit, mut limiting) = (self.log.charge() - self.log.kept() + self.store_cap(), me);
        for (index, peer) in self.peers.iter().enumerate().filter(|(index, _)| *index != me) {
            let edge = peer.edge.min(self.log.charge_upto(peer.have) + window);
            if edge < limit {
                (limit, limiting) = (edge, index);
            }
        }
        let sequencer = self.sequencer.as_mut().expect("only the leader counts");
        (sequencer.limit, sequencer.limiting) = (limit, limiting);
    }

    /// Highest frame known to be stored by member `index`.
    pub(crate) fn have_of(&self, cx: &Context, index: usize) -> Fseq {
        if index == self.me(cx) { self.log.have() } else { self.peers[index].have }
    }

    /// The application has taken messages, so that there is room for more: say so if it was short.
    pub(crate) fn has_freed(&mut self, cx: &mut Context) {
        if self.is_leader() {
            self.recount(cx);
        } else {
            let window = self.window_charge();
            let room = self.store_cap().saturating_sub(self.log.kept());
            if self.acks.room < window && room >= window {
                self.acks.due = true;
            }
        }
    }
}
