//! Sending on and on, whatever happens to the leader, and noticing what it does to deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gms::{Event, SendError, Uid, View};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant as Moment, sleep_until};

use super::super::orders::{Endured, Order, Report, Stress, Survived};
use super::ledger::Ledger;
use super::payload::Payloads;
use super::stream::Stream;
use super::{Member, not_an_order, report};

/// Messages flow again when they have done so for this long after the new view.
const CALM: Duration = Duration::from_millis(150);
/// How often it is told what has been reported as ordered.
const TELL_EVERY: Duration = Duration::from_millis(2);

/// Does what it is told from here on, until there are no more orders.
pub(super) async fn run(
    member: &mut Member,
    stress: Stress,
    orders: &mut mpsc::Receiver<Result<Order, String>>,
) -> Result<()> {
    let view = member.group.view().context("a member is in a view")?;
    let stop = Arc::<AtomicBool>::default();
    let stream = Stream::new(member.group.clone(), Payloads::new(member.id, stress.size), stress, stop.clone());
    // A task of its own: the reader must go on while the sender waits for room.
    let mut endurance = Endurance {
        sending: Some(tokio::spawn(stream.run())),
        stop,
        sent: 0,
        ledger: Ledger::new(member.members),
        me: member.group.uid(),
        leader: view.leader,
        of_leader: 0,
        own: (0, 0, Instant::now()),
        view,
        last: Instant::now(),
        pause: Duration::ZERO,
        survive: None,
        flows: None,
        unite: false,
        finish: None,
        member,
    };
    report(&Report::Enduring)?;
    endurance.go_on(orders).await
}

struct Endurance<'a> {
    member: &'a mut Member,
    /// The task that sends, until it has ended.
    sending: Option<JoinHandle<Result<u64, SendError>>>,
    stop: Arc<AtomicBool>,
    sent: u64,
    ledger: Ledger,
    /// Who this was, and who led, at the beginning.
    me: Uid,
    leader: Uid,
    of_leader: u64,
    /// Own messages of that life that have been delivered, those told, and when.
    own: (u64, u64, Instant),
    view: Arc<View>,
    /// When the last message was delivered, and the longest time between two.
    last: Instant,
    pause: Duration,
    /// Since when a view without that leader is awaited; when it came.
    survive: Option<(Instant, Option<Duration>)>,
    /// When it is said that messages flow again.
    flows: Option<Moment>,
    /// All members in one view are awaited.
    unite: bool,
    /// So many last messages are awaited.
    finish: Option<usize>,
}

impl Endurance<'_> {
    async fn go_on(&mut self, orders: &mut mpsc::Receiver<Result<Order, String>>) -> Result<()> {
        loop {
            let flows = self.flows;
            tokio::select! {
                batch = self.member.events.next_batch() => match batch {
                    Some(batch) => self.take(batch)?,
                    None => break,
                },
                order = orders.recv() => match order {
                    Some(order) => self.obey(order.map_err(|line| not_an_order(&line))?)?,
                    None => return Ok(()),
                },
                sent = async { self.sending.as_mut().expect("checked").await }, if self.sending.is_some() => {
                    self.sending = None;
                    self.sent = sent??;
                }
                () = async { sleep_until(flows.expect("checked")).await }, if flows.is_some() => {
                    self.flows = None;
                    let Some((_, Some(view))) = self.survive.take() else { continue };
                    report(&Report::Survived(Survived { view, pause: self.pause }))?;
                }
            }
            self.finish()?;
        }
        // One that has left is still asked what it sent, and then for nothing.
        if let Some(sending) = self.sending.take() {
            self.sent = sending.await??;
        }
        report(&Report::Left { sent: self.sent })?;
        while orders.recv().await.is_some() {}
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Watch => report(&Report::Watched { pause: std::mem::take(&mut self.pause) })?,
            Order::Survive => {
                self.pause = Duration::ZERO;
                self.survive = Some((Instant::now(), None));
            }
            Order::Leave => {
                self.stop.store(true, Ordering::Release);
                let (group, sending) = (self.member.group.clone(), self.sending.take());
                let sending = sending.context("still sending")?;
                self.sending = Some(tokio::spawn(async move {
                    let sent = sending.await.map_err(|_| SendError::Closed)?;
                    let _ = group.leave().await;
                    sent
                }));
            }
            Order::Unite => {
                self.unite = true;
                self.unite()?;
            }
            Order::Finish { ends } => {
                self.stop.store(true, Ordering::Release);
                self.finish = Some(ends);
            }
            other => bail!("{other:?} does not go with enduring"),
        }
        Ok(())
    }

    fn take(&mut self, batch: Vec<Event>) -> Result<()> {
        let now = Instant::now();
        let mut delivered = false;
        for event in batch {
            match event {
                Event::Message(message) => {
                    delivered = true;
                    self.ledger.add(&message);
                    if message.sender == self.leader {
                        self.of_leader = message.sseq;
                    }
                    if message.sender == self.me {
                        self.own.0 = message.sseq;
                    }
                }
                Event::View(change) => {
                    self.view = Arc::clone(&change.view);
                    self.unite()?;
                    if let Some((since, view @ None)) = &mut self.survive
                        && !self.view.contains(self.leader)
                    {
                        *view = Some(now - *since);
                    }
                }
                Event::Excluded if self.me == self.leader => {}
                Event::Excluded => bail!("excluded by the others: is the host too busy?"),
                Event::Broken(why) => bail!("stopped: {why}"),
                Event::Blocked(why) => tracing::debug!(member = self.member.id, "blocked: {why}"),
                _ => {}
            }
        }
        if !delivered {
            return Ok(());
        }
        self.pause = self.pause.max(now - std::mem::replace(&mut self.last, now));
        if matches!(self.survive, Some((_, Some(_)))) && self.flows.is_none() {
            self.flows = Some(Moment::from_std(now + CALM));
        }
        let (own, told, at) = self.own;
        if own > told && now - at >= TELL_EVERY {
            self.own = (own, own, now);
            report(&Report::Ordered { upto: own })?;
        }
        Ok(())
    }

    /// Tells if all are in one view, after one in which one was missing.
    fn unite(&mut self) -> Result<()> {
        let all = self.view.voters().count() == self.member.members;
        if self.unite && all && !self.view.contains(self.leader) {
            self.unite = false;
            report(&Report::United)?;
        }
        Ok(())
    }

    /// Tells if everything has been delivered.
    fn finish(&mut self) -> Result<()> {
        if self.sending.is_none()
            && let Some(ends) = self.finish
            && self.ledger.is_complete(ends)
        {
            self.finish = None;
            let ledger = std::mem::replace(&mut self.ledger, Ledger::new(self.member.members));
            report(&Report::Endured(Endured { sent: self.sent, ledger, of_leader: self.of_leader }))?;
        }
        Ok(())
    }
}
