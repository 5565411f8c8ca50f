//! Transports for group communication.
//!
//! A [`Transport`] moves *trains* of datagrams between the processes of a group: to the **data** group (all
//! followers), to the **control** group (everybody), or to one process; where there is no multicast,
//! copies to a list of processes stand in for the groups. Nothing is promised about delivery; order and reliability are
//! the business of the layer above, which this crate knows nothing of. What is larger than a datagram goes to one
//! process over a *stream*, and the same connections tell early that a process has died.
//!
//! | module | subject |
//! |---|---|
//! | [`transport`] | the [`Transport`] trait and what passes through it: [`Transmit`], [`Received`] |
//! | [`udp`] | [`Udp`]: UDP multicast or copies to peers, unicast, in trains that the kernel cuts and glues; streams |
//! | [`memory`] | [`MemoryNetwork`]: the same inside one process, with injected faults |
//! | [`lossy`] | [`Lossy`]: any transport, with datagrams dropped one by one |
//! | [`faults`] | [`Faults`]: the seeded fault model, without clock or sockets, for simulators too |
//! | [`place`] | [`resolve`] and [`address_in`]: `HOST:PORT` as people write it, with zones |
//! | [`random`] | [`SplitMix64`]: the generator behind the faults |
//! | [`counters`] | [`Counters`]: what passed and what was lost |
#![doc = "\n"]
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod counters;
pub mod faults;
pub mod lossy;
pub mod memory;
pub mod place;
pub mod random;
pub mod transport;
pub mod udp;

pub use counters::Counters;
pub use faults::{Fate, FaultRates, Faults};
pub use lossy::Lossy;
pub use memory::{MemoryNetwork, MemoryTransport};
pub use place::{address_in, resolve};
pub use random::SplitMix64;
pub use transport::{Channel, Datagrams, Destination, Received, Transmit, Transport, TransportExt};
pub use udp::{AskSocket, BindError, Interface, Segmentation, Udp, UdpConfig};
