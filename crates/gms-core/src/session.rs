//! Client sessions (protocol 4.7): whatever a client sends again, through whichever member, is delivered once.
//!
//! A session is opened by an entry of its own, number 0; its messages are numbered from 1. The table here is a fold
//! over the stored prefix, so every member decides alike (I7), and only for frames whose header says that there is
//! something to decide. The member at which a session's client is connected *holds* it, from the entry that opens it on
//! or by one that says so, until it releases it or is no longer a member. A session that is held is never dropped to
//! make room for another. A session is never opened twice: one that has been expired stays unknown, and nothing of it
//! is delivered any more. So a repeat can be told from a message that is new, or else is refused, but never delivered
//! again. The place of a session's last message is known as long as the session is: a client that waits for each answer
//! is told each. Where a lineage returns without its quorum, messages that clients were told of may be lost: a session
//! that goes on beyond what is left of it has expired, or its client would wait for ever for what it need not send
//! again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::event::Passed;
use crate::id::{Gseq, Uid, Vid};
use crate::planted::{Bug, Planted};
use crate::random::mix;
use crate::view::View;
use crate::wire::{Entries, EntryKind, Frame, SessionNumber};

/// In place of a message's number: opens the session, which the sender then holds.
pub const SESSION_OPEN: u64 = 0;
/// In place of a message's number: the client is connected at the sender from here on, which holds the session.
pub const SESSION_HOLD: u64 = u64::MAX - 1;
/// In place of a message's number: the client is not connected at the sender any more.
pub const SESSION_RELEASE: u64 = u64::MAX;

/// Messages of one session whose places are remembered, at most. A client with no more than so many unanswered messages
/// learns the place of each.
pub const SESSION_WINDOW: u32 = 4096;
/// Stretches remembered for each session there may be, on average.
const STRETCHES: usize = 2;
/// What a session costs beside its stretches, about: its places in both tables.
const SESSION_COST: usize = size_of::<Session>() + size_of::<(u128, u128, Gseq)>();

/// A session as a joiner is told of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub session: [u8; 16],
    /// Number of its last message.
    pub last: u64,
    /// The member that holds it or held it last without a word of release, as a digest of its name.
    pub holder: Option<u64>,
    /// Whether the lineage has returned since its last message: more of it may have been acknowledged, and be lost.
    pub cut_short: bool,
    /// Where its latest messages are, up to the last one.
    pub stretches: Vec<Stretch>,
}

/// Messages of consecutive numbers at consecutive places of one view.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Stretch {
    /// Place of the first.
    pub gseq: Gseq,
    /// Their view.
    pub vid: Vid,
    /// How many.
    pub count: u32,
}

/// Where an entry is, and from whom.
#[derive(Clone, Copy, Debug)]
struct At {
    gseq: Gseq,
    vid: Vid,
    sender: Uid,
}

/// All sessions that are known, and what became of entries that were stored and not handled yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sessions {
    limit: usize,
    known: BTreeMap<u128, Session>,
    /// From the one unused longest on. The key is when a session came last in here.
    by_use: BTreeMap<Gseq, u128>,
    stretches: usize,
    /// Up to here, sessions have one stretch at most.
    forgotten: Gseq,
    /// Entries that are not for the application, by place.
    passed: VecDeque<(Gseq, Passed)>,
    /// It holds what is not in the order of the group.
    lost: bool,
    pub(crate) planted: Planted,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Session {
    last: u64,
    holder: Option<u64>,
    cut_short: bool,
    /// Its key in `by_use`.
    used: Gseq,
    stretches: VecDeque<Stretch>,
    /// Messages in them.
    remembered: u32,
}

