//! Whom a leader may blame. A member that is heard and stores nothing is given up, but not so many that the leader
//! itself is the likelier cause: then it is the one that goes (docs/blame.md).

use std::time::Duration;

use crate::context::Context;
use crate::id::{Fseq, Uid};
use crate::join::padded;
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::view::View;
use crate::wire::Control;

/// Whom a leader has put out counts for so long against whom else it may.
const REMEMBERED: Duration = Duration::from_secs(30);
/// A leader that takes itself for the cause leads on if nobody has replaced it for so long.
const RESIGNS_FOR: Duration = Duration::from_secs(5);
/// It does not do so again for so long; each time twice that,
const RESIGNS_AGAIN: Duration = Duration::from_secs(30);
/// up to this.
const RESIGNS_AGAIN_LONGEST: Duration = Duration::from_secs(3600);

/// What this process knows against others, and against itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Blame {
    /// Members that were given up as leader because they stored nothing, and when.
    put_out: Vec<(Time, Uid)>,
    /// Since when this leader takes itself for the cause.
    resigned: Option<Time>,
    /// It does not do so before this; and how long the next time of rest is.
    again_at: Time,
    rest: Duration,
    /// This process cannot send, for a reason of its own.
    cannot_send: bool,
    /// Since when this process accuses the leader.
    accusing_since: Option<Time>,
    /// At a follower, while others accuse the leader: since when it is asked whether datagrams of full size get
    /// through, and when it last answered.
    checking: Option<(Time, Option<Time>)>,
    /// The first frame that an attempt to end the view has lacked last, and since when.
    lacking: Option<(Fseq, Time)>,
    /// Members that have it and from which it does not get through: the next attempt does without them, if it can.
    withholding: Vec<Uid>,
}

impl Default for Blame {
    fn default() -> Self {
        Self {
            put_out: Vec::new(),
            resigned: None,
            again_at: Time::ZERO,
            rest: RESIGNS_AGAIN,
            cannot_send: false,
            accusing_since: None,
            checking: None,
            lacking: None,
            withholding: Vec::new(),
        }
    }
}

impl Blame {
    pub(super) fn note_accusation(&mut self, now: Time) {
        self.accusing_since.get_or_insert(now);
    }

    pub(super) fn end_accusation(&mut self) {
        self.accusing_since = None;
    }

    /// Whether attempts to end the view do without this member.
    pub(super) fn withholds(&self, uid: Uid) -> bool {
        self.withholding.contains(&uid)
    }
}

impl Membership {
    /// These are heard, were sent everything by unicast, too, and store nothing. Either they are given up, or this
    /// leader is.
    pub(crate) fn blame(&mut self, cx: &mut Context, deaf: Vec<Uid>) {
        self.blame.put_out.retain(|(at, _)| cx.now - *at <= REMEMBERED);
        self.look_at_interface(cx);
        if self.blame.resigned.is_some_and(|since| cx.now - since >= RESIGNS_FOR) {
            // Nobody wanted it.
            self.blame.resigned = None;
        }
        if self.leaves_a_majority(&deaf) || self.planted.is(Bug::BlamesAnybody) {
            self.note_deaf(deaf);
        } else {
            self.note_deaf(Vec::new());
            self.resign(cx);
        }
    }

    /// `next`, which this leader proposes, leaves out those who store nothing.
    pub(super) fn remember_blame(&mut self, cx: &Context, next: &View) {
        let blamed: Vec<Uid> = self.deaf_voters().filter(|uid| !next.contains(*uid)).collect();
        self.blame.put_out.extend(blamed.into_iter().map(|uid| (cx.now, uid)));
    }

    /// Whether more than half of those who vote, or did until they were blamed, are beyond blame. A tie is not a
    /// majority, no matter who leads: either of two may be the cause.
    fn leaves_a_majority(&self, deaf: &[Uid]) -> bool {
        let deaf = self.view.voters().filter(|m| deaf.contains(&m.uid)).count();
        let gone = self.blame.put_out.iter().filter(|(_, uid)| !self.view.contains(*uid)).count();
        let all = self.view.voters().count() + gone;
        deaf == 0 || 2 * (deaf + gone) < all
    }

