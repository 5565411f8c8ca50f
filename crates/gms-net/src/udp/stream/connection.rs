//! One TCP connection, from the first attempt to its end.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::bell::Bell;
use super::frame::{Heard, Incoming, Room};
use super::outgoing::Outgoing;
use super::watch::Connected;

/// The longest time until the other end has said hello, the time to connect included.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// The longest time in which nothing moves although something is to be sent, or has half come.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// How long we keep a connection of ours that nobody watches or uses.
const UNUSED_AFTER: Duration = Duration::from_secs(60);
/// Bytes read, and bytes written, before it is another connection's turn.
const TURN: usize = 256 << 10;

/// A connection being made.
pub(super) type Dial = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// One connection, or the attempt at one.
pub(super) struct Connection {
    link: Link,
    origin: Origin,
    /// Since when the other end is known; it has said hello then.
    greeted: Option<Instant>,
    incoming: Incoming,
    outgoing: Outgoing,
    bell: Arc<Bell>,
    waker: Waker,
    /// When anything last moved.
    moved: Instant,
    opened: Instant,
    /// Whether it is to stay although nothing moves.
    pub(super) watched: bool,
    /// A newer one has taken its place.
    superseded: bool,
}

enum Link {
    Dialling(Dial),
    Open(TcpStream),
}

/// Which end opened it, and what is known of the other.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// We did, to this unicast address.
    Ours(SocketAddr),
    /// The other end did, from this host; by its hello it has this unicast address.
    Theirs(IpAddr, Option<SocketAddr>),
}

/// What became of a connection when it was its turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// It waits for something.
    Idle,
    /// The other end has said who it is.
    Greeted(SocketAddr),
    Message(Bytes),
    Ended(End),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody listens there.
    Refused,
    /// Closed or broken, or nobody answered.
    Gone,
    /// The other end does not keep to the rules, or is too slow.
    Faulty,
    /// By us, as it is of no more use.
    Unused,
}

impl Connection {
    /// A connection to this unicast address, being made.
    pub(super) fn dial(to: SocketAddr, dial: Dial, ends: (Incoming, Outgoing), bell: Arc<Bell>, now: Instant) -> Self {
        Self::new(Link::Dialling(dial), Origin::Ours(to), ends, bell, now)
    }

    /// A connection that somebody at this host opened.
    pub(super) fn accepted(
        stream: TcpStream,
        from: IpAddr,
        ends: (Incoming, Outgoing),
        bell: Arc<Bell>,
        now: Instant,
    ) -> Self {
        Self::new(Link::Open(stream), Origin::Theirs(from, None), ends, bell, now)
    }

    fn new(link: Link, origin: Origin, ends: (Incoming, Outgoing), bell: Arc<Bell>, now: Instant) -> Self {
        let (incoming, outgoing) = ends;
        let waker = Waker::from(bell.clone());
        let new = Self {
            link,
            origin,
            greeted: None,
            incoming,
            outgoing,
            bell,
            waker,
            moved: now,
            opened: now,
            watched: false,
            superseded: false,
        };
        new.ring();
        new
    }

