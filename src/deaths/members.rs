//! The members in this process: each lives as long as its event loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Those that live; a receiver is told when its member is dropped.
static LIVING: Mutex<BTreeMap<u64, watch::Receiver<()>>> = Mutex::new(BTreeMap::new());

fn living() -> MutexGuard<'static, BTreeMap<u64, watch::Receiver<()>>> {
    // Nothing here can be left half done by a panic.
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A member's life in this process.
pub(super) struct Residence {
    number: u64,
    _life: watch::Sender<()>,
}

impl Residence {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (life, end) = watch::channel(());
        living().insert(number, end);
        Self { number, _life: life }
    }

    /// Given to no other member of this process, ever.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Residence {
    fn drop(&mut self) {
        living().remove(&self.number);
    }
}

/// Waits until member `number` of this process is no more.
pub(super) async fn end_of(number: u64) {
    let end = living().get(&number).cloned();
    if let Some(mut end) = end {
        // Nothing is ever sent; the channel breaks when the member is dropped.
        while end.changed().await.is_ok() {}
    }
}
