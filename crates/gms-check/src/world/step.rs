//! One record with what was known before it, looked up once for all properties.

use super::{Handled, Id, Lineage, Message, Process, ProcessId, Slot, ViewInfo, World};
use crate::findings::Place;
use crate::{Event, Uid};

/// The processes a record names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) who: ProcessId,
    /// The sender of the entry; `who` where there is none.
    pub(crate) sender: ProcessId,
}

/// A record about to be taken in.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) world: &'a World,
    pub(crate) who: ProcessId,
    pub(crate) process: &'a Process,
    pub(crate) event: &'a Event,
    /// The lineage the process is in.
    pub(crate) lineage: Option<&'a Lineage>,
    /// The view the process is in.
    pub(crate) view: Option<u64>,
    /// For `deliver` and `pass`.
    pub(crate) handled: Option<Handled>,
    /// What is known to be at that place.
    pub(crate) slot: Option<&'a Slot>,
    /// What is known of the message sent, delivered, passed or reported on.
    pub(crate) message: Option<&'a Message>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(world: &'a World, key: Key, event: &'a Event) -> Step<'a> {
        let process = world.process(key.who);
        let lineage = world.lineage_of(key.who);
        let handled = Handled::of(key, event);
        let id = match event {
            Event::Send { sseq, .. } | Event::Outcome { sseq, .. } => Some(Id { sender: key.who, sseq: *sseq }),
            _ => handled.and_then(|handled| handled.id),
        };
        Step {
            world,
            who: key.who,
            process,
            event,
            lineage,
            view: process.view(),
            handled,
            slot: handled.and_then(|handled| lineage?.slot(handled.gseq, handled.view)),
            message: id.and_then(|id| world.message(id)),
        }
    }

    pub(crate) fn uid(&self) -> Uid {
        self.process.uid
    }

    /// The view the process is in, as first seen.
    pub(crate) fn view_info(&self) -> Option<&'a ViewInfo> {
        self.lineage?.views.get(&self.view?)
    }

    /// The entry delivered, if one is.
    pub(crate) fn delivered(&self) -> Option<Handled> {
        self.handled.filter(|handled| handled.delivered)
    }

    /// A place that says how far the process is.
    pub(crate) fn here(&self) -> Place {
        Place::Process { after: self.process.reached() }
    }
}
