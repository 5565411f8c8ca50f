//! What is read next, so that nothing starves another.

use crate::transport::Channel;

/// Remembers whose turn it was.
#[derive(Debug)]
pub(super) struct Turns {
    last: Channel,
    /// Of unicast and data.
    last_of_two: Channel,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { last: Channel::Unicast, last_of_two: Channel::Data }
    }

    /// Whether streams come before the UDP sockets, or after them.
    pub(super) fn streams_first(&self) -> bool {
        self.last != Channel::Stream
    }

    /// The order to look at the UDP sockets in: control first unless it was served just now, then unicast and data in
    /// turn.
    pub(super) fn order(&self) -> [Channel; 3] {
        let (next, after) = match self.last_of_two {
            Channel::Unicast => (Channel::Data, Channel::Unicast),
            _ => (Channel::Unicast, Channel::Data),
        };
        if self.last == Channel::Control { [next, after, Channel::Control] } else { [Channel::Control, next, after] }
    }

    /// Something was read there.
    pub(super) fn note(&mut self, channel: Channel) {
        self.last = channel;
        if matches!(channel, Channel::Unicast | Channel::Data) {
            self.last_of_two = channel;
        }
    }
}
