//! Which socket is read next, so that none starves another.

use crate::transport::Channel;

/// Remembers whose turn it was.
#[derive(Debug)]
pub(super) struct Turns {
    last: Channel,
    last_but_control: Channel,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { last: Channel::Unicast, last_but_control: Channel::Data }
    }

    /// The order to look at the sockets in: control first unless it was served just now, then unicast and data in
    /// turn.
    pub(super) fn order(&self) -> [Channel; 3] {
        let (next, after) = match self.last_but_control {
            Channel::Unicast => (Channel::Data, Channel::Unicast),
            Channel::Data | Channel::Control => (Channel::Unicast, Channel::Data),
        };
        if self.last == Channel::Control { [next, after, Channel::Control] } else { [Channel::Control, next, after] }
    }

    /// Something was read from this one.
    pub(super) fn note(&mut self, channel: Channel) {
        self.last = channel;
        if channel != Channel::Control {
            self.last_but_control = channel;
        }
    }
}
