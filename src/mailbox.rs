//! What lies between the application's tasks and the event loop: messages one way, events the other,
//! both bounded in bytes. Everything moves in batches, so neither side pays per message for waking
//! the other.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use gms_core::{Blocked, Event, Uid};
use tokio::sync::oneshot;

use crate::config::WhenBlocked;
use crate::error::{LeaveError, SendError};
use crate::operation::Operation;
use crate::status::Status;
use crate::submission::{Party, Submission};

/// Bytes of messages that wait for the loop to take them, at most (one message may exceed it).
const QUEUED: usize = 512 << 10;
/// What a message costs beside its bytes.
const OVERHEAD: usize = 64;

/// Whether the application wants the member to go on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Wish {
    #[default]
    Stay,
    Leave,
    /// At once, without a word to anybody.
    Die,
}

/// What the application has for the loop.
#[derive(Default)]
struct Outbound {
    queue: VecDeque<Submission>,
    bytes: usize,
    /// Number of the last message accepted.
    sseq: u64,
    message_limit: u32,
    when_blocked: WhenBlocked,
    /// Why nothing is accepted at present.
    refused: Option<Blocked>,
    /// Who waits for room, and how often all of them have been turned away.
    waiting: Vec<(Waker, Party)>,
    turned_away: u64,
    /// Orders of an operator.
    operations: Vec<Operation>,
    /// Those who asked to leave and wait for the answer.
    leaving: Vec<oneshot::Sender<Result<bool, LeaveError>>>,
    wish: Wish,
    /// No handle is left that could wish for anything else.
    abandoned: bool,
    /// Set at the end: whether the group confirmed a leave.
    ended: Option<bool>,
    /// The loop, when it sleeps; otherwise whether something came in since it last wanted to.
    sleeper: Option<Waker>,
    woken: bool,
}

/// What the loop has for the application.
#[derive(Default)]
struct Inbound {
    events: Vec<Event>,
    bytes: usize,
    /// Who took the last batch and has not come back for more. If the same party awaits a send, it
    /// cannot read before the send ends.
    busy: Option<Party>,
    /// The loop has events that found no room here.
    short: bool,
    ended: bool,
    /// Nobody will read any more.
    abandoned: bool,
    reader: Option<Waker>,
}

/// Shared by a [`crate::Group`], its [`crate::Events`] and its event loop.
pub(crate) struct Mailbox {
    outbound: Mutex<Outbound>,
    inbound: Mutex<Inbound>,
    status: Mutex<Status>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can be left half done by a panic: take the value as it is.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// How far a message got.
pub(crate) enum Submitted {
    Accepted(u64),
    Full(Submission),
}

impl Mailbox {
    pub(crate) fn new(message_limit: u32, when_blocked: WhenBlocked, uid: Uid) -> Self {
        let outbound = Outbound { message_limit, when_blocked, ..Outbound::default() };
        let status = Status { uid, ..Status::default() };
        Self { outbound: Mutex::new(outbound), inbound: Mutex::default(), status: Mutex::new(status) }
    }

    // The application's side.

    /// Hands messages over until one finds no room; returns the number of the last one accepted, if
    /// any, and the one that found no room.
    pub(crate) fn submit(
        &self,
        first: Submission,
        more: &mut dyn Iterator<Item = Submission>,
        waker: Option<&Waker>,
    ) -> Result<(Option<u64>, Option<Submission>), SendError> {
        let mut outbound = lock(&self.outbound);
        let mut accepted = None;
        let mut next = Some(first);
        while let Some(submission) = next {
            let submitted = outbound.accept(submission).inspect_err(|_| {
                // Those before it are on their way.
                if accepted.is_some() {
                    outbound.wake();
                }
            });
            match submitted? {
                Submitted::Accepted(sseq) => accepted = Some(sseq),
                Submitted::Full(back) => {
                    if let Some(waker) = waker.filter(|waker| !outbound.waiting.iter().any(|(w, _)| w.will_wake(waker)))
                    {
                        outbound.waiting.push((waker.clone(), Party::present()));
                    }
                    outbound.wake();
                    return Ok((accepted, Some(back)));
                }
            }
            next = more.next();
        }
        outbound.wake();
        Ok((accepted, None))
    }

    /// Bytes of a message, at most.
    pub(crate) fn message_limit(&self) -> u32 {
        lock(&self.outbound).message_limit
    }

    /// How often those who wait for room have been turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        lock(&self.outbound).turned_away
    }

