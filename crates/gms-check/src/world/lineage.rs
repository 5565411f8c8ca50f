//! One group from its bootstrap on: its views and its entries.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{Class, Handled, Id, ProcessId};
use crate::{TraceMember, Uid};

/// A view as first seen.
#[derive(Debug, Clone)]
pub(crate) struct ViewInfo {
    pub(crate) at: u64,
    pub(crate) gseq: u64,
    pub(crate) leader: Uid,
    pub(crate) members: Vec<TraceMember>,
    pub(crate) fail_stop: bool,
    /// Digest of all that: see [`Event::value`](crate::Event::value).
    pub(crate) value: u64,
    /// Who was first seen to install it.
    pub(crate) by: ProcessId,
}

impl ViewInfo {
    pub(crate) fn has(&self, uid: Uid) -> bool {
        self.members.iter().any(|member| member.uid == uid)
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = Uid> {
        self.members.iter().filter(|member| member.voter).map(|member| member.uid)
    }

    /// Whether these are more than half of the voters, or exactly half with the leader.
    pub(crate) fn is_quorum(&self, present: impl Fn(Uid) -> bool) -> bool {
        let votes = self.voters().filter(|voter| present(*voter)).count();
        match (votes * 2).cmp(&self.voters().count()) {
            Ordering::Greater => true,
            Ordering::Equal => present(self.leader),
            Ordering::Less => false,
        }
    }
}

/// An entry as first seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) class: Class,
    pub(crate) id: Option<Id>,
    pub(crate) by: ProcessId,
    /// The first to deliver it at a uniform level.
    pub(crate) uniform_by: Option<ProcessId>,
    /// Whether anybody delivered it.
    pub(crate) delivered: bool,
}

impl Slot {
    /// Whether a handled entry can be this one. Passes need not name their message.
    pub(crate) fn alike(&self, handled: &Handled) -> bool {
        let same_id = match (self.id, handled.id) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.class == handled.class && same_id
    }
}

/// The views and entries of one gid.
#[derive(Debug)]
pub(crate) struct Lineage {
    pub(crate) gid: u128,
    pub(crate) views: BTreeMap<u64, ViewInfo>,
    /// By (gseq, view).
    slots: BTreeMap<(u64, u64), Slot>,
}

impl Lineage {
    pub(crate) fn new(gid: u128) -> Lineage {
        Lineage { gid, views: BTreeMap::new(), slots: BTreeMap::new() }
    }

    pub(crate) fn slot(&self, gseq: u64, view: u64) -> Option<&Slot> {
        self.slots.get(&(gseq, view))
    }

    /// All entries as (gseq, view, entry).
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u64, u64, &Slot)> {
        self.slots.iter().map(|((gseq, view), slot)| (*gseq, *view, slot))
    }

    /// The entries at some places.
    pub(crate) fn slots_at(&self, places: RangeInclusive<u64>) -> impl Iterator<Item = (u64, u64, &Slot)> {
        let (first, last) = places.into_inner();
        self.slots.range((first, 0)..=(last, u64::MAX)).map(|((gseq, view), slot)| (*gseq, *view, slot))
    }

    /// The place where a view ended: that of the entry of the next view known.
    pub(crate) fn end_of(&self, view: u64) -> Option<u64> {
        self.views.range(view.saturating_add(1)..).next().map(|(_, next)| next.gseq)
    }

    /// Whether what a view had at a place is not in the history.
    pub(crate) fn lost(&self, view: u64, gseq: u64) -> bool {
        self.end_of(view).is_some_and(|end| gseq >= end)
    }

    pub(crate) fn enter(&mut self, handled: &Handled, by: ProcessId) {
        let fresh = Slot { class: handled.class, id: handled.id, by, uniform_by: None, delivered: false };
        let slot = self.slots.entry((handled.gseq, handled.view)).or_insert(fresh);
        if !slot.alike(handled) {
            return;
        }
        slot.id = slot.id.or(handled.id);
        slot.delivered |= handled.delivered;
        if handled.uniform {
            slot.uniform_by.get_or_insert(by);
        }
    }
}