    /// This leader is the likelier cause of what goes wrong: it asks the others to replace it, and orders nothing more.
    fn resign(&mut self, cx: &mut Context) {
        let alone = self.view.voters().all(|m| m.uid == cx.config.uid);
        if !self.is_leader() || self.blame.resigned.is_some() || alone || cx.now < self.blame.again_at {
            return;
        }
        let rest = self.blame.rest;
        self.blame = Blame {
            resigned: Some(cx.now),
            again_at: cx.now + rest,
            rest: (2 * rest).min(RESIGNS_AGAIN_LONGEST),
            ..std::mem::take(&mut self.blame)
        };
        cx.stats.resignations += 1;
        self.accuse(cx);
    }

    /// Whether this leader has asked to be replaced.
    pub(crate) fn has_resigned(&self) -> bool {
        self.blame.resigned.is_some()
    }

    /// Whether this process can send, as far as it knows itself. One that cannot accuses nobody, for it would blame
    /// others for what is its own; it does not stand, and does not go on leading.
    pub(crate) fn note_cannot_send(&mut self, cx: &mut Context, cannot: bool) {
        self.blame.cannot_send = cannot;
        self.look_at_interface(cx);
    }

    /// Perhaps this leader cannot send.
    pub(crate) fn look_at_interface(&mut self, cx: &mut Context) {
        if self.stage != Stage::Gone && self.is_leader() && self.cannot_send(cx) {
            self.resign(cx);
        }
    }

    /// Whether what is long, or all that it sends, does not leave this process.
    pub(crate) fn cannot_send(&self, cx: &Context) -> bool {
        self.sends_nothing() || self.is_too_narrow(cx)
    }

    /// See [`Self::note_cannot_send`].
    pub(super) fn sends_nothing(&self) -> bool {
        self.blame.cannot_send
    }

    /// Whether its interface carries less than the group's datagrams.
    pub(super) fn is_too_narrow(&self, cx: &Context) -> bool {
        cx.config.largest < self.view.params.datagram
    }

    /// At a follower, each heartbeat: somebody accuses the leader, which is heard here. Perhaps only what is short gets
    /// through to it, or from it, and nothing that long has been on the way.
    pub(crate) fn check_size(&mut self, cx: &mut Context) {
        let accused = self.accused.is_some_and(|at| cx.now - at <= cx.config.timing.presence);
        if !accused || self.is_leader() || self.stage == Stage::Gone {
            self.blame.checking = None;
            return;
        }
        self.blame.checking.get_or_insert((cx.now, None));
        let check = padded(self.view.params.datagram, |padding| Control::SizeCheck { answer: false, padding });
        cx.tell(self.leader().address, self.view.gid, self.view.vid, &check);
    }

    /// Such a datagram has got through, there and back.
    pub(crate) fn note_size_check(&mut self, cx: &Context, who: Uid) {
        if who == self.view.leader
            && let Some((_, answered)) = &mut self.blame.checking
        {
            *answered = Some(cx.now);
        }
    }

    /// Whether datagrams of full size do not get through to the leader and back, though it has been asked for long.
    pub(super) fn is_cut_off_by_size(&self, cx: &Context) -> bool {
        let patience = cx.config.timing.flow;
        self.blame.checking.is_some_and(|(since, answered)| cx.now - answered.unwrap_or(since) > patience)
    }

    /// An attempt to end the view has failed. If it has failed for long because of the same frame, which only these
    /// hold, and which does not come from them, the next one goes without them; if that was tried, they are needed.
    pub(super) fn note_failed_attempt(&mut self, cx: &Context, lacking: Option<(Fseq, Vec<Uid>)>) {
        let Some((fseq, holders)) = lacking else {
            self.blame.withholding.clear();
            return;
        };
        let since = self.blame.lacking.filter(|(before, _)| *before == fseq).map_or(cx.now, |(_, since)| since);
        self.blame.lacking = Some((fseq, since));
        if cx.now - since >= cx.config.timing.flow {
            self.blame.withholding = holders;
        }
    }

    /// Whether what is for all goes to each by unicast, too: multicast is known to fail for some, or the leader has been accused
    /// for longer than it takes to replace one.
    pub(crate) fn multicast_may_be_dead(&self, cx: &Context) -> bool {
        let patience = cx.config.timing.presence;
        self.multicast_fails(cx) || self.blame.accusing_since.is_some_and(|since| cx.now - since >= patience)
    }

    /// A new view: what was held against anybody in the one before that concerned its end is over.
    pub(crate) fn blame_anew(&mut self) {
        let Blame { put_out, again_at, rest, cannot_send, .. } = std::mem::take(&mut self.blame);
        self.blame = Blame { put_out, again_at, rest, cannot_send, ..Blame::default() };
    }
}
