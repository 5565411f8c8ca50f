#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod client_protocol;
mod config;
mod deaths;
mod error;
mod event_loop;
mod gid_text;
mod group;
mod layers;
mod mailbox;
mod node;
mod operation;
mod peers;
mod profile;
mod sender;
mod service;
mod status;
mod submission;
mod trace;
mod trace_writer;

pub use client::{
    Client, ClientConfig, ClientError, Delivery, Dissolution, FindConfig, FindError, FoundServer, Gap, OperateError,
    Receipt, Subscription, Update, ViewSeen, find_servers, operate,
};
pub use client_protocol::{
    BlockedStatus, Endpoint, EndpointError, EventLine, MemberAddress, Reason, ServerSeen, ServerStatus,
};
pub use config::{Config, WhenBlocked};
pub use deaths::proves_deaths;
pub use error::{JoinError, LeaveError, SendError};
pub use gms_core::{
    Blocked, Event, Gid, GivenUp, Level, Message, NoGid, NodeId, Outcome, Params, ProcessIdentity, QuorumMode, Ranking,
    Refusal, Role, Stats, Timing, Uid, View, ViewChange, ViewMember, Why,
};
pub use gms_discovery::{DetectorConfig, DirectoryConfig, Entry as ServerEntry};
pub use gms_election::ElectionConfig;
pub use gms_net::{Interface, Segmentation, UdpConfig};
pub use group::{Events, Group, Joining};
pub use node::{Bootstrap, Node, NodeConfig, NodeError};
pub use operation::{Operation, OperationError, Part};
pub use profile::Profile;
pub use sender::{MessageId, Ordered, Sender};
pub use service::{ListenError, Listeners, Service, ServiceConfig};
pub use status::{KnownServer, Status};
