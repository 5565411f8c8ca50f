//! Proofs of death: members on this host are watched by their processes, members in this process by their event loops
//! (protocol 7, `FailStop`). A closed connection or silence is never a proof.

mod identity;
mod members;
#[cfg(target_os = "linux")]
mod process;

use std::collections::BTreeMap;
use std::future::pending;
use std::task::{Context, Poll};

use gms_core::{ProcessIdentity, Uid};
use tokio::task::{AbortHandle, JoinSet};

pub use self::identity::proves_deaths;
use self::members::Residence;

/// Finds out which members of a view have died, as far as this host can tell.
pub(crate) struct Deaths {
    /// Ends with the event loop that owns this: the proof for the others in this process.
    residence: Residence,
    watched: BTreeMap<Uid, AbortHandle>,
    watches: JoinSet<Uid>,
}

impl Deaths {
    /// From here on, until this is dropped, the member that owns it lives.
    pub(crate) fn new() -> Self {
        Self { residence: Residence::new(), watched: BTreeMap::new(), watches: JoinSet::new() }
    }

    /// What the others need to know to notice this member's death.
    pub(crate) fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { member: self.residence.number(), ..identity::own() }
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
        for &(uid, process) in members {
            self.watched.entry(uid).or_insert_with(|| {
                self.watches.spawn(async move {
                    end_of(process).await;
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
async fn end_of(member: ProcessIdentity) {
    let own = identity::own();
    if member == (ProcessIdentity { member: member.member, ..own }) {
        return members::end_of(member.member).await;
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

    const ONE: Uid = Uid { node: gms_core::NodeId(1), incarnation: 1 };
    const TWO: Uid = Uid { node: gms_core::NodeId(2), incarnation: 2 };

    /// Whether any death is known, after all watches have had their turn.
    async fn any_known(deaths: &mut Deaths) -> bool {
        tokio::task::yield_now().await;
        poll_fn(|cx| Poll::Ready(deaths.poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_member_in_this_process_is_dead_when_its_event_loop_is_gone() {
        let mut deaths = Deaths::new();
        let (other, third) = (Deaths::new(), Deaths::new());
        assert_ne!(other.identity(), third.identity());
        let gone = Deaths::new().identity();
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
    async fn nothing_is_known_of_members_on_other_hosts() {
        let mut deaths = Deaths::new();
        // No such process here.
        let there = ProcessIdentity { host: deaths.identity().host ^ 1, pid: 0x3fff_ffff, ..deaths.identity() };
        deaths.watch(&[(ONE, there)]);
        assert!(!any_known(&mut deaths).await);
    }
}
