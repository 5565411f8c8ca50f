//! The ways of sending: at which level, and for which view.

use std::future::poll_fn;
use std::iter;

use bytes::Bytes;
use gms_core::{Addressing, Gseq, Level, Outcome, Vid};
use tokio::sync::oneshot;

use crate::error::SendError;
use crate::group::Group;
use crate::submission::{Party, Receipt, Submission};

/// Number of an own message, dense from 1; its outcome arrives as [`crate::Event::Outcome`] with this `sseq`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

/// Where an own message stands in the order, at the level asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ordered {
    /// Its place.
    pub gseq: Gseq,
    /// The view it was delivered in.
    pub view: Vid,
}

/// A way of sending: made by [`Group::level`] or [`Group::only_in_view`]; see there.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    group: &'a Group,
    level: Level,
    only_in_view: Option<Vid>,
}

impl<'a> Sender<'a> {
    pub(crate) fn new(group: &'a Group, level: Level, only_in_view: Option<Vid>) -> Self {
        Self { group, level, only_in_view }
    }

    /// As [`Group::level`].
    pub fn level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// As [`Group::only_in_view`].
    pub fn only_in_view(self, vid: Vid) -> Self {
        Self { only_in_view: Some(vid), ..self }
    }

    /// As [`Group::multicast`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn multicast(&self, payload: impl Into<Bytes>) -> Result<Ordered, SendError> {
        let (answer, outcome) = oneshot::channel();
        let receipt = Receipt { answer, party: Party::present() };
        let submission = Submission { receipt: Some(receipt), ..self.submission(payload) };
        self.submit(submission, &mut iter::empty()).await?;
        match outcome.await {
            Ok(Ok(Outcome::Ordered { gseq, vid })) => Ok(Ordered { gseq, view: vid }),
            // A member's own messages belong to no client's session.
            Ok(Ok(Outcome::NotOrdered | Outcome::PlaceForgotten | Outcome::SessionExpired)) => {
                Err(SendError::NotOrdered)
            }
            Ok(Ok(Outcome::Unknown)) => Err(SendError::Unknown),
            Ok(Err(error)) => Err(error),
            // Never handed to the protocol: the member had ended.
            Err(_) => Err(SendError::Closed),
        }
    }

    /// As [`Group::queue`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn queue(&self, payload: impl Into<Bytes>) -> Result<MessageId, SendError> {
        let accepted = self.submit(self.submission(payload), &mut iter::empty()).await?;
        Ok(MessageId(accepted))
    }

    /// As [`Group::queue_all`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn queue_all<I>(&self, payloads: I) -> Result<Option<MessageId>, SendError>
    where
        I: IntoIterator<Item: Into<Bytes>>,
    {
        let mut submissions = payloads.into_iter().map(|payload| self.submission(payload));
        let Some(first) = submissions.next() else { return Ok(None) };
        Ok(Some(MessageId(self.submit(first, &mut submissions).await?)))
    }

    /// As [`Group::try_queue`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn try_queue(&self, payload: impl Into<Bytes>) -> Result<MessageId, SendError> {
        let mailbox = self.group.mailbox();
        let (accepted, _) = mailbox.submit(self.submission(payload), &mut iter::empty(), None)?;
        accepted.map(MessageId).ok_or(SendError::Full)
    }

    fn submission(&self, payload: impl Into<Bytes>) -> Submission {
        let addressing = Addressing { only_in_view: self.only_in_view, ..Addressing::default() };
        Submission { payload: payload.into(), level: self.level, addressing, receipt: None }
    }

    /// Hands all over, waiting for room in between; returns the number of the last.
    async fn submit(&self, first: Submission, more: &mut impl Iterator<Item = Submission>) -> Result<u64, SendError> {
        let mailbox = self.group.mailbox();
        let turned_away = mailbox.turned_away();
        let mut next = Some(first);
        poll_fn(|cx| {
            let submission = next.take().expect("polled after it was ready");
            match mailbox.submit(submission, more, Some(cx.waker())) {
                Ok((Some(accepted), None)) => std::task::Poll::Ready(Ok(accepted)),
                Ok((_, Some(_))) if mailbox.turned_away() != turned_away => {
                    std::task::Poll::Ready(Err(SendError::EventsUnread(None)))
                }
                Ok((_, back)) => {
                    next = back;
                    std::task::Poll::Pending
                }
                Err(error) => std::task::Poll::Ready(Err(error)),
            }
        })
        .await
    }
}
