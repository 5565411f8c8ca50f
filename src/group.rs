//! The handles an application holds: [`Group`] to send and leave, [`Events`] to read.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Event, Level, Time, Uid, Vid, View};
use gms_net::{Transport, Udp};
use tokio::time::Instant;

use crate::config::Config;
use crate::deaths::Deaths;
use crate::error::{JoinError, LeaveError, SendError};
use crate::event_loop::{EventLoop, Settings};
use crate::mailbox::Mailbox;
use crate::node::{Node, NodeConfig};
use crate::operation::{Operation, OperationError};
use crate::peers;
use crate::sender::{MessageId, Ordered, Sender};
use crate::status::{KnownServer, Status};
use crate::trace_writer::TraceWriter;

/// A membership. Cheap to clone; when the last clone is dropped, the member leaves in the background.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    mailbox: Arc<Mailbox>,
    level: Level,
    address: std::net::SocketAddr,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.mailbox.abandon_sending();
    }
}

/// The one stream of everything that happens, in order. Dropping it means not wanting to know: the
/// member lives on and nothing is kept for it.
pub struct Events {
    mailbox: Arc<Mailbox>,
    batch: std::vec::IntoIter<Event>,
}

/// A process on its way into its group: see [`Group::enter_over`]. Dropped, it leaves again.
pub struct Joining {
    group: Group,
    events: Events,
    within: Duration,
    asked: String,
}

impl Joining {
    /// The membership to be: what is sent through it waits for the first view.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Waits for the first view, [`Config::join_within`] at most; it is the first event, too.
    ///
    /// # Errors
    /// As [`Group::join`]. Not cancel safe in the same way.
    pub async fn entered(self) -> Result<(Group, Events), JoinError> {
        let Self { group, mut events, within, asked } = self;
        match tokio::time::timeout(within, events.peek()).await {
            Ok(Some(Event::View(_))) => Ok((group, events)),
            Ok(Some(Event::Refused(refusal))) => Err(JoinError::Refused(refusal.clone())),
            Ok(Some(Event::Broken(why))) => Err(JoinError::Io(std::io::Error::other(why.clone()))),
            Ok(_) => Err(JoinError::Io(std::io::Error::other("the member ended before its first view"))),
            Err(_) => {
                let why = group.status().blocked;
                // Should the group let this process in all the same, it hears that it has left.
                let _ = group.leave().await;
                Err(JoinError::NoAnswer { seconds: within.as_secs(), asked, group: group.name().to_owned(), why })
            }
        }
    }
}

impl Group {
    /// Becomes a member over UDP multicast, or creates the group, as the configuration says. Returns
    /// once the first view is installed; that view is also the first event. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// See [`JoinError`]; nothing is left behind then. Not cancel safe in one way: dropped while
    /// waiting, the process may still be let in, and leaves again at once.
    pub async fn join(mut config: Config) -> Result<(Self, Events), JoinError> {
        if !config.peers.is_empty() {
            // Those given by address are wrong now or never.
            let addresses = config.peers.iter().filter_map(|peer| gms_net::address_in(peer));
            config.network.peers.get_or_insert_with(|| addresses.collect());
        }
        let interface = config.network.interface.to_string();
        let udp = Udp::bind(config.network.clone())?;
        if !udp.local_address().ip().is_loopback() && !config.insecure {
            return Err(JoinError::Insecure { interface });
        }
        Self::join_over(config, udp).await
    }

    /// The same over any transport: the in-memory network, or a test's own.
    ///
    /// # Errors
    /// As [`Self::join`], but for those of the sockets.
    pub async fn join_over(config: Config, transport: impl Transport + Unpin) -> Result<(Self, Events), JoinError> {
        Self::enter_over(config, transport)?.entered().await
    }

