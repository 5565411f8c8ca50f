//! **P27 One history per name.** What one lineage has acknowledged stands in every lineage of the name that serves
//! later.
//!
//! Acknowledged is a message whose sender was told `ordered`, if it was sent at a uniform level or is a client's. A
//! lineage serves at each record in which a process in a view of it delivers a message or is told `ordered`. Its
//! history is its own, with what it was `created` `from`, and so on back. It may lack what another lineage acknowledged
//! before only if that one (a) was `discarded`; (b) has lost its quorum: those voters of its last view whose process
//! has neither crashed nor left for good are too few (in a fail-stop group: none); or if (c) the two were created
//! apart: the process that created the later one, and the one that made its first stamp, had until that stamp neither
//! `heard` of the other nor been in it, in this life or an earlier one; a returned lineage is as far apart from others
//! as the one that it goes on from. One breach is reported for each pair of lineages.
//!
//! What is later is known where the records come in the order of time ([`Checker::of_one_clock`](crate::Checker)).
//! Elsewhere a pair is judged at the end, and by what holds in any order: each has acknowledged something that the
//! other lacks, neither is excused by (a) or (b), nor both by (c). A process whose trace just ends may be dead then,
//! unless it is there at `rest` or goes on as another.
//!
//! Exercised: ordered pairs of lineages where the second served after the first had acknowledged something; parts
//! `messages`: acknowledged by the first of such a pair; `returned`, `discarded`, `quorum lost`, `created apart`: pairs
//! that are sound for that reason.

use std::collections::{BTreeMap, BTreeSet};

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Step, World};
use crate::{Event, Origin, Outcome, Property, Uid};

#[derive(Debug, Default)]
pub(crate) struct OneHistory {
    histories: BTreeMap<u128, History>,
    lives: BTreeMap<Uid, Life>,
    discarded: BTreeSet<u128>,
    /// What became of what the first acknowledged, where the second served.
    pairs: BTreeMap<(u128, u128), Verdict>,
}

/// A lineage.
#[derive(Debug, Default)]
struct History {
    creator: Option<Initiator>,
    /// Who made the first stamp, and the place of it.
    stamper: Option<(u64, Initiator)>,
    acknowledged: u64,
    first: Option<Acknowledged>,
    /// The one furthest in the order.
    last: Option<Acknowledged>,
    /// Who serves.
    server: Option<Uid>,
}

/// Who began a lineage, and what it had heard of by then in that life.
#[derive(Debug)]
struct Initiator {
    uid: Uid,
    heard: BTreeSet<u128>,
}

/// A message that was acknowledged, and the sender that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Acknowledged {
    view: u64,
    gseq: u64,
    sender: Uid,
}

/// One life of a process.
#[derive(Debug, Default)]
struct Life {
    /// Lineages that it heard of or was in.
    heard: BTreeSet<u128>,
    before: Option<Uid>,
    after: Option<Uid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All is there.
    Returned,
    Discarded,
    QuorumLost,
    CreatedApart,
    Lost(Acknowledged),
}

