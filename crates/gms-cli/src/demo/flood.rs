//! The demo that measures: all members send as fast as they are let.

use std::io::{Write, stdout};
use std::iter::repeat_n;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use gms::{Event, Events, Group, SendError};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::place::Place;
use super::settings::DemoSettings;
use super::tally::Tally;
use crate::failure::Outcome;

/// Not measured, at the beginning.
const WARM_UP: Duration = Duration::from_millis(500);
/// Longest time for everything in flight to be delivered, at the end.
const DRAIN: Duration = Duration::from_secs(6);
/// Longest time for all to join, at the beginning.
const JOIN: Duration = Duration::from_secs(5);
/// Bytes handed over at once.
const BATCH: usize = 128 << 10;

/// What was measured; also the JSON output.
#[derive(Serialize)]
struct Figures {
    event: &'static str,
    agree: bool,
    members: u64,
    messages: u64,
    per_second_median: u64,
    per_second_min: u64,
    megabytes_per_second: f64,
    size: usize,
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Floods, measures, and compares what everybody saw.
pub(super) async fn run(settings: &DemoSettings, size: usize) -> Outcome {
    let place = Place::find(settings)?;
    let joined = timeout(JOIN, place.join_all(settings.members)).await;
    let members = joined.context("the members did not find each other in time: is the host too busy?")??;
    let stop = Arc::new(AtomicBool::new(false));
    let (total, known) = watch::channel(None);
    // The content does not matter, and one that is never freed costs nothing to share.
    let payload = Bytes::from_static(vec![b'x'; size].leak());
    let (mut senders, mut readers, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (group, events) in members {
        let count = Arc::new(AtomicU64::new(0));
        counts.push(count.clone());
        readers.push(tokio::spawn(read(group.uid().node.0, events, count, known.clone())));
        senders.push(tokio::spawn(send(group, payload.clone(), stop.clone())));
    }

    sleep(WARM_UP).await;
    let (before, start) = (snapshot(&counts), Instant::now());
    sleep(settings.lasts).await;
    let (after, elapsed) = (snapshot(&counts), start.elapsed().as_secs_f64());
    stop.store(true, Ordering::Relaxed);
    let drained = timeout(DRAIN, async {
        let mut sent = 0;
        let mut groups = Vec::new();
        for sender in senders {
            let (group, count) = sender.await??;
            sent += count;
            groups.push(group);
        }
        total.send_replace(Some(sent));
        let mut tallies = Vec::new();
        for reader in readers {
            tallies.push(reader.await??);
        }
        Ok::<_, anyhow::Error>(tallies)
    });
    let why = match drained.await {
        Ok(Ok(tallies)) => difference(&tallies).map(|why| format!("disagree: {why}")),
        Ok(Err(error)) => Some(format!("disagree: {error}")),
        Err(_) => Some(format!("undecided: not done in time: {}", progress(&counts, *total.borrow()))),
    };

    let mut rates: Vec<f64> = before.iter().zip(&after).map(|(b, a)| (a - b) as f64 / elapsed).collect();
    rates.sort_by(f64::total_cmp);
    let median = (rates[(rates.len() - 1) / 2] + rates[rates.len() / 2]) / 2.0;
    let figures = Figures {
        event: "verdict",
        agree: why.is_none(),
        members: settings.members,
        messages: counts[0].load(Ordering::Relaxed),
        per_second_median: median as u64,
        per_second_min: rates[0] as u64,
        megabytes_per_second: (median * size as f64 / 1e4).round() / 100.0,
        size,
        level: settings.level.as_str(),
        why,
    };
    let code = if figures.agree { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    let line = if settings.json { serde_json::to_string(&figures)? } else { figures.in_words() };
    writeln!(stdout(), "{line}")?;
    Ok(code)
}

impl Figures {
    fn in_words(&self) -> String {
        let Self { per_second_median: median, per_second_min: min, megabytes_per_second: volume, .. } = self;
        let Self { size, members, level, .. } = self;
        let order = match &self.why {
            None => "order verified".to_owned(),
            Some(why) => why.clone(),
        };
        format!(
            "{median} msg/s delivered at each member (median; min {min}), {volume:.1} MB/s, {size} B, \
             {members} members, {members} senders, {level}, {order}"
        )
    }
}

/// Sends until told to stop; returns how many messages.
async fn send(group: Group, payload: Bytes, stop: Arc<AtomicBool>) -> Result<(Group, u64), SendError> {
    let batch = (BATCH / payload.len().max(16)).max(1);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        sent = group.queue_all(repeat_n(payload.clone(), batch)).await?.map_or(sent, |last| last.0);
    }
    Ok((group, sent))
}

/// Reads until as many messages have come as were sent in all.
async fn read(
    id: u64,
    mut events: Events,
    count: Arc<AtomicU64>,
    mut known: watch::Receiver<Option<u64>>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    loop {
        if known.borrow_and_update().is_some_and(|total| tally.messages >= total) {
            return Ok(tally);
        }
        let batch = tokio::select! {
            batch = events.next_batch() => batch,
            _ = known.changed() => continue,
        };
        for event in batch.ok_or_else(|| anyhow!("member {id} stopped"))? {
            match event {
                Event::Message(message) => tally.add(&message),
                Event::Broken(why) => return Err(anyhow!("member {id} stopped: {why}")),
                Event::Excluded => return Err(anyhow!("member {id} was excluded")),
                _ => {}
            }
        }
        count.store(tally.messages, Ordering::Relaxed);
    }
}

fn snapshot(counts: &[Arc<AtomicU64>]) -> Vec<u64> {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
}

fn difference(tallies: &[Tally]) -> Option<String> {
    let (first, others) = tallies.split_first()?;
    let differing = |(index, other): (usize, &Tally)| {
        first.difference(other).map(|where_| format!("members 0 and {} part: {where_}", index + 1))
    };
    first.difference(first).or_else(|| others.iter().enumerate().find_map(differing))
}

/// Who has delivered how much.
fn progress(counts: &[Arc<AtomicU64>], total: Option<u64>) -> String {
    let each: Vec<String> =
        snapshot(counts).iter().enumerate().map(|(id, count)| format!("{id} delivered {count}")).collect();
    let of = total.map_or_else(|| "some still send".to_owned(), |total| format!("{total} were sent"));
    format!("{of}, {}", each.join(", "))
}
