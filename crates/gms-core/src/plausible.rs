//! What can be, and what only a lie or a bug says. Whatever cannot be is counted and dropped, before anything is
//! derived from it.

use std::net::SocketAddr;

use crate::change::Promise;
use crate::context::Context;
use crate::id::{Fseq, Uid};
use crate::membership::Membership;
use crate::planted::Bug;
use crate::view::Next;
use crate::wire::ENVELOPE_LEN;

/// No frame is charged less.
const LEAST_CHARGE: u64 = 1024;
/// Rounds of ballots that may have come to nothing, in one view, before this process hears of one.
const ROUNDS_AHEAD: u32 = 1024;
/// The last round there is.
pub(crate) const LAST_ROUND: u32 = u32::MAX / 2;

impl Membership {
    /// The last frame that can exist in this view, as far as this process can tell: nobody stamps further ahead of any
    /// member than the window is wide.
    pub(crate) fn reach(&self) -> Fseq {
        self.log.have().saturating_add(self.window_charge() / LEAST_CHARGE)
    }

    /// Whether a leader's status can be: no frame beyond [`Self::reach`], nothing stored by others that does not exist.
    pub(crate) fn leads_plausibly(&self, cx: &mut Context, [last, safe, stable]: [u64; 3]) -> bool {
        let can_be = last <= self.reach() && safe.max(stable) <= last;
        self.count_status(cx, can_be)
    }

    /// Whether a follower's status can be, at its leader: it has stored nothing that is not stamped, and has no more
    /// room than its store.
    pub(crate) fn follows_plausibly(&self, cx: &mut Context, [have, room, _]: [u64; 3]) -> bool {
        let can_be = have <= self.log.have() && room <= self.store_cap();
        self.count_status(cx, can_be)
    }

    fn count_status(&self, cx: &mut Context, can_be: bool) -> bool {
        cx.stats.implausible_status += u64::from(!can_be);
        can_be || self.planted.is(Bug::AnyStatus)
    }

    /// Where `who` is reached, if it is a member of this view, of the next one, or was of a former one that is
    /// remembered.
    pub(crate) fn address_of(&self, who: Uid) -> Option<SocketAddr> {
        let next = self.ending.iter().map(|ending| &ending.next.view);
        let former = self.decided.iter().rev().map(|(next, _)| &next.view);
        let mut views = [&*self.view].into_iter().chain(next).chain(former);
        views.find_map(|view| view.member(who)).map(|member| member.address)
    }

    /// Whether what is said in the name of `who` comes from where it is reached. Of those who are not known nobody can
    /// tell.
    pub(crate) fn comes_from_its_address(&self, cx: &mut Context, who: Uid, from: SocketAddr) -> bool {
        let is_its = self.address_of(who).is_none_or(|address| address == from);
        cx.stats.wrong_address += u64::from(!is_its);
        is_its || self.planted.is(Bug::AnyAddress)
    }

    /// Takes note of a round that the next ballot of this process has to be above. False if nobody can have come to it,
    /// as far as this process can tell. It is approached all the same: if it is said again and again, this process may
    /// have been cut off for long.
    pub(crate) fn note_round(&mut self, cx: &mut Context, round: u32) -> bool {
        let can_be = round <= self.furthest_round() || self.planted.is(Bug::AnyRound);
        cx.stats.implausible_rounds += u64::from(!can_be);
        self.round_seen = self.round_seen.max(if can_be { round } else { self.furthest_round() });
        can_be
    }

    fn furthest_round(&self) -> u32 {
        (self.round_seen.max(self.promised.round) + ROUNDS_AHEAD).min(LAST_ROUND)
    }

    /// Whether `next` can follow this view, and its cut can exist.
    pub(crate) fn is_plausible_end(&self, cx: &mut Context, next: &Next) -> bool {
        let can_be = self.can_follow(next);
        self.count_end(cx, can_be)
    }

    /// Whether somebody can have stored, and accepted, what it says with its promise.
    pub(crate) fn is_plausible_promise(&self, cx: &mut Context, promise: &Promise) -> bool {
        let Promise { accepted, have, ranges } = promise;
        let top = ranges.iter().map(|(_, to)| *to).fold(*have, Fseq::max);
        let can_be = top <= self.reach() && accepted.as_ref().is_none_or(|(_, next)| self.can_follow(next));
        self.count_end(cx, can_be)
    }

    fn can_follow(&self, next: &Next) -> bool {
        self.view.objection(&next.view).is_none() && next.says_why(&self.view) && next.cut() <= self.reach()
    }

    fn count_end(&self, cx: &mut Context, can_be: bool) -> bool {
        cx.stats.implausible_ends += u64::from(!can_be);
        can_be || self.planted.is(Bug::AnyEnd)
    }

    /// Whether a datagram of frames has room in one of the group's: otherwise its leader could not send on what is in
    /// it.
    pub(crate) fn fits_the_group(&self, cx: &mut Context, body: usize) -> bool {
        let fits = ENVELOPE_LEN + body <= usize::from(self.view.params.datagram);
        cx.stats.oversized_frames += u64::from(!fits);
        fits || self.planted.is(Bug::FramesOfAnySize)
    }
}
