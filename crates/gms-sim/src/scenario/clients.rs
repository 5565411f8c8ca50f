//! Programs that are not members and send through them.

use std::time::Duration;

use gms_core::{Params, Time};

use crate::draw::Draw;

/// A client with sessions: it sends each message through one process after the other until it is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientPlan {
    /// When it begins.
    pub at: Time,
    /// Messages in all.
    pub count: u64,
    /// Messages at a time.
    pub burst: u64,
    /// Mean pause after each burst.
    pub gap: Duration,
    /// Longest message.
    pub size: u64,
    /// Messages without an answer, at most.
    pub window: u64,
    /// How often, at a burst, it goes to another process without a reason, and sends what is under way once
    /// more; not before its session is open.
    pub fickle: f64,
    /// How often it sends a message before the one that comes before it: the group lets it through only when that one
    /// is there.
    pub hasty: f64,
    /// Without an answer for so long, it goes to another process; there it waits twice as long, until there is one.
    pub patience: Duration,
}

impl ClientPlan {
    /// The clients of `seed`, often none; then the group may remember few sessions only.
    pub(crate) fn draw_all(seed: u64, params: &mut Params, from: Duration, to: Duration) -> Vec<Self> {
        // A source of its own: without clients, a seed's scenario is what it was before there were any.
        let mut draw = Draw::new(seed, 5);
        if !draw.chance(0.3) {
            return Vec::new();
        }
        if draw.chance(0.4) {
            params.sessions = draw.within(1..=4) as u32;
        }
        let size = draw.pick(&[20, 20, 200, 5000]).min(u64::from(params.message_limit));
        let fickle = draw.pick(&[0.0, 0.02, 0.1, 0.5]);
        // This one, too: most clients keep to the order of their messages.
        let mut rush = Draw::new(seed, 7);
        let hasty = if rush.chance(0.3) { rush.pick(&[0.05, 0.3]) } else { 0.0 };
        let (from, to) = (from.as_micros() as u64, to.as_micros() as u64);
        let mut one = || Self {
            at: Time::ZERO + draw.micros(from..=from + (to - from) / 2),
            count: draw.magnitude(1..=150),
            burst: draw.magnitude(1..=20),
            gap: Duration::from_micros(draw.magnitude(200..=20_000)),
            size,
            window: draw.magnitude(1..=100),
            fickle,
            hasty,
            patience: draw_patience(&mut draw),
        };
        let mut all = vec![one()];
        while all.len() < 4 && all.len() as u64 <= seed % 4 {
            all.push(one());
        }
        all
    }
}

fn draw_patience(draw: &mut Draw) -> Duration {
    Duration::from_micros(draw.magnitude(2_000..=300_000))
}
