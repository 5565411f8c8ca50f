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
mod tests {
    use crate::testing::{GID, Story, uid};
    use crate::{Event, Level, Origin, Outcome, Property, Report};

    const OTHER: u128 = GID + 1;

    /// A message of `node` at `gseq` of view 1, stamped by the first of `at` and delivered by all of them; its sender
    /// is told.
    fn acknowledge(story: &mut Story, at: &[u64], (node, sseq): (u64, u64), gseq: u64) {
        say(story, at, (node, sseq), gseq, Level::Uniform);
        story.outcome(node, sseq, Outcome::Ordered { gseq, view: 1 });
    }

    fn say(story: &mut Story, at: &[u64], id: (u64, u64), gseq: u64, level: Level) {
        story.send(id.0, id.1, level).stamp(at[0], 1, gseq, id).deliver(at, 1, gseq, id, level);
    }

    /// 1, 2 and 3, led by 3, where a message of 1 at gseq 2 is acknowledged.
    fn began() -> Story {
        let mut story = Story::default().of_one_clock();
        story.view(&[1, 2, 3], 1, 1, 3, &[1, 2, 3]).add(1, Event::Fault { kind: "cut".to_owned() });
        acknowledge(&mut story, &[3, 1, 2], (1, 1), 2);
        story
    }

    /// 4 hears of the lineage, and creates one of its own all the same.
    fn hears() -> Story {
        let mut story = began();
        story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
        story
    }

    /// The other lineage serves at 4.
    fn serves(story: &Story) -> Story {
        let mut story = story.clone();
        acknowledge(&mut story, &[4], (4, 1), 2);
        story
    }

    fn part(report: &Report, name: &str) -> u64 {
        report.counters.part(Property::P27, name)
    }

    /// Sound for this reason.
    fn excused(story: &Story, why: &str) {
        let report = serves(story).passes(Property::P27);
        assert_eq!(
            (part(&report, why), part(&report, "messages"), report.exercised(Property::P27)),
            (1, 1, 1),
            "{report}"
        );
    }

    fn lost(story: &Story) {
        serves(story).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
        assert_eq!(serves(story).report().violations.len(), 1, "one for each pair");
    }

    /// It was put out, and goes on as another.
    #[test]
    fn who_was_in_it_creates_another() {
        let mut story = began();
        story.accept(&[1, 2], 2).view(&[1, 2], 2, 3, 2, &[1, 2]).add(3, Event::Excluded);
        story.add(4, Event::Lives { before: uid(3) }).in_lineage(OTHER).create(4, None);
        lost(&story);
        // Started again, it knows nothing.
        story.records.retain(|record| !matches!(record.event, Event::Lives { .. }));
        excused(&story, "created apart");
    }

    #[test]
    fn who_has_heard_of_it_creates_another() {
        lost(&hears());
        let mut story = hears();
        story.records.retain(|record| record.event != Event::Heard { gid: GID });
        excused(&story, "created apart");
        // Of a third one only.
        story.add(4, Event::Heard { gid: OTHER + 1 });
        excused(&story, "created apart");
        // Before the first stamp, or after it.
        story.add(4, Event::Heard { gid: GID });
        lost(&story);
        let mut story = began();
        say(story.in_lineage(OTHER).create(4, None), &[4], (4, 1), 2, Level::Agreed);
        story.add(4, Event::Heard { gid: GID }).send(4, 2, Level::Agreed).stamp(4, 1, 3, (4, 2));
        story.deliver(&[4], 1, 3, (4, 2), Level::Agreed).passes(Property::P27);
    }

    /// Its creator knows nothing of the other lineage and its first stamper does, or the other way round.
    #[test]
    fn both_initiators_count() {
        for heard in [4, 5] {
            let mut story = began();
            story.in_lineage(OTHER).create(5, None).accept(&[5], 2).view(&[4, 5], 2, 2, 5, &[4, 5]);
            story.accept(&[4, 5], 3).view(&[4, 5], 3, 3, 4, &[4, 5]).add(heard, Event::Heard { gid: GID });
            story.send(4, 1, Level::Agreed).stamp(4, 3, 4, (4, 1)).deliver(&[4], 3, 4, (4, 1), Level::Agreed);
            story.caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
            story.records.retain(|record| !matches!(record.event, Event::Heard { .. }));
            story.passes(Property::P27);
        }
    }

