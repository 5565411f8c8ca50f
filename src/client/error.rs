//! What can go wrong for a client; each variant says what happened to the message.

/// Why the place of a message is not known, or a client has no server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// No server could be reached. A message was not sent to anybody.
    #[error("no server found: tried {tried}")]
    NoServer {
        /// Where, and what was wrong with each.
        tried: String,
    },
    /// The message is not in the order and never will be.
    #[error("not ordered: {reason}")]
    NotOrdered {
        /// What the server says.
        reason: String,
    },
    /// The message was sent, and nothing was heard in time of what became of it: it may or may not be in the order.
    #[error("outcome unknown: the message was in flight, and no server has told in time what became of it")]
    Unknown,
    /// The message is in the order and is delivered once. Its place is forgotten: it was sent again after the loss of a
    /// server, and thousands of the client's messages are behind it.
    #[error("ordered, at a place that the group no longer remembers")]
    PlaceForgotten,
    /// The message was sent through a server that was lost, and by the time it was sent again through another one, so
    /// many other sessions had been opened that the group has forgotten this one: it may or may not be in the order.
    #[error(
        "outcome unknown: the group has forgotten the client's session, and the server it was sent through is lost"
    )]
    SessionExpired,
    /// The line of the message would be longer than the server takes. Not sent.
    #[error("the message makes a line of {len} bytes, the server takes {limit}: split it")]
    TooLarge {
        /// Bytes of the line.
        len: usize,
        /// The limit.
        limit: usize,
    },
}
