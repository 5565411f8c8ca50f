//! What the processes have come to where lineages may arise apart: in the end there is one, or several that all have a
//! history, or nobody can go on.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use gms_core::{Blocked, Gid, Out, Uid, Unsettled};

use crate::blockade::blockade;
use crate::ending::{State, unsettled};
use crate::host::Host;
use crate::scenario::Entry;
use crate::world::World;

/// Voters that processes name to each other, at most.
const NAMED: usize = 16;

impl World<'_> {
    /// The rules, once there are no faults any more and everybody hears everybody:
    ///
    /// - a lineage *serves* if those who live are a quorum of its last view;
    /// - one serves: all who live are in its one view, at rest. Those outside hear it, and have to come, except for
    ///   those that wait in a view of another lineage because nobody can know that its voters are dead: an operator has
    ///   to say so;
    /// - several serve: each has a history, and all who live are at rest in one of them. That they arose apart, P27
    ///   judges, as each is made to acknowledge something at last; one without a history has to give way;
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
                && !self.waits_for_the_silent(gid)
            {
                serving.entry(gid).or_default().push(*index);
            }
        }
        let open = |why: String| State::Open { why, up: living.clone() };
        if serving.is_empty() {
            let members = living.iter().any(|index| host(index).node.view().is_some());
            let waits = |index: &usize| match host(index).node.blocked() {
                Some(Blocked::Out(Out::Heard { gid, .. } | Out::Exile { gid, .. } | Out::GivenUp { gid, .. })) => {
                    self.is_unaccountable(*gid)
                }
                _ => false,
            };
            let creates = |index: &usize| self.may_create(*index, &living) && !waits(index);
            let returns = |index: &usize| {
                let view = host(index).node.view();
                view.is_some_and(|view| !self.is_unaccountable(view.gid) && !self.waits_for_the_silent(view.gid))
            };
            return match living.iter().find(|index| creates(index)).filter(|_| !members) {
                Some(index) => open(format!("there is no group, and {} creates none", host(index).uid)),
                None => match living.iter().find(|index| returns(index)) {
                    Some(index) => {
                        open(format!("all voters are accounted for, and {} does not return", host(index).uid))
                    }
                    None => State::Rest { up: Vec::new(), blocked: living },
                },
            };
        }
        let waits = |index: &usize| host(index).node.view().is_some_and(|view| self.is_unaccountable(view.gid));
        let (blocked, outside): (Vec<usize>, Vec<usize>) = living
            .iter()
            .copied()
            .filter(|index| !serving.values().any(|members| members.contains(index)))
            .partition(waits);
        if let Some(index) = outside.first() {
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
            false => State::Rest { up: serving.into_values().flatten().collect(), blocked },
        }
    }

    /// Whether somebody cannot know that lineage `gid` is over, who is in it or has heard of it: a voter that it knows is
    /// dead, and no process on its host can prove it, nor does its host refuse to connect where nobody waits in that
    /// lineage; or more vote than are named, or it has heard one word only. Who knows of a lineage may have left before
    /// its last view. The same of a lineage that returned from it.
    fn is_unaccountable(&self, gid: Gid) -> bool {
        let views = || self.hosts.iter().flatten().filter_map(|host| host.last_view.as_ref());
        let heirs = views().filter(|view| view.params.origin == Some(gid)).map(|view| view.gid);
        self.has_unaccountable_voters(gid) || heirs.into_iter().any(|heir| self.has_unaccountable_voters(heir))
    }

    fn has_unaccountable_voters(&self, gid: Gid) -> bool {
        let Some(lineages) = &self.scenario.lineages else { return false };
        let living = || self.living(|_| true).into_iter().filter_map(|index| self.hosts[index].as_ref());
        let views = || living().filter_map(|host| host.node.view()).filter(|view| view.gid == gid);
        let waits = views().next().is_some();
        let lives = |uid: Uid| living().any(|host| host.node.uid() == uid);
        let place = |address| self.births.iter().find(|birth| crate::host::address(birth.place) == address);
        let known = |(uid, address): &(Uid, SocketAddr)| {
            let home = place(*address).map(|birth| lineages.host(birth.place));
            let beside = living().any(|host| Some(lineages.host(host.place)) == home);
            let there = living().any(|host| host.address == *address);
            // Which process it was is known of members only.
            let told = views().any(|view| view.contains(*uid));
            lives(*uid) || if waits { beside && told } else { there || lineages.refuses }
        };
        let last = views().max_by_key(|view| view.vid);
        let last = last.map(|view| view.voters().map(|voter| (voter.uid, voter.address)).collect());
        let told: Vec<Vec<(Uid, SocketAddr)>> =
            living().filter_map(|host| host.node.known_voters(gid)).chain(last).collect();
        told.is_empty() || told.iter().any(|voters| voters.len() > NAMED || !voters.iter().all(known))
    }

    /// Whether a new lineage orders nothing because it has heard of another one that nobody can know to be over.
    fn waits_for_the_silent(&self, gid: Gid) -> bool {
        self.living(|host| host.node.is_leader()).into_iter().filter_map(|index| self.hosts[index].as_ref()).any(
            |host| {
                host.node.view().is_some_and(|view| view.gid == gid)
                    && matches!(host.node.blocked(),
                    Some(Blocked::Unsettled { why: Unsettled::Rival(rival) }) if self.is_unaccountable(*rival))
            },
        )
    }

    /// Whether a process may create a group where there is none.
    fn may_create(&self, index: usize, living: &[usize]) -> bool {
        let node = |index: usize| self.births[index].node;
        match self.births[index].entry {
            Entry::Auto | Entry::Create | Entry::Listed(_) => true,
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
    host.node.view().is_some_and(|view| view.gseq > view.vid || host.reached > view.gseq)
}
