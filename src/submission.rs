//! A message on its way from a task of the application to the event loop.

use bytes::Bytes;
use gms_core::{Addressing, Level, Outcome};
use tokio::sync::oneshot;

use crate::error::SendError;

/// A task, or a thread outside any task: it can do only one thing at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Party {
    Task(tokio::task::Id),
    Thread(std::thread::ThreadId),
}

impl Party {
    pub(crate) fn present() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(std::thread::current().id()), Self::Task)
    }
}

/// Tells the sender of one message what became of it.
pub(crate) struct Receipt {
    pub(crate) answer: oneshot::Sender<Result<Outcome, SendError>>,
    /// Who awaits it.
    pub(crate) party: Party,
}

/// A message on its way to the loop.
pub(crate) struct Submission {
    pub(crate) payload: Bytes,
    pub(crate) level: Level,
    pub(crate) addressing: Addressing,
    pub(crate) receipt: Option<Receipt>,
}
