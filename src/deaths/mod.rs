//! Proofs of death: members on this host are watched by their processes, members in this process by their event loops
//! (protocol 7, `FailStop`). A closed connection or silence is never a proof.

mod identity;
mod members;
#[cfg(target_os = "linux")]
mod process;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::IpAddr;
use std::task::{Context, Poll};

use gms_core::{ProcessIdentity, Uid};
use tokio::task::{AbortHandle, JoinSet};

pub use self::identity::proves_deaths;
use self::members::Residence;

/// Finds out which members of a view have died, as far as this host can tell.
pub(crate) struct Deaths {
    /// Ends with the event loop that owns this: the proof for the others in this process.
    _residence: Residence,
    own: ProcessIdentity,
    watched: BTreeMap<Uid, AbortHandle>,
    watches: JoinSet<Uid>,
}

impl Deaths {
    /// From here on, until this is dropped, the member that owns it, and is reached at `address`, lives.
    pub(crate) fn new(address: IpAddr) -> Self {
        let residence = Residence::new();
        let own =
            ProcessIdentity { member: residence.number(), machine: identity::machine(address), ..identity::own() };
        Self { _residence: residence, own, watched: BTreeMap::new(), watches: JoinSet::new() }
    }

    /// What the others need to know to notice this member's death.
    pub(crate) fn identity(&self) -> ProcessIdentity {
        self.own
    }

    /// Watches these members from now on, and no others. Must be called on a tokio runtime.
    pub(crate) fn watch(&mut self, members: &[(Uid, ProcessIdentity)]) {
        let wanted = |uid: &Uid| members.iter().any(|(member, _)| member == uid);
        self.watched.retain(|uid, watch| {
            let keep = wanted(uid);
            if !keep {
                watch.abort();
            }
            keep
        });
        let own = self.own;
        for &(uid, process) in members {
            self.watched.entry(uid).or_insert_with(|| {
                self.watches.spawn(async move {
                    end_of(process, own).await;
                    uid
                })
            });
        }
    }

    /// The next member of which it is certain that it is dead.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Uid> {
        loop {
            match self.watches.poll_join_next(cx) {
                Poll::Ready(Some(Ok(uid))) if self.watched.contains_key(&uid) => return Poll::Ready(uid),
                // Of no interest any more.
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Waits until this member is dead for certain; for ever where that cannot be known.
async fn end_of(member: ProcessIdentity, own: ProcessIdentity) {
    let is_of_this_process = (member.host, member.pid, member.started) == (own.host, own.pid, own.started);
    if is_of_this_process {
        return members::end_of(member.member).await;
    }
    let machine = own.machine != identity::UNKNOWN_MACHINE && member.machine == own.machine;
    if machine && member.boot != own.boot {
        // It ran here before this machine was started again.
        return;
    }
    #[cfg(target_os = "linux")]
    if member.host == own.host && own.host != identity::UNKNOWN_HOST {
        return process::end_of(member.pid, member.started).await;
    }
    pending().await
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ONE: Uid = Uid { node: gms_core::NodeId(1), incarnation: 1 };
    const TWO: Uid = Uid { node: gms_core::NodeId(2), incarnation: 2 };

    /// Whether any death is known, after all watches have had their turn.
    async fn any_known(deaths: &mut Deaths) -> bool {
        tokio::task::yield_now().await;
        poll_fn(|cx| Poll::Ready(deaths.poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_member_in_this_process_is_dead_when_its_event_loop_is_gone() {
        let mut deaths = Deaths::new(LOOPBACK);
        let (other, third) = (Deaths::new(LOOPBACK), Deaths::new(LOOPBACK));
        assert_ne!(other.identity(), third.identity());
        let gone = Deaths::new(LOOPBACK).identity();
        deaths.watch(&[(ONE, other.identity())]);
        assert!(!any_known(&mut deaths).await);
        drop(other);
        assert_eq!(poll_fn(|cx| deaths.poll(cx)).await, ONE);
        deaths.watch(&[(TWO, gone)]);
        assert_eq!(poll_fn(|cx| deaths.poll(cx)).await, TWO, "it was gone before");
        deaths.watch(&[(ONE, third.identity())]);
        deaths.watch(&[]);
        drop(third);
        assert!(!any_known(&mut deaths).await, "nobody wants to know");
    }

    #[tokio::test]
    async fn whatever_ran_before_this_machine_was_started_again_is_dead() {
        let mut deaths = Deaths::new(LOOPBACK);
        let own = deaths.own;
        deaths.own.machine = own.machine.max(1);
        let before = ProcessIdentity { host: own.host ^ 1, boot: own.boot ^ 1, ..deaths.own };
        deaths.watch(&[(ONE, ProcessIdentity { machine: before.machine ^ 2, ..before })]);
        assert!(!any_known(&mut deaths).await, "another machine");
        deaths.watch(&[(TWO, ProcessIdentity { boot: own.boot, ..before })]);
        assert!(!any_known(&mut deaths).await, "the same boot, in another container");
        deaths.watch(&[(ONE, before)]);
        assert_eq!(poll_fn(|cx| deaths.poll(cx)).await, ONE);
        // Where nothing says which machine it is, nothing follows.
        deaths.own.machine = identity::UNKNOWN_MACHINE;
        deaths.watch(&[(TWO, ProcessIdentity { machine: identity::UNKNOWN_MACHINE, ..before })]);
        assert!(!any_known(&mut deaths).await);
    }

    #[tokio::test]
    async fn nothing_is_known_of_members_on_other_hosts() {
        let mut deaths = Deaths::new(LOOPBACK);
        // No such process here.
        let there = ProcessIdentity { host: deaths.identity().host ^ 1, pid: 0x3fff_ffff, ..deaths.identity() };
        deaths.watch(&[(ONE, there)]);
        assert!(!any_known(&mut deaths).await);
    }
}
