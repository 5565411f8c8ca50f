//! A network inside one process, with faults on demand: for tests, demonstrations and benchmarks without sockets.

mod inbox;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::coop;
use tokio::time::{Instant, Sleep};

use self::inbox::Inbox;
use crate::counters::Counters;
use crate::faults::{FaultRates, Faults};
use crate::transport::{Channel, Destination, Received, Transmit, Transport};

/// A network that [`MemoryTransport`]s hang on. Clones are handles to the same network.
///
/// Multicast reaches everybody attached but the sender (data: only those not leading); addresses are made up, from
/// 10.0.0.1:7000 on. Without faults a train is copied once and handed on whole; with faults each datagram has a fate
/// of its own on each link. Streams are lost only to cuts, and keep their order. Delays are kept by tokio's clock, so
/// they work with a paused one. The same seed and the same order of sends give the same faults.
#[derive(Clone)]
pub struct MemoryNetwork {
    hub: Arc<Mutex<Hub>>,
}

impl MemoryNetwork {
    /// A network with these faults, drawn from `seed`; [`FaultRates::NONE`] for a perfect one.
    pub fn new(seed: u64, rates: FaultRates) -> Self {
        Self {
            hub: Arc::new(Mutex::new(Hub {
                faults: Faults::with_rates(seed, rates),
                inboxes: BTreeMap::new(),
                attached: 0,
                receive_buffer: DEFAULT_RECEIVE_BUFFER,
            })),
        }
    }

    /// Hangs one more process on the network, as a follower, with an address of its own. It leaves when dropped, and
    /// what waits for it then is lost.
    pub fn attach(&self) -> MemoryTransport {
        let mut hub = self.lock();
        let address = made_up_address(hub.attached);
        let budget = hub.receive_buffer;
        hub.attached += 1;
        hub.inboxes.insert(address, Inbox::new(budget));
        MemoryTransport { network: self.clone(), address, budget, sent: Counters::default(), alarm: None }
    }

    /// Sets how many bytes may wait unread at each process attached *from now on*; more is dropped. Default 4 MiB.
    pub fn set_receive_buffer(&self, bytes: usize) {
        self.lock().receive_buffer = bytes;
    }

    /// Looks at the faults or changes them: rates, cuts, partitions. They hold for what is sent from then on.
    ///
    /// # Panics
    ///
    /// Deadlocks or panics when `change` uses this network.
    pub fn with_faults<R>(&self, change: impl FnOnce(&mut Faults) -> R) -> R {
        change(&mut self.lock().faults)
    }

    fn lock(&self) -> MutexGuard<'_, Hub> {
        // Every change to the hub is complete before anything that can panic, so a poisoned one is sound.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hub = self.lock();
        f.debug_struct("MemoryNetwork").field("attached", &hub.inboxes.keys()).field("faults", &hub.faults).finish()
    }
}

/// One process's place on a [`MemoryNetwork`].
#[derive(Debug)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    address: SocketAddr,
    budget: usize,
    sent: Counters,
    /// Rings when the next delayed datagram is due.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl MemoryTransport {
    /// The network it hangs on.
    pub fn network(&self) -> &MemoryNetwork {
        &self.network
    }

    /// Polls the alarm, set to `due`; ready when it is past.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        alarm.as_mut().poll(cx)
    }
}

impl Transport for MemoryTransport {
    fn local_address(&self) -> SocketAddr {
        self.address
    }

    fn receive_budget(&self) -> usize {
        self.budget
    }

