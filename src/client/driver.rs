//! The task of a client that talks to its server.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::error::ClientError;
use super::outgoing::Outgoing;
use super::servers::{Connection, Servers};
use crate::client_protocol::Incoming;
use crate::sender::Ordered;

/// Between two servers; twice as long after each that takes nothing,
const PAUSE: Duration = Duration::from_millis(5);
/// so many times.
const DOUBLED: u32 = 7;

/// What the handles of a client and its task share.
#[derive(Debug)]
pub(super) struct Shared {
    outgoing: Mutex<Outgoing>,
    /// Told when there is room for another message again.
    pub(super) room: Notify,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { outgoing: Mutex::new(Outgoing::new()), room: Notify::new() }
    }

    pub(super) fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Talks to one server after the other until nobody wants anything any more.
pub(super) async fn run(shared: Arc<Shared>, mut servers: Servers, first: Connection) {
    let mut connection = first;
    let mut refusals = Refusals::default();
    loop {
        {
            let mut outgoing = shared.outgoing();
            outgoing.server = Some(connection.endpoint.clone());
            outgoing.connected(&connection.hello);
        }
        // What is too long for this server has been given up.
        shared.room.notify_waiters();
        let Err(error) = poll_fn(|cx| serve(&shared, &mut connection, cx)).await else { return };
        tracing::debug!(server = %connection.endpoint, %error, "the server is lost");
        servers.avoid(connection.endpoint.clone());
        let (refusal, rested, wanted) = {
            let mut outgoing = shared.outgoing();
            outgoing.lost();
            (outgoing.take_refusal(), outgoing.rested, outgoing.is_busy())
        };
        if rested {
            // What was said before is of no meaning for what is wanted now.
            refusals.since = None;
        }
        // The only server there is may be about to go, and refuse everything until it has gone.
        sleep(refusals.count(refusal.is_some(), wanted)).await;
        if let Some(reason) = refusal.filter(|_| refusals.last() >= servers.give_up()) {
            refusals = Refusals::default();
            shared.outgoing().give_up(&ClientError::NotOrdered { reason });
            shared.room.notify_waiters();
            if !poll_fn(|cx| poll_wanted(&shared, cx)).await {
                return;
            }
        }
        connection = loop {
            let found = {
                let mut connecting = std::pin::pin!(servers.connect());
                poll_fn(|cx| {
                    if is_over(&shared, cx) {
                        return Poll::Ready(None);
                    }
                    connecting.as_mut().poll(cx).map(Some)
                })
                .await
            };
            match found {
                None => return,
                Some(Ok(connection)) => break connection,
                Some(Err(error)) => shared.outgoing().give_up(&error),
            }
            shared.room.notify_waiters();
            // Nobody needs a server now. It is looked for anew when somebody does.
            if !poll_fn(|cx| poll_wanted(&shared, cx)).await {
                return;
            }
        };
    }
}

/// Servers in a row that were there, but took nothing.
#[derive(Default)]
struct Refusals {
    since: Option<Instant>,
    count: u32,
}

impl Refusals {
    /// A server was left that took nothing, or for another reason, when something was `wanted` or not. Returns how long
    /// to wait before the next.
    fn count(&mut self, refused: bool, wanted: bool) -> Duration {
        if !refused {
            *self = Self::default();
            return PAUSE;
        }
        if wanted {
            self.since.get_or_insert_with(Instant::now);
        }
        self.count += 1;
        PAUSE * (1 << (self.count - 1).min(DOUBLED))
    }