    /// Begins to, and comes back at once: so clients can be served ([`crate::Service::start`]), and told what this process
    /// waits for, before it is in its group. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// Those of the settings, and where there are no random numbers.
    pub fn enter_over(config: Config, transport: impl Transport + Unpin) -> Result<Joining, JoinError> {
        let random = |_| io_error(getrandom::u64());
        let (incarnation, seed) = (random(())?, random(())?);
        let id = match config.id {
            Some(id) => id,
            None => random(())? >> 32,
        };
        let uid = Uid::new(id, incarnation);
        let address = transport.local_address();
        let mut core = gms_core::Config::new(config.group.clone(), uid, address);
        core.params = config.params.clone();
        core.params.multicast &= config.peers.is_empty() && config.network.peers.is_none();
        core.largest = transport.largest_datagram();
        core.params.datagram = datagram(&config, address, core.largest)?;
        core.timing = config.timing.clone();
        core.budget = transport.receive_budget().min(u32::MAX as usize) as u32;
        let deaths = Deaths::new(address.ip());
        core.process = Some(deaths.identity());
        core.weight = config.weight;
        core.pending = config.pending;
        core.seed = seed;
        core.trace = config.trace.is_some();
        let asked = asked(&config);
        let node = NodeConfig {
            bootstrap: config.bootstrap,
            drawn_id: config.id.is_none() || config.redraw_id,
            server_name: config.server_name,
            clients: config.clients,
            discover: config.discover,
            settle: config.settle,
            absorb: config.absorb,
            keeps_majority: config.keeps_majority,
            directory: config.directory,
            detector: config.detector,
            election: config.creation,
            succession: config.succession,
            ..NodeConfig::new(core)
        };
        let peers = (!config.peers.is_empty()).then(|| peers::look_up(config.peers.clone(), address));
        let node = NodeConfig { peers: peers.as_ref().map(|peers| peers.borrow().clone()), ..node };
        let node = Node::new(node, Time::ZERO)?;
        let mailbox = Arc::new(Mailbox::new(config.params.message_limit, config.when_blocked, uid));
        let trace = config.trace.map(TraceWriter::new);
        let settings = Settings {
            unread: config.unread,
            leave_within: config.leave_within,
            heard_within: config.timing.quorum,
            trace,
            peers,
        };
        let group = Self {
            inner: Arc::new(Inner {
                name: config.group.clone(),
                mailbox: mailbox.clone(),
                level: config.level,
                address,
            }),
        };
        let events = Events { mailbox: mailbox.clone(), batch: Vec::new().into_iter() };
        tokio::spawn(EventLoop::new(node, transport, mailbox, deaths, settings, Instant::now()));
        Ok(Joining { group, events, within: config.join_within, asked })
    }

    /// Who this member is.
    pub fn uid(&self) -> Uid {
        self.inner.mailbox.status().uid
    }

    /// The other servers of the group's name that have been seen lately, members or not, by id.
    pub fn servers(&self) -> Arc<[KnownServer]> {
        self.inner.mailbox.status().servers
    }

    /// The unicast address at which others reach this member, for their [`Config::peers`].
    pub fn address(&self) -> std::net::SocketAddr {
        self.inner.address
    }

    /// Counters and state, as of a few milliseconds ago.
    pub fn status(&self) -> Status {
        self.inner.mailbox.status()
    }

    /// The present view; the events may be behind it. `None` before the first and after the end.
    pub fn view(&self) -> Option<Arc<View>> {
        self.status().view
    }

