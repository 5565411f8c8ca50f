//! Knowing what is to be polled, without polling everything to find out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// A waker that remembers that it was woken until somebody looks, and wakes another one.
#[derive(Debug)]
pub(super) struct Bell {
    rung: AtomicBool,
    passes_to: Mutex<Waker>,
}

impl Bell {
    pub(super) fn new(passes_to: Waker) -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(false), passes_to: Mutex::new(passes_to) })
    }

    /// Whom to wake from now on.
    pub(super) fn pass_to(&self, waker: &Waker) {
        self.passes_to.lock().unwrap_or_else(PoisonError::into_inner).clone_from(waker);
    }

    /// Whether it was rung since it was last answered.
    pub(super) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// The same, and takes note of it: to be called before looking at what it may have been rung for.
    pub(super) fn answer(&self) -> bool {
        self.is_rung() && self.rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Rung twice is woken once: the one that answers looks at everything.
        if !self.rung.swap(true, Ordering::AcqRel) {
            let waker = self.passes_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_kept_and_passed_on_once() {
        let house = Bell::new(Waker::noop().clone());
        let door = Bell::new(Waker::from(house.clone()));
        assert!(!house.answer() && !door.answer());
        Waker::from(door.clone()).wake();
        assert!(house.answer() && !house.answer());
        // The door has not been answered, so the house need not hear of it again.
        Waker::from(door.clone()).wake();
        assert!(!house.is_rung());
        assert!(door.answer() && !door.is_rung());
        Waker::from(door).wake();
        assert!(house.answer());
    }
}
