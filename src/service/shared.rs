//! What the connections of a service share.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use gms_core::{Level, Uid, View};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::block::Place;
use super::history::History;
use super::ledger::Ledger;
use super::outbox::Outbox;
use super::sessions::Sessions;
use crate::client_protocol::{BlockedStatus, MemberAddress, ServerSeen, ServerStatus};
use crate::mailbox::Mailbox;
use crate::status::KnownServer;

/// Everything but the sockets.
pub(super) struct Shared {
    pub(super) mailbox: Arc<Mailbox>,
    /// Name of the group.
    pub(super) group: String,
    pub(super) address: SocketAddr,
    pub(super) level: Level,
    pub(super) message_limit: u32,
    pub(super) line_limit: usize,
    pub(super) grace: Duration,
    pub(super) connection_limit: usize,
    pub(super) started: Instant,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) history: Mutex<History>,
    pub(super) connections: Mutex<Connections>,
    pub(super) sessions: Sessions,
    /// For lines that are too long to be read all at once.
    pub(super) large_lines: Arc<Semaphore>,
    /// Whether messages wait, and why.
    pub(super) standstill: Standstill,
    /// When it was last said that no client can be let in.
    pub(super) complained: Mutex<Option<Instant>>,
    pub(super) ended: OnceLock<String>,
    /// How often the group has gone on without this server.
    pub(super) exclusions: AtomicU64,
    /// The last place up to which whatever the server has told is in the history of the group.
    pub(super) sure: Mutex<Place>,
    /// Told when the last connection has ended.
    pub(super) empty: Notify,
}

/// Those that are served, and how many are only told that they are not.
#[derive(Default)]
pub(super) struct Connections {
    served: HashMap<u64, Arc<Outbox>>,
    refused: usize,
    next: u64,
}

/// How often it is said that no client can be let in, at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);

/// How many are told at a time that there are too many.
const REFUSED_LIMIT: usize = 64;

/// Whether the member makes progress, as its events have told.
#[derive(Default)]
pub(super) struct Standstill {
    why: Mutex<Option<String>>,
    /// Counts the changes.
    news: AtomicU64,
}

impl Standstill {
    /// That has changed; clients are to be woken.
    fn set(&self, why: Option<String>) {
        *lock(&self.why) = why;
        self.news.fetch_add(1, Ordering::Release);
    }

    /// Why there is no progress, if something has changed since `seen`, which is brought up to date.
    pub(super) fn news(&self, seen: &mut u64) -> Option<Option<String>> {
        let news = self.news.load(Ordering::Acquire);
        (std::mem::replace(seen, news) != news).then(|| lock(&self.why).clone())
    }
}

/// What becomes of a new connection.
pub(super) enum Admission {
    /// Under this number.
    Served(u64),
    /// It is told why not.
    Refused(String),
    /// There are too many even to be told.
    Dropped,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can be left half done by a panic: take the value as it is.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Shared {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    pub(super) fn sure(&self) -> MutexGuard<'_, Place> {
        lock(&self.sure)
    }

    /// Why no client is served any more.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// Ends all connections once they have been told what is known.
    pub(super) fn end(&self, reason: &str) {
        self.ledger().close();
        let _ = self.ended.set(reason.to_owned());
        lock(&self.connections).served.values().for_each(|outbox| outbox.wake());
    }

    /// The group went on without this server, which joins it again, nobody knows when: its clients do better elsewhere,
    /// and what it remembers has a hole.
    pub(super) fn dismiss(&self) {
        self.exclusions.fetch_add(1, Ordering::Relaxed);
        self.history().forget();
        self.ledger().suspend();
        lock(&self.connections).served.values().for_each(|outbox| outbox.wake());
    }

    /// There is no progress, or there is again.
    pub(super) fn set_standstill(&self, why: Option<String>) {
        self.standstill.set(why);
        lock(&self.connections).served.values().for_each(|outbox| outbox.wake());
    }

