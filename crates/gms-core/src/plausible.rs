//! What can be, and what only a lie or a bug says. Whatever cannot be is counted and dropped, before anything is
//! derived from it.

use crate::context::Context;
use crate::id::Fseq;
use crate::membership::Membership;
use crate::planted::Bug;
use crate::wire::ENVELOPE_LEN;

/// No frame is charged less.
const LEAST_CHARGE: u64 = 1024;

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

    /// Whether a follower's status can be, at its leader: it has stored nothing that is not stamped, and has no more room
    /// than its store.
    pub(crate) fn follows_plausibly(&self, cx: &mut Context, [have, room, _]: [u64; 3]) -> bool {
        let can_be = have <= self.log.have() && room <= self.store_cap();
        self.count_status(cx, can_be)
    }

    fn count_status(&self, cx: &mut Context, can_be: bool) -> bool {
        cx.stats.implausible_status += u64::from(!can_be);
        can_be || self.planted.is(Bug::AnyStatus)
    }

    /// Whether a datagram of frames has room in one of the group's: otherwise its leader could not send on what is in it.
    pub(crate) fn fits_the_group(&self, cx: &mut Context, body: usize) -> bool {
        let fits = ENVELOPE_LEN + body <= usize::from(self.view.params.datagram);
        cx.stats.oversized_frames += u64::from(!fits);
        fits || self.planted.is(Bug::FramesOfAnySize)
    }
}
