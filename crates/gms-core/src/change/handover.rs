//! At the leader of a view: seeing to it that all who are in it come in, and that those who are not may go
//! (protocol 5.3).

use std::net::SocketAddr;
use std::time::Duration;

use crate::context::Context;
use crate::id::{Uid, Vid};
use crate::membership::{Membership, Stage};
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Role, View, ViewMember};
use crate::wire::{Control, Successor};

/// First repeat of an INSTALL that nobody confirmed.
pub(super) const REPEAT: Duration = Duration::from_millis(10);

/// What a joiner has to know of more client sessions than these takes its time on the way, over a stream that loses
/// nothing,
const FEW_SESSIONS: usize = 16;
/// and is sent again after so long only.
const WELCOME_AGAIN: Duration = Duration::from_millis(500);

/// At the leader: those who left and have not been released, and the repeats of INSTALL.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Handover {
    leavers: Vec<Leaver>,
    pause: Duration,
    /// When joiners were last sent all that they need.
    welcomed: Time,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Leaver {
    uid: Uid,
    address: SocketAddr,
    /// The view that stands without it.
    vid: Vid,
    since: Time,
    confirmed: bool,
    /// Taken to be dead when the view ended: nobody waits for it.
    suspect: bool,
    /// Members of the view it left: while one of them is behind, it may need what only the leaver has.
    fellows: Vec<Uid>,
}

impl Membership {
    /// A view begins: members of the last one that are not in this one are seen off.
    pub(super) fn see_off(&mut self, cx: &Context, before: &View, suspects: &[bool], planned: bool) {
        let (vid, since) = (self.view.vid, cx.now);
        let gone = before.members.iter().enumerate().filter(|(_, m)| !self.view.contains(m.uid));
        let fellows: Vec<Uid> = before.members.iter().map(|m| m.uid).collect();
        let leaver = |(index, m): (usize, &ViewMember)| {
            let (uid, address, fellows) = (m.uid, m.address, fellows.clone());
            let suspect = suspects[index] || !planned;
            Leaver { uid, address, vid, since, confirmed: false, suspect, fellows }
        };
        let gone: Vec<Leaver> = gone.map(leaver).collect();
        self.handover.leavers.extend(gone);
        (self.handover.pause, self.handover.welcomed) = (REPEAT, cx.now);
    }

    /// A member, or one who is gone, has installed view `vid`.
    pub(crate) fn on_install_ack(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, vid: Vid) {
        if let Some(index) = self.view.index_of(who) {
            self.peers[index].arrived |= vid == self.view.vid;
        } else if let Some(leaver) = self.handover.leavers.iter_mut().find(|l| l.uid == who && l.vid == vid) {
            leaver.confirmed = true;
        } else if self.address_of(who).is_some() && (vid < self.view.vid || (vid == self.view.vid && self.is_leader()))
        {
            // It did not get its release.
            cx.tell(from, self.view.gid, vid, &Control::Release { vid });
        }
        self.release_leavers(cx);
    }

    /// Lets those go who have confirmed, once a quorum has installed this view and all who were with
    /// them in the last view they share are here, so that nobody needs their frames any more.
    pub(crate) fn release_leavers(&mut self, cx: &mut Context) {
        if !self.is_leader() || self.handover.leavers.is_empty() {
            return;
        }
        let me = cx.config.uid;
        let stands =
            self.quorum(&self.view, |uid| uid == me || self.view.index_of(uid).is_some_and(|i| self.peers[i].arrived));
        let Self { view, peers, handover, .. } = self;
        let arrived = |uid| uid == me || view.index_of(uid).is_some_and(|i| peers[i].arrived);
        handover.leavers.retain(|leaver| {
            let mut survivors = leaver.fellows.iter().copied().filter(|uid| view.contains(*uid));
            let released = leaver.confirmed && stands && survivors.all(arrived);
            if released {
                cx.tell(leaver.address, view.gid, leaver.vid, &Control::Release { vid: leaver.vid });
            }
            !released
        });
    }

    /// Whether somebody who left may still lack frames of its last view. One that stays silent is not
    /// waited for beyond the time it would itself wait.
    pub(crate) fn leavers_need_frames(&self, cx: &Context) -> bool {
        self.handover.leavers.iter().any(|l| !l.confirmed && !l.suspect && cx.now - l.since < cx.config.timing.farewell)
    }

    /// Tells those who have not confirmed their last view again.
    pub(crate) fn on_install_timer(&mut self, cx: &mut Context) {
        if self.stage == Stage::Gone {
            return self.on_departure_timer(cx);
        }
        if !self.is_leader() {
            return;
        }
        let linger = cx.config.timing.linger;
        self.handover.leavers.retain(|l| cx.now - l.since < linger);
        let missing = self.view.members.iter().zip(&self.peers).filter(|(m, p)| m.uid != cx.config.uid && !p.arrived);
        let missing = missing.map(|(m, _)| (m.address, self.view.vid, m.role == Role::Learner));
        let leavers = self.handover.leavers.iter().filter(|l| !l.confirmed).map(|l| (l.address, l.vid, false));
        let waiting: Vec<(SocketAddr, Vid, bool)> = missing.chain(leavers).collect();
        if waiting.is_empty() {
            // Whatever a silent leaver held back may be freed now.
            return self.recount(cx);
        }
        let welcomes = cx.now - self.handover.welcomed >= WELCOME_AGAIN;
        for (address, vid, joins) in waiting {
            let Some((next, snapshot)) = self.decided.iter().find(|(next, _)| next.view.vid == vid) else { continue };
            let is_long = snapshot.sessions.as_ref().is_some_and(|sessions| sessions.len() > FEW_SESSIONS);
            if joins && is_long && !welcomes {
                continue;
            }
            if joins {
                let install = Control::Install { next: Successor::Whole(next.clone()), snapshot: snapshot.clone() };
                cx.tell(address, self.view.gid, self.view.vid, &install);
            } else {
                self.tell_end(cx, address, next, snapshot);
            }
        }
        if welcomes {
            self.handover.welcomed = cx.now;
        }
        self.handover.pause = (self.handover.pause * 2).min(cx.config.timing.heartbeat);
        cx.timers.set(Timer::Install, cx.now + self.handover.pause);
        self.recount(cx);
    }
}