    /// Asks the loop to leave. The answer says whether the group confirmed it.
    pub(crate) fn leave(&self) -> oneshot::Receiver<Result<bool, LeaveError>> {
        let (answer, receiver) = oneshot::channel();
        let mut outbound = lock(&self.outbound);
        if let Some(left) = outbound.ended {
            let _ = answer.send(Ok(left));
        } else {
            outbound.wish = outbound.wish.max(Wish::Leave);
            outbound.leaving.push(answer);
            outbound.wake();
        }
        receiver
    }

    /// An operator's order for the loop, which has been checked.
    pub(crate) fn operate(&self, operation: Operation) {
        if operation == Operation::Leave {
            return self.want(Wish::Leave);
        }
        let mut outbound = lock(&self.outbound);
        outbound.operations.push(operation);
        outbound.wake();
    }

    /// Orders that nobody has carried out yet.
    pub(crate) fn take_operations(&self) -> Vec<Operation> {
        mem::take(&mut lock(&self.outbound).operations)
    }

    /// The last handle is gone: leave in the background.
    pub(crate) fn abandon_sending(&self) {
        lock(&self.outbound).abandoned = true;
        self.want(Wish::Leave);
    }

    /// Ends the member on the spot.
    pub(crate) fn kill(&self) {
        self.want(Wish::Die);
    }

    fn want(&self, wish: Wish) {
        let mut outbound = lock(&self.outbound);
        outbound.wish = outbound.wish.max(wish);
        outbound.wake();
    }

    /// Nobody will read events any more: they need not be kept.
    pub(crate) fn abandon_reading(&self) {
        {
            let mut inbound = lock(&self.inbound);
            inbound.abandoned = true;
            inbound.events.clear();
            inbound.bytes = 0;
        }
        lock(&self.outbound).wake();
    }

    /// Takes all events that wait; `None` when there will be no more.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Event>>> {
        let (batch, short) = {
            let mut inbound = lock(&self.inbound);
            if inbound.events.is_empty() {
                if inbound.ended {
                    return Poll::Ready(None);
                }
                inbound.busy = None;
                inbound.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            inbound.busy = Some(Party::present());
            let fresh = Vec::with_capacity(inbound.events.len());
            inbound.bytes = 0;
            (mem::replace(&mut inbound.events, fresh), mem::take(&mut inbound.short))
        };
        if short {
            lock(&self.outbound).wake();
        }
        Poll::Ready(Some(batch))
    }

    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    // The loop's side.

    /// Moves what is queued to `into` once that is empty, and wakes those who wait for room. Says whether
    /// the application wants the member to go on.
    pub(crate) fn collect(&self, into: &mut VecDeque<Submission>) -> Wish {
        let mut outbound = lock(&self.outbound);
        if into.is_empty() {
            mem::swap(&mut outbound.queue, into);
            outbound.bytes = 0;
            outbound.waiting.drain(..).for_each(|(waker, _)| waker.wake());
        }
        outbound.wish
    }

    /// Goes to sleep unless something came in meanwhile; true when asleep.
    pub(crate) fn sleep(&self, cx: &mut Context<'_>) -> bool {
        let mut outbound = lock(&self.outbound);
        if mem::take(&mut outbound.woken) {
            return false;
        }
        outbound.sleeper = Some(cx.waker().clone());
        true
    }

    /// How much of `cap` bytes is left for events. When nothing is left, the reader will wake the loop.
    pub(crate) fn room(&self, cap: usize) -> usize {
        let mut inbound = lock(&self.inbound);
        let room = if inbound.abandoned { usize::MAX } else { cap.saturating_sub(inbound.bytes) };
        inbound.short = room == 0;
        room
    }

    /// Who has taken events and not come back for more, and whether it waits for room to send.
    pub(crate) fn busy_reader(&self) -> Option<(Party, bool)> {
        let busy = lock(&self.inbound).busy?;
        let waits = lock(&self.outbound).waiting.iter().any(|(_, party)| *party == busy);
        Some((busy, waits))
    }

    /// Whether messages are refused while the member is blocked.
    pub(crate) fn refuses_when_blocked(&self) -> bool {
        lock(&self.outbound).when_blocked == WhenBlocked::Refuse
    }

    /// The member makes no progress from here on, or does again. Those who wait for room may do so in vain.
    pub(crate) fn set_blocked(&self, why: Option<Blocked>) {
        let mut outbound = lock(&self.outbound);
        outbound.refused = why.filter(|_| outbound.when_blocked == WhenBlocked::Refuse);
        outbound.waiting.drain(..).for_each(|(waker, _)| waker.wake());
    }

