//! Streams: messages of any size, and early notice of a dead process, over TCP beside the UDP sockets.
//!
//! Each process listens at the port number of its unicast socket. A connection is made when there is something to send
//! or somebody to watch, is used in both directions, and ends by the one that opened it. Nothing here is polled but
//! what has rung its [`Bell`].

mod bell;
mod connection;
mod frame;
mod open;
mod outgoing;
mod watch;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

pub(super) use self::open::listen;

use self::bell::Bell;
use self::connection::{Connection, End, Turn};
use self::frame::{Incoming, Room, hello};
use self::outgoing::Outgoing;
use self::watch::{Connected, Ended, Watches};
use super::interface::Chosen;
use super::open::{scoped, unscoped};
use crate::counters::Counters;
use crate::transport::{Channel, Received};

/// The most connections that others may open to us, and the most that we open.
const MOST_EACH_WAY: usize = 256;
/// Connections accepted in a row.
const MOST_ACCEPTED: usize = 32;
/// How long to accept nothing after an error, which may be for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many of the longest messages may wait to be sent to one process.
const QUEUED_MESSAGES: usize = 2;
/// How many of the longest messages may be half received.
const HALF_RECEIVED_MESSAGES: usize = 4;

/// All connections of one process.
#[derive(Debug)]
pub(super) struct Streams {
    /// Closed first, so that who loses a connection with us is refused another.
    listener: TcpListener,
    accept_at: Option<Instant>,
    /// By their age.
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    last_served: u64,
    watches: Watches,
    room: Room,
    limit: usize,
    /// The unicast address, which is also that of the listening socket.
    address: SocketAddr,
    chosen: Chosen,
    /// Rung by whatever has something to do.
    bell: Arc<Bell>,
    waker: Waker,
    /// Whom the bell wakes.
    task: Waker,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Streams {
    /// Takes over a socket that listens at our unicast address. Messages of up to `limit` bytes pass.
    pub(super) fn new(listener: Socket, address: SocketAddr, chosen: Chosen, limit: usize) -> io::Result<Self> {
        let task = Waker::noop().clone();
        let bell = Bell::new(task.clone());
        let waker = Waker::from(bell.clone());
        waker.wake_by_ref();
        Ok(Self {
            listener: open::listener(listener)?,
            accept_at: None,
            connections: BTreeMap::new(),
            opened: 0,
            last_served: 0,
            watches: Watches::default(),
            room: Room::new(limit.saturating_mul(HALF_RECEIVED_MESSAGES)),
            limit,
            address,
            chosen,
            bell,
            waker,
            task,
            alarm: None,
        })
    }

    /// The longest message, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Queues a message for the process at this unicast address, connecting with it if need be.
    pub(super) fn send(&mut self, to: SocketAddr, message: &[u8], counters: &mut Counters) {
        let now = Instant::now();
        let queued = match self.best_with(to).or_else(|| self.dial(to, now, counters)) {
            Some(id) => self.connections.get_mut(&id).is_some_and(|connection| connection.push(message, now)),
            None => false,
        };
        if queued {
            counters.stream_sent += 1;
        } else {
            counters.stream_lost += 1;
        }
    }

    /// Whether any connection has something to do.
    #[inline]
    pub(super) fn are_ringing(&self) -> bool {
        self.bell.is_rung()
    }

    /// Looks after the connections until a message is whole. It costs next to nothing when nothing rang.
    #[inline]
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, counters: &mut Counters) -> Poll<Received> {
        self.wake_later(cx);
        if self.bell.answer() { self.round(counters) } else { Poll::Pending }
    }

    /// Gives everything that rang a turn, until a message is whole.
    fn round(&mut self, counters: &mut Counters) -> Poll<Received> {
        let now = Instant::now();
        self.accept(now, counters);
        for id in self.in_turn(now) {
            if let Some(received) = self.serve(id, now, counters) {
                return Poll::Ready(received);
            }
        }
        for peer in self.watches.due(now) {
            if self.dial(peer, now, counters).is_none() {
                self.watches.postpone(peer, now);
            }
        }
        self.set_alarm();
        Poll::Pending
    }

