//! Lines of clients that are too long for every connection to hold one at a time.
//!
//! A connection may hold a small part of a line that has not ended yet. To read more of it, it waits for its turn;
//! there are as many turns as whole lines fit into [`TOTAL`]. Meanwhile the rest of the line stays in the socket. A
//! line that has its turn has to end in time, so that those who only begin lines keep nobody waiting for ever.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Bytes of a line that has not ended that every connection may hold.
pub(super) const ALLOWANCE: usize = 16 << 10;
/// Bytes that all of them together may hold beyond that.
const TOTAL: usize = 16 << 20;

/// Turns for lines of up to `line_limit` bytes.
pub(super) fn turns(line_limit: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((TOTAL / line_limit.max(1)).clamp(1, Semaphore::MAX_PERMITS)))
}

/// The turn of one connection, if it has or awaits one.
#[derive(Default)]
pub(super) enum LargeLine {
    #[default]
    None,
    Waits(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>),
    Turn {
        _permit: OwnedSemaphorePermit,
        deadline: Option<Pin<Box<Sleep>>>,
    },
}

impl LargeLine {
    /// Whether it has its turn; the task is woken when it comes.
    pub(super) fn poll_turn(&mut self, turns: &Arc<Semaphore>, cx: &mut Context<'_>) -> bool {
        if let Self::None = self {
            *self = Self::Waits(Box::pin(turns.clone().acquire_owned()));
        }
        if let Self::Waits(turn) = self
            && let Poll::Ready(permit) = turn.as_mut().poll(cx)
        {
            *self = Self::Turn { _permit: permit.expect("never closed"), deadline: None };
        }
        matches!(self, Self::Turn { .. })
    }

    /// Whether more than the allowance may be held.
    pub(super) fn has_turn(&self) -> bool {
        matches!(self, Self::Turn { .. })
    }

    /// Nothing more of it has come: whether it has taken longer than `within`. The task is woken when that is so.
    pub(super) fn is_late(&mut self, within: Duration, cx: &mut Context<'_>) -> bool {
        let Self::Turn { deadline, .. } = self else { return false };
        deadline.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(cx).is_ready()
    }

    /// It is not read at present, which is not the client's fault.
    pub(super) fn excuse(&mut self) {
        if let Self::Turn { deadline, .. } = self {
            *deadline = None;
        }
    }
}

impl fmt::Debug for LargeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Waits(_) => "Waits",
            Self::Turn { .. } => "Turn",
        })
    }
}
