//! The ceiling: datagrams from one process to the others as fast as they can be read, with no order and no repair.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gms::Params;
use gms_net::{Destination, Received, Transmit, Transport, TransportExt, Udp};
use tokio::time::timeout;

use super::super::orders::RawPhase;
use super::Member;
use super::window::Window;

/// Bytes the sender has under way at most. Without a window it would measure what gets lost.
const WINDOW: u64 = 2 << 20;
/// Bytes a receiver reads between two reports to the sender.
const REPORT_EVERY: u64 = 256 << 10;
/// Longest wait for a report: what is not reported by then counts as lost.
const PATIENCE: Duration = Duration::from_millis(20);
/// Bytes of one train at most: what a UDP payload can be.
const MAX_TRAIN: usize = 65_000;

/// Sends, or receives and returns how many messages a second.
pub(super) async fn run(member: &mut Member, order: &RawPhase) -> Result<Option<f64>> {
    let window = Window::of(&order.phase);
    let packing = Packing::of(order.phase.size, Params::default().datagram.into());
    let sends = order.phase.senders.contains(&member.id);
    // A sender does not read its own stream.
    member.raw.set_leading(sends)?;
    if sends {
        send(&mut member.raw, order, packing.datagram, window.send_until()).await?;
        return Ok(None);
    }
    let datagrams = receive(member, order, packing.datagram, window).await?;
    let per_second = datagrams.context("too few datagrams arrived to be measured: is the host too busy?")?;
    Ok(Some(per_second * packing.messages / packing.datagrams))
}

/// How messages lie in datagrams: whole ones, as many as fit, or one in as many equal parts as it needs. As in the
/// group, but without headers.
#[derive(Debug, PartialEq)]
struct Packing {
    /// Bytes of each datagram.
    datagram: usize,
    /// So many messages lie in
    messages: f64,
    /// so many datagrams.
    datagrams: f64,
}

impl Packing {
    fn of(size: usize, limit: usize) -> Self {
        let (messages, datagrams) = if size <= limit { (limit / size, 1) } else { (1, size.div_ceil(limit)) };
        let datagram = (messages * size).div_ceil(datagrams);
        Self { datagram, messages: messages as f64, datagrams: datagrams as f64 }
    }
}

/// The first bytes of each datagram, there and back: which measurement, which datagram (from 1), which receiver.
struct Stamp {
    run: u64,
    number: u64,
    receiver: u64,
}

impl Stamp {
    const LEN: usize = 24;

    fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        for (part, word) in bytes.chunks_mut(8).zip([self.run, self.number, self.receiver]) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// That of this measurement, if it is one.
    fn of(datagram: &[u8], run: u64) -> Option<Self> {
        let words = datagram.get(..Self::LEN)?.as_chunks().0;
        let [found, number, receiver] = [0, 1, 2].map(|index: usize| u64::from_le_bytes(words[index]));
        (found == run).then_some(Self { run, number, receiver })
    }
}

async fn send(udp: &mut Udp, order: &RawPhase, datagram: usize, until: Instant) -> Result<()> {
    let most = WINDOW / datagram as u64;
    let mut reported = vec![0; order.members as usize];
    for sender in &order.phase.senders {
        reported[*sender as usize] = u64::MAX;
    }
    let (mut train, mut sent) = (Vec::with_capacity(MAX_TRAIN), 0);
    while Instant::now() < until {
        train.clear();
        for _ in 0..udp.max_segments().min(MAX_TRAIN / datagram) {
            sent += 1;
            let start = train.len();
            train.extend(Stamp { run: order.run, number: sent, receiver: 0 }.bytes());
            train.resize(start + datagram, 0x5a);
        }
        udp.send(Transmit { destination: Destination::Data, contents: &train, segment_size: datagram }).await?;
        while reported.iter().any(|number| sent.saturating_sub(*number) > most) {
            let Ok(received) = timeout(PATIENCE, udp.receive()).await else {
                reported.iter_mut().for_each(|number| *number = (*number).max(sent));
                break;
            };
            for stamp in stamps(&received?, order.run) {
                if let Some(number) = reported.get_mut(stamp.receiver as usize) {
                    *number = stamp.number.max(*number);
                }
            }
        }
    }
    Ok(())
}

/// Receives until some time after the end; returns how many datagrams a second.
async fn receive(member: &mut Member, order: &RawPhase, datagram: usize, mut window: Window) -> Result<Option<f64>> {
    let to_sender = Destination::Unicast(order.sender);
    let (mut received, mut unreported) = (0, 0);
    loop {
        let left = window.send_until().saturating_duration_since(Instant::now());
        let Ok(train) = timeout(left, member.raw.receive()).await else { return Ok(window.per_second()) };
        let mut last = None;
        for stamp in stamps(&train?, order.run) {
            received += 1;
            unreported += datagram as u64;
            last = Some(stamp.number);
        }
        let Some(number) = last else { continue };
        window.pass(Instant::now(), received);
        if unreported >= REPORT_EVERY {
            unreported = 0;
            let report = Stamp { run: order.run, number, receiver: member.id };
            member.raw.send(Transmit::single(to_sender, &report.bytes())).await?;
        }
    }
}

fn stamps(train: &Received, run: u64) -> impl Iterator<Item = Stamp> {
    train.datagrams().filter_map(move |datagram| Stamp::of(&datagram, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_share_a_datagram_and_large_ones_are_cut() {
        let packing = |size| {
            let packing = Packing::of(size, 1400);
            (packing.datagram, packing.messages as u32, packing.datagrams as u32)
        };
        assert_eq!(packing(100), (1400, 14, 1));
        assert_eq!(packing(1024), (1024, 1, 1));
        assert_eq!(packing(1400), (1400, 1, 1));
        assert_eq!(packing(8192), (1366, 1, 6));
        assert_eq!(packing(1), (1400, 1400, 1));
    }

    #[test]
    fn stamps_of_another_measurement_do_not_count() {
        let bytes = Stamp { run: 3, number: 5, receiver: 2 }.bytes();
        assert!(Stamp::of(&bytes, 3).is_some_and(|stamp| (stamp.number, stamp.receiver) == (5, 2)));
        assert!(Stamp::of(&bytes, 4).is_none());
        assert!(Stamp::of(&bytes[..Stamp::LEN - 1], 3).is_none());
    }
}
