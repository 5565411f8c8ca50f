//! What goes wrong in one round.

use std::time::Duration;

use crate::draw::Draw;

/// A round begins its faults within so many milliseconds.
const BEGIN: u64 = 3_000;

/// To whom; servers are told apart when it happens, for the leader may be another by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Leader,
    Follower,
}

/// What passes between those on the two sides of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    Apart,
    /// Only what the smaller side says.
    Deaf,
    /// Only what the larger side says.
    Mute,
}

/// One thing that goes wrong, and when it is over.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// `kill -9`, and later it is started again.
    Kill { victim: Victim, back_after: Duration },
    /// It leaves as it should, and comes again.
    Leave { victim: Victim, back_after: Duration },
    /// SIGSTOP, SIGCONT.
    Freeze { victim: Victim, lasts: Duration },
    /// Its cable is pulled.
    Unplug { victim: Victim, lasts: Duration },
    /// These, and the others; in the middle everything passes for a moment.
    Cut { victims: Vec<Victim>, cut: Cut, lasts: Duration, heals: Option<Duration> },
    /// Only between these two, and perhaps only in one direction.
    Pair { victims: [Victim; 2], both_ways: bool, lasts: Duration },
    /// Packets are lost everywhere.
    Lose { percent: u64, lasts: Duration },
    /// Nothing that is multicast arrives at one of them, or at any.
    Filter { victim: Option<Victim>, lasts: Duration },
}

/// How many servers faults may still take, so that what is left when they are over is a quorum.
///
/// Those killed are gone for good, for a server that is started again is a new member. Those that others cannot hear
/// may be excluded in the meantime, and the rest decides. So the killed must be fewer than half of those that were
/// never out of reach; or none is killed, and all who went on without a quorum find each other again.
struct Budget {
    servers: usize,
    killed: usize,
    out_of_reach: usize,
}

impl Budget {
    fn allows(&self) -> bool {
        let Self { servers, killed, out_of_reach } = *self;
        killed + out_of_reach < servers && (killed == 0 || 2 * killed < servers - out_of_reach)
    }

    fn take(&mut self, fault: &Fault) -> bool {
        let (killed, out_of_reach) = (self.killed, self.out_of_reach);
        match fault {
            // One that cannot confirm its leave is as good as killed.
            Fault::Kill { .. } | Fault::Leave { .. } => self.killed += 1,
            Fault::Freeze { .. } | Fault::Unplug { .. } => self.out_of_reach += 1,
            Fault::Cut { victims, .. } => self.out_of_reach += victims.len(),
            Fault::Pair { .. } => self.out_of_reach += 2,
            Fault::Lose { .. } | Fault::Filter { .. } => {}
        }
        let allows = self.allows();
        if !allows {
            (self.killed, self.out_of_reach) = (killed, out_of_reach);
        }
        allows
    }
}

/// The faults of a round, and when each begins.
pub(crate) fn round(draw: &mut Draw, servers: usize) -> Vec<(Duration, Fault)> {
    let mut budget = Budget { servers, killed: 0, out_of_reach: 0 };
    let mut faults = Vec::new();
    for _ in 0..draw.pick(&[1, 1, 2, 2, 2, 3, 4]) {
        let begin = draw.millis(0..=BEGIN);
        let fault = fault(draw, servers);
        if budget.take(&fault) {
            // Two in a row: the second while the group is about to notice the first.
            if let Fault::Kill { back_after, .. } = fault
                && draw.chance(0.3)
            {
                let second = Fault::Kill { victim: victim(draw), back_after };
                if budget.take(&second) {
                    faults.push((begin + draw.millis(0..=300), second));
                }
            }
            faults.push((begin, fault));
        }
    }
    faults
}

fn fault(draw: &mut Draw, servers: usize) -> Fault {
    let lasts = if draw.chance(0.3) { draw.millis(30..=450) } else { draw.millis(800..=6_000) };
    let back_after = if draw.chance(0.3) { Duration::ZERO } else { draw.millis(100..=5_000) };
    let victim = victim(draw);
    match draw.within(0..=99) {
        0..=34 => Fault::Kill { victim, back_after },
        35..=44 => Fault::Leave { victim, back_after },
        45..=59 => Fault::Freeze { victim, lasts },
        60..=67 => Fault::Unplug { victim, lasts },
        68..=83 => {
            let size = draw.within(1..=servers as u64 - 2);
            let victims = (0..size).map(|index| if index == 0 { victim } else { Victim::Follower }).collect();
            // Long enough to hear that one is out, and not to come in again.
            let heals = draw.chance(0.4).then(|| draw.millis(5..=200));
            Fault::Cut { victims, cut: draw.pick(&[Cut::Apart, Cut::Apart, Cut::Deaf, Cut::Mute]), lasts, heals }
        }
        84..=87 => Fault::Filter { victim: draw.chance(0.6).then_some(victim), lasts },
        88..=91 => Fault::Pair { victims: [victim, Victim::Follower], both_ways: draw.chance(0.5), lasts },
        _ => Fault::Lose { percent: draw.within(1..=20), lasts },
    }
}

fn victim(draw: &mut Draw) -> Victim {
    if draw.chance(0.4) { Victim::Leader } else { Victim::Follower }
}

#[test]
fn a_quorum_is_left_of_every_view_there_may_be() {
    let mut draw = Draw::new(7);
    let (mut kills, mut temporary) = (0, 0);
    for _ in 0..10_000 {
        let mut budget = Budget { servers: 5, killed: 0, out_of_reach: 0 };
        for (_, fault) in round(&mut draw, 5) {
            assert!(budget.take(&fault), "{fault:?}");
        }
        let Budget { killed, out_of_reach, .. } = budget;
        (kills, temporary) = (kills.max(killed), temporary.max(out_of_reach));
        assert!(killed == 0 || (0..=out_of_reach).all(|excluded| 2 * (5 - excluded - killed) > 5 - excluded));
    }
    assert_eq!((kills, temporary), (2, 4));
}
