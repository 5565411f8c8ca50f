//! What a view change costs, by the number of members.

use std::time::Duration;

use bytes::Bytes;
use gms_check::Record;
use gms_core::Time;
use gms_core::wire::{Envelope, Kind, Limits};
use gms_sim::scenario::{Birth, Crash, Death, Departure, Entry, Mortality, NetworkPlan, Reader, Victim};
use gms_sim::{Ending, Scenario, Watcher, run_watched};

/// When the change comes, and how long is counted. What follows at the end of a run is no part of it.
const AT: Duration = Duration::from_secs(3);
const COUNTED: Duration = Duration::from_secs(2);

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Join,
    Leave,
    LeaderDies,
}

/// Sixteen voters of 36 bytes in two announcements.
const NAMED_BYTES: f64 = (16 * 36 * 2) as f64;

/// Counts what is sent, data and its acks apart.
#[derive(Debug, Default, Clone, Copy)]
struct Cost {
    datagrams: u64,
    bytes: u64,
}

impl Watcher for Cost {
    fn record(&mut self, _record: &Record, _place: Option<usize>) {}

    fn datagram(&mut self, at: Time, _from: usize, datagram: &Bytes) {
        let Ok((envelope, _)) = Envelope::decode(datagram.clone(), &Limits::default()) else { return };
        let counts = (Time::ZERO + AT..Time::ZERO + AT + COUNTED).contains(&at);
        if counts && !matches!(Kind::from_byte(envelope.kind), Some(kind) if kind != Kind::Control) {
            self.datagrams += 1;
            self.bytes += datagram.len() as u64;
        }
    }
}

/// What is sent then by a group of `members` to which that happens.
fn sent(members: u64, change: Change) -> Cost {
    let drawn = Scenario::immortal(1).plain();
    let mut birth = Birth { reader: Reader::Eager, budget: 4 << 20, pending: 4 << 20, ..drawn.births[0].clone() };
    birth.traffic.count = 0;
    let mut births: Vec<Birth> = (0..members)
        .map(|index| {
            let entry = if index == 0 { Entry::Create } else { Entry::Multicast };
            let mut birth = Birth { at: Time::ZERO, node: index + 1, place: index as usize, entry, ..birth.clone() };
            // As long as nothing was said, members report what they hear of.
            birth.traffic.count = u64::from(index == 0);
            birth
        })
        .collect();
    if change == Change::Join {
        births.push(Birth {
            at: Time::ZERO + AT,
            node: members + 1,
            place: members as usize,
            entry: Entry::Multicast,
            ..birth.clone()
        });
    }
    let crash = Crash { at: Time::ZERO + AT, victim: Victim::Leader, death: Death { after: 0, restart: None } };
    let crashes = if change == Change::LeaderDies { vec![crash] } else { Vec::new() };
    let departures =
        if change == Change::Leave { vec![Departure { at: Time::ZERO + AT, leader: false }] } else { Vec::new() };
    let delay = Duration::from_micros(50)..Duration::from_micros(300);
    let scenario = Scenario {
        params: gms_core::Params::default(),
        births,
        clients: Vec::new(),
        departures,
        anchor: 0,
        rejoin: false,
        network: NetworkPlan::calm(delay, Duration::ZERO),
        mortality: Some(Mortality { crashes, noticed: true, ..Mortality::default() }),
        watchful: true,
        wake: Duration::ZERO,
        chaos: Duration::from_secs(5),
        ..drawn
    };
    let mut cost = Cost::default();
    let report = run_watched(&scenario, &mut cost);
    assert!(report.passed() && report.ending == Ending::Converged, "{members} members, {change:?}: {report}");
    cost
}

/// The same without what is sent anyway.
fn cost(members: u64, change: Change) -> Cost {
    let (with, without) = (sent(members, change), sent(members, Change::Nothing));
    let datagrams = with.datagrams.saturating_sub(without.datagrams);
    Cost { datagrams, bytes: with.bytes.saturating_sub(without.bytes) }
}

#[test]
fn a_view_change_costs_each_member_the_same_however_many_there_are() {
    for change in [Change::Join, Change::Leave, Change::LeaderDies] {
        let costs = [3, 8, 16, 32, 64].map(|members| (members, cost(members, change)));
        for (members, Cost { datagrams, bytes }) in costs {
            let each = |count: u64| count as f64 / members as f64;
            println!(
                "{change:?}, {members} members: {datagrams} datagrams, {:.1} each; {bytes} bytes, {:.0} each",
                each(datagrams),
                each(bytes)
            );
        }
        let each = costs.map(|(members, cost)| cost.datagrams as f64 / members as f64);
        let (least, most) = each.iter().fold((f64::MAX, 0.0_f64), |(least, most), x| (least.min(*x), most.max(*x)));
        assert!(least > 1.0 && most < 1.5 * least, "{change:?}: {each:?} datagrams for each member");
        // What a joiner alone is told weighs less the more there are. Announcements name the voters, up to a number.
        let bytes = costs.map(|(members, cost)| cost.bytes as f64 / members as f64);
        let most = 1.5 * bytes[0] + NAMED_BYTES;
        assert!(bytes.iter().all(|each| *each < most), "{change:?}: {bytes:?} bytes for each member");
    }
}