    fn max_segments(&self) -> usize {
        MOST_SEGMENTS
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        // Without the runtime's budget a pair of busy tasks would never let a third one run.
        let budget = ready!(coop::poll_proceed(cx));
        loop {
            let due = {
                let mut hub = self.network.lock();
                let inbox = hub.inbox(self.address)?;
                if inbox.has_delayed() {
                    inbox.settle(Instant::now());
                }
                if let Some(received) = inbox.pop() {
                    budget.made_progress();
                    return Poll::Ready(Ok(received));
                }
                inbox.wake_later(cx.waker());
                inbox.next_due()
            };
            let Some(due) = due else {
                return Poll::Pending;
            };
            ready!(self.poll_alarm(cx, due));
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        transmit.check()?;
        let budget = ready!(coop::poll_proceed(cx));
        budget.made_progress();
        if transmit.contents.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let datagrams = transmit.datagram_count() as u64;
        if let Destination::Stream(_) = transmit.destination {
            self.sent.stream_sent += datagrams;
        } else {
            self.sent.sent += datagrams;
            self.sent.sent_calls += 1;
        }
        self.network.lock().carry(self.address, transmit);
        Poll::Ready(Ok(()))
    }

    fn set_leading(&mut self, leading: bool) -> io::Result<()> {
        self.network.lock().inbox(self.address)?.leading = leading;
        Ok(())
    }

    fn counters(&self) -> Counters {
        let mut hub = self.network.lock();
        let received = hub.inbox(self.address).map(|inbox| inbox.counters).unwrap_or_default();
        self.sent + received
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.network.lock().inboxes.remove(&self.address);
    }
}

/// What the handles share.
struct Hub {
    faults: Faults,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    attached: u32,
    receive_buffer: usize,
}

impl Hub {
    fn inbox(&mut self, address: SocketAddr) -> io::Result<&mut Inbox> {
        self.inboxes.get_mut(&address).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Puts a train into the inboxes it is for.
    fn carry(&mut self, from: SocketAddr, transmit: &Transmit<'_>) {
        let train = Received {
            from,
            channel: match transmit.destination {
                Destination::Data => Channel::Data,
                Destination::Control => Channel::Control,
                Destination::Unicast(_) => Channel::Unicast,
                Destination::Stream(_) => Channel::Stream,
            },
            contents: Bytes::copy_from_slice(transmit.contents),
            stride: transmit.segment_size.min(transmit.contents.len()),
        };
        if let Destination::Unicast(to) | Destination::Stream(to) = transmit.destination {
            if let Some(inbox) = self.inboxes.get_mut(&to) {
                deliver(&mut self.faults, inbox, to, &train);
            }
            return;
        }
        for (&to, inbox) in &mut self.inboxes {
            let deaf = to == from || (train.channel == Channel::Data && inbox.leading);
            if !deaf {
                deliver(&mut self.faults, inbox, to, &train);
            }
        }
    }
}

/// Takes a train over one link.
fn deliver(faults: &mut Faults, inbox: &mut Inbox, to: SocketAddr, train: &Received) {
    if train.channel == Channel::Stream {
        stream(faults, inbox, to, train);
        return;
    }
    if faults.is_calm() {
        inbox.push(train.clone());
        return;
    }
    let now = Instant::now();
    for contents in train.datagrams() {
        let fate = faults.fate(train.from, to);
        if fate.is_lost() {
            inbox.counters.injected_loss += 1;
        }
        for &delay in fate.delays() {
            let datagram = Received { stride: contents.len(), contents: contents.clone(), ..*train };
            inbox.push_after(now, delay, datagram);
        }
    }
}

/// Takes the messages of a stream over one link: whole, in order, and after the shortest delay, unless it is cut.
fn stream(faults: &Faults, inbox: &mut Inbox, to: SocketAddr, train: &Received) {
    let delay = faults.rates().delay.start;
    for contents in train.datagrams() {
        if faults.is_cut(train.from, to) {
            inbox.counters.injected_loss += 1;
            continue;
        }
        let message = Received { stride: contents.len(), contents, ..*train };
        if delay.is_zero() {
            inbox.push(message);
        } else {
            inbox.push_after(Instant::now(), delay, message);
        }
    }
}

/// What a typical kernel grants.
const DEFAULT_RECEIVE_BUFFER: usize = 4 << 20;

/// As many as Linux puts in one train.
const MOST_SEGMENTS: usize = 64;

/// 10.0.0.1:7000, 10.0.0.2:7000 and so on; the port tells a process from a host only for the reader.
fn made_up_address(attached: u32) -> SocketAddr {
    const PORT: u16 = 7000;
    let [_, high, middle, low] = (attached + 1).to_be_bytes();
    ([10, high, middle, low], PORT).into()
}
