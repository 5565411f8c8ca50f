//! **P26 Client sessions.** A client's message is delivered at most once, through whichever members it was sent, the
//! messages of a session are delivered in their order, and a sender hears where the message is.
//!
//! A `send` names its client. Copies of one message are those that have the same client number; their places are looked
//! up at the end, all processes together, and those that are lost with the end of a view do not count. Per lineage and
//! session, more than one delivered copy of a number is a breach, and so is a number behind a higher one, or one above
//! 1 without the one before it anywhere before. That is judged only where it is known what is at every place between it
//! and the message of its session before: nobody may have come to tell of a place, and a lineage may go on from
//! another. A sender that was told `ordered` for any copy must have been told the place of the delivered one. Where no
//! copy is known to be delivered, that place must hold one of the copies, if it is known what is there. Exercised:
//! messages of clients delivered; parts `repeats`, `gaps` and `expired` (entries passed for it, by all processes) and
//! `resumed` (sessions that were sent through several processes).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Class, Id, Lineage, Placed, ProcessId, Step, World, ordered};
use crate::{Event, Property, SessionNumber};

#[derive(Debug, Default)]
pub(crate) struct ClientSessions {
    sent: BTreeMap<SessionNumber, Vec<Id>>,
    /// Through whom each session was sent.
    through: BTreeMap<u128, BTreeSet<ProcessId>>,
}

impl Invariant for ClientSessions {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        if let Event::Send { sseq, client: Some(client), .. } = step.event {
            self.sent.entry(*client).or_default().push(Id { sender: step.who, sseq: *sseq });
            self.through.entry(client.session).or_default().insert(step.who);
        }
        let part = match step.handled.map(|handled| handled.class) {
            Some(Class::Duplicate) => "repeats",
            Some(Class::Gap) => "gaps",
            Some(Class::SessionExpired) => "expired",
            _ => return,
        };
        out.part(Property::P26, part, 1);
    }

    fn finish(&mut self, world: &World, out: &mut Findings) {
        let resumed = self.through.values().filter(|through| through.len() > 1).count();
        out.part(Property::P26, "resumed", resumed as u64);
        // By lineage and session: the message before, and its place.
        let mut before: BTreeMap<(u128, u128), (u64, Placed)> = BTreeMap::new();
        for (client, ids) in self.sent.iter().filter(|(client, _)| is_message(client.number)) {
            let mut found: BTreeMap<u128, (Id, Placed)> = BTreeMap::new();
            for (id, placed) in ids.iter().flat_map(|id| world.places(*id).map(|placed| (*id, placed))) {
                if world.lost(placed) {
                    continue;
                }
                let lineage = &world.lineages()[placed.lineage];
                out.exercised(Property::P26, 1);
                let last = before.get(&(lineage.gid, client.session));
                let (number, after) = last.map_or((0, 0), |(number, placed)| (*number, placed.gseq));
                let what = match found.insert(lineage.gid, (id, placed)) {
                    Some((_, first)) => format!("delivered again, after gseq {}", first.gseq.min(placed.gseq)),
                    None if after > placed.gseq => format!("delivered before an earlier one, at gseq {after}"),
                    None if number + 1 < client.number && all_known(world, lineage, after + 1..placed.gseq) => {
                        format!("delivered, and {} nowhere before it", client.number - 1)
                    }
                    None => continue,
                };
                breach(world, out, *client, id, seen(placed), &what);
            }
            self.judge_places(world, out, *client, ids);
            for (gid, (_, placed)) in found {
                before.insert((gid, client.session), (client.number, placed));
                let told = ids.iter().filter_map(|id| Some((id, ordered(world.message(*id)?.outcome)?)));
                for (id, (gseq, view)) in
                    told.filter(|(id, _)| world.lineage_of(id.sender).is_some_and(|l| l.gid == gid))
                {
                    if (gseq, view) != (placed.gseq, placed.view) && !is_lost(world, *id, gseq, view) {
                        let what = format!("told to be at gseq {gseq} in view {view}");
                        breach(world, out, *client, *id, seen(placed), &what);
                    }
                }
            }
        }
    }
}

