//! Whose message has which number in the group.

use std::collections::VecDeque;
use std::sync::Arc;

use gms_core::{Event, Gid, Outcome};

use super::outbox::Outbox;
use crate::client_protocol::{NotOrderedReply, OrderedReply, Reply, UnknownReply, write_line};

/// Messages of clients that wait for their outcome.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By number in the group; some of the numbers between are not of clients.
    runs: VecDeque<Run>,
    /// The lineage that the last view was of.
    lineage: Gid,
    /// The member is out of its group at present.
    suspended: bool,
    closed: bool,
}

/// Messages of one client that have consecutive numbers in the group.
#[derive(Debug)]
struct Run {
    first: u64,
    /// What each is, until it is settled.
    asked: Vec<Option<Asked>>,
    open: usize,
    owner: Arc<Outbox>,
}

/// What a client has asked for that is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// A message, by the client's own number.
    Message(u64),
    /// A session.
    Session,
    /// Nothing: the server says that it holds the client's session.
    Hold,
}

/// Answers that have the same owner, gathered so that it is woken once.
#[derive(Default)]
struct Gathered {
    owner: Option<Arc<Outbox>>,
    lines: Vec<u8>,
    count: usize,
}

impl Ledger {
    /// Why no message is taken now, if none is.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        if self.closed {
            Some("this server is leaving the group or has left it: send through another")
        } else {
            self.suspended
                .then_some("the group goes on without this server, which joins it again: send through another")
        }
    }

    /// The messages that have just been given the numbers from `first` on.
    pub(super) fn enter(&mut self, first: u64, asked: Vec<Asked>, owner: Arc<Outbox>) {
        let open = asked.len();
        self.runs.push_back(Run { first, asked: asked.into_iter().map(Some).collect(), open, owner });
    }

    /// The lineage that the last view was of.
    pub(super) fn lineage(&self) -> Gid {
        self.lineage
    }

    /// Answers those outcomes among `events` that are about messages of clients.
    pub(super) fn settle(&mut self, events: &[Event]) {
        let mut gathered = Gathered::default();
        for event in events {
            let (sseq, outcome) = match event {
                Event::Outcome { sseq, outcome } => (*sseq, *outcome),
                Event::View(change) => {
                    self.lineage = change.view.gid;
                    continue;
                }
                _ => continue,
            };
            let index = self.runs.partition_point(|run| run.first <= sseq);
            let Some(run) = index.checked_sub(1).and_then(|index| self.runs.get_mut(index)) else { continue };
            let asked = run.asked.get_mut((sseq - run.first) as usize).and_then(Option::take);
            let Some(asked) = asked else { continue };
            run.open -= 1;
            gathered.add(&run.owner, asked, outcome, self.lineage);
        }
        gathered.hand_over();
        while self.runs.front().is_some_and(|run| run.open == 0) {
            self.runs.pop_front();
        }
    }

    /// No outcome will come before [`Self::resume`]: what is open may get its place in the next life of the member.
    pub(super) fn suspend(&mut self) {
        self.suspended = true;
        self.give_up();
    }

    /// The member is in a view again.
    pub(super) fn resume(&mut self) {
        self.suspended = false;
    }

    /// No outcome will come any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.give_up();
    }

    /// Whatever is open stays unknown.
    pub(super) fn give_up(&mut self) {
        let mut gathered = Gathered::default();
        for run in self.runs.drain(..) {
            for asked in run.asked.into_iter().flatten() {
                gathered.add(&run.owner, asked, Outcome::Unknown, self.lineage);
            }
        }
        gathered.hand_over();
    }
}

impl Gathered {
    fn add(&mut self, owner: &Arc<Outbox>, asked: Asked, outcome: Outcome, gid: Gid) {
        let number = match asked {
            Asked::Message(number) => number,
            Asked::Session => return owner.put_opened(outcome),
            Asked::Hold => return owner.put(&[], 1),
        };
        if !self.owner.as_ref().is_some_and(|known| Arc::ptr_eq(known, owner)) {
            self.hand_over();
            self.owner = Some(owner.clone());
        }
        self.count += 1;
        let reply = match outcome {
            Outcome::Ordered { gseq, vid } => {
                Reply::Ordered(OrderedReply { number, gseq: Some(gseq), view: Some(vid), gid })
            }
            Outcome::PlaceForgotten => Reply::Ordered(OrderedReply { number, gseq: None, view: None, gid }),
            Outcome::NotOrdered => {
                let reason = "it had no place in the order when the server left the group, or the group gave way to \
                              another, or an earlier message of its session is missing"
                    .to_owned();
                Reply::NotOrdered(NotOrderedReply { number, reason, again: true })
            }
            Outcome::Unknown => Reply::Unknown(UnknownReply { number }),
            Outcome::SessionExpired => Reply::SessionExpired(UnknownReply { number }),
        };
        write_line(&reply, &mut self.lines);
    }

    fn hand_over(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.put(&self.lines, std::mem::take(&mut self.count));
            self.lines.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(outbox: &Outbox) -> (String, usize) {
        let (lines, settled) = outbox.take();
        (String::from_utf8(lines).expect("text").replace(['"', '{', '}'], ""), settled)
    }

    fn ordered(sseq: u64) -> Event {
        Event::Outcome { sseq, outcome: Outcome::Ordered { gseq: sseq + 100, vid: 1 } }
    }

    const NOWHERE: &str = "gid:";

    #[test]
    fn outcomes_find_the_client_and_its_number_in_any_order() {
        let (mut ledger, one, two) = (Ledger::default(), Arc::<Outbox>::default(), Arc::<Outbox>::default());
        ledger.enter(5, vec![Asked::Message(70), Asked::Message(71)], one.clone());
        ledger.enter(9, vec![Asked::Message(70)], two.clone());
        // 4, 7 and 8 are the application's own; 6 comes twice.
        ledger.settle(&[ordered(9), ordered(6), ordered(4), ordered(7), ordered(6), ordered(8)]);
        assert_eq!(taken(&two), (format!("ordered:number:70,gseq:109,view:1,{NOWHERE}\n"), 1));
        assert_eq!(taken(&one), (format!("ordered:number:71,gseq:106,view:1,{NOWHERE}\n"), 1));
        ledger.settle(&[Event::Outcome { sseq: 5, outcome: Outcome::NotOrdered }]);
        assert!(taken(&one).0.starts_with("not_ordered:number:70,reason:it had no place"));
        assert!(ledger.runs.is_empty());
    }

    #[test]
    fn what_is_open_at_the_end_is_unknown() {
        let (mut ledger, one) = (Ledger::default(), Arc::<Outbox>::default());
        ledger.enter(1, vec![Asked::Message(8), Asked::Message(9)], one.clone());
        ledger.settle(&[ordered(1)]);
        ledger.close();
        assert_eq!(taken(&one), (format!("ordered:number:8,gseq:101,view:1,{NOWHERE}\nunknown:number:9\n"), 2));
        assert!(ledger.refusal().is_some());
    }
}
