//! What the rest of the service has for one connection.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use gms_core::Outcome;

/// Answers on their way to a connection, and its alarm clock.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    answers: Mutex<Answers>,
    /// The history will wake it when there is more.
    pub(super) awaits_history: AtomicBool,
    /// Its session goes on in another connection.
    superseded: AtomicBool,
}

#[derive(Debug, Default)]
struct Answers {
    lines: Vec<u8>,
    /// Messages that these lines settle.
    settled: usize,
    /// What became of the opening of the session that it has asked for.
    opened: Option<Outcome>,
    waker: Option<Waker>,
    gone: bool,
}

impl Outbox {
    /// Whom to wake from here on.
    pub(super) fn register(&self, waker: &Waker) {
        let mut answers = self.lock();
        if !answers.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            answers.waker = Some(waker.clone());
        }
    }

    /// Adds the answers to `settled` messages.
    pub(super) fn put(&self, lines: &[u8], settled: usize) {
        let mut answers = self.lock();
        if !answers.gone {
            answers.lines.extend_from_slice(lines);
            answers.settled += settled;
            answers.wake();
        }
    }

    /// All answers there are, and how many messages they settle.
    pub(super) fn take(&self) -> (Vec<u8>, usize) {
        let mut answers = self.lock();
        (mem::take(&mut answers.lines), mem::take(&mut answers.settled))
    }

    /// The answer to the opening of a session.
    pub(super) fn put_opened(&self, opened: Outcome) {
        let mut answers = self.lock();
        answers.opened = Some(opened);
        answers.settled += 1;
        answers.wake();
    }

    /// That answer, once.
    pub(super) fn take_opened(&self) -> Option<Outcome> {
        self.lock().opened.take()
    }

    /// Another connection has taken the session over.
    pub(super) fn supersede(&self) {
        self.superseded.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether that has happened.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }

    /// Something has happened that the connection should look at.
    pub(super) fn wake(&self) {
        self.awaits_history.store(false, Ordering::Relaxed);
        self.lock().wake();
    }

    /// Nobody will take answers any more.
    pub(super) fn close(&self) {
        *self.lock() = Answers { gone: true, ..Answers::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Answers {
    fn wake(&mut self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
