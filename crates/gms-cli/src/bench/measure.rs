//! The measurements of one size, and whether all members saw the same.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::crew::Crew;
use super::flags::{BenchFlags, Senders};
use super::member::histogram;
use super::orders::{Entrance, Measured, Order, Phase, RawPhase, Report};
use super::place::Place;
use super::progress::Progress;

/// How long joining should take.
const JOIN: Duration = Duration::from_secs(5);
/// The follower that sends when only one does, and who measures the idle group.
const FOLLOWER: u64 = 1;
/// The member that creates the group, leads it, and sends what belongs to no group.
const LEADER: u64 = 0;

/// A group that waits to be measured.
pub(super) struct Subject<'a> {
    crew: &'a mut Crew,
    flags: &'a BenchFlags,
    /// Where the leader receives datagrams that belong to no group.
    raw: SocketAddr,
    /// Measurements without a group so far.
    runs: u64,
}

/// What came of one size, an entry for each repeat.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Messages delivered per second at the member that got fewest, under load.
    pub(super) per_second: Vec<f64>,
    /// The same without a group.
    pub(super) ceiling: Vec<f64>,
    /// Under load, of all senders.
    pub(super) loaded: Vec<Histogram<u64>>,
    /// One message at a time.
    pub(super) idle: Vec<Histogram<u64>>,
    /// The first thing that was not as it has to be.
    pub(super) why: Option<String>,
}

impl<'a> Subject<'a> {
    /// Has the group formed.
    pub(super) async fn form(crew: &'a mut Crew, flags: &'a BenchFlags, place: &Place) -> Result<Self> {
        let join = |id| {
            Order::Join(Entrance {
                id,
                members: flags.members(),
                group: place.group.clone(),
                level: flags.level(),
                multicast: place.multicast,
                ceiling: place.ceiling,
                interface: place.interface.clone(),
                insecure: flags.insecure,
            })
        };
        let reports = crew.all("joining", JOIN, join).await?;
        let Some(Report::Joined { raw }) = reports.into_iter().next() else { bail!("the leader did not join") };
        Ok(Self { crew, flags, raw, runs: 0 })
    }

    /// Measures messages of `size` bytes. The kinds take turns, so that a busy moment of the host does not meet all
    /// repeats of one kind.
    pub(super) async fn measure(&mut self, size: u32, progress: &Progress) -> Result<Samples> {
        let mut samples = Samples::default();
        for repeat in 1..=self.flags.repeats {
            let what = |kind: &str| format!("{size} B, {repeat} of {}, {kind}", self.flags.repeats);
            let phase = |senders| Phase {
                senders,
                size: size as usize,
                warm_up: Duration::from_secs_f64(self.flags.warm_up),
                lasts: Duration::from_secs_f64(self.flags.seconds),
            };
            let (ceiling, load, idle) = (what("ceiling"), what("under load"), what("idle"));
            let (alone, loading, pinging) = (phase(vec![LEADER]), phase(self.senders()), phase(vec![FOLLOWER]));

            progress.show(&ceiling);
            samples.ceiling.push(self.ceiling(&ceiling, alone).await?);
            progress.advance(&load);
            let loaded = self.measured(&load, loading, Order::Load).await?;
            samples.per_second.push(least(loaded.iter().map(|member| member.per_second)));
            samples.loaded.push(merged(&loaded));
            progress.advance(&idle);
            let pinged = self.measured(&idle, pinging, Order::Ping).await?;
            samples.idle.push(merged(&pinged));
            progress.advance(&idle);
            for (what, members) in [(load, loaded), (idle, pinged)] {
                let why = || difference(&members).map(|why| format!("{what}: {why}"));
                samples.why = samples.why.take().or_else(why);
            }
        }
        Ok(samples)
    }

    fn senders(&self) -> Vec<u64> {
        match self.flags.senders {
            Senders::One => vec![FOLLOWER],
            Senders::Leader => vec![LEADER],
            Senders::All => (0..self.flags.members()).collect(),
        }
    }

    async fn measured(&mut self, what: &str, phase: Phase, order: fn(Phase) -> Order) -> Result<Vec<Measured>> {
        let planned = phase.warm_up + phase.lasts;
        let reports = self.crew.all(what, planned, |_| order(phase.clone())).await?;
        let measured = |report| match report {
            Report::Measured(measured) => Ok(measured),
            other => bail!("{what}: a member answered {other:?}"),
        };
        reports.into_iter().map(measured).collect()
    }

    async fn ceiling(&mut self, what: &str, phase: Phase) -> Result<f64> {
        self.runs += 1;
        let planned = phase.warm_up + phase.lasts;
        let order = RawPhase { phase, members: self.flags.members(), sender: self.raw, run: self.runs };
        let reports = self.crew.all(what, planned, |_| Order::Ceiling(order.clone())).await?;
        let moved = reports.iter().filter_map(|report| match report {
            Report::Moved { per_second } => *per_second,
            _ => None,
        });
        Ok(least(moved))
    }
}

fn least(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(f64::INFINITY, f64::min)
}

fn merged(members: &[Measured]) -> Histogram<u64> {
    let mut all = histogram();
    for (nanoseconds, count) in members.iter().flat_map(|member| &member.latencies) {
        all.saturating_record_n(*nanoseconds, *count);
    }
    all
}

/// In what the members differ from each other, or from what was sent, if they do.
fn difference(members: &[Measured]) -> Option<String> {
    for (id, member) in members.iter().enumerate() {
        if let Some(gap) = &member.ledger.gap {
            return Some(format!("at member {id}, {gap}"));
        }
        for (sender, Measured { sent, .. }) in members.iter().enumerate() {
            let delivered = member.ledger.delivered.get(sender).copied().unwrap_or(0);
            if delivered != *sent {
                return Some(format!(
                    "member {sender} sent {sent} messages, member {id} delivered {delivered} of them"
                ));
            }
        }
    }
    let differs = members.iter().position(|member| member.ledger != members[0].ledger);
    differs.map(|id| format!("members 0 and {id} delivered the same number of messages, but not the same"))
}

#[cfg(test)]
mod tests {
    use super::super::member::Ledger;
    use super::*;

    fn member(sent: u64, ledger: &str) -> Measured {
        let ledger: Ledger = serde_json::from_str(ledger).expect("a ledger");
        Measured { sent, ledger, per_second: 1.0, latencies: vec![(1000, 2)] }
    }

    #[test]
    fn members_must_have_delivered_all_and_the_same() {
        let good = r#"{"digest":7,"delivered":[2,1],"gap":null,"duplicates":0,"holes":0,"ended":2}"#;
        let check = |second: &str| difference(&[member(2, good), member(1, second)]).unwrap_or_default();
        assert_eq!(check(good), "");
        assert!(check(&good.replace("null", "\"x follows y\"")).contains("at member 1, x follows y"));
        assert!(check(&good.replace("[2,", "[1,")).contains("0 sent 2 messages, member 1 delivered 1"));
        assert!(check(&good.replace('7', "8")).contains("members 0 and 1"));
        let strange = r#"{"digest":7,"delivered":[],"gap":null,"duplicates":0,"holes":0,"ended":2}"#;
        assert!(check(strange).contains("delivered 0"));
    }

    #[test]
    fn latencies_of_all_members_count() {
        let all = merged(&[member(1, r#"{"digest":0,"delivered":[],"gap":null,"duplicates":0,"holes":0,"ended":0}"#)]);
        assert_eq!((all.len(), all.value_at_quantile(0.5)), (2, 1000));
    }
}