    #[test]
    fn an_operator_may_give_it_up() {
        for (discarded, sound) in [(GID, true), (OTHER, false)] {
            let mut story = hears();
            story.add(4, Event::Discarded { gid: discarded });
            if sound { excused(&story, "discarded") } else { lost(&story) }
        }
        // Too late.
        let mut story = serves(&hears());
        story.add(4, Event::Discarded { gid: GID }).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
    }

    #[test]
    fn a_quorum_may_be_gone() {
        use Event::{Crash, Left};
        for (gone, sound) in [
            (&[(1, Crash)][..], false),
            (&[(1, Crash), (2, Left)], true),
            (&[(1, Left), (3, Crash)], true),
            (&[(4, Crash)], false),
        ] {
            let mut story = began();
            gone.iter().for_each(|(node, how)| _ = story.add(*node, how.clone()));
            story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
            if gone[0].0 == 4 {
                // The one that is gone was not in the first lineage.
                story.records.retain(|record| record.event != Crash);
            }
            if sound { excused(&story, "quorum lost") } else { lost(&story) }
        }
        // After it was lacking.
        let mut story = serves(&hears());
        story.add(1, Crash).add(2, Crash).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
    }

    /// Of the two that are left when 2 is out, the leader goes on alone.
    #[test]
    fn the_last_view_counts_and_its_tie_break() {
        for (gone, sound) in [(1, false), (2, false), (3, true)] {
            let mut story = began();
            story.accept(&[1, 3], 2).view(&[1, 3], 2, 3, 3, &[1, 3]).add(gone, Event::Crash);
            story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
            if sound { excused(&story, "quorum lost") } else { lost(&story) }
        }
    }

    #[test]
    fn one_of_a_fail_stop_group_is_enough() {
        for (gone, sound) in [(&[1, 2][..], false), (&[1, 2, 3], true)] {
            let mut story = began();
            story.fail_stop();
            gone.iter().for_each(|node| _ = story.add(*node, Event::Crash));
            story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
            if sound { excused(&story, "quorum lost") } else { lost(&story) }
        }
    }

    /// A process that goes on as another life has not died, however it ended, until that life dies.
    #[test]
    fn a_voter_that_goes_on_as_another_is_there() {
        use Event::{Crash, Excluded, Left};
        for (ends, ends_for_good, sound) in [
            (Excluded, None, false),
            (Left, None, false),
            (Excluded, Some(Crash), true),
            (Left, Some(Left), true),
            (Left, Some(Excluded), false),
        ] {
            let mut story = began();
            story.add(1, ends).add(11, Event::Lives { before: uid(1) }).add(2, Crash);
            ends_for_good.into_iter().for_each(|end| _ = story.add(11, end));
            story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
            let report = serves(&story).report();
            assert_eq!(report.of(Property::P27).next().is_none(), sound, "{report}");
        }
    }

    #[test]
    fn a_returned_lineage_has_what_it_goes_on_from() {
        let from = |gid, upto| Some(Origin { gid, view: 1, upto });
        let returned = |upto| {
            let mut story = began();
            story.in_lineage(OTHER).create(4, from(GID, upto));
            say(&mut story, &[4], (4, 1), upto + 2, Level::Uniform);
            story
        };
        let report = returned(2).passes(Property::P27);
        assert_eq!(part(&report, "returned"), 1);
        // Not far enough, though 4 has heard nothing.
        returned(1).caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
        // Something was acknowledged after it was left.
        let mut story = returned(2);
        acknowledge(story.in_lineage(GID), &[3, 1, 2], (1, 2), 3);
        story.send(4, 2, Level::Agreed).in_lineage(OTHER).stamp(4, 1, 5, (4, 2));
        story.deliver(&[4], 1, 5, (4, 2), Level::Agreed).caught(Property::P27, &[4, 1], "gseq 3 in view 1");
        // Again from there.
        let mut story = returned(2);
        story.in_lineage(OTHER + 1).create(5, from(OTHER, 4));
        say(&mut story, &[5], (5, 1), 6, Level::Uniform);
        assert_eq!(part(&story.passes(Property::P27), "returned"), 2);
    }

    /// A lineage created apart from another stays apart from the one that goes on from that other, and the other way
    /// round.
    #[test]
    fn a_returned_lineage_is_as_far_apart_as_what_it_goes_on_from() {
        for heard in [false, true] {
            let mut story = began();
            if heard {
                story.add(4, Event::Heard { gid: GID });
            }
            say(story.in_lineage(OTHER).create(4, None), &[4], (4, 1), 2, Level::Agreed);
            let before = story.report().of(Property::P27).count();
            story.add(5, Event::Heard { gid: GID });
            story.in_lineage(OTHER + 1).create(5, Some(Origin { gid: OTHER, view: 1, upto: 2 }));
            say(&mut story, &[5], (5, 1), 4, Level::Agreed);
            let report = story.report();
            assert_eq!((before, report.of(Property::P27).count()), if heard { (1, 2) } else { (0, 0) }, "{report}");
        }
    }

