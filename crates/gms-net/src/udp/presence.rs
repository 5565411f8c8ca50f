//! Whether this host still has the address that the sockets are bound to.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many looks in a row that do not find it: it has not just been renewed.
const MOST_MISSES: u32 = 3;

/// Looks for the address now and then. A socket of an address that is gone goes on without an error: it only hears
/// nothing more, and nobody hears it.
#[derive(Debug)]
pub(super) struct Presence {
    /// With its scope.
    address: SocketAddr,
    looks: Option<Interval>,
    misses: u32,
}

impl Presence {
    pub(super) fn new(mut address: SocketAddr) -> Self {
        address.set_port(0);
        Self { address, looks: None, misses: 0 }
    }

    /// Ready when the address is gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.address.ip().is_loopback() {
            return Poll::Pending;
        }
        let looks = self.looks.get_or_insert_with(|| {
            let mut looks = interval(LOOK_EVERY);
            // One that stood still does not take one look for many.
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            looks
        });
        loop {
            ready!(looks.poll_tick(cx));
            self.misses = if is_here(self.address) { 0 } else { self.misses + 1 };
            if self.misses == MOST_MISSES {
                return Poll::Ready(gone(self.address));
            }
        }
    }
}

/// Whether an interface has the address. Only a clear no counts.
fn is_here(address: SocketAddr) -> bool {
    let Err(error) = std::net::UdpSocket::bind(address) else { return true };
    error.kind() != io::ErrorKind::AddrNotAvailable && error.raw_os_error() != Some(NO_DEVICE)
}

/// `ENODEV`, of a zone whose interface is gone; it has no kind of its own.
const NO_DEVICE: i32 = 19;

fn gone(address: SocketAddr) -> io::Error {
    let text = format!("{} is on no interface of this host any more", address.ip());
    io::Error::new(io::ErrorKind::AddrNotAvailable, text)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_no_interface_has_is_told_after_several_looks() {
        let mut presence = Presence::new("192.0.2.77:7".parse().unwrap());
        let error = poll_fn(|cx| presence.poll_gone(cx)).await;
        assert_eq!(presence.misses, MOST_MISSES);
        assert_eq!(error.to_string(), "192.0.2.77 is on no interface of this host any more");
    }

    #[test]
    fn what_this_host_has_is_here() {
        assert!(is_here("127.0.0.1:0".parse().unwrap()));
        assert!(!is_here("192.0.2.77:0".parse().unwrap()));
    }
}
