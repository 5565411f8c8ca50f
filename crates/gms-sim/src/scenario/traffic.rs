//! What applications send, and how they read.

use std::time::Duration;

use gms_core::{Level, Params};

use crate::draw::Draw;

/// What one application sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    /// Messages in all.
    pub count: u64,
    /// Messages at a time.
    pub burst: u64,
    /// Mean pause after each burst.
    pub gap: Duration,
    /// Their lengths.
    pub sizes: Sizes,
    /// How many of Agreed, Uniform and Stable, in proportion.
    pub levels: [u32; 3],
    /// Share of messages bound to a view.
    pub bound: f64,
    /// Sends bound messages the moment it is told of a view.
    pub at_views: bool,
}

/// Lengths of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Longest of the many.
    pub small: u64,
    /// Share of longer ones.
    pub share: f64,
    /// Longest of these.
    pub large: u64,
    /// One message in the middle of this length.
    pub huge: Option<u64>,
}

/// How an application reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Reader {
    /// All there is, at once.
    Eager,
    /// So many bytes at a time, with pauses.
    Slow {
        /// Bytes.
        room: usize,
        /// Mean pause.
        pause: Duration,
    },
}

impl Traffic {
    /// A level in the proportions of this application.
    pub(crate) fn level(&self, draw: &mut Draw) -> Level {
        [Level::Agreed, Level::Uniform, Level::Stable][draw.weighted(&self.levels)]
    }

    /// The length of message `number`.
    pub(crate) fn size(&self, draw: &mut Draw, number: u64) -> u64 {
        let Sizes { small, share, large, huge } = self.sizes;
        match huge {
            Some(huge) if number == self.count / 2 => huge,
            _ if draw.chance(share) => draw.within(small.min(large)..=large),
            _ => draw.within(0..=small),
        }
    }
}

/// What the applications of one run have in common.
pub(crate) struct Style {
    traffic: Traffic,
    large: u64,
    silent: f64,
    slow: f64,
    chaos: Duration,
    huge: f64,
    huge_size: u64,
}

impl Style {
    pub(crate) fn draw(draw: &mut Draw, params: &Params, chaos: Duration, most: u64) -> Self {
        let limit = u64::from(params.message_limit);
        let levels = match draw.weighted(&[2, 2, 1, 4]) {
            0 => [0, 1, 0],
            1 => [1, 0, 0],
            2 => [0, 0, 1],
            _ => [draw.within(0..=8) as u32, draw.within(1..=8) as u32, draw.within(0..=4) as u32],
        };
        let share = draw.pick(&[0.0, 0.0, 0.02, 0.2]);
        let sizes =
            Sizes { small: draw.pick(&[20, 200, 200, 1000]).min(limit), share, large: 20_000.min(limit), huge: None };
        Self {
            traffic: Traffic {
                count: if share > 0.1 { most / 4 } else { most },
                burst: draw.magnitude(1..=40),
                gap: Duration::from_micros(draw.magnitude(100..=20_000)),
                sizes,
                levels,
                bound: draw.pick(&[0.0, 0.0, 0.05, 0.5]),
                at_views: draw.chance(0.3),
            },
            large: limit,
            silent: draw.pick(&[0.0, 0.3, 0.8]),
            slow: draw.pick(&[0.0, 0.0, 0.3, 1.0]),
            chaos,
            huge: draw.pick(&[0.0, 0.0, 0.0, 0.0, 0.4]),
            huge_size: draw.within(200_000..=1_000_000),
        }
    }

    pub(crate) fn traffic(&self, draw: &mut Draw) -> Traffic {
        let mut traffic = self.traffic.clone();
        traffic.gap = draw.around(traffic.gap);
        let bursts = (self.chaos.as_micros() / traffic.gap.as_micros().max(1)) as u64;
        traffic.count = traffic.count.min(bursts * traffic.burst).max(2);
        // Not all in the first moments: the rest of the run would be idle.
        if traffic.count < bursts && draw.chance(0.7) {
            traffic.gap = self.chaos * traffic.burst as u32 / traffic.count as u32;
        }
        if draw.chance(self.huge) {
            traffic.sizes.huge = Some(self.huge_size.min(self.large));
        }
        if draw.chance(self.silent) {
            traffic.count = 0;
        }
        traffic
    }

    pub(crate) fn reader(&self, draw: &mut Draw) -> Reader {
        if !draw.chance(self.slow) {
            return Reader::Eager;
        }
        Reader::Slow {
            room: draw.magnitude(1..=60_000) as usize,
            pause: Duration::from_micros(draw.magnitude(50..=30_000)),
        }
    }
}
