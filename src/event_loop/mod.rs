//! One task per member: it receives, orders, delivers and sends, in this order, and sleeps only when
//! there is nothing of any of it.

mod deliver;
mod outlet;
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gms_core::{Event, Input, Outcome, Time, Transmit, Uid};
use gms_net::Transport;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use self::outlet::Outlet;
use crate::deaths::Deaths;
use crate::error::SendError;
use crate::mailbox::{Mailbox, Wish};
use crate::node::Node;
use crate::operation::{Operation, Part, member};
use crate::status::KnownServer;
use crate::submission::{Receipt, Submission};
use crate::trace_writer::TraceWriter;

/// Trains received before anything is sent, so that a flood of input cannot hold back the output.
const RECEIVE_BATCH: usize = 8;
/// Trains sent before looking for input again.
const SEND_BATCH: usize = 8;
/// How often the status for [`crate::Group::status`] is renewed.
const STATUS_EVERY: Duration = Duration::from_millis(20);
/// How often the multicast groups are joined again while nothing comes from them.
const REJOIN_EVERY: Duration = Duration::from_secs(5);

/// What the loop needs to know beside the node and its transport.
pub(crate) struct Settings {
    pub(crate) unread: usize,
    pub(crate) leave_within: Duration,
    /// How old what was heard of a voter may be for it to count.
    pub(crate) heard_within: Duration,
    pub(crate) trace: Option<TraceWriter>,
    /// Those to send to where there is no multicast, as far as they have been found.
    pub(crate) peers: Option<watch::Receiver<Vec<Vec<SocketAddr>>>>,
}

pub(crate) struct EventLoop<T> {
    node: Node,
    transport: T,
    mailbox: Arc<Mailbox>,
    settings: Settings,
    origin: Instant,
    sleep: Pin<Box<Sleep>>,
    /// The train being sent, and its bytes.
    train: Option<Transmit>,
    buffer: Vec<u8>,
    /// Messages taken from the mailbox that the node has no room for yet.
    submissions: VecDeque<Submission>,
    /// Number of the last message that the node has taken.
    accepted: u64,
    /// Of messages that the node has taken, by their numbers.
    receipts: VecDeque<(u64, Receipt)>,
    events: Vec<Event>,
    leading: bool,
    known_view: Option<u64>,
    /// When this member goes without the group's word, and whether it has asked to leave yet.
    leave_by: Option<Time>,
    leave_asked: bool,
    /// Room granted to a reader that awaits a send.
    extra: usize,
    status_at: Time,
    blocked_since: Option<Time>,
    servers: Arc<[KnownServer]>,
    /// When members were heard last that the directory knows, as far as they are heard here.
    heard: BTreeMap<Uid, Time>,
    servers_at: Time,
    /// NACKs sent, frames sent again for those of others, and own frames forwarded again, as far as they have been
    /// told.
    repairs: [u64; 3],
    repairs_at: Time,
    /// What leaves this host, and when to look at it again.
    outlet: Outlet,
    /// When the multicast groups may be joined again.
    rejoin_at: Time,
    /// Whom the transport copies to where there is no multicast.
    peers: Vec<SocketAddr>,
    /// Whom the transport stays connected with, and whose death is to be proved.
    watched: Vec<SocketAddr>,
    processes: Vec<(Uid, gms_core::ProcessIdentity)>,
    /// Set by the last event: nothing follows.
    ended: Option<bool>,
    /// The application has ended this member without a word.
    killed: bool,
    /// Dropped after the sockets: who is dead for the others sends nothing more.
    deaths: Deaths,
}

impl<T: Transport> EventLoop<T> {
    pub(crate) fn new(
        node: Node,
        transport: T,
        mailbox: Arc<Mailbox>,
        deaths: Deaths,
        settings: Settings,
        origin: Instant,
    ) -> Self {
        Self {
            node,
            transport,
            mailbox,
            settings,
            origin,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            train: None,
            buffer: Vec::with_capacity(64 << 10),
            submissions: VecDeque::new(),
            accepted: 0,
            receipts: VecDeque::new(),
            events: Vec::new(),
            leading: false,
            known_view: None,
            leave_by: None,
            leave_asked: false,
            extra: 0,
            status_at: Time::ZERO,
            blocked_since: None,
            servers: Arc::new([]),
            heard: BTreeMap::new(),
            servers_at: Time::ZERO,
            repairs: [0; 3],
            repairs_at: Time::ZERO,
            outlet: Outlet::default(),
            rejoin_at: Time::ZERO,
            peers: Vec::new(),
            watched: Vec::new(),
            processes: Vec::new(),
            ended: None,
            killed: false,
            deaths,
        }
    }