    /// Only what may never be lost; a client's message is that at any level.
    #[test]
    fn what_was_acknowledged() {
        for (client, level, counts) in
            [(None, Level::Agreed, false), (None, Level::Stable, true), (Some((7, 0)), Level::Agreed, true)]
        {
            let mut story = Story::default().of_one_clock();
            story.view(&[1], 1, 1, 1, &[1]);
            match client {
                None => story.send(1, 1, level),
                Some(client) => story.send_for(client, 1, 1),
            };
            story.stamp(1, 1, 2, (1, 1)).pass(&[1], 1, 2, (1, 1), crate::PassReason::Control);
            story.outcome(1, 1, Outcome::Ordered { gseq: 2, view: 1 });
            story.add(4, Event::Heard { gid: GID }).in_lineage(OTHER).create(4, None);
            say(&mut story, &[4], (4, 1), 2, Level::Agreed);
            assert_eq!(story.report().of(Property::P27).next().is_some(), counts, "{client:?} {level:?}");
        }
    }

    /// It may serve before the first acknowledges anything, and not after.
    #[test]
    fn what_comes_before_need_not_be_known() {
        let mut story = Story::default().of_one_clock();
        story.view(&[1], 1, 1, 1, &[1]).add(4, Event::Heard { gid: GID });
        story.in_lineage(OTHER).create(4, None).send(4, 1, Level::Agreed).stamp(4, 1, 2, (4, 1));
        story.deliver(&[4], 1, 2, (4, 1), Level::Agreed).in_lineage(GID);
        acknowledge(&mut story, &[1], (1, 1), 2);
        let report = story.report();
        assert!(report.passed() && report.exercised(Property::P27) == 0, "{report}");
        story.outcome(4, 1, Outcome::Ordered { gseq: 2, view: 1 });
        story.caught_alone(Property::P27, &[4, 1], "gseq 2 in view 1");
    }

    /// Where nobody knows what was first: both have acknowledged something, and nobody has died.
    #[test]
    fn without_one_clock() {
        // The first one's members all go on as others, and one of them creates the second.
        let given_up = |acknowledged: bool, crash: Option<u64>| {
            let mut story = Story::default();
            story.view(&[1, 2], 1, 1, 1, &[1, 2]).add(1, Event::Fault { kind: "cut".to_owned() });
            acknowledge(&mut story, &[1, 2], (1, 1), 2);
            (1..=2).for_each(|node| {
                _ = story.add(node, Event::Excluded).add(node + 10, Event::Lives { before: uid(node) })
            });
            story.in_lineage(OTHER).create(11, None);
            match acknowledged {
                true => acknowledge(&mut story, &[11], (11, 1), 2),
                false => say(&mut story, &[11], (11, 1), 2, Level::Agreed),
            }
            // It, too, is given up, but not because all its members are gone.
            story.add(11, Event::Excluded).add(21, Event::Lives { before: uid(11) });
            crash.into_iter().for_each(|node| _ = story.add(node, Event::Crash));
            story
        };
        let story = given_up(true, None);
        story.caught_alone(Property::P27, &[11, 1], "gseq 2 in view 1");
        assert_eq!(story.report().violations.len(), 1);
        for story in [given_up(false, None), given_up(true, Some(21))] {
            let report = story.report();
            assert!(report.of(Property::P27).next().is_none(), "{report}");
        }
        let mut story = given_up(true, None);
        story.add(5, Event::Discarded { gid: GID });
        assert_eq!(part(&story.passes(Property::P27), "discarded"), 1);
        // Created by a process that was started again, not by a later life of a member: the two were created apart.
        let mut story = given_up(true, None);
        story.records.retain(|record| record.event != Event::Lives { before: uid(1) });
        story.add(41, Event::Lives { before: uid(1) });
        assert_eq!(part(&story.passes(Property::P27), "created apart"), 2);
        // A trace that just ends may be that of a dead process.
        let mut story = given_up(true, None);
        story.records.retain(|record| record.event != Event::Lives { before: uid(11) });
        assert_eq!(part(&story.passes(Property::P27), "quorum lost"), 1);
    }
}