    /// The next process that was watched and seems dead.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.wake_later(cx);
        self.watches.pop_lost().map_or(Poll::Pending, Poll::Ready)
    }

    /// The next process that was watched and has refused an attempt to connect.
    pub(super) fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.wake_later(cx);
        self.watches.pop_refused().map_or(Poll::Pending, Poll::Ready)
    }

    /// Stays connected with these, and with nobody else.
    pub(super) fn watch(&mut self, peers: impl Iterator<Item = SocketAddr>) {
        let connections = &self.connections;
        let connected = |peer| {
            let with = connections.values().filter(|connection| connection.peer() == Some(peer));
            with.fold(Connected::No, |best, connection| if best == Connected::Yes { best } else { connection.state() })
        };
        let address = self.address;
        self.watches.set(peers.filter(|peer| *peer != address), connected, Instant::now());
        for connection in self.connections.values_mut() {
            connection.watched = connection.peer().is_some_and(|peer| self.watches.contains(peer));
        }
        self.waker.wake_by_ref();
    }

    /// Wakes the task of this call from now on.
    fn wake_later(&mut self, cx: &Context<'_>) {
        if !self.task.will_wake(cx.waker()) {
            self.task.clone_from(cx.waker());
            self.bell.pass_to(cx.waker());
        }
    }

    /// Those with something to do, the one after the last served first.
    fn in_turn(&self, now: Instant) -> Vec<u64> {
        let due = self.connections.iter().filter(|(_, connection)| connection.is_due(now));
        let (before, mut turn): (Vec<u64>, Vec<u64>) = due.map(|(&id, _)| id).partition(|&id| id <= self.last_served);
        turn.extend(before);
        turn
    }

    /// Gives one connection its turn.
    fn serve(&mut self, id: u64, now: Instant, counters: &mut Counters) -> Option<Received> {
        let connection = self.connections.get_mut(&id)?;
        self.last_served = id;
        match connection.turn(now, &mut self.room) {
            Turn::Idle => None,
            Turn::Greeted(peer) => {
                self.greeted(id, peer);
                None
            }
            Turn::Ended(end) => {
                self.end(id, end, now, counters);
                None
            }
            Turn::Message(contents) => {
                let from = connection.peer()?;
                self.ring_those_waiting_for_room();
                counters.stream_received += 1;
                let stride = contents.len();
                Some(Received { from, channel: Channel::Stream, contents, stride })
            }
        }
    }

    fn greeted(&mut self, id: u64, peer: SocketAddr) {
        self.watches.greeted(peer);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.watched = self.watches.contains(peer);
        if connection.is_ours() {
            return;
        }
        // A process opens one to us at a time: an older one is what a former process, or a broken network, left.
        for (_, older) in self.connections.range_mut(..id) {
            if !older.is_ours() && older.peer() == Some(peer) {
                older.supersede();
            }
        }
    }

    fn end(&mut self, id: u64, end: End, now: Instant, counters: &mut Counters) {
        let Some(connection) = self.connections.remove(&id) else { return };
        let (peer, lasted) = (connection.peer(), connection.lasted(now));
        counters.stream_lost += connection.close(&mut self.room) as u64;
        counters.connections_refused += u64::from(end == End::Faulty);
        self.ring_those_waiting_for_room();
        let Some(peer) = peer else { return };
        let ended = Ended { refused: end == End::Refused, lasted };
        if self.best_with(peer).is_none() && self.watches.ended(peer, ended, now) {
            // The task that polls for it may have done so just before.
            self.waker.wake_by_ref();
        }
    }

    fn ring_those_waiting_for_room(&self) {
        for connection in self.connections.values().filter(|connection| connection.waits_for_room()) {
            connection.ring();
        }
    }

    /// The connection to send to a process on: one where it has said hello rather than one where it has not.
    fn best_with(&self, peer: SocketAddr) -> Option<u64> {
        let with = self.connections.iter().filter(|(_, connection)| connection.peer() == Some(peer));
        with.max_by_key(|(_, connection)| connection.state() == Connected::Yes).map(|(&id, _)| id)
    }

    /// Begins to connect; `None` when there are too many connections.
    fn dial(&mut self, peer: SocketAddr, now: Instant, counters: &mut Counters) -> Option<u64> {
        if self.connections.values().filter(|connection| connection.is_ours()).count() >= MOST_EACH_WAY {
            return None;
        }
        let dial = open::dial(scoped(self.address, &self.chosen), scoped(peer, &self.chosen));
        let mut connection = Connection::dial(peer, dial, self.new_ends(), Bell::new(self.waker.clone()), now);
        connection.watched = self.watches.contains(peer);
        self.watches.dialled(peer);
        Some(self.add(connection, counters))
    }

    /// Accepts who waits to be.
    fn accept(&mut self, now: Instant, counters: &mut Counters) {
        if self.accept_at.is_some_and(|at| now < at) {
            return;
        }
        self.accept_at = None;
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..MOST_ACCEPTED {
            match self.listener.poll_accept(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok((stream, from))) => self.take_in(stream, from, now, counters),
                Poll::Ready(Err(_)) => {
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
        self.waker.wake_by_ref();
    }

    fn take_in(&mut self, stream: TcpStream, from: SocketAddr, now: Instant, counters: &mut Counters) {
        let theirs = || self.connections.iter().filter(|(_, connection)| !connection.is_ours());
        if theirs().count() >= MOST_EACH_WAY {
            counters.connections_refused += 1;
            // Connections without a hello go first.
            let Some((&silent, _)) = theirs().find(|(_, connection)| connection.state() != Connected::Yes) else {
                return;
            };
            self.end(silent, End::Unused, now, counters);
        }
        if open::prepare(&stream).is_err() {
            // It has ended already.
            return;
        }
        let from = unscoped(from).ip();
        let bell = Bell::new(self.waker.clone());
        self.add(Connection::accepted(stream, from, self.new_ends(), bell, now), counters);
    }

    fn new_ends(&self) -> (Incoming, Outgoing) {
        let queue = self.limit.saturating_mul(QUEUED_MESSAGES);
        (Incoming::new(self.limit), Outgoing::new(hello(self.address), queue))
    }

    fn add(&mut self, connection: Connection, counters: &mut Counters) -> u64 {
        counters.connections += 1;
        self.opened += 1;
        self.connections.insert(self.opened, connection);
        self.opened
    }

    /// Rings when the next of what waits is due.
    fn set_alarm(&mut self) {
        let deadlines = self.connections.values().filter_map(Connection::deadline);
        let Some(due) = deadlines.chain(self.watches.next_due()).chain(self.accept_at).min() else {
            self.alarm = None;
            return;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        if alarm.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready() {
            self.waker.wake_by_ref();
        }
    }
}
