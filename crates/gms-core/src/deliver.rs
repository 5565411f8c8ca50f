//! Handing the order to the application: entry by entry, as far as each entry's level allows.

use std::sync::Arc;

use bytes::BytesMut;

use crate::chunks::Chunks;
use crate::context::Context;
use crate::event::{Event, Message, Outcome, Passed, Trace, ViewChange};
use crate::id::{Fseq, Gseq, Position, Uid};
use crate::log::Stored;
use crate::membership::Membership;
use crate::planted::Bug;
use crate::view::View;
use crate::why::Why;
use crate::wire::{Entries, EntryKind, Level};

/// What an event costs of the application's queue beside its bytes.
const OVERHEAD: usize = 64;

/// How far the application has been told, and the large messages it is waiting for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Delivery {
    /// Frame being handled, and how far into its body.
    next: Fseq,
    at: usize,
    /// Place of the next entry, in the order and in its sender's stream.
    gseq: Gseq,
    position: Position,
    /// Unfinished large messages; one per sender at most, for streams are FIFO.
    partials: Vec<(Uid, BytesMut)>,
    /// Memory for them.
    chunks: Chunks,
    /// The view the application knows.
    view: Option<Arc<View>>,
    /// The last call ended because the room was used up.
    pub(crate) out_of_room: bool,
}

impl Delivery {
    /// Starts with the view whose frame is `at`.
    pub(crate) fn new(at: Fseq) -> Self {
        Self {
            next: at,
            at: 0,
            gseq: 0,
            position: Position::START,
            partials: Vec::new(),
            chunks: Chunks::default(),
            view: None,
            out_of_room: false,
        }
    }

    /// Last frame handled whole.
    pub(crate) fn upto(&self) -> Fseq {
        self.next - 1
    }

    /// Bytes of unfinished messages.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.partials.iter().map(|(_, bytes)| bytes.capacity()).sum()
    }

    fn view_change(&mut self, view: &Arc<View>, why: &[Why]) -> ViewChange {
        let missing_in = |other: Option<&View>, m: &View| -> Vec<Uid> {
            m.members.iter().map(|m| m.uid).filter(|uid| other.is_none_or(|o| !o.contains(*uid))).collect()
        };
        let joined = missing_in(self.view.as_deref(), view);
        let left = self.view.as_deref().map_or(Vec::new(), |before| missing_in(Some(view), before));
        let left = left.into_iter().zip(why.iter().copied().chain(std::iter::repeat(Why::NotPromised))).collect();
        self.view = Some(view.clone());
        ViewChange { view: view.clone(), joined, left }
    }

    /// Adds a fragment; returns the message when it is whole.
    fn assemble(&mut self, sender: Uid, piece: &[u8], offset: u32, total: u32) -> Option<BytesMut> {
        if offset == 0 {
            self.partials.push((sender, self.chunks.part(total as usize)));
        }
        let index = self.partials.iter().position(|(uid, _)| *uid == sender)?;
        let bytes = &mut self.partials[index].1;
        bytes.extend_from_slice(piece);
        (bytes.len() == total as usize).then(|| self.partials.swap_remove(index).1)
    }
}