    fn now(&self) -> Time {
        Time::from_nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// Takes trains in. True when there may be more.
    fn receive(&mut self, cx: &mut Context<'_>, now: Time) -> io::Result<bool> {
        for _ in 0..RECEIVE_BATCH {
            match self.transport.poll_receive(cx) {
                Poll::Ready(Ok(train)) => {
                    let from = train.from;
                    for datagram in train.datagrams() {
                        self.node.handle(now, Input::Datagram { from, datagram });
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    while let Poll::Ready(address) = self.transport.poll_lost(cx) {
                        self.node.closed(now, address);
                    }
                    while let Poll::Ready(address) = self.transport.poll_refused(cx) {
                        self.node.refused(now, address);
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Carries out what an operator wants. The orders have been checked against a view of a moment ago.
    fn operate(&mut self, now: Time) {
        for operation in self.mailbox.take_operations() {
            let uid = |id| self.node.view().and_then(|view| member(view, id));
            match operation {
                Operation::Exclude(id) => {
                    uid(id).into_iter().for_each(|uid| self.node.handle(now, Input::Exclude(uid)))
                }
                Operation::TransferLeader(id) => {
                    uid(id).into_iter().for_each(|uid| self.node.handle(now, Input::Transfer(uid)));
                }
                // It comes the way of the application's own wish.
                Operation::Leave => {}
                Operation::Merge { keep } => {
                    tracing::warn!(%keep, "an operator keeps one lineage of the group");
                    self.node.merge(now, keep);
                }
                Operation::ForceView { part, .. } => {
                    tracing::warn!(?part, "an operator forces a view: this server gives its lineage up");
                    self.node.force_view(now, part == Part::Create);
                }
            }
        }
    }

    /// Takes messages in as far as the node has room for them.
    fn submit(&mut self, now: Time) {
        // Until there is no room, or nothing more: who leaves goes after the last of it.
        let mut wish = self.mailbox.collect(&mut self.submissions);
        while wish != Wish::Die
            && self.node.has_room()
            && let Some(Submission { payload, level, addressing, receipt }) = self.submissions.pop_front()
        {
            if self.submissions.is_empty() {
                wish = self.mailbox.collect(&mut self.submissions);
            }
            let accepted = self.node.send(now, payload, level, addressing);
            self.accepted += u64::from(accepted.is_ok());
            match (accepted, receipt) {
                (Ok(sseq), Some(receipt)) => self.receipts.push_back((sseq, receipt)),
                // The mailbox has checked the limit already. A sender that does not wait learns no more.
                (Err(error), Some(receipt)) => _ = receipt.answer.send(Err(error.into())),
                (_, None) => {}
            }
        }
        if wish == Wish::Die {
            self.killed = true;
            return;
        }
        if wish == Wish::Leave && self.leave_by.is_none() {
            self.leave_by = Some(now + self.settings.leave_within);
        }
        if self.leave_by.is_some() && self.submissions.is_empty() && !mem::replace(&mut self.leave_asked, true) {
            self.node.handle(now, Input::Leave);
        }
    }

    /// Sends trains. True when there may be more; false when there is nothing, or no room in the socket.
    fn transmit(&mut self, cx: &mut Context<'_>, now: Time) -> io::Result<bool> {
        for _ in 0..SEND_BATCH {
            if self.train.is_none() {
                self.buffer.clear();
                self.train = self.node.poll_transmit(now, self.transport.max_segments(), &mut self.buffer);
                // Whatever others learn from it is in the trace already, should this process be killed.
                self.write_trace(now);
            }
            let Some(Transmit { destination, segment_size }) = self.train else { return Ok(false) };
            let destination = match destination {
                gms_core::Destination::Data => gms_net::Destination::Data,
                gms_core::Destination::Control => gms_net::Destination::Control,
                gms_core::Destination::Unicast(to) => gms_net::Destination::Unicast(to),
                gms_core::Destination::Stream(to) => gms_net::Destination::Stream(to),
            };
            let train = gms_net::Transmit { destination, contents: &self.buffer, segment_size };
            match self.transport.poll_send(cx, &train) {
                Poll::Ready(Ok(())) => self.train = None,
                // What cannot be sent at all (an address of another family, say) is as good as lost.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                    tracing::debug!(%error, "a datagram cannot be sent");
                    self.node.unsent();
                    self.train = None;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
            }
        }
        Ok(true)
    }

    /// A switch may have forgotten that this host takes part in the groups.
    fn look_at_multicast(&mut self, now: Time) {
        if now < self.rejoin_at || !self.node.hears_no_multicast() {
            return;
        }
        self.rejoin_at = now + REJOIN_EVERY;
        tracing::warn!("the leader is heard, but nothing that it multicasts: joining the multicast groups again");
        if let Err(error) = self.transport.rejoin_groups() {
            tracing::warn!(%error, "cannot join the multicast groups again");
        }
    }

    /// When the loop must run again although nobody wakes it.
    fn deadline(&self) -> Time {
        let heard = self.node.poll_timeout();
        let status = Some(self.status_at + STATUS_EVERY).filter(|_| self.settings.trace.is_some());
        [heard, self.leave_by, status].into_iter().flatten().min().unwrap_or(Time::ZERO + Duration::from_secs(3600))
    }

    /// The leave has taken too long: go without the group's word.
    fn abandon(&mut self, now: Time) {
        self.node.handle(now, Input::Abandon);
        self.node.poll_events(&mut self.events, 0);
        self.settle_receipts();
        let left = self.events.pop();
        // What the node never took in was sent to nobody; some of it is still in the mailbox.
        let mut untaken = mem::take(&mut self.submissions);
        self.mailbox.collect(&mut self.submissions);
        untaken.append(&mut self.submissions);
        for submission in untaken {
            self.accepted += 1;
            match submission.receipt {
                Some(receipt) => _ = receipt.answer.send(Err(SendError::Closed)),
                None => self.events.push(Event::Outcome { sseq: self.accepted, outcome: Outcome::NotOrdered }),
            }
        }
        self.events.extend(left);
        self.mailbox.publish(&mut self.events, 0);
    }

    fn finish(&mut self, now: Time, left: bool) {
        self.write_trace(now);
        self.update_status(now);
        // What is lost of it is said before the application learns of the end.
        self.settings.trace = None;
        for (_, receipt) in self.receipts.drain(..) {
            let _ = receipt.answer.send(Ok(Outcome::Unknown));
        }
        self.mailbox.close(left);
    }

    /// One round. Ready when nothing will ever follow.
    fn turn(&mut self, cx: &mut Context<'_>) -> io::Result<Turn> {
        let now = self.now();
        let mut more = self.receive(cx, now)?;
        self.operate(now);
        while let Poll::Ready(dead) = self.deaths.poll(cx) {
            tracing::debug!(%dead, "proof of death");
            self.node.died(now, dead);
        }
        self.submit(now);
        if self.killed {
            return Ok(Turn::Ended(false));
        }
        self.node.handle(now, Input::Tick);
        more |= self.transmit(cx, now)?;
        more |= self.deliver();
        self.write_trace(now);
        if mem::replace(&mut self.leading, self.node.is_leader()) != self.leading
            && let Err(error) = self.transport.set_leading(self.leading)
        {
            tracing::warn!(%error, leading = self.leading, "cannot change sides in the data group");
        }
        let view = self.node.view().map(|view| view.vid);
        let is_new = mem::replace(&mut self.known_view, view) != view;
        if is_new && let Some(view) = self.node.view() {
            let members: Vec<SocketAddr> = view.members.iter().map(|member| member.address).collect();
            self.transport.set_members(&members);
        }
        if is_new || now - self.status_at >= STATUS_EVERY {
            self.update_watched();
            self.look_at_multicast(now);
            self.outlet.look(now, &mut self.node, &self.transport);
            self.update_peers();
            self.update_status(now);
        }
        if let Some(left) = self.ended {
            // The last word to the others is that this server goes.
            self.transmit(cx, now)?;
            return Ok(Turn::Ended(left));
        }
        if self.leave_by.is_some_and(|by| now >= by) {
            self.abandon(now);
            self.transmit(cx, now)?;
            return Ok(Turn::Ended(false));
        }
        if more {
            return Ok(Turn::Again);
        }
        // Delivery may have made room, or brought something to say.
        self.submit(now);
        if self.train.is_none() && self.transmit(cx, now)? {
            return Ok(Turn::Again);
        }
        Ok(Turn::Sleep)
    }
}

enum Turn {
    /// There is more to do: come back after the other tasks have had their turn.
    Again,
    Sleep,
    Ended(bool),
}

impl<T: Transport + Unpin> Future for EventLoop<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            match this.turn(cx) {
                Err(error) => {
                    this.events.push(Event::Broken(format!("the sockets failed: {error}")));
                    this.mailbox.publish(&mut this.events, 0);
                    this.finish(this.now(), false);
                    return Poll::Ready(());
                }
                Ok(Turn::Ended(left)) => {
                    this.finish(this.now(), left);
                    return Poll::Ready(());
                }
                Ok(Turn::Again) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Ok(Turn::Sleep) => {}
            }
            let at = this.origin + Duration::from_nanos(this.deadline().as_nanos());
            this.sleep.as_mut().reset(at);
            if this.sleep.as_mut().poll(cx).is_pending() && this.mailbox.sleep(cx) {
                return Poll::Pending;
            }
        }
    }
}