impl ClientSessions {
    /// Whether each place that somebody was told holds a copy, as far as that is known.
    fn judge_places(&self, world: &World, out: &mut Findings, client: SessionNumber, ids: &[Id]) {
        for id in ids {
            let Some((gseq, view)) = world.message(*id).and_then(|message| ordered(message.outcome)) else { continue };
            let Some(lineage) = world.lineage_of(id.sender).filter(|lineage| !lineage.lost(view, gseq)) else {
                continue;
            };
            let Some(there) = lineage.slot(gseq, view) else { continue };
            if there.class != Class::Message || there.id.is_some_and(|there| !ids.contains(&there)) {
                let what = "is told to be where another entry is";
                breach(world, out, client, *id, (Place::Entry { gseq, view }, there.by), what);
            }
        }
    }
}

/// The first number and the last two are not of messages: they open, hold and release the session.
fn is_message(number: u64) -> bool {
    (1..u64::MAX - 1).contains(&number)
}

/// Whether it is known what the history has at each of some places: no message without a name can be at one.
fn all_known(world: &World, lineage: &Lineage, places: Range<u64>) -> bool {
    if places.is_empty() {
        return true;
    }
    let named = |class: Class, id: Option<Id>| class != Class::Message || id.is_some_and(|id| !world.may_be_untold(id));
    let slots = lineage.slots_at(places.start..=places.end - 1);
    let kept = slots.filter(|(gseq, view, slot)| named(slot.class, slot.id) && !lineage.lost(*view, *gseq));
    let mut known: BTreeSet<u64> = kept.map(|(gseq, ..)| gseq).collect();
    known.extend(lineage.views.values().map(|view| view.gseq).filter(|gseq| places.contains(gseq)));
    known.len() as u64 == places.end - places.start
}

/// Whether a place that a sender was told is behind the end of its view: P16 judges that.
fn is_lost(world: &World, id: Id, gseq: u64, view: u64) -> bool {
    world.lineage_of(id.sender).is_some_and(|lineage| lineage.lost(view, gseq))
}

fn seen(Placed { view, gseq, by, .. }: Placed) -> (Place, ProcessId) {
    (Place::Entry { gseq, view }, by)
}