impl Invariant for OneHistory {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        match step.event {
            Event::Created { gid, .. } => {
                let creator = self.initiator(step.uid());
                self.histories.entry(*gid).or_default().creator = Some(creator);
            }
            Event::Stamp { gid, gseq, .. } => self.stamped(step, *gid, *gseq),
            Event::Heard { gid } | Event::View { gid, .. } => {
                self.lives.entry(step.uid()).or_default().heard.insert(*gid);
            }
            Event::Lives { before } => {
                self.lives.entry(step.uid()).or_default().before = Some(*before);
                self.lives.entry(*before).or_default().after = Some(step.uid());
            }
            Event::Discarded { gid } => _ = self.discarded.insert(*gid),
            Event::Outcome { result: Outcome::Ordered { gseq, view }, .. } => {
                self.serves(step, out);
                let lasting = |sent: crate::world::Sent| sent.level.is_uniform() || sent.of_client;
                if step.message.and_then(|message| message.sent).is_some_and(lasting) {
                    self.acknowledged(step, Acknowledged { view: *view, gseq: *gseq, sender: step.uid() });
                }
            }
            Event::Deliver { .. } => self.serves(step, out),
            _ => {}
        }
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        if !world.has_one_clock() {
            self.judge_all(world, out);
        }
        let compared: BTreeSet<u128> = self.pairs.keys().map(|(of, _)| *of).collect();
        let messages = compared.iter().map(|of| self.histories[of].acknowledged).sum();
        out.exercised(Property::P27, self.pairs.len() as u64);
        out.part(Property::P27, "messages", messages);
        for verdict in self.pairs.values() {
            let name = match verdict {
                Verdict::Returned => "returned",
                Verdict::Discarded => "discarded",
                Verdict::QuorumLost => "quorum lost",
                Verdict::CreatedApart => "created apart",
                Verdict::Lost(_) => continue,
            };
            out.part(Property::P27, name, 1);
        }
    }
}

/// Taking in.
impl OneHistory {
    fn initiator(&self, uid: Uid) -> Initiator {
        Initiator { uid, heard: self.lives.get(&uid).map(|life| life.heard.clone()).unwrap_or_default() }
    }

    fn stamped(&mut self, step: &Step<'_>, gid: u128, gseq: u64) {
        let history = self.histories.entry(gid).or_default();
        if history.stamper.as_ref().is_some_and(|(first, _)| *first <= gseq) {
            return;
        }
        let creator = history.creator.as_ref().map(|creator| creator.uid).filter(|_| step.world.has_one_clock());
        let (stamper, creator) = (self.initiator(step.uid()), creator.map(|uid| self.initiator(uid)));
        let history = self.histories.entry(gid).or_default();
        history.stamper = Some((gseq, stamper));
        // It may have heard of others meanwhile.
        history.creator = creator.or(history.creator.take());
    }

    fn acknowledged(&mut self, step: &Step<'_>, message: Acknowledged) {
        let Some(lineage) = step.lineage else { return };
        let history = self.histories.entry(lineage.gid).or_default();
        history.acknowledged += 1;
        history.first.get_or_insert(message);
        history.last = history.last.max(Some(message));
    }

    /// The lineage of a process serves: it has to know what others acknowledged before.
    fn serves(&mut self, step: &Step<'_>, out: &mut Findings) {
        let Some(by) = step.lineage.map(|lineage| lineage.gid) else { return };
        self.histories.entry(by).or_default().server = Some(step.uid());
        if !step.world.has_one_clock() || self.histories.len() < 2 {
            return;
        }
        let others: Vec<u128> = self.histories.keys().copied().filter(|of| *of != by).collect();
        for of in others {
            if self.pairs.get(&(of, by)).is_some_and(|verdict| matches!(verdict, Verdict::Lost(_))) {
                continue;
            }
            let Some(verdict) = self.judge(step.world, of, by) else { continue };
            self.pairs.insert((of, by), verdict);
            if let Verdict::Lost(message) = verdict {
                let what =
                    format!("acknowledged in lineage {of:032x}, and not in lineage {by:032x}, which serves later");
                breach(out, step.uid(), message, what);
            }
        }
    }
}

