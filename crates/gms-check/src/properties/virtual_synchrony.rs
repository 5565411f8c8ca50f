//! **P9 Virtual synchrony.** Two processes that install V and then V+1 deliver the same messages in V, in the same
//! order, ending at the cut.
//!
//! Each process sums up what it handled in each view: how many entries, the last place, and a hash over places, kinds
//! and ids in its order, where a message passed because it is for others counts like one delivered. When it installs
//! V+1 right after V, its sum of V must equal that of the first process seen to do so. Where a pass does not name its
//! message, ids are not compared for that view. Exercised: pairs of processes for each view with at least one message;
//! parts `views`, `unstable`: those of them that ended when nobody who accepted the end knew all members to have
//! everything.

use std::collections::BTreeMap;

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::{Class, Handled, ProcessId, Step, World};
use crate::{Event, Property, digest};

#[derive(Debug, Default)]
pub(crate) struct VirtualSynchrony {
    /// What each process handled in the view it is in.
    current: BTreeMap<ProcessId, Sum>,
    /// The first to go through a view, by (gid, view).
    through: BTreeMap<(u128, u64), Through>,
    /// What was unstable when a view ended, by (gid, view): the least that anybody says who accepted the end.
    unstable: BTreeMap<(u128, u64), u64>,
}

#[derive(Debug)]
struct Through {
    first: ProcessId,
    sum: Sum,
    processes: u64,
    /// Those of them with a message.
    busy: u64,
}

/// What was handled in a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    entries: u64,
    messages: u64,
    last: u64,
    places: u64,
    ids: u64,
    unnamed: u64,
}

impl Invariant for VirtualSynchrony {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        if let Some(handled) = &step.handled {
            self.current.entry(step.who).or_default().add(step, handled);
        }
        if let Event::Accepted { gid, view, unstable, .. } = step.event {
            let least = self.unstable.entry((*gid, view.saturating_sub(1))).or_insert(*unstable);
            *least = (*least).min(*unstable);
        }
        let Event::View { gid, view, gseq, .. } = step.event else {
            return;
        };
        let sum = self.current.insert(step.who, Sum::default()).unwrap_or_default();
        let Some(before) = step.view.filter(|before| before.checked_add(1) == Some(*view)) else {
            return;
        };
        let busy = u64::from(sum.messages > 0);
        let Some(through) = self.through.get_mut(&(*gid, before)) else {
            let through = Through { first: step.who, sum, processes: 1, busy };
            self.through.insert((*gid, before), through);
            return;
        };
        let pairs = if busy > 0 { through.processes } else { through.busy };
        out.exercised(Property::P9, pairs);
        out.part(Property::P9, "views", u64::from(through.processes == 1 && pairs > 0));
        through.processes += 1;
        through.busy += busy;
        if let Some(what) = through.sum.differs(&sum) {
            let first = step.world.uid(through.first);
            let place = Place::View { view: before, gseq: *gseq };
            out.violated(Property::P9, &[step.uid(), first], place, format!("{what} at {first}"));
        }
    }

    fn finish(&mut self, _world: &World, out: &mut Findings) {
        let compared = self.through.iter().filter(|(_, through)| through.processes > 1 && through.busy > 0);
        let unstable = compared.filter(|(view, _)| self.unstable.get(view).is_some_and(|frames| *frames > 0));
        out.part(Property::P9, "unstable", unstable.count() as u64);
    }
}

impl Sum {
    fn add(&mut self, step: &Step<'_>, handled: &Handled) {
        self.entries += 1;
        self.messages += u64::from(handled.class == Class::Message);
        self.last = handled.gseq;
        self.places = mix(self.places, &[handled.view, handled.gseq, handled.class as u64]);
        match handled.id {
            Some(id) => {
                let sender = step.world.uid(id.sender);
                self.ids = mix(self.ids, &[handled.gseq, sender.node, sender.incarnation, id.sseq]);
            }
            None => self.unnamed += u64::from(handled.class == Class::Message),
        }
    }

    /// How another process's sum differs from this one.
    fn differs(&self, other: &Sum) -> Option<String> {
        if self.entries != other.entries {
            Some(format!("{} entries handled up to the next view, {}", other.entries, self.entries))
        } else if self.last != other.last {
            Some(format!("ended at gseq {}, at {}", other.last, self.last))
        } else if self.places != other.places {
            Some(format!("the {} entries are others or in another order than", self.entries))
        } else if self.unnamed == 0 && other.unnamed == 0 && self.ids != other.ids {
            Some(format!("the {} messages are others or in another order than", self.messages))
        } else {
            None
        }
    }
}

fn mix(hash: u64, numbers: &[u64]) -> u64 {
    numbers.iter().fold(hash, |hash, number| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&hash.to_le_bytes());
        bytes[8..].copy_from_slice(&number.to_le_bytes());
        digest(&bytes)
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Story, good, three};
    use crate::{Level, PassReason, Property};

    fn two_messages() -> Story {
        let mut story = three();
        story.send(1, 1, Level::Agreed).send(2, 1, Level::Agreed).accept(&[1, 2, 3], 2);
        story.deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed);
        story
    }

    #[test]
    fn good_trace() {
        let report = good().passes(Property::P9);
        // View 1: three processes; view 2: three; view 3: two.
        assert_eq!(report.exercised(Property::P9), 3 + 3 + 1);
        assert_eq!(report.counters.part(Property::P9, "views"), 3);
    }

    #[test]
    fn views_that_end_unstable_are_counted() {
        // What the two who accept know.
        for (one, other, unstable) in [(2, 5, 1), (0, 5, 0)] {
            let mut story = three();
            story.send(1, 1, Level::Agreed).deliver(&[1, 2, 3], 1, 2, (1, 1), Level::Agreed);
            story.accept_by(&[1], 2, 0, one).accept_by(&[3], 2, 0, other).view(&[1, 2, 3], 2, 3, 3, &[1, 2, 3]);
            assert_eq!(story.passes(Property::P9).counters.part(Property::P9, "unstable"), unstable);
        }
    }

    #[test]
    fn one_has_less() {
        let mut story = two_messages();
        story.deliver(&[1, 3], 1, 3, (2, 1), Level::Agreed).view(&[3, 1, 2], 2, 4, 3, &[1, 2, 3]);
        story.caught(Property::P9, &[2, 3], "view 1");
    }

    #[test]
    fn one_has_another() {
        let mut story = two_messages();
        story.send(1, 2, Level::Agreed).deliver(&[1, 3], 1, 3, (2, 1), Level::Agreed);
        story.deliver(&[2], 1, 3, (1, 2), Level::Agreed).view(&[3, 1, 2], 2, 4, 3, &[1, 2, 3]);
        story.caught(Property::P9, &[2, 3], "view 1");
    }

    #[test]
    fn passing_what_is_for_others_is_the_same() {
        for id in [(2, 1), (0, 0)] {
            let mut story = two_messages();
            story.deliver(&[2, 3], 1, 3, (2, 1), Level::Agreed).pass(&[1], 1, 3, id, PassReason::NotAddressed);
            story.view(&[1, 2, 3], 2, 4, 3, &[1, 2, 3]).passes(Property::P9);
        }
    }

    #[test]
    fn who_does_not_come_along_may_differ() {
        let mut story = two_messages();
        story.deliver(&[1], 1, 3, (2, 1), Level::Agreed).accept(&[2, 3], 2).view(&[2, 3], 2, 3, 3, &[2, 3]);
        story.add(1, crate::Event::Crash).passes(Property::P9);
    }
}
