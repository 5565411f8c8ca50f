//! Sending as much as the group takes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use bytes::Bytes;
use gms::{Group, SendError};

use super::super::orders::{Measured, Phase};
use super::Member;
use super::payload::Payloads;
use super::reader::{Latencies, Reader};
use super::window::Window;

/// Bytes handed over at once.
const BATCH: usize = 128 << 10;
/// The time of about one message in so many bytes is taken: a clock read per message would be measured too.
const TIMED: usize = 16 << 10;

/// Sends if it is a sender, and reads until everything of all senders is delivered.
pub(super) async fn run(member: &mut Member, phase: &Phase) -> Result<Measured> {
    let mut window = Window::of(phase);
    let send_times = SendTimes::of_one_in(TIMED / phase.size);
    let flood = phase.senders.contains(&member.id).then(|| {
        let flood = Flood {
            group: member.group.clone(),
            payloads: Payloads::new(member.id, phase.size),
            batch: (BATCH / phase.size.max(16)).max(1),
            sent: member.sent,
            until: window.send_until(),
            send_times: send_times.clone(),
        };
        // A task of its own: the reader must go on while the sender waits for room.
        tokio::spawn(flood.run())
    });
    let sending = async {
        match flood {
            Some(task) => Ok(task.await??),
            None => anyhow::Ok(member.sent),
        }
    };
    let mut reader = Reader::new(member.id, member.members, &mut member.events);
    let mut latencies = Latencies::new();
    let reading = async {
        while !reader.ledger.is_complete(phase.senders.len()) {
            let now = reader.batch(|sseq, now| {
                if let Some(at) = send_times.take(sseq)
                    && window.contains(at)
                {
                    latencies.add(now - at);
                }
            });
            let now = now.await?;
            window.pass(now, reader.ledger.messages());
        }
        Ok(())
    };
    let ((), last) = tokio::try_join!(reading, sending)?;
    let status = member.group.status();
    tracing::debug!(member = member.id, size = phase.size, network = ?status.network, protocol = ?status.protocol, "so far");
    let sent = last - std::mem::replace(&mut member.sent, last);
    let per_second = window.per_second().context("too little was delivered to be measured: is the host too busy?")?;
    Ok(Measured { sent, ledger: reader.ledger, per_second, latencies: latencies.counts() })
}

/// What the sending task needs.
struct Flood {
    group: Group,
    payloads: Payloads,
    /// Messages handed over at once.
    batch: usize,
    /// Messages so far.
    sent: u64,
    until: Instant,
    send_times: SendTimes,
}

impl Flood {
    /// Sends until the time is over, and an empty message at the end; returns the number of that one.
    async fn run(self) -> Result<u64, SendError> {
        let mut sent = self.sent;
        while Instant::now() < self.until {
            // Drawn one by one as there is room for them.
            let messages = (0..self.batch).map(|_| {
                sent += 1;
                self.send_times.note(sent);
                self.payloads.message(sent)
            });
            self.group.queue_all(messages).await?;
        }
        Ok(self.group.queue(Bytes::new()).await?.0)
    }
}

/// When some own messages were sent that have not come back yet, by number. Shared by sender and reader.
#[derive(Clone)]
struct SendTimes {
    times: Arc<Mutex<VecDeque<(u64, Instant)>>>,
    /// Those are timed of whose number these bits are 0.
    mask: u64,
}

impl SendTimes {
    /// Times about one message in so many.
    fn of_one_in(messages: usize) -> Self {
        Self { times: Arc::default(), mask: messages.max(1).next_power_of_two() as u64 - 1 }
    }

    /// Message `sseq` is sent now.
    fn note(&self, sseq: u64) {
        if sseq & self.mask == 0 {
            self.times().push_back((sseq, Instant::now()));
        }
    }

    /// When message `sseq` was sent, if that was noted. To be asked for all messages, in their order.
    fn take(&self, sseq: u64) -> Option<Instant> {
        if sseq & self.mask != 0 {
            return None;
        }
        self.times().pop_front_if(|(number, _)| *number == sseq).map(|(_, at)| at)
    }

    fn times(&self) -> MutexGuard<'_, VecDeque<(u64, Instant)>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_messages_are_timed() {
        let times = SendTimes::of_one_in(3);
        (1..=9).for_each(|sseq| times.note(sseq));
        let timed: Vec<u64> = (1..=9).filter(|sseq| times.take(*sseq).is_some()).collect();
        assert_eq!(timed, [4, 8]);
        assert_eq!(SendTimes::of_one_in(0).mask, 0);
    }
}
