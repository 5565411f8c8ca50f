//! UDP: multicast to the two groups, unicast to one process, in trains that the kernel cuts and glues.
//!
//! Three sockets: one bound to the control group, one to the data group (the next port), and one with an address of
//! our own. The last one sends everything, so whatever arrives anywhere names the sender's unicast address. Without
//! multicast it is the only one, and trains to groups are copied to processes. Beside it, streams pass over TCP.

mod ask;
mod buffer;
mod config;
mod error;
mod failure;
mod fan_out;
mod groups;
mod interface;
mod mtu;
mod obstacle;
mod open;
mod pair;
mod port;
mod presence;
mod progress;
mod send;
mod stream;
mod turns;

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn_udp::RecvMeta;

pub use self::ask::AskSocket;
pub use self::config::{Interface, Segmentation, UdpConfig};
pub use self::error::BindError;

use self::buffer::ReceiveBuffer;
use self::fan_out::{FanOut, Targets};
use self::groups::Groups;
use self::interface::Chosen;
use self::obstacle::{ONE_FAMILY, obstacle_to_process, refusal};
use self::port::Port;
use self::presence::Presence;
use self::send::Sender;
use self::stream::Streams;
use self::turns::Turns;
use crate::counters::Counters;
use crate::transport::{Channel, Destination, Received, Transmit, Transport};

/// UDP sockets as a [`Transport`].
///
/// IPv4 and IPv6. On Linux whole trains pass in one call each way; elsewhere, and where that turns out not to work,
/// datagrams go one by one, which only costs time. Datagrams are never fragmented by IP: one that does not fit the
/// interface is an error of the sender.
#[derive(Debug)]
pub struct Udp {
    reach: Reach,
    unicast: Port,
    streams: Streams,
    local_address: SocketAddr,
    chosen: Chosen,
    receive_budget: usize,
    presence: Presence,
    leading: bool,
    turns: Turns,
    buffer: ReceiveBuffer,
    sender: Sender,
    counters: Counters,
}

/// How a train to a group gets to several processes.
#[derive(Debug)]
enum Reach {
    Multicast(Box<Groups>),
    FanOut(FanOut),
}

impl Udp {
    /// Opens the sockets and, unless [`UdpConfig::peers`] are given, joins both groups, as a follower. Nothing is sent.
    ///
    /// Several processes of one host may share the groups' ports; each gets every multicast datagram.
    ///
    /// # Errors
    ///
    /// A [`BindError`] that says which setting to change.
    ///
    /// # Panics
    ///
    /// Inside a tokio runtime whose I/O is not enabled; with the first connection, and beyond loopback with the first
    /// receive, also where time is not.
    pub fn bind(config: UdpConfig) -> Result<Self, BindError> {
        if config.peers.is_none() {
            groups::addresses(&config)?;
        }
        if !STREAM_LIMITS.contains(&config.stream_limit) {
            return Err(BindError::StreamLimitOutOfRange { limit: config.stream_limit });
        }
        tokio::runtime::Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        let chosen = Chosen::find(&config.interface, config.counterpart())?;
        let mtu = mtu::of(&chosen);
        if mtu < mtu::LEAST_MTU {
            return Err(BindError::MtuTooSmall { interface: chosen.name, mtu, least: mtu::LEAST_MTU });
        }
        if let Some((peer, mend)) = first_obstacle(config.peers.as_deref().unwrap_or_default(), &chosen) {
            return Err(BindError::UnreachablePeer { peer, local: chosen.address, mend });
        }
        let (unicast, listener) = pair::open_pair(&chosen, &config)?;
        let unicast = Port::new(unicast)?;
        let presence = Presence::new(unicast.address());
        let local_address = open::unscoped(unicast.address());
        let streams = Streams::new(listener, local_address, chosen.clone(), config.stream_limit)
            .map_err(BindError::io("register a TCP socket with the runtime"))?;
        let mut receive_budget = unicast.receive_buffer()?;
        let reach = match &config.peers {
            None => {
                let groups = Groups::join(&config, &chosen)?;
                receive_budget = receive_budget.min(groups.data.port.receive_buffer()?);
                Reach::Multicast(Box::new(groups))
            }
            Some(peers) => {
                let mut fan_out = FanOut::default();
                fan_out.set_peers(peers, local_address, &chosen);
                Reach::FanOut(fan_out)
            }
        };
        Ok(Self {
            reach,
            unicast,
            streams,
            local_address,
            chosen,
            receive_budget,
            presence,
            leading: false,
            turns: Turns::new(),
            buffer: ReceiveBuffer::default(),
            sender: Sender::new(config.segmentation),
            counters: Counters::default(),
        })
    }

