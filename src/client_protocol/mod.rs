//! What clients and servers say to each other: one JSON object a line, over TCP or a Unix socket.
//! `docs/client-protocol.md` describes it for those who write a client of their own.

mod endpoint;
mod event_line;
mod incoming;
mod lines;
mod reply;
mod request;
mod stream;

pub use endpoint::{Endpoint, EndpointError};
pub use event_line::{EventLine, Reason};
pub(crate) use incoming::Incoming;
pub(crate) use lines::LineBuffer;
pub use reply::{BlockedStatus, MemberAddress, ServerSeen, ServerStatus};
pub(crate) use reply::{
    Closed, HelloReply, Located, NotOrderedReply, OrderedReply, Reply, Subscribed, UnknownReply, write_line,
};
pub(crate) use request::{HelloRequest, Request, SendRequest, StatusRequest, SubscribeRequest, Text};
pub(crate) use stream::Stream;

/// What a client asks for that wants a session and has none yet.
pub(crate) const NEW_SESSION: &str = "new";

/// The version of the client protocol.
pub(crate) const PROTOCOL: u32 = 1;
