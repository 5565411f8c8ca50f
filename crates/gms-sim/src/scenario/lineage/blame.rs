//! Scenarios in which nobody dies and no link is down, but not all gets through: multicast ends, or what is long is
//! lost. Somebody can do no part of what it should; the others have to go on, and to blame nobody else.

use std::time::Duration;

use gms_core::Time;

use super::arrivals::{draw_births, draw_clients};
use super::{Lineages, Narrow, Passes, Rift, Side, Step, Way};
use crate::draw::Draw;
use crate::scenario::{Birth, NetworkPlan, RunName, Scenario};

/// Share of the other scenarios with lineages in which something long is lost.
const NARROW: f64 = 0.1;
/// By then all that start at the beginning are in one group.
const TOGETHER: u64 = 5_000_000;

impl Scenario {
    /// The scenario of `seed` in which not all gets through, and nothing else happens.
    pub fn blame(seed: u64) -> Self {
        let mut draw = Draw::new(seed, 22);
        let count = draw.within(2..=7) as usize;
        let chaos = draw.magnitude(12_000_000..=45_000_000);
        let mut births = draw_births(&mut draw, count, 0, chaos);
        let gap = Duration::from_micros(draw.magnitude(100_000..=1_000_000));
        for birth in &mut births {
            birth.traffic.gap = draw.around(gap).max(gap / 4);
            birth.traffic.count = chaos / birth.traffic.gap.as_micros() as u64;
            birth.traffic.burst = 1;
        }
        let mut lineages = Lineages::quiet();
        let trouble = draw.weighted(&[2, 2, 5, 1]);
        if trouble == 0 || trouble == 3 {
            lineages.multicast_ends = Some(Time::ZERO + draw.micros(TOGETHER..=chaos * 3 / 4));
        }
        if trouble == 1 {
            let (at, places) = (Time::ZERO + draw.micros(TOGETHER..=chaos * 3 / 4), 1 + draw.index(count));
            let mut side: Vec<usize> = (0..count).collect();
            draw.shuffle(&mut side);
            side.truncate(places);
            let lasts = Duration::from_micros(draw.magnitude(500_000..=30_000_000));
            let steps = vec![Step { passes: Passes::Unicast, lasts }];
            lineages.rifts.push(Rift { at, side: Side::Places(side), steps });
        }
        if trouble >= 2 {
            for _ in 0..draw.pick(&[1, 1, 1, 2]) {
                lineages.narrows.push(draw_narrow(&mut draw, &births, TOGETHER..=chaos * 3 / 4));
            }
            lengthen(&mut draw, &mut births);
        }
        let to = Duration::from_micros(chaos);
        let delay = Duration::from_micros(50)..Duration::from_micros(draw.magnitude(100..=5_000));
        let clients = draw_clients(&mut draw, to);
        let network = NetworkPlan::calm(delay, Duration::ZERO);
        let base = Self::of_lineages(RunName::blame(seed), births, lineages, network);
        Self { clients, chaos: to, ..base }
    }
}

/// Beside whatever else happens to lineages, something long is lost in some scenarios. Drawn by itself, so that the
/// others stay what they were.
pub(super) fn add_narrows(seed: u64, lineages: &mut Lineages, births: &mut [Birth], chaos: u64) {
    let mut draw = Draw::new(seed, 23);
    if draw.chance(NARROW) {
        lineages.narrows.push(draw_narrow(&mut draw, births, 0..=chaos * 3 / 4));
        lengthen(&mut draw, births);
    }
}

fn draw_narrow(draw: &mut Draw, births: &[Birth], when: std::ops::RangeInclusive<u64>) -> Narrow {
    let from_the_start = draw.chance(0.15);
    let place = births[draw.index(births.len())].place;
    let side = match draw.weighted(&[2, 2, 1]) {
        0 => Side::Places(vec![place]),
        1 => Side::Leader,
        _ => Side::Any,
    };
    Narrow {
        at: if from_the_start { Time::ZERO } else { Time::ZERO + draw.micros(when) },
        lasts: Duration::from_micros(draw.magnitude(200_000..=30_000_000)),
        side: if from_the_start { Side::Places(vec![place]) } else { side },
        bytes: draw.pick(&[1_200, 1_252, 1_372, 600]),
        way: draw.pick(&[Way::In, Way::Out, Way::Both, Way::Both, Way::Interface]),
    }
}

/// Many messages take more than one datagram.
fn lengthen(draw: &mut Draw, births: &mut [Birth]) {
    let share = draw.pick(&[0.05, 0.3, 0.8]);
    for birth in births {
        (birth.traffic.sizes.share, birth.traffic.sizes.large) = (share, 3_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_not_getting_through_is_drawn() {
        let scenarios: Vec<Scenario> = (0..200).map(Scenario::blame).collect();
        let of = |which: &dyn Fn(&Lineages) -> bool| {
            scenarios.iter().filter(|s| which(s.lineages.as_ref().expect("it is of this kind"))).count()
        };
        assert!(of(&|l| l.multicast_ends.is_some()) > 20 && of(&|l| !l.rifts.is_empty()) > 20);
        for way in [Way::In, Way::Out, Way::Both, Way::Interface] {
            assert!(of(&|l| l.narrows.iter().any(|narrow| narrow.way == way)) > 10, "{way:?}");
        }
        assert!(of(&|l| l.narrows.iter().any(|narrow| narrow.side == Side::Leader)) > 20);
        assert!(of(&|l| l.narrows.iter().any(|narrow| narrow.at == Time::ZERO)) > 5);
        assert!(of(&|l| l.narrows.len() > 1) > 10);
        assert!(scenarios.iter().all(|s| *s == Scenario::blame(s.name.seed()) && s.network.is_calm()));
    }
}