    /// Sends with another level than [`Config::level`].
    pub fn level(&self, level: Level) -> Sender<'_> {
        Sender::new(self, level, None)
    }

    /// Sends what may be delivered in view `vid` only, and is reported as not ordered otherwise (P17).
    pub fn only_in_view(&self, vid: Vid) -> Sender<'_> {
        Sender::new(self, self.inner.level, Some(vid))
    }

    fn sender(&self) -> Sender<'_> {
        self.level(self.inner.level)
    }

    /// For those that hand messages over without being handles: they do not keep the membership alive.
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.inner.mailbox
    }

    /// Name of the group.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn default_level(&self) -> Level {
        self.inner.level
    }

    /// Multicasts a message and waits for its place in the order, at the configured level. Awaiting
    /// this between two reads of [`Events`] does not deadlock.
    ///
    /// # Errors
    /// See [`SendError`]. Cancel safe in that a message is either not accepted or ordered like any
    /// other; its outcome is then not told to anybody.
    pub async fn multicast(&self, payload: impl Into<Bytes>) -> Result<Ordered, SendError> {
        self.sender().multicast(payload).await
    }

    /// Accepts a message for multicast, waiting for room only; the outcome arrives as an event.
    ///
    /// # Errors
    /// See [`SendError`]. Cancel safe: dropped while waiting, the message is not accepted.
    pub async fn queue(&self, payload: impl Into<Bytes>) -> Result<MessageId, SendError> {
        self.sender().queue(payload).await
    }

    /// Accepts many messages, as [`Self::queue`] does each, with less effort per message. Returns the
    /// id of the last one; those before it have the numbers before it. `None` when there were none.
    ///
    /// # Errors
    /// See [`SendError`]. The messages before the one that failed are accepted. The same holds when
    /// the future is dropped.
    pub async fn queue_all<I>(&self, payloads: I) -> Result<Option<MessageId>, SendError>
    where
        I: IntoIterator<Item: Into<Bytes>>,
    {
        self.sender().queue_all(payloads).await
    }

    /// Accepts a message if there is room now.
    ///
    /// # Errors
    /// [`SendError::Full`] when there is none; see [`SendError`] for the others.
    pub fn try_queue(&self, payload: impl Into<Bytes>) -> Result<MessageId, SendError> {
        self.sender().try_queue(payload)
    }

    /// Leaves the group, and all clones of this handle with it: own messages are ordered first, and a leader hands
    /// over. True when the group confirmed that it stands without this member; false when that took longer than
    /// [`Config::leave_within`], and what was in flight has the outcome `Unknown`, or when the member had ended in
    /// another way. The events end with [`Event::Left`].
    ///
    /// # Errors
    /// [`LeaveError::TooFew`]: still a member.
    pub async fn leave(&self) -> Result<bool, LeaveError> {
        self.inner.mailbox.leave().await.unwrap_or(Ok(false))
    }

    /// Ends this member as the end of its process would: nothing more is sent, the events end where they are, and the
    /// others have to find out. For tests and demonstrations.
    pub fn kill(&self) {
        self.inner.mailbox.kill();
    }
}

impl Group {
    /// Carries out an operator's order; what comes of it is told by the views.
    ///
    /// # Errors
    /// [`OperationError`]: nothing has happened.
    pub fn operate(&self, operation: Operation) -> Result<(), OperationError> {
        operation.check(&self.status())?;
        self.inner.mailbox.operate(operation);
        Ok(())
    }
}

impl Events {
    /// The next event; `None` after the last: [`Event::Left`], [`Event::Refused`] (the group does not let this process
    /// in, or in again), [`Event::Broken`], or [`Event::Excluded`] of one that was leaving.
    /// Cancel safe: nothing is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.fill().await;
        self.batch.next()
    }

    /// All events that are there, at least one; `None` after the last. Cancel safe: nothing is lost.
    pub async fn next_batch(&mut self) -> Option<Vec<Event>> {
        self.fill().await;
        let batch: Vec<Event> = std::mem::take(&mut self.batch).collect();
        (!batch.is_empty()).then_some(batch)
    }

    async fn peek(&mut self) -> Option<&Event> {
        self.fill().await;
        self.batch.as_slice().first()
    }

    async fn fill(&mut self) {
        if self.batch.as_slice().is_empty()
            && let Some(batch) = poll_fn(|cx| self.mailbox.poll_take(cx)).await
        {
            self.batch = batch.into_iter();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.mailbox.abandon_reading();
    }
}

fn io_error<T>(result: Result<T, getrandom::Error>) -> Result<T, JoinError> {
    result.map_err(|error| JoinError::Io(std::io::Error::other(error)))
}

/// What Ethernet carries after the headers of IP and UDP.
const ETHERNET_V4: u16 = 1472;
const ETHERNET_V6: u16 = 1452;

/// Bytes of the group's datagrams, if this process creates it.
fn datagram(config: &Config, address: std::net::SocketAddr, largest: u16) -> Result<u16, JoinError> {
    match config.datagram {
        Some(datagram) if datagram > largest => Err(JoinError::Datagram { datagram, largest }),
        Some(datagram) => Ok(datagram),
        None if address.ip().is_loopback() || largest == gms_core::Config::MOST_IN_A_DATAGRAM => {
            Ok(config.params.datagram)
        }
        None => Ok(largest.min(if address.is_ipv4() { ETHERNET_V4 } else { ETHERNET_V6 })),
    }
}

fn asked(config: &Config) -> String {
    match config.peers.as_slice() {
        [] => format!("the multicast group {}", config.network.multicast),
        peers => peers.join(", "),
    }
}