    /// Hands events of `bytes` bytes over; `events` is empty afterwards.
    pub(crate) fn publish(&self, events: &mut Vec<Event>, bytes: usize) {
        let mut inbound = lock(&self.inbound);
        if inbound.abandoned {
            events.clear();
            return;
        }
        if inbound.events.is_empty() {
            mem::swap(&mut inbound.events, events);
        } else {
            inbound.events.append(events);
        }
        inbound.bytes += bytes;
        if let Some(reader) = inbound.reader.take() {
            reader.wake();
        }
    }

    /// The answer to a leave that did not come about: true if the member stays. One without a handle does not.
    pub(crate) fn refuse_leave(&self, error: LeaveError) -> bool {
        let mut outbound = lock(&self.outbound);
        for answer in outbound.leaving.drain(..) {
            let _ = answer.send(Err(error.clone()));
        }
        let stays = outbound.wish == Wish::Leave && !outbound.abandoned;
        if stays {
            outbound.wish = Wish::Stay;
        }
        stays
    }

    /// Fails everybody who waits for room: see [`SendError::EventsUnread`].
    pub(crate) fn turn_waiters_away(&self) {
        let mut outbound = lock(&self.outbound);
        if !outbound.waiting.is_empty() {
            outbound.turned_away += 1;
            outbound.waiting.drain(..).for_each(|(waker, _)| waker.wake());
        }
    }

    /// No more of anything. `left` says whether the group confirmed a leave.
    pub(crate) fn close(&self, left: bool) {
        {
            let mut outbound = lock(&self.outbound);
            outbound.ended = Some(left);
            // Dropping a submission drops its receipt, which tells its sender.
            outbound.queue.clear();
            outbound.waiting.drain(..).for_each(|(waker, _)| waker.wake());
            for answer in outbound.leaving.drain(..) {
                let _ = answer.send(Ok(left));
            }
        }
        let mut inbound = lock(&self.inbound);
        inbound.ended = true;
        if let Some(reader) = inbound.reader.take() {
            reader.wake();
        }
    }

    pub(crate) fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }
}

impl Outbound {
    fn accept(&mut self, submission: Submission) -> Result<Submitted, SendError> {
        let len = submission.payload.len();
        if self.ended.is_some() || self.wish != Wish::Stay {
            return Err(SendError::Closed);
        }
        if let Some(why) = &self.refused {
            return Err(SendError::Blocked(why.clone()));
        }
        if len > self.message_limit as usize {
            return Err(SendError::TooLarge { len, limit: self.message_limit });
        }
        if self.bytes >= QUEUED {
            return Ok(Submitted::Full(submission));
        }
        self.bytes += len + OVERHEAD;
        self.sseq += 1;
        self.queue.push_back(submission);
        Ok(Submitted::Accepted(self.sseq))
    }

    fn wake(&mut self) {
        match self.sleeper.take() {
            Some(sleeper) => sleeper.wake(),
            None => self.woken = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Part;

    #[test]
    fn whatever_comes_in_while_the_loop_is_awake_keeps_it_awake_once() {
        let mailbox = Mailbox::new(1, WhenBlocked::Hold, Uid::new(1, 9));
        let cx = &mut Context::from_waker(Waker::noop());
        let message = |len: usize| {
            let (payload, addressing) = (vec![0; len].into(), gms_core::Addressing::default());
            Submission { payload, level: gms_core::Level::Agreed, addressing, receipt: None }
        };
        let news: [&dyn Fn(); 6] = [
            &|| drop(mailbox.submit(message(1), &mut [message(2)].into_iter(), None)),
            &|| mailbox.operate(Operation::ForceView { part: Part::Create, discard: false }),
            &|| mailbox.abandon_reading(),
            &|| drop(mailbox.leave()),
            &|| mailbox.abandon_sending(),
            &|| mailbox.kill(),
        ];
        for (index, tell) in news.iter().enumerate() {
            tell();
            assert!(!mailbox.sleep(cx), "{index}");
            assert!(mailbox.sleep(cx));
            tell();
        }
    }

    #[test]
    fn a_refused_leave_undoes_nothing_but_a_leave() {
        let refused = LeaveError::TooFew { min_voters: 2 };
        let mailbox = || Mailbox::new(1, WhenBlocked::Hold, Uid::new(1, 9));
        let wish = |mailbox: &Mailbox| mailbox.collect(&mut VecDeque::new());
        for (also, stays) in [(Wish::Leave, true), (Wish::Die, false)] {
            let mailbox = mailbox();
            let (one, two) = (mailbox.leave(), mailbox.leave());
            mailbox.want(also);
            assert_eq!(mailbox.refuse_leave(refused.clone()), stays);
            assert_eq!(wish(&mailbox), if stays { Wish::Stay } else { also });
            for mut answer in [one, two] {
                assert_eq!(answer.try_recv(), Ok(Err(refused.clone())));
            }
        }
    }
}
