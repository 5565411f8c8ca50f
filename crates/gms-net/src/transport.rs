//! What every transport offers: trains of datagrams to a group or to one process, and from them.
//!
//! A **train** is a run of datagrams that lie back to back in memory, all of one size but the last, which may be
//! shorter. Kernels cut and glue trains far more cheaply than they move single datagrams, so a train is the unit here.

use std::future::{Future, poll_fn};
use std::io;
use std::iter::FusedIterator;
use std::net::SocketAddr;
use std::slice::Chunks;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::counters::Counters;

/// Where a train goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The data group: every follower. Without multicast: every member but oneself, the leader too.
    Data,
    /// The control group: every process, followers and leader. Without multicast: every peer and every member but
    /// oneself.
    Control,
    /// One process, at its unicast address.
    Unicast(SocketAddr),
    /// The same, over a connection: each "datagram" of the train is a message that may be larger than any datagram and
    /// that arrives whole, in order, unless the connection breaks. It waits in a bounded queue and moves while
    /// [`poll_receive`](Transport::poll_receive) is called.
    Stream(SocketAddr),
}

/// On what a train came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The control group.
    Control,
    /// The data group.
    Data,
    /// This process alone, or, without multicast, each of the processes a train is copied to.
    Unicast,
    /// A connection: one message, whole.
    Stream,
}

/// A train to send. It borrows the bytes; nothing is copied before the kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Where it goes.
    pub destination: Destination,
    /// The datagrams, back to back. Empty contents send nothing.
    pub contents: &'a [u8],
    /// The size in bytes of each datagram; the last one may be shorter. At least 1. At or above `contents.len()` it
    /// means one single datagram.
    pub segment_size: usize,
}

impl<'a> Transmit<'a> {
    /// One single datagram.
    pub fn single(destination: Destination, contents: &'a [u8]) -> Self {
        Self { destination, contents, segment_size: contents.len().max(1) }
    }

    /// The datagrams of the train, in order.
    ///
    /// A `segment_size` of 0, which no transport accepts, is taken as 1 here.
    pub fn datagrams(&self) -> Chunks<'a, u8> {
        self.contents.chunks(self.segment_size.max(1))
    }

    /// How many datagrams the train has.
    pub fn datagram_count(&self) -> usize {
        self.contents.len().div_ceil(self.segment_size.max(1))
    }

    /// Refuses a train that cannot be cut into datagrams.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.segment_size == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a train needs a segment size of at least 1 byte: set Transmit::segment_size to the size of one datagram",
            ));
        }
        Ok(())
    }
}

/// A train that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The unicast address of the sender, also for multicast and streams.
    pub from: SocketAddr,
    /// On what it came.
    pub channel: Channel,
    /// The datagrams, back to back; never empty. The memory may be much larger, and be read into again once nobody holds
    /// any part of it: copy what is kept for long.
    pub contents: Bytes,
    /// The size in bytes of each datagram; the last one may be shorter. At least 1.
    pub stride: usize,
}

impl Received {
    /// The datagrams of the train, in order, each a slice of `contents`: nothing is copied.
    pub fn datagrams(&self) -> Datagrams {
        Datagrams { rest: self.contents.clone(), stride: self.stride.max(1) }
    }

    /// How many datagrams the train has.
    pub fn datagram_count(&self) -> usize {
        self.contents.len().div_ceil(self.stride.max(1))
    }
}

/// The datagrams of a [`Received`] train; made by [`Received::datagrams`].
#[derive(Debug, Clone)]
pub struct Datagrams {
    rest: Bytes,
    stride: usize,
}

impl Iterator for Datagrams {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        if self.rest.len() <= self.stride {
            // Handing over the handle itself saves a reference count on the last (often the only) datagram.
            return Some(std::mem::take(&mut self.rest));
        }
        Some(self.rest.split_to(self.stride))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.rest.len().div_ceil(self.stride);
        (count, Some(count))
    }
}

impl ExactSizeIterator for Datagrams {}
impl FusedIterator for Datagrams {}

