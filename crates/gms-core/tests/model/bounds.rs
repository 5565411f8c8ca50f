//! What may happen in one exploration, and the explorations that are made.

use std::time::Duration;

use gms_core::Bug;
use gms_core::Level::{self, Agreed, Uniform};

const DAY: Duration = Duration::from_secs(86_400);

/// What may happen, and how often.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// Who has sent what, before anything else happens. Process 0 leads.
    pub(crate) sends: &'static [(usize, Level)],
    /// Who takes the leader to be dead when all begins, and has said so. Until a ballot reaches them they act like all
    /// others, so nothing is lost by doing that first.
    pub(crate) accusers: &'static [usize],
    /// Who may take whom to be dead, once each: rightly or not makes no difference.
    pub(crate) suspicions: &'static [(usize, usize)],
    /// Who may find whom alive after all, once each.
    pub(crate) trusts: &'static [(usize, usize)],
    /// To whom an operator has the leader hand over, once.
    pub(crate) heir: Option<usize>,
    /// Ballots claimed, at most.
    pub(crate) ballots: u8,
    /// Who may claim them.
    pub(crate) candidates: &'static [usize],
    /// Times that a process's clock moves on, and by how much. In between it stands still.
    pub(crate) pauses: u8,
    pub(crate) pause: Duration,
    /// Who may pause.
    pub(crate) sleepers: &'static [usize],
    /// Whether others than INSTALL, NACK, VIEW_REQ, REPAIR and EXCLUDED arrive in another view than they were sent in,
    /// and whether a process that is out still takes steps. Both help those who lag behind, and multiply the states.
    pub(crate) courtesy: bool,
    /// The bug planted in all three.
    pub(crate) bug: Option<Bug>,
}

/// A message of the leader; both followers take it to be dead, and one of them claims a ballot.
fn leader_lost() -> Bounds {
    Bounds {
        sends: &[(0, Uniform)],
        accusers: &[1, 2],
        suspicions: &[],
        trusts: &[],
        heir: None,
        ballots: 1,
        candidates: &[1, 2],
        pauses: 0,
        pause: Duration::from_millis(5),
        sleepers: &[],
        courtesy: false,
        bug: None,
    }
}

/// Small enough for every test run.
pub(crate) fn small() -> Vec<(&'static str, Bounds)> {
    let lost = leader_lost;
    vec![
        ("leader lost", lost()),
        ("follower sends", Bounds { sends: &[(1, Agreed)], ..lost() }),
        ("two messages", Bounds { sends: &[(0, Agreed), (0, Uniform)], candidates: &[1], ..lost() }),
        ("two ballots", Bounds { sends: &[(0, Agreed)], ballots: 2, ..lost() }),
        // The leader takes 1 to be dead and plans a view without it, while 1 claims a ballot.
        ("plan against ballot", Bounds { sends: &[(0, Agreed)], suspicions: &[(0, 1)], candidates: &[1], ..lost() }),
        // The leader is to hand over to 2, in a view of the same members.
        ("hand-over against ballot", Bounds { sends: &[(0, Agreed)], heir: Some(2), candidates: &[1], ..lost() }),
        ("time to ask", Bounds { sends: &[(0, Agreed)], candidates: &[1], pauses: 1, sleepers: &[1], ..lost() }),
        ("leader trusted again", Bounds { sends: &[(0, Agreed)], candidates: &[1], trusts: &[(1, 0)], ..lost() }),
        ("laggards are told", Bounds { sends: &[], candidates: &[1], courtesy: true, ..lost() }),
    ]
}

/// For the day on which somebody has minutes: more messages, more time, and those who answer across views.
pub(crate) fn large() -> Vec<(&'static str, Bounds)> {
    let lost = leader_lost;
    let planned = || Bounds { suspicions: &[(0, 1)], candidates: &[1], ..lost() };
    vec![
        ("three messages", Bounds { sends: &[(1, Agreed), (1, Uniform), (0, Agreed)], candidates: &[1], ..lost() }),
        ("two senders", Bounds { sends: &[(1, Agreed), (0, Uniform)], ..lost() }),
        ("two uniform messages", Bounds { sends: &[(0, Uniform), (0, Uniform)], candidates: &[1], ..lost() }),
        ("two ballots, uniform", Bounds { ballots: 2, ..lost() }),
        ("uniform plan against ballot", planned()),
        ("time for all", Bounds { sends: &[(0, Agreed)], candidates: &[1], pauses: 1, sleepers: &[0, 1, 2], ..lost() }),
        // It promises then, which one that hears a quorum does not.
        ("leader without quorum", Bounds { sends: &[(0, Agreed)], pauses: 1, pause: DAY, sleepers: &[0], ..lost() }),
        ("laggards are told more", Bounds { sends: &[(0, Agreed)], candidates: &[1], courtesy: true, ..lost() }),
        ("laggards of a plan", Bounds { sends: &[], courtesy: true, ..planned() }),
    ]
}
