//! One entry of the order as one process handled it.

use super::{Id, Key};
use crate::{Event, PassReason};

/// What an entry is, the same for all who handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Delivered, or passed because it is for others.
    Message,
    Fragment,
    Duplicate,
    Void,
    Expired,
    Control,
    Gap,
    SessionExpired,
}

/// A `deliver` or `pass` record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handled {
    pub(crate) view: u64,
    pub(crate) gseq: u64,
    pub(crate) class: Class,
    pub(crate) id: Option<Id>,
    /// Delivered, not passed.
    pub(crate) delivered: bool,
    /// Delivered at a level that may not be lost.
    pub(crate) uniform: bool,
}

impl Handled {
    pub(crate) fn of(key: Key, event: &Event) -> Option<Handled> {
        match event {
            Event::Deliver { view, gseq, sseq, level, .. } => Some(Handled {
                view: *view,
                gseq: *gseq,
                class: Class::Message,
                id: Some(Id { sender: key.sender, sseq: *sseq }),
                delivered: true,
                uniform: level.is_uniform(),
            }),
            Event::Pass { view, gseq, why, sender, sseq } => Some(Handled {
                view: *view,
                gseq: *gseq,
                class: Class::from(*why),
                id: sender.and(*sseq).map(|sseq| Id { sender: key.sender, sseq }),
                delivered: false,
                uniform: false,
            }),
            _ => None,
        }
    }

    /// The message whose number this entry uses up at its sender.
    pub(crate) fn uses_up(&self) -> Option<Id> {
        self.id.filter(|_| self.class != Class::Fragment)
    }
}

impl From<PassReason> for Class {
    fn from(why: PassReason) -> Class {
        match why {
            PassReason::Fragment => Class::Fragment,
            PassReason::NotAddressed => Class::Message,
            PassReason::Duplicate => Class::Duplicate,
            PassReason::Void => Class::Void,
            PassReason::Expired => Class::Expired,
            PassReason::Control => Class::Control,
            PassReason::Gap => Class::Gap,
            PassReason::SessionExpired => Class::SessionExpired,
        }
    }
}