impl Sessions {
    /// Nothing yet; at most `limit` sessions are ever known.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit: limit as usize,
            known: BTreeMap::new(),
            by_use: BTreeMap::new(),
            stretches: 0,
            forgotten: 0,
            passed: VecDeque::new(),
            lost: false,
            planted: Planted::default(),
        }
    }

    /// Those that `records` tell of; `None` if no table says so.
    pub(crate) fn load(limit: u32, records: &[SessionRecord]) -> Option<Self> {
        let mut sessions = Self::new(limit);
        // When each was used does not matter, only in which order: every one of them has at least one entry behind it.
        for (used, record) in (1..).zip(records) {
            let session = u128::from_le_bytes(record.session);
            let stretches: VecDeque<Stretch> = record.stretches.iter().copied().collect();
            let remembered = stretches.iter().try_fold(0u32, |sum, stretch| sum.checked_add(stretch.count))?;
            let counts_are_true = remembered <= SESSION_WINDOW && u64::from(remembered) <= record.last;
            let places_are = stretches.iter().all(|stretch| stretch.count > 0 && stretch.gseq < Gseq::MAX / 2);
            sessions.stretches += stretches.len();
            sessions.by_use.insert(used, session);
            let SessionRecord { last, holder, cut_short, .. } = *record;
            let known = Session { last, holder, cut_short, used, stretches, remembered };
            if sessions.known.insert(session, known).is_some() || !counts_are_true || !places_are {
                return None;
            }
        }
        let within = sessions.known.len() <= sessions.limit && sessions.stretches <= STRETCHES * sessions.limit;
        within.then_some(sessions)
    }

    /// The order ends before the last frame that was taken in: nobody is told of this table any more.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// The lineage returns: what else was acknowledged in any of these may be lost.
    pub(crate) fn cut_short(&mut self) {
        self.known.values_mut().for_each(|known| known.cut_short = true);
    }

    /// For a joiner: in the order of their use, the one unused longest first. `None` if the table is lost.
    pub(crate) fn records(&self) -> Option<Vec<SessionRecord>> {
        let record = |session: &u128| {
            let known = &self.known[session];
            let stretches = known.stretches.iter().copied().collect();
            let Session { last, holder, cut_short, .. } = *known;
            SessionRecord { session: session.to_le_bytes(), last, holder, cut_short, stretches }
        };
        (!self.lost).then(|| self.by_use.values().map(record).collect())
    }

    /// The same for the same [`Self::records`] only.
    pub(crate) fn digest(&self) -> Option<u64> {
        let words = self.by_use.values().flat_map(|session| {
            let known = &self.known[session];
            let places = known.stretches.iter().flat_map(|stretch| [stretch.gseq, stretch.vid, stretch.count.into()]);
            let [low, high] = [*session as u64, (*session >> 64) as u64];
            let holder =
                [u64::from(known.holder.is_some()) | u64::from(known.cut_short) << 1, known.holder.unwrap_or(0)];
            [low, high, known.last, known.stretches.len() as u64].into_iter().chain(holder).chain(places)
        });
        (!self.lost).then(|| words.fold(0, |digest, word| mix(digest ^ word)))
    }

    /// The next frame of the order, which has entries of sessions; `view` is its view.
    pub(crate) fn take_in(&mut self, frame: &Frame, view: &View) {
        let (vid, sender) = (frame.header.vid, frame.header.origin);
        for (gseq, entry) in (frame.header.gseq..).zip(Entries::new(&frame.body, 0)) {
            let entry = entry.expect("checked when stored");
            let whole = match entry.kind {
                EntryKind::Message => true,
                EntryKind::Void => false,
                EntryKind::Fragment { offset, total } => offset as usize + entry.payload.len() == total as usize,
            };
            // Where it is for another view only, it uses up no number.
            let Some(number) = entry.session.filter(|_| whole && entry.only_in_view.is_none_or(|only| only == vid))
            else {
                continue;
            };
            if let Some(why) = self.decide(number, At { gseq, vid, sender }, view) {
                self.passed.push_back((gseq, why));
            }
        }
    }

    /// Why the entry at `gseq`, which belongs to a session, is not for the application; `None` if it is. To be asked
    /// of each once, in order.
    pub(crate) fn why_passed(&mut self, gseq: Gseq) -> Option<Passed> {
        self.passed.pop_front_if(|(at, _)| *at == gseq).map(|(_, why)| why)
    }

    /// Bytes held, beside what waits to be handled: that costs less than its frames are charged for.
    pub(crate) fn bytes(&self) -> u64 {
        (self.known.len() * SESSION_COST + self.stretches * size_of::<Stretch>()) as u64
    }

    /// Bytes that may be held at most.
    pub(crate) fn cap(&self) -> u64 {
        (self.limit * (SESSION_COST + STRETCHES * size_of::<Stretch>())) as u64
    }

    fn decide(&mut self, SessionNumber { session, number }: SessionNumber, at: At, view: &View) -> Option<Passed> {
        if number == SESSION_OPEN {
            let opened = self.open(session, at, view);
            return Some(if opened { Passed::Control } else { Passed::SessionExpired });
        }
        let last_used = self.by_use.last_key_value().is_some_and(|(_, last)| *last == session);
        let Some(known) = self.known.get_mut(&session) else { return Some(Passed::SessionExpired) };
        if !last_used {
            self.by_use.remove(&known.used);
            self.by_use.insert(at.gseq, session);
            known.used = at.gseq;
        }
        if number >= SESSION_HOLD {
            let (sender, holds) = (Some(digest_of(at.sender)), number == SESSION_HOLD);
            if holds || known.holder == sender {
                known.holder = sender.filter(|_| holds);
            }
            return Some(Passed::Control);
        }
        if number <= known.last {
            return Some(Passed::Repeat { first: known.place(number) });
        }
        if number - known.last > 1 && !self.planted.is(Bug::DeliveredOverAGap) {
            if known.cut_short {
                self.remove(session);
                return Some(Passed::SessionExpired);
            }
            return Some(Passed::Gap);
        }
        (known.last, known.cut_short) = (number, false);
        let before = known.stretches.len();
        known.remember(at.gseq, at.vid);
        self.stretches = self.stretches + known.stretches.len() - before;
        self.forget();
        None
    }

    /// Whether the session is known then: it is not when all those that are known are held by members.
    fn open(&mut self, session: u128, at: At, view: &View) -> bool {
        if self.known.contains_key(&session) {
            return true;
        }
        if self.known.len() == self.limit && !self.expire(view) {
            return false;
        }
        let holder = Some(digest_of(at.sender));
        let fresh =
            Session { last: 0, holder, cut_short: false, used: at.gseq, stretches: VecDeque::new(), remembered: 0 };
        self.known.insert(session, fresh);
        self.by_use.insert(at.gseq, session);
        true
    }

    /// Forgets the session unused longest of those that no member holds, if there is one.
    fn expire(&mut self, view: &View) -> bool {
        let members: BTreeSet<u64> = view.members.iter().map(|member| digest_of(member.uid)).collect();
        let is_held = |session| self.known[session].holder.is_some_and(|holder| members.contains(&holder));
        let Some((_, session)) = self.by_use.iter().find(|(_, session)| !is_held(session)) else { return false };
        self.remove(*session);
        true
    }

    fn remove(&mut self, session: u128) {
        let expired = self.known.remove(&session).expect("it is known");
        self.by_use.remove(&expired.used);
        self.stretches -= expired.stretches.len();
    }

    /// Keeps the stretches within their bound: those of the session unused longest go first, but for its latest.
    fn forget(&mut self) {
        while self.stretches > STRETCHES * self.limit {
            let Some((used, session)) = self.by_use.range(self.forgotten + 1..).next() else { return };
            let known = self.known.get_mut(session).expect("in both or in none");
            while known.stretches.len() > 1 && self.stretches > STRETCHES * self.limit {
                let oldest = known.stretches.pop_front().expect("just counted");
                known.remembered -= oldest.count;
                self.stretches -= 1;
            }
            // Not when it has enough to go on with: the session used last gets more without a new place in here.
            if self.stretches > STRETCHES * self.limit {
                self.forgotten = *used;
            }
        }
    }
}

