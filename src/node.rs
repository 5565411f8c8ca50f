//! The layers of one process, composed: without sockets and clock, so that the same code runs in
//! the simulator, in tests and on sockets.

use std::sync::Arc;

use bytes::Bytes;
use gms_check::Record;
use gms_core::{
    Addressing, Config, Event, Input, Level, Member, Memory, ParamsError, SendError, Start, Stats, Time, Transmit, View,
};

use crate::trace;

/// Everything one process runs above its sockets.
///
/// Datagrams are told apart by the kind byte of their envelope, whose numbers are given out here:
/// 1–15 belong to `gms-core`. Whatever has another number is counted as malformed and dropped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    member: Member,
}

impl Node {
    /// A process that starts at `now`. Fails when its settings contradict each other.
    pub fn new(config: Config, start: Start, now: Time) -> Result<Self, ParamsError> {
        Ok(Self { member: Member::new(config, start, now)? })
    }

    /// Takes one input in: a datagram, the passing of time, the wish to leave.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.member.handle(now, input);
    }

    /// Accepts a message from the application; see [`Member::send`].
    pub fn send(&mut self, now: Time, payload: Bytes, level: Level, addressing: Addressing) -> Result<u64, SendError> {
        self.member.send(now, payload, level, addressing)
    }

    /// Whether [`Self::send`] would find room.
    pub fn has_room(&self) -> bool {
        self.member.has_room()
    }

    /// Writes the next train of datagrams into `out`, which must be empty; see [`Member::poll_transmit`].
    pub fn poll_transmit(&mut self, now: Time, max_segments: usize, out: &mut Vec<u8>) -> Option<Transmit> {
        self.member.poll_transmit(now, max_segments, out)
    }

    /// Appends the next events to `out`, until there are none or messages of about `room` bytes have
    /// been added, and returns those bytes; see [`Member::poll_events`].
    pub fn poll_events(&mut self, out: &mut Vec<Event>, room: usize) -> usize {
        self.member.poll_events(out, room)
    }

    /// The next event for the application; see [`Member::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.member.poll_event()
    }

    /// When [`Self::handle`] must be called with [`Input::Tick`] at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.member.poll_timeout()
    }

    /// The next line for the property checker, if [`Config::trace`] asks for them. `now` is written
    /// into it for the reader's sake only.
    pub fn poll_trace(&mut self, now: Time) -> Option<Record> {
        let event = self.member.poll_trace()?;
        Some(trace::record(now, self.member.uid(), event))
    }

    /// A line that says how much memory is held at present (P22).
    pub fn memory_trace(&self, now: Time) -> Record {
        let Memory { used, cap } = self.member.memory();
        trace::line(now, self.member.uid(), gms_check::Event::Memory { used, cap })
    }

    /// The view this process is in; the application may have been told an older one yet.
    pub fn view(&self) -> Option<&Arc<View>> {
        self.member.view()
    }

    /// Whether this process orders the messages of its view.
    pub fn is_leader(&self) -> bool {
        self.member.is_leader()
    }

    /// Counters since the start.
    pub fn stats(&self) -> Stats {
        self.member.stats()
    }

    /// Last frame stored densely here, by a quorum, and by all: `(have, safe, stable)`.
    pub fn progress(&self) -> (u64, u64, u64) {
        self.member.progress()
    }

    /// Bytes held, and what they may be at most.
    pub fn memory(&self) -> Memory {
        self.member.memory()
    }
}