/// Unreliable, unordered datagrams between processes: what a group process needs of a network.
///
/// Datagrams may be lost, duplicated and reordered, but not changed. A process never receives its own multicast; what
/// it sends to its own unicast address it does receive. Addresses mean the same on every host: IPv6 scope ids are
/// taken off on the way in and put on again on the way out.
///
/// The trait is object safe; [`TransportExt`] adds the `async` forms.
pub trait Transport: Send + 'static {
    /// The unicast address at which the others reach this process; the one to advertise in a view.
    fn local_address(&self) -> SocketAddr;

    /// How many bytes may wait here unread before datagrams are dropped: the smallest receive buffer that was really
    /// *granted* to the data and the unicast socket, counted as the kernel counts (with its own overhead).
    fn receive_budget(&self) -> usize;

    /// Bytes of the largest datagram that leaves this process whole at present, and comes in: what the MTU of its
    /// interface leaves, and at most a 32nd of [`receive_budget`](Self::receive_budget). It may change while the
    /// process runs. Asking costs a few system calls.
    fn largest_datagram(&self) -> u16 {
        65_507
    }

    /// How many datagrams to put in one train at best, at least 1. A hint: longer trains are sent too, in pieces.
    ///
    /// Read it again before each send: it falls to 1 when the kernel or the network card turns out not to cut trains.
    fn max_segments(&self) -> usize;

    /// Receives the next train.
    ///
    /// Only the task of the last call is woken. Nothing is lost by not calling again (cancel safe). No channel starves
    /// another: control comes first, unicast and data alternate after it, and each of the three with something to read
    /// waits for at most three trains of the others; between two of these there is at most one message of a stream.
    ///
    /// # Errors
    ///
    /// Only what makes the transport useless, such as a closed socket; do not go on after one.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>>;

    /// Sends a train, whole.
    ///
    /// On `Pending` a part of the train may be sent already, and the transport remembers how much: call again with the
    /// *same* train until `Ready`, or call [`cancel_send`](Self::cancel_send) to give the rest up (it is then lost,
    /// as a network may lose it). `Ready(Ok)` says the train was handed to the network, not that anybody got it:
    /// passing failures of the network are counted as lost datagrams in [`Counters`] instead.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a segment size of 0, a datagram too large for the interface, a message too large for a
    /// stream, or a destination of another address family; anything else makes the transport useless. The rest of the
    /// train is dropped.
    fn poll_send(&mut self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>>;

    /// Forgets the train that [`poll_send`](Self::poll_send) has in progress, if any.
    fn cancel_send(&mut self) {}

    /// Takes part in the data group as a follower (`false`, the state at the start) or stays out of it as a leader
    /// does (`true`). What had come in before may still be received. Setting the present state again does nothing.
    ///
    /// # Errors
    ///
    /// The kernel's, when joining or leaving the group fails; the state is then as before.
    fn set_leading(&mut self, leading: bool) -> io::Result<()>;

    /// Joins the multicast groups again, where this process takes part in them: a switch or router that has forgotten
    /// it is told so. A transport without multicast ignores it.
    ///
    /// # Errors
    ///
    /// The kernel's; it is then in those groups that it could join.
    fn rejoin_groups(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Says who is in the group, by their unicast addresses; to be called at each view. Oneself may be among them.
    ///
    /// A transport without multicast copies what is sent to a group to these; one with multicast ignores it. A train
    /// in progress still goes to those who were members when it was begun.
    fn set_members(&mut self, members: &[SocketAddr]) {
        let _ = members;
    }

    /// Replaces the peers of a transport without multicast: those who hear control trains, members or not. Oneself
    /// may be among them. A transport with multicast ignores it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when one of them can never be reached, as it is of another address family, say; the peers are
    /// then as before.
    fn set_peers(&mut self, peers: &[SocketAddr]) -> io::Result<()> {
        let _ = peers;
        Ok(())
    }

    /// Stays connected with these processes, by their unicast addresses, and with no others for longer than it takes,
    /// so that [`poll_lost`](Self::poll_lost) can tell when one dies. Oneself may be among them. A transport without
    /// connections ignores it.
    fn set_watched(&mut self, peers: &[SocketAddr]) {
        let _ = peers;
    }

    /// The next process watched that seems to be dead: its connection ended, and its host says that nobody listens
    /// there any more. It is a hint, to be verified. A process that does not answer, or whose host does not, is not
    /// reported. None is reported again before it was connected again.
    ///
    /// Only the task of the last call, of this or of [`poll_receive`](Self::poll_receive), is woken; connections are
    /// looked after by the latter.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        let _ = cx;
        Poll::Pending
    }

    /// The next process watched whose host says that nobody listens there: told once for each attempt to connect, also
    /// of one that was never connected. One refusal alone says little, for a queue that is full refuses, too. Otherwise
    /// as [`poll_lost`](Self::poll_lost).
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        let _ = cx;
        Poll::Pending
    }

    /// What passed here and what was lost, since the start.
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// The `async` forms of [`Transport`], for everything that implements it.
pub trait TransportExt: Transport {
    /// Receives the next train; see [`Transport::poll_receive`].
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    fn receive(&mut self) -> impl Future<Output = io::Result<Received>> + Send {
        poll_fn(|cx| self.poll_receive(cx))
    }

