//! What has been proposed, and who is bound to it: read from the datagrams, for the verdict on the end of a run.

use std::collections::BTreeMap;

use gms_core::wire::{Control, Successor};
use gms_core::{Ballot, Gid, Uid, Vid, View};

use crate::scenario::Inside;

/// The instance that ends a view: lineage and number of that view.
type Instance = (Gid, u64);

/// All ballots of a run.
#[derive(Debug, Default)]
pub(crate) struct Ballots {
    values: BTreeMap<(Instance, Ballot), View>,
    /// What INSTALL tells.
    decided: BTreeMap<Instance, View>,
    /// The latest that each process is bound to.
    bound: BTreeMap<Uid, (Instance, Ballot)>,
}

impl Ballots {
    /// Takes in what somebody says.
    pub(crate) fn take(&mut self, inside: &Inside) {
        let (who, instance) = (inside.envelope.sender, (inside.envelope.gid, inside.envelope.vid));
        match &inside.control {
            Some(Control::Accept { ballot, next }) => {
                if let Some(next) = self.resolve(instance, next) {
                    self.values.entry((instance, *ballot)).or_insert(next);
                }
                self.bind(who, instance, *ballot);
            }
            Some(Control::Accepted { ballot }) => self.bind(who, instance, *ballot),
            // The one that says it may already be in that view.
            Some(Control::Install { next, .. }) => {
                if let Some(next) = self.resolve(instance, next) {
                    self.decided.entry((next.gid, next.vid.saturating_sub(1))).or_insert(next);
                }
            }
            _ => {}
        }
    }

    /// The view that is told of. `instance` is of the one that ends: it was told of before, unless there were two of
    /// one number.
    fn resolve(&self, (gid, vid): Instance, told: &Successor) -> Option<View> {
        let ends = self.decided.get(&(gid, vid.saturating_sub(1)));
        told.clone().resolve(ends).map(|next| next.view)
    }

    fn bind(&mut self, who: Uid, instance: Instance, ballot: Ballot) {
        let bound = self.bound.entry(who).or_insert((instance, ballot));
        if bound.0.1 < instance.1 || (bound.0 == instance && bound.1 < ballot) {
            *bound = (instance, ballot);
        }
    }

    /// Whether a view of `gid` later than `vid` that is without `who` has been proposed or decided.
    pub(crate) fn leave_out(&self, who: Uid, gid: Gid, vid: Vid) -> bool {
        let proposed = self.values.iter().map(|((instance, _), next)| (instance, next));
        proposed.chain(&self.decided).any(|(of, next)| of.0 == gid && of.1 >= vid && !next.contains(who))
    }

    /// The view that `who` is bound to make the next one after `view`, and by which ballot.
    pub(crate) fn of(&self, who: Uid, view: &View) -> Option<(Ballot, &View)> {
        let (instance, ballot) = *self.bound.get(&who)?;
        let value = self.values.get(&(instance, ballot)).filter(|_| instance == (view.gid, view.vid))?;
        Some((ballot, value))
    }
}
