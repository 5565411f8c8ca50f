//! What passed through a transport, and what was lost where.

use std::ops::Add;

/// Counts since a transport was made; they only grow. One send or receive call moves a whole train, so the ratio of
/// datagrams to calls tells how well trains work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Datagrams handed to the network.
    pub sent: u64,
    /// Calls that handed them over.
    pub sent_calls: u64,
    /// Datagrams given up because the network failed for the moment: no buffers, no route, refused by a filter; or
    /// because one of several destinations cannot be reached.
    pub send_lost: u64,
    /// Times a train had to be sent one datagram at a time because it was not accepted whole.
    pub trains_refused: u64,
    /// Datagrams received and passed on.
    pub received: u64,
    /// Calls that received them.
    pub received_calls: u64,
    /// Datagrams dropped because they were not for this process: its own multicast, another group on the same port, or
    /// empty.
    pub filtered: u64,
    /// Datagrams dropped because nobody read in time. Only networks that know count it; a kernel does not tell us.
    pub overflowed: u64,
    /// Datagrams dropped on purpose, by injected faults.
    pub injected_loss: u64,
    /// Errors of the network that a receive reported and that were passed over.
    pub receive_errors: u64,
    /// Messages put in the queue of a stream.
    pub stream_sent: u64,
    /// Messages received on streams.
    pub stream_received: u64,
    /// Messages for streams given up: the queue was full, or there was no connection, or it ended before all was
    /// written.
    pub stream_lost: u64,
    /// Connections of streams, tried or accepted.
    pub connections: u64,
    /// Connections closed because the other end did not keep to the rules (no hello in time, one with the address of
    /// another, garbage, a message too long, or nothing moved), or because there were too many.
    pub connections_refused: u64,
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            sent_calls: self.sent_calls + other.sent_calls,
            send_lost: self.send_lost + other.send_lost,
            trains_refused: self.trains_refused + other.trains_refused,
            received: self.received + other.received,
            received_calls: self.received_calls + other.received_calls,
            filtered: self.filtered + other.filtered,
            overflowed: self.overflowed + other.overflowed,
            injected_loss: self.injected_loss + other.injected_loss,
            receive_errors: self.receive_errors + other.receive_errors,
            stream_sent: self.stream_sent + other.stream_sent,
            stream_received: self.stream_received + other.stream_received,
            stream_lost: self.stream_lost + other.stream_lost,
            connections: self.connections + other.connections,
            connections_refused: self.connections_refused + other.connections_refused,
        }
    }
}
