//! One process: how far it came and how it ended.

use std::collections::BTreeMap;

use super::{Handled, ProcessId, Ranges};
use crate::Uid;

/// What a process did up to now.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) uid: Uid,
    /// Number of the lineage it is in.
    pub(crate) lineage: Option<usize>,
    /// And of the one that it was in first: it may have created another with that one's history.
    pub(crate) first_lineage: Option<usize>,
    /// Its views as (view, gseq), in the order of installation.
    pub(crate) installed: Vec<(u64, u64)>,
    /// The place it has to handle next; 0 before the first view.
    pub(crate) due: u64,
    /// Places it left out.
    pub(crate) holes: Ranges,
    /// How far it came in each sender's messages.
    pub(crate) fifo: BTreeMap<ProcessId, Fifo>,
    /// It delivered a message of another process.
    pub(crate) heard: bool,
    pub(crate) excluded: bool,
    /// It ended, of its own will or with its lineage,
    pub(crate) left: bool,
    /// and what it had sent goes on in its next life.
    pub(crate) moved: bool,
    /// The lineage that it has created with the history of its own.
    pub(crate) returned: Option<u128>,
    /// The lineage that an operator has had it give up.
    pub(crate) forsakes: Option<u128>,
    pub(crate) crashed: bool,
    /// There are records of its own.
    pub(crate) recorded: bool,
    /// It went on after the last of them.
    pub(crate) incomplete: bool,
    /// The last of its messages whose sending is recorded.
    pub(crate) sent: u64,
}

impl Process {
    pub(crate) fn new(uid: Uid) -> Process {
        Process {
            uid,
            lineage: None,
            first_lineage: None,
            installed: Vec::new(),
            due: 0,
            holes: Ranges::default(),
            fifo: BTreeMap::new(),
            heard: false,
            excluded: false,
            left: false,
            moved: false,
            returned: None,
            forsakes: None,
            crashed: false,
            recorded: false,
            incomplete: false,
            sent: 0,
        }
    }

    /// The view it is in.
    pub(crate) fn view(&self) -> Option<u64> {
        self.installed.last().map(|(view, _)| *view)
    }

    /// The last place it handled.
    pub(crate) fn reached(&self) -> u64 {
        self.due.saturating_sub(1)
    }

    /// Whether it ever installed a view higher than this one.
    pub(crate) fn came_past(&self, view: u64) -> bool {
        self.installed.iter().any(|(installed, _)| *installed > view)
    }

    pub(crate) fn install(&mut self, lineage: usize, view: u64, gseq: u64) {
        if self.lineage == Some(lineage) && gseq > self.due {
            self.holes.insert(self.due, gseq - 1);
        }
        self.lineage = Some(lineage);
        self.first_lineage.get_or_insert(lineage);
        self.due = gseq.saturating_add(1);
        self.installed.push((view, gseq));
    }

    pub(crate) fn handle(&mut self, handled: &Handled) {
        if handled.gseq >= self.due {
            if handled.gseq > self.due && self.due > 0 {
                self.holes.insert(self.due, handled.gseq - 1);
            }
            self.due = handled.gseq.saturating_add(1);
        } else {
            self.holes.remove(handled.gseq);
        }
        if let Some(id) = handled.uses_up() {
            match self.fifo.get_mut(&id.sender) {
                Some(fifo) => fifo.take(id.sseq, handled.view),
                None => {
                    self.fifo.insert(id.sender, Fifo::starting(id.sseq, handled.view));
                }
            }
        }
    }

    /// What a number of a sender is at this process now.
    pub(crate) fn number(&self, sender: ProcessId, sseq: u64) -> Number {
        match self.fifo.get(&sender) {
            None => Number::First,
            Some(fifo) if sseq == fifo.next => Number::Next,
            Some(fifo) if sseq > fifo.next => Number::Ahead,
            Some(fifo) if fifo.missing.contains(sseq) => Number::Late,
            Some(_) => Number::Again,
        }
    }
}

/// A number of a sender, seen from what a process has handled of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// The first of this sender.
    First,
    /// The next in order.
    Next,
    /// Others before it are missing.
    Ahead,
    /// It was left out before.
    Late,
    /// It was handled before.
    Again,
}

/// How far a process came in the messages of one sender.
#[derive(Debug)]
pub(crate) struct Fifo {
    pub(crate) next: u64,
    /// The view of the last one.
    pub(crate) view: u64,
    missing: Ranges,
}

impl Fifo {
    fn starting(sseq: u64, view: u64) -> Fifo {
        let mut missing = Ranges::default();
        if sseq > 1 {
            missing.insert(1, sseq - 1);
        }
        Fifo { next: sseq.saturating_add(1), view, missing }
    }

    fn take(&mut self, sseq: u64, view: u64) {
        if sseq < self.next {
            self.missing.remove(sseq);
        } else {
            if sseq > self.next {
                self.missing.insert(self.next, sseq - 1);
            }
            self.next = sseq.saturating_add(1);
        }
        self.view = view;
    }
}
