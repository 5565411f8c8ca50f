//! What the tests of real sockets share.

// Each test binary uses only some of it.
#![allow(dead_code)]

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::Duration;

use gms_net::{Destination, Received, Transmit, Transport, TransportExt, Udp, UdpConfig};
use tokio::time::timeout;

/// No test waits this long unless it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A group that no other test uses, nor another run of the tests at the same time: address and ports come from the
/// number of the process, and the ports lie below those the kernel hands out.
pub(crate) fn unused_group(ip: impl FnOnce(u8, u8, u8) -> IpAddr) -> SocketAddr {
    static USED: AtomicU8 = AtomicU8::new(1);
    let number = USED.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = ip(high, low, number);
    let any = match ip {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let first = std::process::id() * 64 + u32::from(number);
    let free = |port: u16| UdpSocket::bind((any, port)).is_ok() && TcpListener::bind((any, port)).is_ok();
    let port =
        (first..).map(|pair| 20_000 + (pair % 6_000) as u16 * 2).take(6_000).find(|&port| free(port) && free(port + 1));
    (ip, port.expect("no two free ports in a row")).into()
}

pub(crate) fn v4(high: u8, low: u8, number: u8) -> IpAddr {
    [239, high, low, number].into()
}

/// A process without multicast and with whatever port is free.
pub(crate) fn alone() -> Udp {
    Udp::bind(UdpConfig::with_peers([])).unwrap()
}

/// An address on loopback that nobody has, nor gets by asking for any.
pub(crate) fn unused_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, unused_group(v4).port()).into()
}

pub(crate) fn config() -> UdpConfig {
    UdpConfig::new(unused_group(v4))
}

pub(crate) fn train(destination: Destination, contents: &[u8], segment_size: usize) -> Transmit<'_> {
    Transmit { destination, contents, segment_size }
}

pub(crate) async fn receive(udp: &mut Udp) -> Received {
    timeout(PATIENCE, udp.receive()).await.expect("nothing came").unwrap()
}

/// The datagrams of as many trains as it takes to get `bytes` bytes.
pub(crate) async fn receive_bytes(udp: &mut Udp, bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < bytes {
        for datagram in receive(udp).await.datagrams() {
            all.extend_from_slice(&datagram);
        }
    }
    all
}

/// The next that `receiver` hears, while the `others` look after their connections and hear nothing.
pub(crate) async fn receive_while(receiver: &mut Udp, others: &mut [&mut Udp]) -> Received {
    let received = poll_fn(|cx| {
        for other in others.iter_mut() {
            if let Poll::Ready(heard) = other.poll_receive(cx) {
                panic!("not for this one: {heard:?}");
            }
        }
        receiver.poll_receive(cx)
    });
    timeout(PATIENCE, received).await.expect("nothing came").unwrap()
}

/// Lets everybody look after their connections, and hear nothing, until something holds.
pub(crate) async fn work_until(all: &mut [&mut Udp], holds: impl Fn(&[&mut Udp]) -> bool) {
    let work = poll_fn(|cx| {
        for udp in all.iter_mut() {
            if let Poll::Ready(heard) = udp.poll_receive(cx) {
                panic!("nothing was sent: {heard:?}");
            }
        }
        if holds(all) { Poll::Ready(()) } else { Poll::Pending }
    });
    timeout(PATIENCE, work).await.expect("it never came to hold");
}

/// Lets everybody look after their connections, and hear nothing, while so much time passes, which takes none.
///
/// The clock goes on by itself when everybody waits; what is on its way between two sockets it does not wait for.
pub(crate) async fn pass(time: Duration, all: &mut [&mut Udp]) {
    tokio::time::pause();
    let work = poll_fn(|cx| {
        for udp in all.iter_mut() {
            if let Poll::Ready(heard) = udp.poll_receive(cx) {
                panic!("nothing was sent: {heard:?}");
            }
        }
        Poll::<()>::Pending
    });
    let _ = timeout(time, work).await;
    tokio::time::resume();
}

/// What a process says first on a connection.
pub(crate) fn hello(address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { panic!("IPv4 only") };
    [&b"gms-net\x01"[..], &ip.to_ipv6_mapped().octets(), &address.port().to_be_bytes()].concat()
}

/// A message as it lies on a connection.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_le_bytes()[..], message].concat()
}

/// Whether this is what `udp` hears next.
pub(crate) async fn next_is(udp: &mut Udp, contents: &[u8]) -> bool {
    receive(udp).await.contents == contents
}

/// Whether `listener` has nothing to hear but what is sent to it now: as channels take turns, anything that had come
/// to another of its sockets before would be among the next few.
pub(crate) async fn hears_nothing_else(listener: &mut Udp, sender: &mut Udp) -> bool {
    let destination = Destination::Unicast(listener.local_address());
    for number in 0..4 {
        sender.send(train(destination, &[b'm', number], 2)).await.unwrap();
    }
    for number in 0..4 {
        if !next_is(listener, &[b'm', number]).await {
            return false;
        }
    }
    // Nor anything of its own, which would not be passed on, but counted.
    listener.counters().filtered == 0
}
