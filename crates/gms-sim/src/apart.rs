//! What the processes have come to where lineages may arise apart: in the end there is one, or several that all have a
//! history, or nobody can go on.

use std::collections::BTreeMap;

use gms_core::{Gid, View};

use crate::blockade::blockade;
use crate::ending::{State, unsettled};
use crate::host::Host;
use crate::scenario::Entry;
use crate::world::World;

impl World<'_> {
    /// The rules, once there are no faults any more and everybody hears everybody:
    ///
    /// - a lineage *serves* if those who live are a quorum of its last view;
    /// - one serves: all who live are in its one view, at rest. Whoever is not in it hears it, and has to come;
    /// - several serve: each has a history, and all who live are at rest in one of them. That they arose apart, P27 judges,
    ///   as each is made to acknowledge something at last; one without a history has to give way;
    /// - none serves, and some are in a view: they are blocked, and the others wait for them;
    /// - nobody is in a view: somebody has to create a group, if anybody may.
    pub(crate) fn come_to(&self) -> State {
        if self.hosts.iter().any(Option::is_none) {
            return State::Open { why: "not all have started".to_owned(), up: Vec::new() };
        }
        let living = self.living(|_| true);
        let host = |index: &usize| self.hosts[*index].as_ref().expect("all have started");
        let mut serving: BTreeMap<Gid, Vec<usize>> = BTreeMap::new();
        for index in &living {
            if let Some(gid) = host(index).node.view().map(|view| view.gid)
                && blockade(&self.hosts, &self.ballots, gid).is_none()
            {
                serving.entry(gid).or_default().push(*index);
            }
        }
        let open = |why: String| State::Open { why, up: living.clone() };
        if serving.is_empty() {
            let members = living.iter().any(|index| host(index).node.view().is_some());
            let creates = |index: &usize| self.may_create(*index, &living);
            return match living.iter().find(|index| creates(index)).filter(|_| !members) {
                Some(index) => open(format!("there is no group, and {} creates none", host(index).uid)),
                None => State::Rest { up: Vec::new(), blocked: living },
            };
        }
        if let Some(index) = living.iter().find(|index| !serving.values().any(|members| members.contains(index))) {
            return open(format!("{} hears a lineage that serves, and is not in it", host(index).uid));
        }
        let several = serving.len() > 1;
        for members in serving.values() {
            let hosts: Vec<&Host> = members.iter().map(host).collect();
            if several && !hosts.iter().any(|host| has_history(host)) {
                return open(format!("the lineage of {} has no history, and hears another", hosts[0].uid));
            }
            if let Some(why) = unsettled(&hosts) {
                return open(why);
            }
        }
        match several {
            true => State::Apart { each: serving.into_values().collect() },
            false => State::Rest { up: living, blocked: Vec::new() },
        }
    }

    /// Whether a process may create a group where there is none.
    fn may_create(&self, index: usize, living: &[usize]) -> bool {
        let node = |index: usize| self.births[index].node;
        match self.births[index].entry {
            Entry::Auto | Entry::Listed(_) => true,
            // A former life of it did, and it joins since.
            Entry::Found => false,
            Entry::Expected => {
                let expected = self.scenario.expected();
                expected.last() == Some(&node(index))
                    && expected.iter().all(|id| living.iter().any(|index| node(*index) == *id))
            }
            Entry::Through(_) | Entry::Multicast => false,
        }
    }
}

/// Whether anything but views was ever ordered in the lineage of a process.
fn has_history(host: &Host) -> bool {
    host.node.view().is_some_and(|view: &std::sync::Arc<View>| view.gseq > view.vid || host.reached > view.gseq)
}