    pub(super) fn admit(&self, outbox: &Arc<Outbox>) -> Admission {
        let mut connections = lock(&self.connections);
        if connections.served.len() < self.connection_limit {
            connections.next += 1;
            let number = connections.next;
            connections.served.insert(number, outbox.clone());
            return Admission::Served(number);
        }
        if connections.refused == REFUSED_LIMIT {
            return Admission::Dropped;
        }
        connections.refused += 1;
        let limit = self.connection_limit;
        Admission::Refused(format!("this server has {limit} clients, which is its limit: try another server"))
    }

    /// A connection has ended: one that was served has a number.
    pub(super) fn forget(&self, number: Option<u64>) {
        let mut connections = lock(&self.connections);
        match number {
            Some(number) => _ = connections.served.remove(&number),
            None => connections.refused -= 1,
        }
        if connections.served.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// No client can be let in, for lack of file descriptors most likely. That is said once a second.
    pub(super) fn complain(&self, error: &io::Error) {
        let mut complained = lock(&self.complained);
        if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
            *complained = Some(Instant::now());
            tracing::warn!(%error, "cannot let a client in");
        }
    }

    /// Clients that are served.
    pub(super) fn count(&self) -> usize {
        lock(&self.connections).served.len()
    }

    /// What a lineage is called in lines; empty while that is not known.
    pub(super) fn gid(&self, lineage: usize) -> String {
        let known = self.history().gid(lineage);
        let gid = known.or_else(|| Some(self.mailbox.status().view?.gid));
        gid.map_or_else(String::new, |gid| gid.to_string())
    }

    pub(super) fn status(&self) -> ServerStatus {
        let status = self.mailbox.status();
        let (stored, safe, stable) = status.progress;
        let gseq = self.history().next().map_or(0, |next| next.gseq.saturating_sub(1));
        let uid = status.uid;
        let member = |view: &View| view.contains(uid);
        let view = status.view.as_deref().filter(|view| self.ended().is_none() && member(view));
        let blocked = status.blocked.as_ref().filter(|_| self.ended().is_none());
        let state = match (view, blocked) {
            (None, _) => "none",
            (Some(_), Some(_)) => "blocked",
            (Some(_), None) if !status.rivals.is_empty() => "split",
            (Some(_), None) => "serving",
        };
        let learners = |view: &View| {
            view.learners().map(|m| m.uid).filter(|uid| *uid != view.leader).map(|uid| uid.node.0).collect()
        };
        ServerStatus {
            id: uid.node.0,
            role: view.map_or("none", |view| role(view, uid)).to_owned(),
            state: state.to_owned(),
            blocked: blocked.map(|why| BlockedStatus::new(why, status.blocked_for)),
            voters: view.map_or(0, |view| view.voters().count()),
            voters_heard: status.voters_heard.filter(|_| view.is_some()),
            rivals: status.rivals.iter().filter(|_| view.is_some()).map(ToString::to_string).collect(),
            gid: view.map_or_else(String::new, |view| view.gid.to_string()),
            view: view.map_or(0, |view| view.vid),
            leader: view.map(|view| view.leader.node.0),
            followers: view.map_or_else(Vec::new, |view| view.followers().map(|m| m.uid.node.0).collect()),
            learners: view.map_or_else(Vec::new, learners),
            stored,
            safe,
            stable,
            gseq,
            members: view.map_or_else(Vec::new, |view| {
                view.members.iter().map(|m| MemberAddress { id: m.uid.node.0, address: m.address }).collect()
            }),
            address: self.address,
            uptime_ms: self.started.elapsed().as_millis() as u64,
            // The one that asks does not count.
            clients: self.count().saturating_sub(1),
            dropped: status.dropped().into_iter().map(|(cause, count)| (cause.to_owned(), count)).collect(),
            servers: status.servers.iter().map(seen).collect(),
        }
    }
}

fn role(view: &View, uid: Uid) -> &'static str {
    if view.leader == uid {
        "leader"
    } else if view.learners().any(|member| member.uid == uid) {
        "learner"
    } else {
        "follower"
    }
}

fn seen(server: &KnownServer) -> ServerSeen {
    let KnownServer { entry, silent_for } = server;
    ServerSeen {
        id: entry.id,
        address: entry.address,
        clients: entry.clients,
        view: entry.vid,
        leader: entry.leader,
        last_seen_ms: silent_for.as_millis() as u64,
    }
}
