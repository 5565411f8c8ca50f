//! The place in a train, and among those it goes to.

use std::net::SocketAddr;

use super::fan_out::Targets;
use crate::transport::{Destination, Transmit};

/// Which train is in progress, and how much of it is done.
#[derive(Debug)]
pub(super) struct Progress {
    destination: Destination,
    start: usize,
    length: usize,
    segment_size: usize,
    targets: Targets,
    /// How many of the targets are done.
    done: usize,
    /// How many bytes the present target has been sent.
    pub(super) sent: usize,
    /// The kernel did not take it as a train, so the rest goes to this target one datagram at a time.
    pub(super) refused_whole: bool,
    /// How many of the targets cannot be sent datagrams of this size.
    too_large: usize,
}

impl Progress {
    pub(super) fn start(transmit: &Transmit<'_>, targets: Targets) -> Self {
        Self {
            destination: transmit.destination,
            start: transmit.contents.as_ptr().addr(),
            length: transmit.contents.len(),
            segment_size: transmit.segment_size,
            targets,
            done: 0,
            sent: 0,
            refused_whole: false,
            too_large: 0,
        }
    }

    /// Whom the next piece is for; `None` when all is done.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.targets.get(self.done).copied().filter(|_| self.length > 0)
    }

    /// The present target has got so many bytes more.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent >= self.length {
            self.skip_target();
        }
    }

    /// Notes that the datagrams are too large for the present target, and tells whether they are for every other too.
    pub(super) fn too_large_for_all(&mut self) -> bool {
        self.too_large += 1;
        self.too_large == self.targets.len()
    }

    /// How many datagrams the present target has not been sent.
    pub(super) fn datagrams_left(&self) -> u64 {
        (self.length - self.sent).div_ceil(self.segment_size) as u64
    }

    /// Gives the rest to the present target up.
    pub(super) fn skip_target(&mut self) {
        self.done += 1;
        self.sent = 0;
        self.refused_whole = false;
    }

    /// Whether this train is the one in progress.
    pub(super) fn is_of(&self, transmit: &Transmit<'_>) -> bool {
        self.destination == transmit.destination
            && self.start == transmit.contents.as_ptr().addr()
            && self.length == transmit.contents.len()
            && self.segment_size == transmit.segment_size
    }
}
