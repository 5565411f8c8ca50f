#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
mod error;
mod event_loop;
mod group;
mod mailbox;
mod node;
mod trace;

pub use config::{Bootstrap, Config};
pub use error::{JoinError, LeaveError, SendError};
pub use gms_core::{
    Blocked, Event, Gid, Level, Message, NodeId, Outcome, Params, Refusal, Role, Stats, Timing, Uid, View, ViewChange,
    ViewMember,
};
pub use gms_net::{Interface, Segmentation, UdpConfig};
pub use group::{Events, Group, MessageId, Ordered, Sender};
pub use mailbox::Status;
pub use node::Node;