    /// The address and port of the control group; `None` without multicast.
    pub fn control_group(&self) -> Option<SocketAddr> {
        self.group_address(Channel::Control)
    }

    /// The address and port of the data group; `None` without multicast.
    pub fn data_group(&self) -> Option<SocketAddr> {
        self.group_address(Channel::Data)
    }

    /// The name of the network interface in use.
    pub fn interface(&self) -> &str {
        &self.chosen.name
    }

    /// An address that another process has told, as sockets of this host want it: with the number of the interface
    /// where the address holds on one link only.
    pub fn scoped(&self, address: SocketAddr) -> SocketAddr {
        open::scoped(address, &self.chosen)
    }

    fn group_address(&self, channel: Channel) -> Option<SocketAddr> {
        match &self.reach {
            Reach::Multicast(groups) => groups.heard_on(channel).map(|group| group.address),
            Reach::FanOut(_) => None,
        }
    }

    /// Receives from streams.
    fn poll_streams(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        let received = ready!(self.streams.poll_receive(cx, &mut self.counters));
        self.turns.note(Channel::Stream);
        Poll::Ready(Ok(received))
    }

    /// Reads from the first UDP socket in turn that has something.
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<(Channel, io::Result<(RecvMeta, Bytes)>)> {
        let Reach::Multicast(groups) = &self.reach else {
            let read = ready!(self.unicast.poll_read(cx, &mut self.buffer));
            self.turns.note(Channel::Unicast);
            return Poll::Ready((Channel::Unicast, read));
        };
        for channel in self.turns.order() {
            let port = groups.heard_on(channel).map_or(&self.unicast, |group| &group.port);
            if let Poll::Ready(read) = port.poll_read(cx, &mut self.buffer) {
                self.turns.note(channel);
                return Poll::Ready((channel, read));
            }
        }
        Poll::Pending
    }

    /// Queues each datagram of the train as one message.
    fn stream(&mut self, to: SocketAddr, transmit: &Transmit<'_>) -> io::Result<()> {
        let (longest, limit) = (transmit.segment_size.min(transmit.contents.len()), self.streams.limit());
        if longest > limit {
            return Err(message_too_large(longest, limit));
        }
        if obstacle_to_process(to, self.chosen.address).is_some() {
            self.counters.stream_lost += transmit.datagram_count() as u64;
            return Ok(());
        }
        for message in transmit.datagrams() {
            self.streams.send(to, message, &mut self.counters);
        }
        Ok(())
    }

    /// Makes a train of what was read, unless it is not for us.
    fn accept(&mut self, channel: Channel, meta: &RecvMeta, contents: Bytes) -> Option<Received> {
        let from = open::unscoped(meta.addr);
        let group = self.group_address(channel);
        let own_multicast = group.is_some() && from == self.local_address;
        let other_group = group.zip(meta.dst_ip).is_some_and(|(group, destination)| group.ip() != destination);
        let received = Received { from, channel, contents, stride: meta.stride.max(1) };
        let datagrams = received.datagram_count() as u64;
        if own_multicast || other_group || datagrams == 0 {
            self.counters.filtered += datagrams.max(1);
            return None;
        }
        self.counters.received += datagrams;
        self.counters.received_calls += 1;
        Some(received)
    }
}

impl Transport for Udp {
    fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    fn receive_budget(&self) -> usize {
        self.receive_budget
    }

    fn largest_datagram(&self) -> u16 {
        let whole = mtu::datagram(mtu::of(&self.chosen), &self.chosen);
        whole.min((self.receive_budget / DATAGRAMS_IN_A_BUFFER).min(u16::MAX.into()) as u16)
    }

