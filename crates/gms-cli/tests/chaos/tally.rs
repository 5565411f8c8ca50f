//! How often what happened: "no violation" must not mean "nothing happened".

use std::fmt;
use std::time::Duration;

/// Counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    pub(crate) leader_kills: u64,
    pub(crate) stops: u64,
    pub(crate) unplugs: u64,
    /// Both ways.
    pub(crate) partitions: u64,
    pub(crate) one_way: u64,
    pub(crate) losses: u64,
    /// Cuts that healed for a moment.
    pub(crate) flaps: u64,
    /// Times multicast did not arrive.
    pub(crate) filters: u64,
    /// Histories: one more each time that all servers were killed.
    pub(crate) histories: u64,
    pub(crate) leaves: u64,
    /// Processes started again.
    pub(crate) restarts: u64,
    /// Incarnations of all servers.
    pub(crate) lives: u64,
    /// Installed, at all servers together, and the number of the last.
    pub(crate) views: u64,
    pub(crate) last_view: u64,
    /// Delivered, at all servers together.
    pub(crate) deliveries: u64,
    pub(crate) ordered: u64,
    pub(crate) unknown: u64,
    pub(crate) not_ordered: u64,
    /// How often the checker compared uniform deliveries with others (P13), and found a session's message (P26).
    pub(crate) uniform: u64,
    pub(crate) sessions: u64,
    /// Longest time from the end of the faults to one view of all, and to an answer for each message sent by then.
    pub(crate) settled_within: Duration,
    pub(crate) answered_within: Duration,
    pub(crate) violations: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills, leader_kills, stops, unplugs, partitions, one_way, losses, leaves, restarts, .. } =
            self;
        writeln!(
            f,
            "{rounds} rounds: {kills} kills ({leader_kills} of leaders), {stops} stops, {partitions} partitions, \
             {one_way} one-way, {unplugs} cables pulled, {losses} times loss, {leaves} leaves, {restarts} restarts"
        )?;
        let Self { flaps, filters, histories, .. } = self;
        writeln!(
            f,
            "{flaps} of the cuts healed for a moment, {filters} times without multicast, {histories} times all were started"
        )?;
        let Self { lives, views, last_view, deliveries, ordered, unknown, not_ordered, .. } = self;
        writeln!(
            f,
            "{lives} lives, {last_view} views ({views} installations), {ordered} messages ordered, {unknown} unknown, \
             {not_ordered} not ordered, {deliveries} deliveries"
        )?;
        write!(
            f,
            "settled within {:.1} s, answered within {:.1} s; {} violations",
            self.settled_within.as_secs_f64(),
            self.answered_within.as_secs_f64(),
            self.violations
        )
    }
}
