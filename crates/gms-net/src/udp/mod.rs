//! UDP: multicast to the two groups, unicast to one process, in trains that the kernel cuts and glues.
//!
//! Three sockets: one bound to the control group, one to the data group (the next port), and one with an address of
//! our own. The last one sends everything, so whatever arrives anywhere names the sender's unicast address.

mod buffer;
mod config;
mod error;
mod failure;
mod interface;
mod open;
mod port;
mod send;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn_udp::RecvMeta;

pub use self::config::{Interface, Segmentation, UdpConfig};
pub use self::error::BindError;

use self::buffer::ReceiveBuffer;
use self::interface::Chosen;
use self::port::Port;
use self::send::Sender;
use crate::counters::Counters;
use crate::transport::{Channel, Destination, Received, Transmit, Transport};

/// UDP sockets as a [`Transport`].
///
/// IPv4 and IPv6. On Linux whole trains pass in one call each way; elsewhere, and where that turns out not to work,
/// datagrams go one by one, which only costs time. Datagrams are never fragmented by IP: one that does not fit the
/// interface is an error of the sender.
#[derive(Debug)]
pub struct Udp {
    control: Port,
    data: Port,
    unicast: Port,
    control_group: SocketAddr,
    data_group: SocketAddr,
    local_address: SocketAddr,
    chosen: Chosen,
    receive_budget: usize,
    leading: bool,
    last_served: Channel,
    last_but_control: Channel,
    buffer: ReceiveBuffer,
    sender: Sender,
    counters: Counters,
}

impl Udp {
    /// Opens the sockets and joins both groups, as a follower. Nothing is sent.
    ///
    /// Several processes of one host may share the groups' ports; each gets every multicast datagram.
    ///
    /// # Errors
    ///
    /// A [`BindError`] that says which setting to change.
    ///
    /// # Panics
    ///
    /// Inside a tokio runtime whose I/O is not enabled.
    pub fn bind(config: UdpConfig) -> Result<Self, BindError> {
        let (control_group, data_group) = groups(&config)?;
        tokio::runtime::Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        let chosen = Chosen::find(&config.interface, control_group)?;
        let unicast = open::unicast_socket(&chosen, &config)?;
        let control = open::multicast_socket(control_group, &chosen, &config)?;
        open::join(&control, control_group, &chosen)?;
        let data = open::multicast_socket(data_group, &chosen, &config)?;
        open::join(&data, data_group, &chosen)?;

        let (control, data, unicast) = (Port::new(control)?, Port::new(data)?, Port::new(unicast)?);
        let granted = |port: &Port| {
            port.socket().recv_buffer_size().map_err(BindError::io("read back the size of a receive buffer"))
        };
        let receive_budget = granted(&data)?.min(granted(&unicast)?);
        let local_address =
            unicast.local_address().map(open::unscoped).map_err(BindError::io("read back the address of a socket"))?;
        Ok(Self {
            control,
            data,
            unicast,
            control_group,
            data_group,
            local_address,
            chosen,
            receive_budget,
            leading: false,
            last_served: Channel::Unicast,
            last_but_control: Channel::Data,
            buffer: ReceiveBuffer::default(),
            sender: Sender::new(config.segmentation),
            counters: Counters::default(),
        })
    }

    /// The address and port of the control group.
    pub fn control_group(&self) -> SocketAddr {
        self.control_group
    }

    /// The address and port of the data group.
    pub fn data_group(&self) -> SocketAddr {
        self.data_group
    }

    /// The name of the network interface in use.
    pub fn interface(&self) -> &str {
        &self.chosen.name
    }

    /// The order to look at the sockets in: control first unless it was served just now, then unicast and data in
    /// turn.
    fn order(&self) -> [Channel; 3] {
        let (next, after) = match self.last_but_control {
            Channel::Unicast => (Channel::Data, Channel::Unicast),
            Channel::Data | Channel::Control => (Channel::Unicast, Channel::Data),
        };
        if self.last_served == Channel::Control {
            [next, after, Channel::Control]
        } else {
            [Channel::Control, next, after]
        }
    }

    fn note_served(&mut self, channel: Channel) {
        self.last_served = channel;
        if channel != Channel::Control {
            self.last_but_control = channel;
        }
    }

    /// Reads from the first socket in turn that has something.
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<(Channel, io::Result<(RecvMeta, Bytes)>)> {
        for channel in self.order() {
            let port = match channel {
                Channel::Control => &self.control,
                Channel::Data => &self.data,
                Channel::Unicast => &self.unicast,
            };
            if let Poll::Ready(read) = port.poll_read(cx, &mut self.buffer) {
                self.note_served(channel);
                return Poll::Ready((channel, read));
            }
        }
        Poll::Pending
    }

    /// Makes a train of what was read, unless it is not for us.
    fn accept(&mut self, channel: Channel, meta: &RecvMeta, contents: Bytes) -> Option<Received> {
        let from = open::unscoped(meta.addr);
        let group = match channel {
            Channel::Control => Some(self.control_group),
            Channel::Data => Some(self.data_group),
            Channel::Unicast => None,
        };
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

    fn max_segments(&self) -> usize {
        self.sender.max_segments(&self.unicast)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        for _ in 0..MOST_PASSED_OVER {
            match ready!(self.poll_any(cx)) {
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
        let address = match transmit.destination {
            Destination::Control => self.control_group,
            Destination::Data => self.data_group,
            Destination::Unicast(address) => address,
        };
        if address.is_ipv4() != self.local_address.is_ipv4() {
            return Poll::Ready(Err(other_family(address, self.local_address)));
        }
        if address.port() == 0 {
            // The kernel refuses it with the error that also means "no trains here", which would turn trains off for
            // everybody.
            self.counters.send_lost += transmit.datagram_count() as u64;
            return Poll::Ready(Ok(()));
        }
        let address = open::scoped(address, &self.chosen);
        self.sender.poll_send(cx, &self.unicast, address, transmit, &mut self.counters)
    }

    fn cancel_send(&mut self) {
        self.sender.cancel();
    }

    fn set_leading(&mut self, leading: bool) -> io::Result<()> {
        if leading == self.leading {
            return Ok(());
        }
        let socket = self.data.socket();
        open::change_membership(&socket, self.data_group, &self.chosen, !leading)?;
        self.leading = leading;
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}

/// How many reads that bring nothing for us are made in a row before other tasks get their turn.
const MOST_PASSED_OVER: usize = 32;

/// Checks what was asked for and derives both groups from it.
fn groups(config: &UdpConfig) -> Result<(SocketAddr, SocketAddr), BindError> {
    let multicast = open::unscoped(config.multicast);
    if !multicast.ip().is_multicast() {
        return Err(BindError::NotMulticast { multicast });
    }
    let port = multicast.port();
    let (1.., Some(next)) = (port, port.checked_add(1)) else {
        return Err(BindError::PortOutOfRange { port });
    };
    if config.ttl > u32::from(u8::MAX) {
        return Err(BindError::TtlOutOfRange { ttl: config.ttl });
    }
    Ok((multicast, SocketAddr::new(multicast.ip(), next)))
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

fn other_family(address: SocketAddr, local: SocketAddr) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{address} cannot be reached from {local}: use addresses of one family, IPv4 or IPv6, in a group"),
    )
}
