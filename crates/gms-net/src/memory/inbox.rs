//! What waits for one process: a bounded queue, as a kernel's receive buffer is, and what is still on its way.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::counters::Counters;
use crate::transport::{Channel, Received};

/// The incoming side of one process.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Out of the data group.
    pub(super) leading: bool,
    /// The received half; the sent half is the sender's.
    pub(super) counters: Counters,
    budget: usize,
    waiting: VecDeque<Received>,
    waiting_bytes: usize,
    waiting_stream_bytes: usize,
    on_the_way: OnTheWay,
    waker: Option<Waker>,
}

impl Inbox {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            leading: false,
            counters: Counters::default(),
            budget,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_stream_bytes: 0,
            on_the_way: OnTheWay::default(),
            waker: None,
        }
    }

    /// Takes in a train, or drops it whole when there is no room, as a kernel does.
    pub(super) fn push(&mut self, train: Received) {
        let budget = self.budget_of(&train);
        let bytes = self.waiting_bytes_of(&train);
        if *bytes + train.contents.len() > budget {
            let lost = train.datagram_count() as u64;
            match train.channel {
                Channel::Stream => self.counters.stream_lost += lost,
                _ => self.counters.overflowed += lost,
            }
            return;
        }
        *bytes += train.contents.len();
        self.waiting.push_back(train);
        self.wake();
    }

    /// Takes in a train that arrives `delay` after `now`.
    pub(super) fn push_after(&mut self, now: Instant, delay: Duration, train: Received) {
        self.settle(now);
        if delay.is_zero() {
            self.push(train);
            return;
        }
        let due = now + delay;
        let sooner = self.on_the_way.next_due().is_none_or(|next| due < next);
        self.on_the_way.add(due, train);
        if sooner {
            // The reader has to set its alarm anew.
            self.wake();
        }
    }

    /// Moves what has arrived by `now` into the queue.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(train) = self.on_the_way.take_arrived(now) {
            self.push(train);
        }
    }

    /// The next train to read.
    pub(super) fn pop(&mut self) -> Option<Received> {
        let train = self.waiting.pop_front()?;
        *self.waiting_bytes_of(&train) -= train.contents.len();
        if train.channel == Channel::Stream {
            self.counters.stream_received += 1;
        } else {
            self.counters.received += train.datagram_count() as u64;
            self.counters.received_calls += 1;
        }
        Some(train)
    }

    /// Streams do not come through the receive buffer.
    fn waiting_bytes_of(&mut self, train: &Received) -> &mut usize {
        match train.channel {
            Channel::Stream => &mut self.waiting_stream_bytes,
            _ => &mut self.waiting_bytes,
        }
    }

    fn budget_of(&self, train: &Received) -> usize {
        match train.channel {
            Channel::Stream => STREAM_BUDGET,
            _ => self.budget,
        }
    }

    /// Whether anything is still on its way.
    pub(super) fn has_delayed(&self) -> bool {
        self.on_the_way.next_due().is_some()
    }

    /// When the next train that is on its way arrives.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.on_the_way.next_due()
    }

    /// Remembers whom to wake when something changes.
    pub(super) fn wake_later(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Trains that have not arrived yet, by the time they do; those of one instant in the order they were sent.
#[derive(Debug, Default)]
struct OnTheWay {
    trains: BTreeMap<(Instant, u64), Received>,
    sent: u64,
}

impl OnTheWay {
    fn add(&mut self, due: Instant, train: Received) {
        self.trains.insert((due, self.sent), train);
        self.sent += 1;
    }

    fn next_due(&self) -> Option<Instant> {
        self.trains.first_key_value().map(|(&(due, _), _)| due)
    }

    fn take_arrived(&mut self, now: Instant) -> Option<Received> {
        if self.next_due()? > now {
            return None;
        }
        self.trains.pop_first().map(|(_, train)| train)
    }
}

/// Bytes of streams that may wait for one process.
const STREAM_BUDGET: usize = 64 << 20;