    /// For how long.
    fn last(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Whether nobody waits for anything nor ever will. Otherwise the task is woken when something happens.
fn is_over(shared: &Shared, cx: &mut Context<'_>) -> bool {
    let mut outgoing = shared.outgoing();
    outgoing.sleep(cx.waker());
    outgoing.rested |= !outgoing.is_busy();
    outgoing.abandoned && !outgoing.is_busy()
}

/// Ready when somebody wants something (true), or nobody ever will (false).
fn poll_wanted(shared: &Shared, cx: &mut Context<'_>) -> Poll<bool> {
    if is_over(shared, cx) {
        return Poll::Ready(false);
    }
    if shared.outgoing().is_busy() { Poll::Ready(true) } else { Poll::Pending }
}

/// Writes and reads as long as the server is there; `Ok` when nobody wants anything any more.
fn serve(shared: &Shared, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    loop {
        let full = write(shared, connection, cx)?;
        match read(shared, connection, cx) {
            Poll::Ready(result) => result?,
            Poll::Pending if is_over(shared, cx) => return Poll::Ready(Ok(())),
            // Something may have come in since it was looked for.
            Poll::Pending if full || shared.outgoing().unwritten().is_empty() => return Poll::Pending,
            Poll::Pending => {}
        }
    }
}

/// Writes what there is; true when the socket has no room for all of it.
fn write(shared: &Shared, connection: &mut Connection, cx: &mut Context<'_>) -> io::Result<bool> {
    let mut outgoing = shared.outgoing();
    let had_room = outgoing.has_room();
    let full = loop {
        let bytes = outgoing.unwritten();
        if bytes.is_empty() {
            break false;
        }
        match connection.stream.poll_write(cx, &[IoSlice::new(bytes)]) {
            Poll::Ready(written) => outgoing.advance(written?),
            Poll::Pending => break true,
        }
    };
    if !had_room && outgoing.has_room() {
        shared.room.notify_waiters();
    }
    Ok(full)
}

/// Reads once and handles what came.
fn read(shared: &Shared, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let read = ready!(connection.stream.poll_read(cx, connection.lines.space(false)))?;
    let mut outgoing = shared.outgoing();
    let had_room = outgoing.has_room();
    // Why to go to another server, with whatever has no answer.
    let mut leave = None;
    while let Some(line) = connection.buffered_line()? {
        let incoming = Incoming::parse(&line)?;
        if let Some(ordered) = incoming.ordered {
            outgoing.acknowledged(ordered.number, ordered.gid);
            let place = ordered.gseq.zip(ordered.view).map(|(gseq, view)| Ordered { gseq, view });
            outgoing.settle(ordered.number, place.ok_or(ClientError::PlaceForgotten));
        } else if let Some(refused) = incoming.not_ordered {
            if !refused.again {
                outgoing.refused_for_ever(refused.number, ClientError::NotOrdered { reason: refused.reason });
            } else if outgoing.is_lost_here(refused.number) {
                outgoing.expired(refused.number);
            } else if outgoing.refused(refused.number) {
                outgoing.turned_away(refused.reason.clone());
                leave = Some(refused.reason);
            }
        } else if incoming.unknown.is_some() {
            leave = Some("it is no member any more".to_owned());
        } else if let Some(expired) = incoming.session_expired {
            outgoing.expired(expired.number);
        } else if let Some(hello) = incoming.hello {
            outgoing.is_in(hello.gid);
            hello.session.into_iter().for_each(|session| outgoing.opened(session));
        } else if let Some(status) = incoming.status {
            outgoing.tell_status(status);
        } else if let Some(blocked) = incoming.blocked {
            outgoing.set_obstacle(Some(format!("the server is blocked: {}", blocked.reason)));
        } else if incoming.unblocked.is_some() {
            outgoing.set_obstacle(None);
        } else if let Some(closed) = incoming.closed {
            outgoing.turned_away(closed.reason.clone());
            return Poll::Ready(Err(io::Error::other(closed.reason)));
        } else if let Some(error) = incoming.error {
            return Poll::Ready(Err(io::Error::other(format!("the server does not understand: {}", error.reason))));
        }
    }
    outgoing.renew();
    if !had_room && outgoing.has_room() {
        shared.room.notify_waiters();
    }
    connection.lines.settle(read);
    Poll::Ready(match leave {
        Some(reason) => Err(io::Error::other(reason)),
        None if read == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Ok(()),
    })
}
