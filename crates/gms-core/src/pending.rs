//! Own messages until they are delivered: numbered, packed into frames, forwarded, repeated.
//!
//! The originals stay here until the order brings them back, so that a view change can pack them
//! anew from the first one not ordered (protocol 4.1, 4.4).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::change::Unordered;
use crate::chunks::Chunks;
use crate::id::{Position, Uid, Vid};
use crate::planted::{Bug, Planted};
use crate::time::Time;
use crate::wire::{Addressing, EntryKind, Frame, FrameFlags, FrameHeader, Level, Limits, entry_len, write_entry};

/// What a waiting message costs beside its bytes.
const OVERHEAD: usize = 96;
/// Longer ways are taken for this long: repeats must not become rare because the group was slow once.
const SLOWEST_TRIP: Duration = Duration::from_millis(50);
/// A fragment shorter than this is not worth its header: it waits for the next frame.
const LEAST_FRAGMENT: usize = 64;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Message {
    payload: Bytes,
    level: Level,
    /// Boxed because hardly any message has one.
    addressing: Option<Box<Addressing>>,
    /// Reported as `NotOrdered`; only its number still travels.
    void: bool,
}

/// A FORWARD frame on its way. Immutable: repeats are byte-identical.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Forward {
    frame: Frame,
    sent: Time,
    repeated: bool,
}

/// Own messages that are not delivered yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Pending {
    messages: VecDeque<Message>,
    /// Number of the first of `messages`.
    first: u64,
    bytes: usize,
    /// Next place to pack.
    cursor: Position,
    forwards: VecDeque<Forward>,
    /// Forwards from here on have not been sent.
    unsent: usize,
    /// Forwards up to here are to be sent again.
    repeat: usize,
    in_flight: u64,
    /// Memory for frames.
    chunks: Chunks,
    /// Smoothed time from forwarding to seeing it ordered.
    round_trip: Duration,
    backoff: Duration,
    pub(crate) planted: Planted,
}

