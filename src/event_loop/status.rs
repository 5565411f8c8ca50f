//! What the loop tells beside the order: status, trace; and what it is told beside it: peers.

use std::sync::Arc;
use std::time::Duration;

use gms_core::{Gid, Time, Uid};
use gms_discovery::Entry as ServerEntry;
use gms_net::Transport;

use super::EventLoop;
use crate::status::{KnownServer, Status};

/// How often the directory in it is.
const SERVERS_EVERY: Duration = Duration::from_millis(200);
/// How often it is told what was repaired, at most.
const REPAIRS_EVERY: Duration = Duration::from_secs(1);
/// How old the word of a server in another lineage may be; while one is known, it is asked every second.
const RIVAL_HEARD_WITHIN: Duration = Duration::from_secs(3);

impl<T: Transport> EventLoop<T> {
    pub(super) fn write_trace(&mut self, now: Time) {
        let Some(trace) = &mut self.settings.trace else { return };
        let mut news = false;
        while let Some(record) = self.node.poll_trace(now) {
            trace.write(&record);
            news = true;
        }
        if news {
            trace.flush();
        }
    }

    /// The processes whose end matters change with each view, and while other lineages are met.
    pub(super) fn update_watched(&mut self) {
        let (watched, processes) = (self.node.watched(), self.node.processes());
        if watched != self.watched {
            self.transport.set_watched(&watched);
            self.watched = watched;
        }
        if processes != self.processes {
            self.deaths.watch(&processes);
            self.processes = processes;
        }
    }

    /// Without multicast: those of the list, and all servers that were met.
    pub(super) fn update_peers(&mut self) {
        let Some(peers) = &mut self.settings.peers else { return };
        if peers.has_changed().unwrap_or(false) {
            self.node.set_peers(peers.borrow_and_update().clone());
        }
        let mut all: Vec<_> = peers.borrow().iter().flatten().copied().collect();
        all.extend(self.servers.iter().map(|server| server.entry.address));
        all.sort_unstable();
        all.dedup();
        if all == self.peers {
            return;
        }
        if let Err(error) = self.transport.set_peers(&all) {
            tracing::warn!(%error, "cannot send to the peers");
        }
        self.peers = all;
    }

    pub(super) fn update_status(&mut self, now: Time) {
        self.status_at = now;
        self.tell_repairs(now);
        let servers = self.servers(now);
        let blocked = self.node.blocked().cloned();
        self.blocked_since = blocked.as_ref().map(|_| self.blocked_since.unwrap_or(now));
        self.mailbox.set_status(Status {
            view: self.node.view().cloned(),
            blocked,
            blocked_for: self.blocked_since.map_or(Duration::ZERO, |since| now - since),
            voters_heard: self.voters_heard(now),
            rivals: self.rivals(),
            protocol: self.node.stats(),
            network: self.transport.counters(),
            progress: self.node.progress(),
            memory: self.node.memory(),
            uid: self.node.uid(),
            servers,
        });
        if let Some(trace) = &mut self.settings.trace {
            trace.write(&self.node.memory_trace(now));
            trace.hand_over();
        }
    }

    /// What was lost on the way and asked for or sent again, since that was told last.
    fn tell_repairs(&mut self, now: Time) {
        if now < self.repairs_at {
            return;
        }
        self.repairs_at = now + REPAIRS_EVERY;
        let stats = self.node.stats();
        let repairs = [stats.nacks, stats.repairs, stats.repeats];
        let before = std::mem::replace(&mut self.repairs, repairs);
        // A new life counts anew.
        let [asked, sent, repeated] = std::array::from_fn(|i| repairs[i].checked_sub(before[i]).unwrap_or(repairs[i]));
        if asked + sent + repeated > 0 {
            tracing::info!(asked, sent, repeated, "repair: frames were asked for, or sent again");
        }
    }

    fn voters_heard(&self, now: Time) -> Option<usize> {
        let view = self.node.view().filter(|_| self.node.is_leader())?;
        let votes = |uid| view.voters().any(|voter| voter.uid == uid);
        let is_heard = |(uid, at): &(Uid, Time)| votes(*uid) && now - *at <= self.settings.heard_within;
        Some(self.node.heard().filter(is_heard).count() + usize::from(votes(self.node.uid())))
    }

    /// Lineages that other servers still say they are in. What a member of this group said may be from before it
    /// joined.
    fn rivals(&self) -> Vec<Gid> {
        let Some(view) = self.node.view() else { return Vec::new() };
        let is_member = |address| view.members.iter().any(|member| member.address == address);
        let fresh = self.servers.iter().filter(|known| known.silent_for <= RIVAL_HEARD_WITHIN);
        let others = fresh.map(|known| &known.entry).filter(|entry| entry.gid != 0 && entry.gid != view.gid.0);
        let mut rivals: Vec<Gid> =
            others.filter(|entry| !is_member(entry.address)).map(|entry| Gid(entry.gid)).collect();
        rivals.sort_unstable();
        rivals.dedup();
        rivals
    }

    /// The directory, renewed now and then: it changes slowly.
    fn servers(&mut self, now: Time) -> Arc<[KnownServer]> {
        if now >= self.servers_at {
            self.servers_at = now + SERVERS_EVERY;
            let present = now.since(Time::ZERO);
            self.heard.extend(self.node.heard());
            let uid = |entry: &ServerEntry<u64>| Uid::new(entry.id, entry.life);
            let is_known = |who: &Uid| self.node.servers().any(|known| uid(&known.entry) == *who);
            self.heard.retain(|who, _| is_known(who));
            // Members announce themselves seldom, and say other things all the time.
            let heard = |entry| self.heard.get(&uid(entry)).map_or(Duration::ZERO, |at| at.since(Time::ZERO));
            let known = self.node.servers();
            self.servers = known
                .map(|known| KnownServer {
                    entry: known.entry.clone(),
                    silent_for: present.saturating_sub(known.heard.max(heard(&known.entry))),
                })
                .collect();
        }
        self.servers.clone()
    }
}
