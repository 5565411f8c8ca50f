//! Who comes to a run in which lineages arise: processes, as a product lets them come, and programs that send through
//! them.

use std::time::Duration;

use gms_core::Time;

use crate::draw::Draw;
use crate::scenario::{Birth, ClientPlan, Entry, Reader, Sizes, Traffic};

/// Processes that come as a product lets them come, and the places that they are at.
pub(super) fn draw_births(draw: &mut Draw, initial: usize, late: usize, chaos: u64) -> Vec<Birth> {
    let count = initial + late;
    let mut nodes: Vec<u64> = (1..=count as u64).collect();
    draw.shuffle(&mut nodes);
    // Some are told who is to be there, or whom to ask; most are not.
    let style = draw.weighted(&[7, 2, 1, 1]);
    let most = if draw.chance(0.5) { initial.div_ceil(2) } else { initial };
    let expected = draw.within(1..=most as u64) as usize;
    let together = draw.pick(&[0, 1_000, 300_000, 2_000_000]);
    let traffic = Traffic {
        count: draw.magnitude(5..=40),
        burst: draw.within(1..=3),
        gap: Duration::from_micros(draw.magnitude(5_000..=400_000)),
        sizes: Sizes { small: 40, share: 0.0, large: 40, huge: None },
        levels: draw.pick(&[[0, 1, 0], [0, 1, 0], [1, 4, 1]]),
        bound: 0.0,
        at_views: false,
    };
    let silent = draw.pick(&[0.0, 0.0, 0.3, 0.6]);
    let birth = |(index, node)| {
        let entry = match style {
            1 if index < expected => Entry::Expected,
            1 => Entry::Multicast,
            2 => Entry::Listed((0..initial).filter(|place| *place != index).collect()),
            3 if index == 0 => Entry::Create,
            _ => Entry::Auto,
        };
        let at = match index >= initial {
            true => draw.within(0..=chaos * 3 / 4),
            false => draw.within(0..=together.min(chaos / 2)),
        };
        let mut traffic = Traffic { gap: draw.around(traffic.gap), ..traffic.clone() };
        if draw.chance(silent) {
            traffic.count = 0;
        }
        Birth {
            at: Time::from_nanos(at * 1000),
            node,
            weight: 0,
            place: index,
            entry,
            traffic,
            reader: Reader::Eager,
            budget: 4 << 20,
            pending: 4 << 20,
        }
    };
    nodes.into_iter().enumerate().map(birth).collect()
}

pub(super) fn draw_clients(draw: &mut Draw, chaos: Duration) -> Vec<ClientPlan> {
    if !draw.chance(0.4) {
        return Vec::new();
    }
    let gap = Duration::from_micros(draw.magnitude(10_000..=400_000));
    let client = |_| ClientPlan {
        at: Time::ZERO + draw.micros(0..=chaos.as_micros() as u64 / 2),
        count: draw.magnitude(3..=40),
        burst: 1,
        gap,
        size: 20,
        window: draw.magnitude(1..=5),
        fickle: draw.pick(&[0.0, 0.05]),
        hasty: 0.0,
        patience: Duration::from_micros(draw.magnitude(50_000..=2_000_000)),
    };
    (0..1 + chaos.as_micros() % 2).map(client).collect()
}
