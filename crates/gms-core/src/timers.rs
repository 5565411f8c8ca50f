//! All timers of a member in one table.

use crate::time::Time;

/// What can fall due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// Say something although there is nothing to say; look who is silent.
    Heartbeat,
    /// Acknowledge what nobody waits for.
    Ack,
    /// Ask again for missing frames.
    Nack,
    /// Repeat forwarded frames.
    Forward,
    /// Repeat the header after the last frame.
    Tail,
    /// Look whether a planned view change can start.
    Change,
    /// Repeat ACCEPT.
    Accept,
    /// Look who is silent, and whether there is progress.
    Watch,
    /// Repeat SUSPECT.
    Suspicion,
    /// Repeat PREPARE, or look whether enough have answered it.
    Candidacy,
    /// Repeat INSTALL, or the INSTALL_ACK of one who left.
    Install,
    /// Repeat a request to join or to leave.
    Request,
}

impl Timer {
    const ALL: [Self; 12] = [
        Self::Heartbeat,
        Self::Ack,
        Self::Nack,
        Self::Forward,
        Self::Tail,
        Self::Change,
        Self::Accept,
        Self::Watch,
        Self::Suspicion,
        Self::Candidacy,
        Self::Install,
        Self::Request,
    ];
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Timers([Option<Time>; Timer::ALL.len()]);

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = Some(at);
    }

    /// Sets the timer unless it is running.
    pub(crate) fn start(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize].get_or_insert(at);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// The earliest.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one that is due.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Timer> {
        let timer = Timer::ALL.into_iter().find(|t| self.0[*t as usize].is_some_and(|at| at <= now))?;
        self.stop(timer);
        Some(timer)
    }
}