impl Membership {
    /// Moves entries to `out` while their level allows and about `room` bytes are not used up.
    /// Returns the bytes used.
    pub(crate) fn deliver(&mut self, cx: &mut Context, out: &mut Vec<Event>, room: usize) -> usize {
        // What was found to be wrong is not handed on.
        if matches!(self.finale, Some(Event::Broken(_))) {
            self.delivery.out_of_room = false;
            return 0;
        }
        let Self { log, delivery, pending, sessions, .. } = self;
        let (mut used, mut out_of_step) = (0, None);
        'order: while used < room && delivery.next <= log.have() {
            let fseq = delivery.next;
            let frame = match log.get(fseq).expect("kept until delivered") {
                Stored::View(view, why) => {
                    let change = delivery.view_change(view, why);
                    cx.trace(|| Trace::View(view.clone()));
                    cx.stats.views += 1;
                    if !self.planted.is(Bug::PartialsKept) {
                        delivery.partials.clear();
                    }
                    delivery.next += 1;
                    out.push(Event::View(change));
                    continue;
                }
                Stored::Frame(frame) => frame,
            };
            if delivery.at == 0 {
                (delivery.gseq, delivery.position) = (frame.header.gseq, frame.header.first);
            }
            let sender = frame.header.origin;
            let vid = frame.header.vid;
            let mut entries = Entries::new(&frame.body, delivery.at);
            while let Some(entry) = entries.next() {
                let entry = entry.expect("checked when stored");
                let allowed = fseq <= self.settled
                    || match entry.level {
                        Level::Agreed => true,
                        Level::Uniform => fseq <= self.safe,
                        Level::Stable => fseq <= self.stable,
                    };
                if !allowed {
                    break;
                }
                delivery.at = entries.at();
                let (gseq, sseq) = (delivery.gseq, delivery.position.sseq);
                delivery.gseq += 1;
                let (payload, last) = match entry.kind {
                    EntryKind::Message => (Some(frame.body.slice(entry.payload)), true),
                    EntryKind::Void => (None, true),
                    EntryKind::Fragment { offset, total } => {
                        let whole = delivery.assemble(sender, &frame.body[entry.payload.clone()], offset, total);
                        let last = offset as usize + entry.payload.len() == total as usize;
                        delivery.position.offset = offset + entry.payload.len() as u32;
                        (whole.map(BytesMut::freeze), last)
                    }
                };
                if last {
                    delivery.position = Position::message(sseq + 1);
                }
                let passed = match &payload {
                    None if last => Some(Passed::Void),
                    None => Some(Passed::Fragment),
                    Some(_)
                        if entry.only_in_view.is_some_and(|only| only != vid)
                            && !self.planted.is(Bug::LateForItsView) =>
                    {
                        Some(Passed::Expired)
                    }
                    Some(_)
                        if entry.session.is_some()
                            && let Some(why) = sessions.why_passed(gseq) =>
                    {
                        Some(why)
                    }
                    Some(_) if !entry.to.is_empty() => Some(Passed::NotAddressed),
                    Some(_) => None,
                };
                match (passed, payload) {
                    (None, Some(payload)) => {
                        used += payload.len() + OVERHEAD;
                        cx.stats.delivered += 1;
                        let message = Message { gseq, vid, sender, sseq, level: entry.level, payload };
                        cx.trace(|| Trace::Deliver(message.clone()));
                        out.push(Event::Message(message));
                    }
                    (why, _) => {
                        let why = why.unwrap_or(Passed::Void);
                        cx.trace(|| Trace::Pass { vid, gseq, why, sender, sseq });
                    }
                }
                if last && sender == cx.config.uid {
                    let outcome = match passed {
                        Some(Passed::Expired | Passed::Gap) => Outcome::NotOrdered,
                        Some(Passed::Repeat { first: Some((gseq, vid)) }) => Outcome::Ordered { gseq, vid },
                        Some(Passed::Repeat { first: None }) => Outcome::PlaceForgotten,
                        Some(Passed::SessionExpired) => Outcome::SessionExpired,
                        _ => Outcome::Ordered { gseq, vid },
                    };
                    match pending.delivered(sseq) {
                        Some(true) => {
                            cx.trace(|| Trace::Outcome { sseq, outcome });
                            out.push(Event::Outcome { sseq, outcome });
                        }
                        Some(false) => {}
                        None => {
                            out_of_step = Some(sseq);
                            break 'order;
                        }
                    }
                }
                if used >= room {
                    break;
                }
            }
            if delivery.at < frame.body.len() {
                break;
            }
            delivery.next += 1;
            delivery.at = 0;
        }
        delivery.out_of_room = used >= room && out_of_step.is_none();
        if let Some(sseq) = out_of_step {
            // Every outcome from here on would be another message's.
            self.stop(cx, format!("message {sseq} in my name is in the order, and is not the next of mine"));
        }
        self.free();
        used
    }
}