    fn max_segments(&self) -> usize {
        self.sender.max_segments(&self.unicast)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        if self.streams.are_ringing()
            && self.turns.streams_first()
            && let Poll::Ready(received) = self.poll_streams(cx)
        {
            return Poll::Ready(received);
        }
        for _ in 0..MOST_PASSED_OVER {
            let Poll::Ready(read) = self.poll_any(cx) else {
                if let Poll::Ready(error) = self.presence.poll_gone(cx) {
                    return Poll::Ready(Err(error));
                }
                return self.poll_streams(cx);
            };
            match read {
                (channel, Ok((meta, contents))) => {
                    if let Some(received) = self.accept(channel, &meta, contents) {
                        return Poll::Ready(Ok(received));
                    }
                }
                (_, Err(error)) if is_passing(&error) => self.counters.receive_errors += 1,
                (_, Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        // A flood of what is not for us must not hold the task: let the others run, then go on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        transmit.check()?;
        let targets = match (transmit.destination, &self.reach) {
            (Destination::Unicast(address) | Destination::Stream(address), _)
                if address.is_ipv4() != self.local_address.is_ipv4() =>
            {
                return Poll::Ready(Err(refusal(address, self.chosen.address, ONE_FAMILY)));
            }
            (Destination::Stream(address), _) => return Poll::Ready(self.stream(open::unscoped(address), transmit)),
            (Destination::Unicast(address), _) => Targets::One(open::scoped(address, &self.chosen)),
            (Destination::Control, Reach::Multicast(groups)) => groups.control.target(&self.chosen),
            (Destination::Data, Reach::Multicast(groups)) => groups.data.target(&self.chosen),
            (Destination::Control, Reach::FanOut(fan_out)) => fan_out.control(),
            (Destination::Data, Reach::FanOut(fan_out)) => fan_out.data(),
        };
        self.sender.poll_send(cx, &self.unicast, targets, transmit, &mut self.counters)
    }

    fn cancel_send(&mut self) {
        self.sender.cancel();
    }

    fn set_leading(&mut self, leading: bool) -> io::Result<()> {
        if leading == self.leading {
            return Ok(());
        }
        if let Reach::Multicast(groups) = &self.reach {
            groups.set_data_member(&self.chosen, !leading)?;
        }
        self.leading = leading;
        Ok(())
    }

    fn rejoin_groups(&mut self) -> io::Result<()> {
        match &self.reach {
            Reach::Multicast(groups) => groups.rejoin(&self.chosen, !self.leading),
            Reach::FanOut(_) => Ok(()),
        }
    }

    fn set_members(&mut self, members: &[SocketAddr]) {
        if let Reach::FanOut(fan_out) = &mut self.reach {
            fan_out.set_members(members, self.local_address, &self.chosen);
        }
    }

    fn set_watched(&mut self, peers: &[SocketAddr]) {
        let possible = |peer: &SocketAddr| obstacle_to_process(*peer, self.chosen.address).is_none();
        self.streams.watch(peers.iter().copied().map(open::unscoped).filter(possible));
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.streams.poll_lost(cx)
    }

    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.streams.poll_refused(cx)
    }

    fn set_peers(&mut self, peers: &[SocketAddr]) -> io::Result<()> {
        let Reach::FanOut(fan_out) = &mut self.reach else { return Ok(()) };
        if let Some((peer, mend)) = first_obstacle(peers, &self.chosen) {
            return Err(refusal(peer, self.chosen.address, mend));
        }
        fan_out.set_peers(peers, self.local_address, &self.chosen);
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

/// So many datagrams of the largest size have room in a receive buffer.
const DATAGRAMS_IN_A_BUFFER: usize = 32;

/// What [`UdpConfig::stream_limit`] may be.
const STREAM_LIMITS: RangeInclusive<usize> = 1 << 10..=1 << 30;

/// How many reads that bring nothing for us are made in a row before other tasks get their turn.
const MOST_PASSED_OVER: usize = 32;

/// The first of the peers that can never be reached, and what to do about it.
fn first_obstacle(peers: &[SocketAddr], chosen: &Chosen) -> Option<(SocketAddr, &'static str)> {
    peers.iter().find_map(|&peer| obstacle_to_process(peer, chosen.address).map(|mend| (peer, mend)))
}

/// Whether a failed read says something about an earlier send only, as some systems report it.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
    )
}

fn message_too_large(length: usize, limit: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "a message of {length} bytes is too large for a stream, which takes {limit}: raise UdpConfig::stream_limit everywhere"
        ),
    )
}
