//! Following the order through whichever server is there.

use std::collections::VecDeque;
use std::io;

use gms_core::Gseq;

use super::error::ClientError;
use super::servers::{Connection, Servers};
use super::update::Update;
use crate::client_protocol::{Incoming, Request, SubscribeRequest, Subscribed, write_line};

/// Messages and views in the order of the group, made by [`super::Client::subscribe`]. It has a connection of its own:
/// reading slowly holds nothing else of this client back. A server that finds its client reading nothing for long cuts
/// it off; the subscription then continues from where it was, after a gap if the server's history does not reach back
/// that far.
#[derive(Debug)]
pub struct Subscription {
    servers: Servers,
    connection: Option<Connection>,
    /// The next place to ask for.
    next: Option<Gseq>,
    gid: Option<String>,
    ready: VecDeque<Update>,
}

impl Subscription {
    pub(super) async fn open(servers: Servers, from: Option<Gseq>) -> Result<Self, ClientError> {
        let mut subscription = Self { servers, connection: None, next: from, gid: None, ready: VecDeque::new() };
        subscription.connect().await?;
        Ok(subscription)
    }

    /// The next update. When the server is lost, another one is found and the subscription continues there.
    ///
    /// # Errors
    /// [`ClientError::NoServer`] when none was found in time; calling again looks again. Cancel safe: nothing is lost.
    pub async fn next(&mut self) -> Result<Update, ClientError> {
        self.fill().await?;
        Ok(self.ready.pop_front().expect("filled"))
    }

    /// All updates that have arrived, at least one.
    ///
    /// # Errors
    /// As [`Self::next`]. Cancel safe: nothing is lost.
    pub async fn next_batch(&mut self) -> Result<Vec<Update>, ClientError> {
        self.fill().await?;
        Ok(self.ready.drain(..).collect())
    }

    async fn fill(&mut self) -> Result<(), ClientError> {
        while self.ready.is_empty() {
            match &mut self.connection {
                None => self.connect().await?,
                Some(connection) => {
                    let filled = connection.fill().await;
                    if let Err(error) = filled.and_then(|()| self.take_lines()) {
                        self.lose(&error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds a server and subscribes there.
    async fn connect(&mut self) -> Result<(), ClientError> {
        loop {
            let mut connection = self.servers.connect().await?;
            match self.subscribe(&mut connection).await {
                Ok(subscribed) => {
                    self.next = Some(subscribed.from);
                    // A server between two lineages has none.
                    self.gid = Some(subscribed.gid).filter(|gid| !gid.is_empty());
                    self.connection = Some(connection);
                    if let Err(error) = self.take_lines() {
                        self.lose(&error);
                    }
                    return Ok(());
                }
                Err(error) => {
                    tracing::debug!(server = %connection.endpoint, %error, "no subscription there");
                    self.servers.avoid(connection.endpoint);
                }
            }
        }
    }

    async fn subscribe(&self, connection: &mut Connection) -> io::Result<Subscribed> {
        let mut request = Vec::new();
        let gid = self.gid.clone().filter(|_| self.next.is_some());
        write_line(&Request::Subscribe(SubscribeRequest { from: self.next, gid }), &mut request);
        connection.write(&request).await?;
        loop {
            let line = connection.line().await?;
            let incoming = Incoming::parse(&line)?;
            if let Some(subscribed) = incoming.subscribed {
                return Ok(subscribed);
            }
            if let Some(reason) = incoming.closed.map(|closed| closed.reason) {
                return Err(io::Error::other(reason));
            }
        }
    }

    /// Takes whatever whole lines there are.
    fn take_lines(&mut self) -> io::Result<()> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        while let Some(line) = connection.buffered_line()? {
            let mut incoming = Incoming::parse(&line)?;
            if let Some(closed) = incoming.closed.take() {
                return Err(io::Error::other(closed.reason));
            }
            let Some(update) = incoming.update() else { continue };
            if let Some(gid) = update.lineage() {
                self.gid = Some(gid.to_owned());
            }
            self.next = Some(update.place() + 1);
            self.ready.push_back(update);
        }
        Ok(())
    }

    fn lose(&mut self, error: &io::Error) {
        if let Some(connection) = self.connection.take() {
            tracing::debug!(server = %connection.endpoint, %error, "the subscription goes to another server");
            self.servers.avoid(connection.endpoint);
        }
    }
}