/// Judging.
impl OneHistory {
    /// All pairs, at the end and by what holds in any order.
    fn judge_all(&mut self, world: &World, out: &mut Findings) {
        let gids: Vec<u128> = self.histories.keys().copied().collect();
        for (of, by) in gids.iter().flat_map(|of| gids.iter().map(move |by| (*of, *by))).filter(|(of, by)| of != by) {
            if self.histories[&by].server.is_some()
                && let Some(verdict) = self.judge(world, of, by)
            {
                self.pairs.insert((of, by), verdict);
            }
        }
        let lost = |(of, by)| match self.pairs.get(&(of, by)) {
            Some(Verdict::Lost(message)) => Some((of, by, *message)),
            _ => None,
        };
        // The older one of two is apart from the younger one in any case.
        let excused = |pair| !matches!(self.pairs.get(&pair), Some(Verdict::Lost(_) | Verdict::CreatedApart));
        for (of, by) in self.pairs.keys().copied().filter(|(of, by)| of < by && !excused((*by, *of))) {
            let Some((of, by, message)) = lost((of, by)).or(lost((by, of)).filter(|_| !excused((of, by)))) else {
                continue;
            };
            let what = format!("acknowledged in lineage {of:032x} and not in {by:032x}, which acknowledged another");
            let other = self.histories[&by].first.map_or(message.sender, |other| other.sender);
            breach(out, other, message, what);
        }
    }

    /// What becomes, where `by` serves, of what `of` has acknowledged; `None` if that is nothing.
    fn judge(&self, world: &World, of: u128, by: u128) -> Option<Verdict> {
        let History { first: Some(first), last: Some(last), .. } = self.histories.get(&of)? else { return None };
        let lacking = match world.origins(by).find(|origin| origin.gid == of) {
            Some(Origin { view, upto, .. }) if last.view <= view && last.gseq <= upto => {
                return Some(Verdict::Returned);
            }
            Some(_) => last,
            None => first,
        };
        Some(if self.discarded.contains(&of) {
            Verdict::Discarded
        } else if self.quorum_lost(world, of) {
            Verdict::QuorumLost
        } else if self.created_apart(world, of, by) {
            Verdict::CreatedApart
        } else {
            Verdict::Lost(*lacking)
        })
    }

    /// Whether those who began `by` knew nothing of `of`.
    fn created_apart(&self, world: &World, of: u128, by: u128) -> bool {
        if world.origins(by).any(|origin| origin.gid == of) {
            return false;
        }
        let first = world.origins(by).last().map_or(by, |origin| origin.gid);
        let Some(first) = self.histories.get(&first) else { return false };
        let stamper = first.stamper.as_ref().map(|(_, stamper)| stamper);
        let mut initiators = first.creator.iter().chain(stamper).peekable();
        initiators.peek().is_some()
            && initiators.all(|Initiator { uid, heard }| {
                let earlier = std::iter::successors(self.lives.get(uid), |life| self.lives.get(&life.before?));
                !heard.contains(&of) && earlier.skip(1).take(self.lives.len()).all(|life| !life.heard.contains(&of))
            })
    }

    /// Whether too many voters of the last view of a lineage are gone for good.
    fn quorum_lost(&self, world: &World, gid: u128) -> bool {
        let Some((_, last)) = world.lineage_named(gid).and_then(|lineage| lineage.views.last_key_value()) else {
            return false;
        };
        let goes_on = |voter| self.goes_on(world, voter);
        if last.fail_stop { !last.voters().any(goes_on) } else { !last.is_quorum(goes_on) }
    }

    /// Whether the process that was once called `uid` has neither crashed nor left. A life that left, and goes on as
    /// another, has only given its lineage up.
    fn goes_on(&self, world: &World, uid: Uid) -> bool {
        let later = |uid: &Uid| self.lives.get(uid).and_then(|life| life.after);
        let lives = std::iter::successors(Some(uid), later).take(self.lives.len() + 1);
        let Some(present) = lives.last() else { return false };
        let is_there = world.find(present).is_some_and(|process| !process.crashed && !process.left);
        let at_rest = || world.rest().is_some_and(|rest| rest.up.contains(&uid) || rest.blocked.contains(&uid));
        is_there && (world.has_one_clock() || present != uid || at_rest())
    }
}

fn breach(out: &mut Findings, shown_by: Uid, Acknowledged { view, gseq, sender }: Acknowledged, what: String) {
    out.violated(Property::P27, &[shown_by, sender], Place::Entry { gseq, view }, what);
}

#[cfg(test)]
mod tests;
