//! Programs that are not members: they send and subscribe through a server.

mod config;
mod driver;
mod error;
mod find;
mod operate;
mod outgoing;
mod servers;
mod subscription;
mod update;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gms_core::Gseq;
use tokio::sync::oneshot;

pub use self::config::ClientConfig;
pub use self::error::ClientError;
pub use self::find::{FindConfig, FindError, FoundServer, find_servers};
pub use self::operate::{OperateError, operate};
pub use self::subscription::Subscription;
pub use self::update::{Delivery, Dissolution, Gap, Update, ViewSeen};

use self::driver::Shared;
use self::servers::Servers;
use crate::client_protocol::{Endpoint, ServerStatus};
use crate::sender::Ordered;

/// A program that uses a group without being a member: it talks to one server, and to another when that one is lost.
/// What has no answer by then is sent again; it is delivered once nevertheless, and messages keep their order, for they
/// are numbered in a session that all servers know. Cheap to clone. When the last clone is dropped, what was accepted
/// is still sent, in the background.
///
/// ```no_run
/// # async fn example() -> Result<(), gms::ClientError> {
/// use gms::{Client, ClientConfig, Update};
///
/// let client = Client::connect(ClientConfig::new("orders")).await?;
/// let mut updates = client.subscribe(None).await?;
/// let place = client.send("hello").await?; // Ordered { gseq, view }
/// while let Ok(update) = updates.next().await {
///     if let Update::Message(message) = update {
///         println!("{} {}: {:?}", message.gseq, message.sender, message.payload);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    config: ClientConfig,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut outgoing = self.shared.outgoing();
        outgoing.abandoned = true;
        outgoing.wake();
    }
}

/// What will become of a message: await it. Dropping it does not take the message back.
#[derive(Debug)]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Ordered, ClientError>>,
}

impl Client {
    /// Finds a server. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::NoServer`] when none was found within [`ClientConfig::give_up`]. Cancel safe.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let mut servers = Servers::new(config.clone());
        let connection = servers.connect().await?;
        let shared = Arc::new(Shared::new());
        tokio::spawn(driver::run(shared.clone(), servers, connection));
        Ok(Self { inner: Arc::new(Inner { shared, config }) })
    }

    /// Sends a message and waits for its place in the order.
    ///
    /// # Errors
    /// See [`ClientError`]. Cancel safe in that a message is either not accepted or sent like any other; its outcome is
    /// then not told to anybody.
    pub async fn send(&self, payload: impl AsRef<[u8]>) -> Result<Ordered, ClientError> {
        self.queue(payload).await?.await
    }

    /// Accepts a message, waiting for room only; the receipt tells its outcome. Messages keep their order, and those
    /// that were queued while there was no server are sent once there is one.
    ///
    /// # Errors
    /// [`ClientError::TooLarge`], or [`ClientError::NotOrdered`] over the group's own limit. Cancel safe: dropped while
    /// waiting, the message is not accepted.
    pub async fn queue(&self, payload: impl AsRef<[u8]>) -> Result<Receipt, ClientError> {
        let shared = &self.inner.shared;
        loop {
            let mut room = std::pin::pin!(shared.room.notified());
            // From here on, no news is missed.
            room.as_mut().enable();
            if let Some(receipt) = self.try_queue(payload.as_ref())? {
                return Ok(receipt);
            }
            room.await;
        }
    }

    /// Accepts a message if there is room now.
    ///
    /// # Errors
    /// As [`Self::queue`].
    pub fn try_queue(&self, payload: impl AsRef<[u8]>) -> Result<Option<Receipt>, ClientError> {
        let mut outgoing = self.inner.shared.outgoing();
        if !outgoing.has_room() {
            return Ok(None);
        }
        let (answer, receiver) = oneshot::channel();
        outgoing.accept(answer, payload.as_ref(), self.inner.config.level)?;
        Ok(Some(Receipt { answer: receiver }))
    }

    /// Follows the order from place `from` on, as far back as a server remembers, or from now on. "Now" is when this
    /// returns.
    ///
    /// # Errors
    /// [`ClientError::NoServer`]. Cancel safe.
    pub async fn subscribe(&self, from: Option<Gseq>) -> Result<Subscription, ClientError> {
        Subscription::open(Servers::new(self.inner.config.clone()), from).await
    }

    /// Where the server is that it talks to, or talked to last.
    pub fn server(&self) -> Option<Endpoint> {
        self.inner.shared.outgoing().server.clone()
    }

    /// Why messages have no answer at present, if that is known: the server is blocked and has said why, or it is lost
    /// and no other has been found yet.
    pub fn obstacle(&self) -> Option<String> {
        self.inner.shared.outgoing().obstacle().map(str::to_owned)
    }

    /// Waits for no answer any longer, also for the other clones of this client: messages that were not written to any
    /// server are sent to none ([`ClientError::NotOrdered`]), the others are [`ClientError::Unknown`].
    pub fn time_out(&self) {
        let shared = &self.inner.shared;
        shared.outgoing().time_out();
        shared.room.notify_waiters();
    }

    /// What the server knows of itself and its group.
    ///
    /// # Errors
    /// [`ClientError::NoServer`]. Cancel safe.
    pub async fn status(&self) -> Result<ServerStatus, ClientError> {
        let (answer, receiver) = oneshot::channel();
        self.inner.shared.outgoing().ask(answer);
        receiver.await.unwrap_or(Err(ClientError::Unknown))
    }
}

impl Future for Receipt {
    type Output = Result<Ordered, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Without an answer only when the runtime has ended.
        Pin::new(&mut self.answer).poll(cx).map(|answer| answer.unwrap_or(Err(ClientError::Unknown)))
    }
}