/// What a table of thousands of sessions names a member by.
fn digest_of(member: Uid) -> u64 {
    mix(member.node.0 ^ mix(member.incarnation))
}

impl Session {
    fn remember(&mut self, gseq: Gseq, vid: Vid) {
        match self.stretches.back_mut() {
            // A view has a place of its own: no stretch goes beyond one.
            Some(latest) if latest.gseq + Gseq::from(latest.count) == gseq => latest.count += 1,
            _ => self.stretches.push_back(Stretch { gseq, vid, count: 1 }),
        }
        self.remembered += 1;
        if self.remembered > SESSION_WINDOW
            && let Some(oldest) = self.stretches.front_mut()
        {
            self.remembered -= 1;
            oldest.gseq += 1;
            oldest.count -= 1;
            self.stretches.pop_front_if(|oldest| oldest.count == 0);
        }
    }

    /// Where message `number` is, as far as that is remembered.
    fn place(&self, number: u64) -> Option<(Gseq, Vid)> {
        let mut after = self.last;
        for stretch in self.stretches.iter().rev() {
            let before = after - u64::from(stretch.count);
            if number > before {
                return Some((stretch.gseq + (number - before - 1), stretch.vid));
            }
            after = before;
        }
        None
    }
}

#[cfg(test)]
mod tests;