    /// Who is at the other end, by its unicast address; an accepted one does not tell at once.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Ours(to) => Some(to),
            Origin::Theirs(_, said) => said,
        }
    }

    /// Whether this process opened it.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.origin, Origin::Ours(_))
    }

    /// Whether the other end has said hello.
    pub(super) fn state(&self) -> Connected {
        if self.greeted.is_some() { Connected::Yes } else { Connected::Trying }
    }

    /// How long the two have known each other.
    pub(super) fn lasted(&self, now: Instant) -> Option<Duration> {
        self.greeted.map(|since| now - since)
    }

    /// Queues a message; false when the queue is full.
    pub(super) fn push(&mut self, message: &[u8], now: Instant) -> bool {
        if self.outgoing.is_empty() {
            // Waiting for something to send is no stalling.
            self.moved = now;
        }
        let taken = self.outgoing.push(message);
        self.ring();
        taken
    }

    /// Asks for a turn.
    pub(super) fn ring(&self) {
        self.waker.wake_by_ref();
    }

    /// Ends it, as a newer one from the same process has come.
    pub(super) fn supersede(&mut self) {
        self.superseded = true;
        self.ring();
    }

    /// Whether it has something to do.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.bell.is_rung() || self.deadline().is_some_and(|at| at <= now)
    }

    /// Whether its next message waits for those of others to be finished.
    pub(super) fn waits_for_room(&self) -> bool {
        self.incoming.waits_for_room()
    }

    /// When it ends unless something moves.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let receiving = self.incoming.is_midway() && !self.incoming.waits_for_room();
        if self.greeted.is_none() {
            Some(self.opened + HELLO_WITHIN)
        } else if receiving || !self.outgoing.is_empty() {
            Some(self.moved + STALLED_AFTER)
        } else if self.is_ours() && !self.watched {
            Some(self.moved + UNUSED_AFTER)
        } else {
            None
        }
    }

    /// Gives it a turn: connects, writes, reads until one thing is whole. To be called again while it has rung.
    pub(super) fn turn(&mut self, now: Instant, room: &mut Room) -> Turn {
        self.bell.answer();
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let moved = self.poll_connected(&mut cx, now).and_then(|connected| {
            if !connected {
                return Ok(None);
            }
            self.write(&mut cx, now)?;
            self.read(&mut cx, now, room)
        });
        match moved {
            Ok(Some(Heard::Message(message))) => {
                self.ring();
                Turn::Message(message)
            }
            Ok(Some(Heard::Hello(said))) => {
                self.ring();
                self.greet(said, now)
            }
            Err(end) => Turn::Ended(end),
            Ok(None) if self.superseded => Turn::Ended(End::Unused),
            Ok(None) if self.deadline().is_some_and(|at| at <= now) => Turn::Ended(self.out_of_time()),
            Ok(None) => Turn::Idle,
        }
    }

    /// What is given up with it: the messages not written.
    pub(super) fn close(self, room: &mut Room) -> usize {
        self.incoming.abandon(room);
        self.outgoing.messages()
    }

    fn poll_connected(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let Link::Dialling(dial) = &mut self.link else { return Ok(true) };
        match dial.as_mut().poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(stream)) => {
                self.link = Link::Open(stream);
                self.moved = now;
                Ok(true)
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(End::Refused),
            Poll::Ready(Err(_)) => Err(End::Gone),
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), End> {
        let Link::Open(stream) = &self.link else { return Ok(()) };
        let mut written = 0;
        while !self.outgoing.is_empty() {
            if written >= TURN {
                self.ring();
                break;
            }
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else { break };
            match ready.and_then(|()| stream.try_write(self.outgoing.front())) {
                Ok(length) => {
                    self.outgoing.advance(length);
                    self.moved = now;
                    written += length;
                }
                Err(error) if is_passing(&error) => {}
                Err(_) => return Err(End::Gone),
            }
        }
        Ok(())
    }

    /// Reads until one thing is whole.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant, room: &mut Room) -> Result<Option<Heard>, End> {
        let Link::Open(stream) = &self.link else { return Ok(None) };
        let mut read = 0;
        let waited = self.incoming.waits_for_room();
        loop {
            if let Some(heard) = self.incoming.next(room).map_err(|_| End::Faulty)? {
                return Ok(Some(heard));
            }
            if self.incoming.waits_for_room() {
                return Ok(None);
            }
            if waited && read == 0 {
                // That nothing moved was our doing.
                self.moved = now;
            }
            if read >= TURN {
                self.ring();
                return Ok(None);
            }
            let Poll::Ready(ready) = stream.poll_read_ready(cx) else { return Ok(None) };
            match ready.and_then(|()| stream.try_read_buf(self.incoming.space())) {
                Ok(0) => return Err(End::Gone),
                Ok(length) => {
                    self.moved = now;
                    read += length;
                }
                Err(error) if is_passing(&error) => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    /// Believes a hello only from the host that the address is of, and from a process we dialled only its own.
    fn greet(&mut self, said: SocketAddr, now: Instant) -> Turn {
        let believed = match self.origin {
            Origin::Ours(to) => said == to,
            Origin::Theirs(from, _) => said.ip() == from && said.port() != 0,
        };
        if !believed {
            return Turn::Ended(End::Faulty);
        }
        if let Origin::Theirs(_, peer) = &mut self.origin {
            *peer = Some(said);
        }
        self.greeted = Some(now);
        Turn::Greeted(said)
    }

    fn out_of_time(&self) -> End {
        match (self.greeted, self.is_ours()) {
            (None, true) => End::Gone,
            (None, false) => End::Faulty,
            (Some(_), _) if self.incoming.is_midway() || !self.outgoing.is_empty() => End::Faulty,
            (Some(_), _) => End::Unused,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("origin", &self.origin)
            .field("greeted", &self.greeted)
            .field("watched", &self.watched)
            .finish_non_exhaustive()
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
