//! From the member to its clients, and on to standard output as far as that is read.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gms::{Event, Events, Service};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::complain;

/// Bytes of events that may wait to be printed, about; then the member's own queue fills, and then the group waits.
const UNPRINTED: usize = 4 << 20;
/// What an event costs beside its bytes.
const OVERHEAD: usize = 64;
/// How long there may be no room before it is said why the group waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long clients may take to read their last lines at the end.
pub(super) const CLIENTS_READ_WITHIN: Duration = Duration::from_millis(100);

/// Events to be printed. They take up room until they are dropped.
pub(super) struct Unprinted {
    pub(super) events: Vec<Event>,
    _room: OwnedSemaphorePermit,
}

/// Tells clients what happens, and hands it over to be printed, until the last event; then ends the service. When the
/// receiver is dropped, clients are served all the same.
pub(super) fn follow(mut events: Events, service: Service) -> (mpsc::UnboundedReceiver<Unprinted>, JoinHandle<()>) {
    let (printed, unprinted) = mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        let mut room = Room { left: Arc::new(Semaphore::new(UNPRINTED)), has_complained: false };
        while let Some(events) = events.next_batch().await {
            // Clients first: the reader of what is printed may be slow.
            service.publish(&events);
            let room = room.take(&events).await;
            let _ = printed.send(Unprinted { events, _room: room });
        }
        drop(printed);
        service.close(CLIENTS_READ_WITHIN).await;
    });
    (unprinted, following)
}

struct Room {
    left: Arc<Semaphore>,
    has_complained: bool,
}

impl Room {
    /// Waits for it. That nobody makes any is said once.
    async fn take(&mut self, events: &[Event]) -> OwnedSemaphorePermit {
        let cost = events.iter().map(cost).sum::<usize>().min(UNPRINTED);
        let mut room = pin!(self.left.clone().acquire_many_owned(cost as u32));
        let found = match timeout(PATIENCE, room.as_mut()).await {
            Ok(found) => found,
            Err(_) => {
                if !std::mem::replace(&mut self.has_complained, true) {
                    complain(
                        "warning: standard output is not read, or too slowly: the group waits for it (if nobody wants \
                         it, send it to /dev/null)",
                    );
                }
                room.await
            }
        };
        found.expect("never closed")
    }
}

fn cost(event: &Event) -> usize {
    match event {
        Event::Message(message) => OVERHEAD + message.payload.len(),
        _ => OVERHEAD,
    }
}
