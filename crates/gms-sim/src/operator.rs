//! What operators and hosts tell the processes: orders, and proofs of death.

use std::collections::BTreeSet;
use std::time::Duration;

use gms_check::{Event, Record};
use gms_core::{Input, Uid};

use crate::host::Host;
use crate::scenario::{Order, Proofs, Wish};
use crate::situation::Situation;
use crate::world::{Happening, World};

/// A death that can be proved to those who have the dead in their view.
#[derive(Debug)]
pub(crate) struct Proof {
    who: Uid,
    /// The one to whom nobody proves it, by its place among the hosts.
    spared: Option<usize>,
    told: BTreeSet<usize>,
}

/// How often it is looked who can be told of a death.
const LOOK: Duration = Duration::from_millis(15);

impl World<'_> {
    /// An operator turns to the leader.
    pub(crate) fn order(&mut self, index: usize) {
        let Order { wish, .. } = self.scenario.orders[index];
        let leaders = self.living(|host| host.node.is_leader());
        let vid = |index: &usize| self.hosts[*index].as_ref().and_then(|host| Some(host.node.view()?.vid));
        let Some(leader) = leaders.into_iter().max_by_key(vid).filter(|_| !self.calm) else { return };
        let host = self.hosts[leader].as_ref().expect("it lives");
        let members = host.node.view().into_iter().flat_map(|view| &view.members);
        let others: Vec<Uid> = members.map(|member| member.uid).filter(|uid| *uid != host.node.uid()).collect();
        if others.is_empty() || (wish == Wish::Exclude && !self.somebody_remains()) {
            return;
        }
        let whom = self.draw.pick(&others);
        let (input, situation) = match wish {
            Wish::Exclude => (Input::Exclude(whom), Situation::Ordered),
            Wish::Transfer => (Input::Transfer(whom), Situation::Appointed),
        };
        if wish == Wish::Exclude {
            self.note(Event::Fault { kind: "exclusion by an operator".to_owned() });
        }
        self.act(leader, |host, _, now| {
            host.app.met(situation);
            host.node.handle(now, input);
        });
    }

    /// A process has died: its host may prove it.
    pub(crate) fn prove_death(&mut self, who: Uid) {
        let Some(Proofs { after, missing, sparing }) = self.scenario.mortality.as_ref().and_then(|m| m.proofs) else {
            return;
        };
        if self.draw.chance(missing) {
            return;
        }
        let survivors = self.living(|_| true);
        let spared = (self.draw.chance(sparing) && !survivors.is_empty()).then(|| self.draw.pick(&survivors));
        self.proofs.push(Proof { who, spared, told: BTreeSet::new() });
        self.queue.push(self.now + after, Happening::Prove(self.proofs.len() - 1));
    }

    /// A proof that the process `to` is given now: the first of its kind, if none was given before.
    fn proved_since(&self, to: usize) -> Option<Event> {
        let gid = self.hosts[to].as_ref()?.node.view()?.gid;
        let views = self.hosts.iter().flatten().filter_map(|host| host.node.view()).filter(|view| view.gid == gid);
        views.map(|view| view.vid).max().map(|view| Event::Proved { gid: gid.0, view })
    }

    /// Tells some of those who can be told by now.
    pub(crate) fn prove(&mut self, index: usize) {
        let who = self.proofs[index].who;
        let has = |host: &Host| host.node.view().is_some_and(|view| view.contains(who));
        for host in self.living(has) {
            let Proof { spared, told, .. } = &self.proofs[index];
            if *spared == Some(host) || told.contains(&host) || self.draw.chance(0.3) {
                continue;
            }
            let mut done = false;
            let proved = self.proved_since(host);
            self.act(host, |host, _, now| {
                host.node.handle(now, Input::Dead(who));
                done = true;
            });
            if done {
                if self.proofs[index].told.is_empty() {
                    let process = gms_check::Uid { node: who.node.0, incarnation: who.incarnation };
                    let at_us = self.now.as_nanos() / 1000;
                    proved.into_iter().for_each(|event| self.witness.take(&Record { at_us, process, event }, None));
                }
                self.proofs[index].told.insert(host);
                self.network.count("proof of death");
            }
        }
        self.queue.push(self.now + LOOK, Happening::Prove(index));
    }
}