fn breach(
    world: &World,
    out: &mut Findings,
    client: SessionNumber,
    id: Id,
    (place, by): (Place, ProcessId),
    what: &str,
) {
    let processes = [world.uid(id.sender), world.uid(by)];
    let what = format!("message {} of session {:032x} {what}", client.number, client.session);
    out.violated(Property::P26, &processes, place, what);
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, three};
    use crate::{Level::Agreed, Outcome, PassReason, Property};

    /// Session 7 is opened, and its first message delivered at gseq 3; both through 1.
    fn opened() -> Story {
        let mut story = three();
        story.send_for((7, 0), 1, 1).pass(&[1, 2, 3], 1, 2, (1, 1), PassReason::Control);
        story.send_for((7, 1), 1, 2).deliver(&[1, 2, 3], 1, 3, (1, 2), Agreed);
        story.outcome(1, 2, Outcome::Ordered { gseq: 3, view: 1 });
        story
    }

    #[test]
    fn a_repeat_is_passed_and_answered_with_the_first_place() {
        let mut story = opened();
        story.send_for((7, 1), 2, 1).pass(&[1, 2, 3], 1, 4, (2, 1), PassReason::Duplicate);
        story.outcome(2, 1, Outcome::Ordered { gseq: 3, view: 1 });
        let report = story.passes(Property::P26);
        let part = |name| report.counters.part(Property::P26, name);
        assert_eq!((part("repeats"), part("resumed"), part("gaps"), part("expired")), (3, 1, 0, 0));
    }

    #[test]
    fn what_holds_and_releases_a_session_is_no_message_of_it() {
        let mut story = opened();
        for (sseq, number) in [(3, u64::MAX - 1), (4, u64::MAX)] {
            story.send_for((7, number), 1, sseq).pass(&[1, 2, 3], 1, sseq + 1, (1, sseq), PassReason::Control);
            story.outcome(1, sseq, Outcome::Ordered { gseq: sseq + 1, view: 1 });
        }
        story.passes(Property::P26);
    }

    #[test]
    fn delivered_through_two_members() {
        let mut story = opened();
        story.send_for((7, 1), 2, 1).deliver(&[1, 2, 3], 1, 4, (2, 1), Agreed);
        story.caught_alone(Property::P26, &[2, 1], "gseq 4 in view 1");
    }

    #[test]
    fn delivered_out_of_order() {
        let mut story = opened();
        story.send_for((7, 3), 1, 3).deliver(&[1, 2, 3], 1, 4, (1, 3), Agreed);
        story.send_for((7, 2), 2, 1).deliver(&[1, 2, 3], 1, 5, (2, 1), Agreed);
        story.caught_alone(Property::P26, &[1], "gseq 4 in view 1");
    }

    /// Number 2 was sent, or was not, and is nowhere; the one after 3 follows it.
    #[test]
    fn delivered_over_a_gap() {
        for sent in [true, false] {
            let mut story = opened();
            if sent {
                story.send_for((7, 2), 2, 1);
            }
            story.send_for((7, 3), 1, 3).deliver(&[1, 2, 3], 1, 4, (1, 3), Agreed);
            story.send_for((7, 4), 1, 4).deliver(&[1, 2, 3], 1, 5, (1, 4), Agreed);
            story.caught_alone(Property::P26, &[1], "gseq 4 in view 1");
            assert_eq!(story.report().of(Property::P26).count(), 1);
        }
        let mut story = opened();
        story.send_for((8, 2), 1, 3).deliver(&[1, 2, 3], 1, 4, (1, 3), Agreed);
        story.caught_alone(Property::P26, &[1], "gseq 4 in view 1");
    }

    #[test]
    fn what_comes_after_a_gap_is_passed() {
        let mut story = opened();
        story.send_for((7, 3), 1, 3).pass(&[1, 2, 3], 1, 4, (1, 3), PassReason::Gap).outcome(1, 3, Outcome::NotOrdered);
        story.send_for((7, 2), 2, 1).deliver(&[1, 2, 3], 1, 5, (2, 1), Agreed);
        story.send_for((7, 3), 1, 4).deliver(&[1, 2, 3], 1, 6, (1, 4), Agreed);
        let report = story.passes(Property::P26);
        assert_eq!(report.counters.part(Property::P26, "gaps"), 3);
    }

    /// The one before was delivered at a place that is behind the end of its view.
    #[test]
    fn the_one_before_is_lost() {
        let mut story = opened();
        story.send_for((7, 2), 1, 3).deliver(&[1], 1, 4, (1, 3), Agreed).add(1, crate::Event::Crash);
        story.accept(&[2, 3], 2).view(&[2, 3], 2, 4, 3, &[2, 3]);
        story.send_for((7, 3), 2, 1).deliver(&[2, 3], 2, 5, (2, 1), Agreed);
        story.caught_alone(Property::P26, &[2], "gseq 5 in view 2");
    }

    /// All who had the one before died before they came to it: one who came in later tells of what follows only.
    #[test]
    fn nobody_is_left_to_tell_of_the_one_before() {
        let mut story = opened();
        story.send_for((7, 2), 1, 3).send_for((7, 3), 2, 1);
        (1..=3).for_each(|node| _ = story.add(node, crate::Event::Crash));
        story.accept(&[1, 2, 3], 2).view(&[4], 2, 5, 3, &[1, 2, 3, 4]).deliver(&[4], 2, 6, (2, 1), Agreed);
        story.passes(Property::P26);
        // Somebody was there, and passed something without a name; or it was for sure nothing of the kind.
        for (why, sound) in [(PassReason::NotAddressed, true), (PassReason::Fragment, false)] {
            let mut story = story.clone();
            story.pass(&[1], 1, 4, (0, 0), why);
            assert_eq!(story.report().of(Property::P26).next().is_none(), sound, "{why:?}");
        }
    }

    /// A session that went unused for too long begins anew under another name.
    #[test]
    fn one_that_expired_begins_anew() {
        let mut story = opened();
        story.send_for((7, 2), 1, 3).pass(&[1, 2, 3], 1, 4, (1, 3), PassReason::SessionExpired);
        story.send_for((8, 0), 1, 4).pass(&[1, 2, 3], 1, 5, (1, 4), PassReason::Control);
        story.send_for((8, 1), 1, 5).deliver(&[1, 2, 3], 1, 6, (1, 5), Agreed);
        story.passes(Property::P26);
    }

    #[test]
    fn told_where_the_repeat_is() {
        let mut story = opened();
        story.send_for((7, 1), 2, 1).pass(&[1, 2, 3], 1, 4, (2, 1), PassReason::Duplicate);
        story.outcome(2, 1, Outcome::Ordered { gseq: 4, view: 1 });
        story.caught_alone(Property::P26, &[2, 1], "gseq 3 in view 1");
    }

    /// It is delivered nowhere, and its place is that of a repeat, or of something else.
    #[test]
    fn told_a_place_that_holds_another() {
        for told in [3, 4] {
            let mut story = opened();
            story.send_for((7, 2), 2, 1).pass(&[1, 2, 3], 1, 4, (2, 1), PassReason::Duplicate);
            story.outcome(2, 1, Outcome::Ordered { gseq: told, view: 1 });
            story.caught_alone(Property::P26, &[2, 1], &format!("gseq {told} in view 1"));
        }
    }

    /// 1 is the first to tell of some places and 2 of the others. Then 1 goes on in another lineage.
    #[test]
    fn a_place_is_of_the_lineage_in_which_it_was_told() {
        let mut story = opened();
        story.outcome(1, 1, Outcome::Ordered { gseq: 2, view: 1 });
        story.send_for((7, 2), 2, 1).deliver(&[2, 3, 1], 1, 4, (2, 1), Agreed);
        story.go_on_alone(1, 1, 4);
        story.send_for((7, 3), 1, 3).deliver(&[1], 2, 6, (1, 3), Agreed);
        story.passes(Property::P26);
    }

    /// A message that is lost with the quorum of one lineage has the same place in the next one.
    #[test]
    fn the_same_place_in_two_lineages() {
        let mut story = opened();
        story.send_for((7, 2), 1, 3).deliver(&[2, 3], 1, 4, (1, 3), Agreed);
        story.accept(&[1, 2, 3], 2).view(&[2, 3], 2, 5, 3, &[1, 2, 3]);
        story.send_for((7, 3), 1, 4).deliver(&[2, 3], 2, 6, (1, 4), Agreed);
        story.go_on_alone(1, 1, 3);
        story.deliver(&[1], 2, 5, (1, 3), Agreed).deliver(&[1], 2, 6, (1, 4), Agreed);
        story.send_for((7, 4), 1, 5).deliver(&[1], 2, 7, (1, 5), Agreed);
        story.passes(Property::P26);
    }

    /// Delivered by one who is gone, at a place that the next view does not have: that is no delivery (P15).
    #[test]
    fn lost_with_its_view_and_delivered_again() {
        let mut story = three();
        story.send_for((7, 0), 1, 1).pass(&[1, 2, 3], 1, 2, (1, 1), PassReason::Control);
        story.send_for((7, 1), 1, 2).deliver(&[1], 1, 3, (1, 2), Agreed).add(1, crate::Event::Crash);
        story.accept(&[2, 3], 2).view(&[2, 3], 2, 3, 3, &[2, 3]);
        story.send_for((7, 1), 2, 1).deliver(&[2, 3], 2, 4, (2, 1), Agreed);
        story.passes(Property::P26);
    }
}