    /// Sends a train; see [`Transport::poll_send`].
    ///
    /// Cancel safe in that the transport stays usable: a future dropped early sends a whole number of the train's
    /// first datagrams, and the next send starts afresh.
    fn send(&mut self, transmit: Transmit<'_>) -> impl Future<Output = io::Result<()>> + Send {
        let mut sending = Sending { transport: self, finished: false };
        poll_fn(move |cx| {
            let poll = sending.transport.poll_send(cx, &transmit);
            sending.finished = poll.is_ready();
            poll
        })
    }
}

impl<T: Transport + ?Sized> TransportExt for T {}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn local_address(&self) -> SocketAddr {
        (**self).local_address()
    }

    fn receive_budget(&self) -> usize {
        (**self).receive_budget()
    }

    fn largest_datagram(&self) -> u16 {
        (**self).largest_datagram()
    }

    fn max_segments(&self) -> usize {
        (**self).max_segments()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        (**self).poll_receive(cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        (**self).poll_send(cx, transmit)
    }

    fn cancel_send(&mut self) {
        (**self).cancel_send();
    }

    fn set_leading(&mut self, leading: bool) -> io::Result<()> {
        (**self).set_leading(leading)
    }

    fn rejoin_groups(&mut self) -> io::Result<()> {
        (**self).rejoin_groups()
    }

    fn set_members(&mut self, members: &[SocketAddr]) {
        (**self).set_members(members);
    }

    fn set_peers(&mut self, peers: &[SocketAddr]) -> io::Result<()> {
        (**self).set_peers(peers)
    }

    fn set_watched(&mut self, peers: &[SocketAddr]) {
        (**self).set_watched(peers);
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        (**self).poll_lost(cx)
    }

    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        (**self).poll_refused(cx)
    }

    fn counters(&self) -> Counters {
        (**self).counters()
    }
}

/// A send in progress; dropped early it tells the transport to forget its place in the train.
struct Sending<'t, T: Transport + ?Sized> {
    transport: &'t mut T,
    finished: bool,
}

impl<T: Transport + ?Sized> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if !self.finished {
            self.transport.cancel_send();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(contents: &'static [u8], stride: usize) -> Received {
        Received {
            from: ([127, 0, 0, 1], 1).into(),
            channel: Channel::Data,
            contents: Bytes::from_static(contents),
            stride,
        }
    }

    #[test]
    fn a_train_is_sliced_where_it_lies() {
        let received = train(b"aabbc", 2);
        let datagrams: Vec<Bytes> = received.datagrams().collect();
        assert_eq!(datagrams, [&b"aa"[..], b"bb", b"c"]);
        assert_eq!(received.datagram_count(), 3);
        assert_eq!(received.datagrams().len(), 3);
        assert_eq!(datagrams[1].as_ptr(), received.contents[2..].as_ptr());
    }

    #[test]
    fn a_stride_past_the_end_is_one_datagram() {
        assert_eq!(train(b"abc", 65_536).datagrams().count(), 1);
        assert_eq!(train(b"abcd", 2).datagrams().count(), 2);
    }

    #[test]
    fn a_transmit_cuts_as_a_receiver_does() {
        let transmit = Transmit { destination: Destination::Data, contents: b"aabbc", segment_size: 2 };
        assert_eq!(transmit.datagram_count(), 3);
        assert_eq!(transmit.datagrams().collect::<Vec<_>>(), [&b"aa"[..], b"bb", b"c"]);
        let single = Transmit::single(Destination::Control, b"abc");
        assert_eq!(single.datagram_count(), 1);
        assert_eq!(Transmit::single(Destination::Control, b"").datagram_count(), 0);
        assert!(single.check().is_ok());
        let cut_to_nothing = Transmit { segment_size: 0, ..single };
        assert!(cut_to_nothing.check().is_err());
    }
}
