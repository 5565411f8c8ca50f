//! A member serves programs that are no members: they send and subscribe over TCP or a Unix socket, one JSON object
//! a line (`docs/client-protocol.md`).
//!
//! ```text
//!  clients ⇄ connection (a task each) ── messages ──▶ mailbox of the group
//!                ▲        ▲                                  │ events
//!       answers  │        │ lines                            ▼
//!              ledger   history ◀── Service::publish ── the application
//! ```

mod block;
mod connection;
mod history;
mod intake;
mod large_line;
mod ledger;
mod listeners;
mod outbox;
mod output;
mod requests;
mod sessions;
mod shared;
mod subscribe;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use gms_core::{Event, Level};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

pub use self::listeners::{ListenError, Listeners};

use self::block::{Block, Place};
use self::connection::Connection;
use self::history::History;
use self::listeners::Listener;
use self::outbox::Outbox;
use self::sessions::Sessions;
use self::shared::{Admission, Shared, Standstill};
use crate::client_protocol::Endpoint;
use crate::group::Group;

/// How a [`Service`] treats its clients.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Bytes of the latest messages and views kept for `subscribe`, about. Default 8 MiB.
    pub history: usize,
    /// Bytes of a client's line, at most. Of lines that have not ended, each connection holds up to 16 KiB, and all
    /// together 16 MiB more, or one line. Default 2 MiB, which is a message of 1.5 MiB as base64.
    pub line_limit: usize,
    /// A client that reads nothing for so long although there is something is cut off, and one that takes longer for
    /// the end of a line of more than 16 KiB. Default 10 s.
    pub grace: Duration,
    /// Connections at a time, at most. Default 1024.
    pub connections: usize,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { history: 8 << 20, line_limit: 2 << 20, grace: Duration::from_secs(10), connections: 1024 }
    }
}

/// Serves clients of one member. Dropping it ends their connections.
///
/// The application goes on reading the member's [`crate::Events`] and hands every batch to [`Self::publish`]:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use gms::{Config, Group, Listeners, Service, ServiceConfig};
///
/// let listeners = Listeners::bind(&["127.0.0.1:7000".parse()?], false).await?;
/// let (group, mut events) = Group::join(Config::new("orders")).await?;
/// let service = Service::start(&group, listeners, ServiceConfig::default());
/// while let Some(batch) = events.next_batch().await {
///     service.publish(&batch);
/// }
/// service.close(std::time::Duration::from_millis(500)).await;
/// # Ok(())
/// # }
/// ```
pub struct Service {
    shared: Arc<Shared>,
    endpoints: Vec<Endpoint>,
    /// Accept connections until the service is dropped.
    doors: Mutex<JoinSet<()>>,
}

impl Service {
    /// Begins to answer the clients that come to `listeners`. Must be called on a tokio runtime, and before the first
    /// event is read: what is not published is not known to subscribers.
    ///
    /// The service does not keep the membership alive: that does the [`Group`].
    pub fn start(group: &Group, listeners: Listeners, config: ServiceConfig) -> Self {
        let endpoints = listeners.endpoints();
        let mailbox = group.mailbox().clone();
        let shared = Arc::new(Shared {
            message_limit: mailbox.message_limit(),
            mailbox,
            group: group.name().to_owned(),
            address: group.address(),
            level: group.default_level(),
            line_limit: config.line_limit,
            grace: config.grace,
            connection_limit: config.connections,
            started: Instant::now(),
            ledger: Mutex::default(),
            history: Mutex::new(History::new(config.history)),
            connections: Mutex::default(),
            sessions: Sessions::default(),
            large_lines: large_line::turns(config.line_limit),
            standstill: Standstill::default(),
            complained: Mutex::default(),
            ended: OnceLock::new(),
            exclusions: Default::default(),
            sure: Mutex::default(),
            empty: tokio::sync::Notify::new(),
        });
        let mut doors = JoinSet::new();
        for listener in listeners.all {
            doors.spawn(accept(listener, shared.clone()));
        }
        Self { shared, endpoints, doors: Mutex::new(doors) }
    }

    /// Where clients connect.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Clients connected at present.
    pub fn clients(&self) -> usize {
        self.shared.count()
    }

    /// Tells clients what has happened: all events, in order, as they were read. Takes memory up to
    /// [`ServiceConfig::history`], and never waits for a client.
    pub fn publish(&self, batch: &[Event]) {
        self.shared.ledger().settle(batch);
        let standstill = batch.iter().rev().find_map(|event| match event {
            Event::Blocked(why) => Some(Some(why.to_string())),
            Event::Unblocked | Event::Excluded | Event::Dissolved { .. } => Some(None),
            _ => None,
        });
        if let Some(why) = standstill {
            self.shared.set_standstill(why);
        }
        let blocked = batch.iter().any(|event| matches!(event, Event::Blocked(_)));
        if blocked && self.shared.mailbox.refuses_when_blocked() {
            // Another server may know what this one cannot find out.
            self.shared.ledger().give_up();
        }
        // What comes after an exclusion belongs to the next life.
        for life in batch.split_inclusive(|event| *event == Event::Excluded) {
            let blocks = Block::cut(life);
            if !blocks.is_empty() {
                let lineage = {
                    let mut history = self.shared.history();
                    history.extend(blocks);
                    history.present()
                };
                // Up to a view, and up to what a quorum has, nothing is lost.
                let sure = life.iter().rev().find_map(|event| match event {
                    Event::View(change) => Some(change.view.gseq),
                    Event::Message(message) if message.level != Level::Agreed => Some(message.gseq),
                    _ => None,
                });
                if let Some(gseq) = sure {
                    *self.shared.sure() = Place { lineage, gseq };
                }
            }
            if life.iter().any(|event| matches!(event, Event::View(_))) {
                self.shared.ledger().resume();
            }
            if life.last() == Some(&Event::Excluded) {
                self.shared.dismiss();
            }
        }
        match batch.last() {
            Some(Event::Left { .. }) => self.shared.end("this server has left the group: go to another"),
            Some(Event::Refused(why)) => self.shared.end(&format!("the group has refused this server: {why}")),
            Some(Event::Broken(why)) => self.shared.end(&format!("this server has stopped: {why}")),
            _ => {}
        }
    }

    /// Ends all connections: lets no more clients in, tells those there are what is known and that it is over, and
    /// waits `within` for them to have read it.
    pub async fn close(self, within: Duration) {
        self.end();
        let mut doors = std::mem::take(&mut *self.doors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        // From here on, the places are free again.
        doors.shutdown().await;
        let _ = timeout(within, async {
            let mut empty = std::pin::pin!(self.shared.empty.notified());
            empty.as_mut().enable();
            if self.shared.count() > 0 {
                empty.await;
            }
        })
        .await;
    }

    fn end(&self) {
        self.doors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).abort_all();
        self.shared.end("this server does not serve clients any more: go to another");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

/// Lets clients in.
async fn accept(listener: Listener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, name)) => {
                let outbox = Arc::new(Outbox::default());
                let (number, refusal) = match shared.admit(&outbox) {
                    Admission::Served(number) => (Some(number), None),
                    Admission::Refused(reason) => (None, Some(reason)),
                    Admission::Dropped => continue,
                };
                let mut connection = Connection::new(shared.clone(), stream, outbox, name, number);
                if let Some(reason) = refusal {
                    tracing::warn!(client = connection.name, "refused: {reason}");
                    connection.finish(reason);
                }
                tokio::spawn(connection);
            }
            Err(error) => {
                // Out of file descriptors, most likely: some connections have to end first.
                shared.complain(&error);
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
