//! One message at a time in an idle group.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;

use super::super::orders::{Measured, Phase};
use super::Member;
use super::payload::Payloads;
use super::reader::{Latencies, Reader};
use super::window::Window;

/// A sender sends its next message when its last has come back; the others only read.
pub(super) async fn run(member: &mut Member, phase: &Phase) -> Result<Measured> {
    let window = Window::of(phase);
    let mut latencies = Latencies::new();
    let mut reader = Reader::new(member.id, member.members, &mut member.events);
    let (before, mut delivered) = (member.sent, 0);
    if phase.senders.contains(&member.id) {
        let payloads = Payloads::new(member.id, phase.size);
        loop {
            let at = Instant::now();
            if at >= window.end() {
                break;
            }
            member.sent = member.group.queue(payloads.message(member.sent + 1)).await?.0;
            let mut now = at;
            while delivered < member.sent {
                now = reader.batch(|sseq, _| delivered = sseq).await?;
            }
            if window.contains(at) {
                latencies.add(now - at);
            }
        }
        member.sent = member.group.queue(Bytes::new()).await?.0;
    }
    while !reader.ledger.is_complete(phase.senders.len()) {
        reader.batch(|_, _| {}).await?;
    }
    let per_second = latencies.len() as f64 / phase.lasts.as_secs_f64();
    Ok(Measured { sent: member.sent - before, ledger: reader.ledger, per_second, latencies: latencies.counts() })
}