impl Pending {
    pub(crate) fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            first: 1,
            bytes: 0,
            cursor: Position::START,
            forwards: VecDeque::new(),
            unsent: 0,
            repeat: 0,
            in_flight: 0,
            chunks: Chunks::default(),
            round_trip: Duration::from_millis(1),
            backoff: Duration::ZERO,
            planted: Planted::default(),
        }
    }

    /// Takes a message in and gives it its number.
    pub(crate) fn push(&mut self, payload: Bytes, level: Level, addressing: Addressing) -> u64 {
        self.bytes += payload.len() + OVERHEAD;
        let addressing = (addressing != Addressing::default()).then(|| Box::new(addressing));
        self.messages.push_back(Message { payload, level, addressing, void: false });
        self.first + self.messages.len() as u64 - 1
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn message(&self, sseq: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(sseq.checked_sub(self.first)?).ok()?)
    }

    /// Whether anything waits to be packed.
    pub(crate) fn wants_packing(&self) -> bool {
        self.message(self.cursor.sseq).is_some()
    }

    /// Whole length of the message under the cursor if it does not fit into one frame: what packing
    /// on may leave unfinished.
    pub(crate) fn opens(&self, room: usize) -> u32 {
        self.message(self.cursor.sseq).map_or(0, |m| {
            let len = entry_len(EntryKind::Message, m.addressing.as_deref().unwrap_or(&Addressing::default()))
                + m.payload.len();
            if len > room { m.payload.len() as u32 } else { 0 }
        })
    }

    /// Packs the next frame for view `vid`: whole messages, or a piece of one that is larger than
    /// `room`. Messages that must not be delivered in this view become void; their numbers go to
    /// `expired`.
    pub(crate) fn pack(
        &mut self,
        origin: Uid,
        vid: Vid,
        room: usize,
        limits: &Limits,
        expired: &mut Vec<u64>,
    ) -> Option<Frame> {
        let plain = Addressing::default();
        let first = self.cursor;
        let (mut count, mut flags, mut open) = (0u16, FrameFlags::default(), 0);
        let body = self.chunks.room(room);
        let first_kept = self.first;
        let place = |cursor: Position| cursor.sseq.checked_sub(first_kept).map_or(usize::MAX, |place| place as usize);
        while let Some(message) = self.messages.get_mut(place(self.cursor)) {
            if count == limits.entries || open != 0 {
                break;
            }
            let left = room - body.len();
            let addressing = message.addressing.as_deref().unwrap_or(&plain);
            let late = addressing.only_in_view.is_some_and(|only| only != vid);
            if late && !message.void && !self.planted.is(Bug::LateForItsView) {
                message.void = true;
                expired.push(self.cursor.sseq);
            }
            let offset = self.cursor.offset as usize;
            let whole = entry_len(EntryKind::Message, addressing) + message.payload.len();
            if message.void {
                if entry_len(EntryKind::Void, &plain) > left {
                    break;
                }
                write_entry(body, EntryKind::Void, message.level, &plain, &[]);
                self.cursor = Position::message(self.cursor.sseq + 1);
            } else if offset == 0 && whole <= room {
                if whole > left {
                    break;
                }
                write_entry(body, EntryKind::Message, message.level, addressing, &message.payload);
                self.cursor = Position::message(self.cursor.sseq + 1);
            } else {
                let total = message.payload.len();
                let kind = EntryKind::Fragment { offset: offset as u32, total: total as u32 };
                let header = entry_len(kind, addressing);
                if left < header + LEAST_FRAGMENT.min(total - offset) {
                    break;
                }
                let end = total.min(offset + left - header);
                write_entry(body, kind, message.level, addressing, &message.payload[offset..end]);
                if end == total {
                    self.cursor = Position::message(self.cursor.sseq + 1);
                } else {
                    self.cursor.offset = end as u32;
                    open = total as u32;
                }
            }
            flags.add(message.level);
            if addressing.session.is_some() && !message.void {
                flags.add_session();
            }
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let header = FrameHeader { flags, count, vid, fseq: 0, gseq: 0, origin, first };
        Some(Frame { header, body: body.split().freeze(), end: self.cursor, open })
    }

    /// Charge of frames forwarded and not ordered yet.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Queues a packed frame for the leader.
    pub(crate) fn forward(&mut self, frame: Frame) {
        self.in_flight += frame.charge();
        self.forwards.push_back(Forward { frame, sent: Time::ZERO, repeated: false });
    }

    /// Frames to send now: repeats first.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = &Frame> + Clone {
        let from = if self.repeat > 0 { 0 } else { self.unsent };
        let to = if self.repeat > 0 { self.repeat } else { self.forwards.len() };
        self.forwards.range(from..to).map(|f| &f.frame)
    }

    /// The first `count` of [`Self::unsent`] have been handed to the socket.
    pub(crate) fn sent(&mut self, now: Time, count: usize) {
        if self.repeat > 0 {
            self.repeat = 0;
        } else {
            self.forwards.range_mut(self.unsent..self.unsent + count).for_each(|f| f.sent = now);
            self.unsent += count;
        }
    }

    /// Whether anything forwarded has not come back.
    pub(crate) fn awaits_order(&self) -> bool {
        self.unsent > 0
    }

    /// How long to wait for the oldest forward before repeating: two round trips, doubling.
    pub(crate) fn patience(&self, least: Duration) -> Duration {
        self.backoff.max((self.round_trip * 2).max(least))
    }

    /// The oldest forwards seem lost: send up to `count` again, and wait longer next time.
    pub(crate) fn repeat(&mut self, count: usize, least: Duration, most: Duration) {
        self.repeat = count.min(self.unsent);
        // From here on nothing outstanding tells how long the way is (Karn): those behind a lost
        // one waited for its repeat.
        self.forwards.range_mut(..self.unsent).for_each(|f| f.repeated = true);
        self.backoff = (self.patience(least) * 2).min(most);
    }

    /// The order has reached `next` in my stream. True when that is news.
    pub(crate) fn ordered(&mut self, now: Time, next: Position) -> bool {
        let mut news = false;
        while self.forwards.front().is_some_and(|f| f.frame.end <= next) {
            let forward = self.forwards.pop_front().expect("just seen");
            self.in_flight -= forward.frame.charge();
            self.repeat = self.repeat.saturating_sub(1);
            if self.unsent > 0 {
                self.unsent -= 1;
                if !forward.repeated {
                    self.round_trip = (self.round_trip * 7 + (now - forward.sent).min(SLOWEST_TRIP)) / 8;
                }
            }
            news = true;
        }
        if news {
            self.backoff = Duration::ZERO;
        }
        news
    }

    /// Smoothed time from forwarding to seeing it ordered.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// My message `sseq` has been handled: forget it. False when it was void, so that its outcome is known already;
    /// `None` when it is not the next of mine to be, so that the order says something of me that is not true.
    pub(crate) fn delivered(&mut self, sseq: u64) -> Option<bool> {
        let message = self.messages.pop_front_if(|_| sseq == self.first)?;
        self.first += 1;
        self.bytes -= message.payload.len() + OVERHEAD;
        Some(!message.void)
    }

    /// A view ended: everything from `next` on has to be packed again for the new one.
    pub(crate) fn repack(&mut self, next: Position) {
        self.cursor = Position::message(next.sseq);
        self.forwards.clear();
        (self.unsent, self.repeat, self.in_flight, self.backoff) = (0, 0, 0, Duration::ZERO);
    }

    /// All messages without an outcome, oldest first, which are forgotten here.
    pub(crate) fn take(&mut self) -> Vec<Unordered> {
        let messages = (self.first..).zip(std::mem::take(&mut self.messages)).filter(|(_, m)| !m.void);
        let taken = messages.map(|(sseq, Message { payload, level, addressing, .. })| {
            let addressing = addressing.map_or_else(Addressing::default, |addressing| *addressing);
            Unordered { sseq, payload, level, addressing }
        });
        let taken: Vec<Unordered> = taken.collect();
        self.abandon();
        taken
    }

    /// Numbers of all messages without an outcome, oldest first, which are forgotten.
    pub(crate) fn abandon(&mut self) -> Vec<u64> {
        let sseqs = (self.first..).zip(&self.messages).filter(|(_, m)| !m.void).map(|(sseq, _)| sseq).collect();
        self.first += self.messages.len() as u64;
        self.messages.clear();
        self.bytes = 0;
        self.repack(Position::message(self.first));
        sseqs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Uid = Uid { node: crate::id::NodeId(1), incarnation: 1 };

    fn pack_all(pending: &mut Pending, vid: Vid, room: usize) -> (Vec<Frame>, Vec<u64>) {
        let (limits, mut expired, mut frames) = (Limits::default(), Vec::new(), Vec::new());
        while let Some(frame) = pending.pack(ME, vid, room, &limits, &mut expired) {
            assert!(frame.body.len() <= room);
            assert_eq!(Frame::check(frame.header, frame.body.clone(), &limits).as_ref(), Ok(&frame));
            frames.push(frame);
        }
        (frames, expired)
    }

    fn push(pending: &mut Pending, len: usize) -> u64 {
        pending.push(vec![7; len].into(), Level::Agreed, Addressing::default())
    }

    #[test]
    fn small_messages_share_frames_and_large_ones_are_cut() {
        let mut pending = Pending::new();
        for len in [100, 100, 5000, 0, 100] {
            push(&mut pending, len);
        }
        let (frames, _) = pack_all(&mut pending, 1, 1000);
        assert_eq!(frames.len(), 6);
        assert_eq!(frames[0].header.count, 3);
        assert_eq!(frames[0].open, 5000);
        assert_eq!(frames.last().unwrap().end, Position::message(6));
        assert!(frames.windows(2).all(|w| w[0].end == w[1].header.first));
    }

    #[test]
    fn repacking_starts_unordered_messages_again() {
        let mut pending = Pending::new();
        push(&mut pending, 10);
        push(&mut pending, 3000);
        let (frames, _) = pack_all(&mut pending, 1, 1000);
        frames.into_iter().for_each(|f| pending.forward(f));
        assert!(pending.ordered(Time::ZERO, Position { sseq: 2, offset: 5 }) || pending.in_flight() > 0);
        pending.repack(Position::message(2));
        let (frames, _) = pack_all(&mut pending, 2, 1000);
        assert_eq!(frames[0].header.first, Position::message(2));
        assert_eq!(frames[0].header.vid, 2);
    }

    #[test]
    fn a_message_bound_to_another_view_becomes_void_once() {
        let mut pending = Pending::new();
        push(&mut pending, 1);
        pending.push(Bytes::new(), Level::Agreed, Addressing { only_in_view: Some(1), ..Addressing::default() });
        let (frames, expired) = pack_all(&mut pending, 2, 1000);
        assert_eq!((frames.len(), frames[0].header.count, &expired[..]), (1, 2, &[2][..]));
        pending.repack(Position::START);
        assert_eq!(pack_all(&mut pending, 3, 1000).1, Vec::<u64>::new());
        assert_eq!((pending.delivered(2), pending.delivered(1), pending.delivered(1)), (None, Some(true), None));
        assert_eq!((pending.delivered(2), pending.delivered(3)), (Some(false), None));
        assert!(pending.is_empty() && pending.bytes() == 0);
    }
}
