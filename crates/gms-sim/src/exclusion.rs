//! Whether those who were told that they are out really were, and had to be.

use gms_check::{Event, Record};
use gms_core::{Gid, Uid, Vid};

use crate::host::Host;
use crate::world::World;

/// The last view that a process has recorded in its present life, and whether it has recorded its exclusion after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Membership {
    who: gms_check::Uid,
    gid: Gid,
    vid: Vid,
    out: bool,
}

impl Membership {
    pub(crate) fn gid(&self) -> Gid {
        self.gid
    }

    /// What `record` of a process makes of it.
    pub(crate) fn follow(this: &mut Option<Self>, record: &Record) {
        let who = record.process;
        match &record.event {
            Event::View { gid, view, .. } => *this = Some(Self { who, gid: Gid(*gid), vid: *view, out: false }),
            // It gives its lineage up by itself.
            Event::Discarded { .. } | Event::GaveUp { .. } => *this = None,
            Event::Excluded => this.iter_mut().filter(|this| this.who == who).for_each(|this| this.out = true),
            _ => {}
        }
    }
}

impl World<'_> {
    /// What is wrong with an exclusion, if one has just been recorded and something is.
    pub(crate) fn wrongly_out(&mut self) -> Option<String> {
        let index = self.hosts.iter().flatten().position(|host| host.membership.is_some_and(|m| m.out))?;
        let host = self.hosts.iter_mut().flatten().nth(index)?;
        let Membership { who, gid, vid, .. } = host.membership.take()?;
        let place = host.place;
        if self.scenario.spares_the_living() && !host.app.leaving {
            return Some(format!("{who} was excluded, and nothing but deaths has happened"));
        }
        if self.scenario.is_of_blame() && !self.was_narrow(place) {
            return Some(format!("{who} was excluded, and everything gets through to it and from it"));
        }
        let uid = Uid::new(who.node, who.incarnation);
        // A leader that is alone with its learners decides without a word.
        let lacks = |host: &Host| host.node.view().is_some_and(|v| v.gid == gid && v.vid > vid && !v.contains(uid));
        let left_out = self.ballots.leave_out(uid, gid, vid) || self.hosts.iter().flatten().any(lacks);
        (!left_out).then(|| format!("{who} was excluded from view {vid}, and no later view without it was proposed"))
    }
}
