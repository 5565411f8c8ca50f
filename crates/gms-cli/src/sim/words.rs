//! Scenarios and traces for people.

use std::time::Duration;

use gms_check::{Event, Outcome, PassReason, Record};
use gms_sim::Scenario;
use gms_sim::scenario::{Birth, Entry, Shape};

/// What a run does, a line each.
pub(super) fn scenario_in_words(scenario: &Scenario) -> Vec<String> {
    let network = &scenario.network;
    let rates = &network.rates;
    let mut lines = vec![
        format!(
            "seed {}: {} processes, {} leaves, faults and messages for {}",
            scenario.seed,
            scenario.births.len(),
            scenario.departures.len(),
            time(scenario.chaos)
        ),
        format!(
            "  network: loss {} %, doubled {} %, reordered {} %, delay {} to {}, faults from {} on",
            percent(rates.loss),
            percent(rates.duplicate),
            percent(rates.reorder),
            time(rates.delay.start),
            time(rates.delay.end),
            time(network.from)
        ),
        format!(
            "  group: datagrams {} B, messages up to {} B, window {} B, min voters {}",
            scenario.params.datagram, scenario.params.message_limit, scenario.params.window, scenario.params.min_voters
        ),
    ];
    if !scenario.clients.is_empty() {
        let (clients, known) = (scenario.clients.len(), scenario.params.sessions);
        lines.push(format!("  {clients} clients, sessions known at a time: {known}"));
    }
    let mut events: Vec<(u64, String)> = Vec::new();
    events.extend(scenario.births.iter().map(|birth| (birth.at.as_nanos() / 1000, birth_in_words(birth, scenario))));
    let again = if scenario.rejoin { ", and comes again" } else { "" };
    events.extend(scenario.departures.iter().map(|departure| {
        let who = if departure.leader { "the leader" } else { "a follower" };
        (departure.at.as_nanos() / 1000, format!("{who} leaves{again}"))
    }));
    let spikes = network.spikes.iter();
    events.extend(
        spikes.map(|s| (s.at.as_nanos() / 1000, format!("delays up to {} for {}", time(s.delay), time(s.lasts)))),
    );
    events.extend(
        network
            .cuts
            .iter()
            .map(|cut| (cut.at.as_nanos() / 1000, format!("{} for {}", shape(cut.shape), time(cut.lasts)))),
    );
    let pauses = network.pauses.iter();
    events.extend(
        pauses.map(|pause| (pause.at.as_nanos() / 1000, format!("a process stands still for {}", time(pause.lasts)))),
    );
    events.sort_by_key(|(at, _)| *at);
    lines.extend(events.into_iter().map(|(at, what)| format!("  {} {what}", stamp(at))));
    lines
}

/// A record, in a line, if it is one of those people want to see.
pub(super) fn in_words(record: &Record) -> Option<String> {
    let what = match &record.event {
        Event::Send { sseq, level, only_in_view, client, .. } => {
            let bound = only_in_view.map_or_else(String::new, |view| format!(", for view {view} only"));
            let client = client.map_or_else(String::new, |client| {
                format!(", number {} of session {:08x}", client.number, client.session >> 96)
            });
            format!("sends {sseq}, {}{bound}{client}", format!("{level:?}").to_lowercase())
        }
        Event::Outcome { sseq, result } => match result {
            Outcome::Ordered { gseq, view } => format!("hears that {sseq} is #{gseq} in view {view}"),
            Outcome::NotOrdered => format!("hears that {sseq} is not ordered"),
            Outcome::Unknown => format!("hears that the outcome of {sseq} is unknown"),
        },
        Event::Deliver { view, gseq, sender, sseq, .. } => {
            format!("delivers #{gseq} in view {view}: {sseq} of {sender}")
        }
        Event::Pass { view, gseq, why, .. } => format!("passes #{gseq} in view {view}: {}", reason(*why)),
        Event::View { view, gseq, leader, members, .. } => {
            let members: Vec<String> = members
                .iter()
                .map(|member| format!("{}{}", member.uid, if member.voter { "" } else { " (learner)" }))
                .collect();
            format!("delivers #{gseq}: view {view}, leader {leader}, members {}", members.join(" "))
        }
        Event::Stamp { view, fseq, gseq, count, sender, sseq, .. } => {
            let last = gseq + u64::from((*count).max(1)) - 1;
            format!("orders #{gseq} to #{last} in view {view}, frame {fseq}: from {sseq} of {sender} on")
        }
        Event::Accepted { view, .. } => format!("accepts what is to be view {view}"),
        Event::Excluded => "is excluded".to_owned(),
        Event::Left => "has left".to_owned(),
        Event::Blocked { why } => format!("is blocked: {why}"),
        Event::Unblocked => "goes on".to_owned(),
        Event::Memory { .. } => return None,
        Event::Crash => "crashes".to_owned(),
        Event::Restart => "starts again".to_owned(),
        Event::CutLink { to } => format!("is cut off from {to}"),
        Event::Heal => "all links work again".to_owned(),
        Event::Rest { up, blocked } => {
            let names = |of: &[gms_check::Uid]| of.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            format!("the end: up {}; blocked {}", names(up), names(blocked))
        }
        Event::Fault { kind } => format!("fault: {kind}"),
    };
    Some(format!("{} {:<20} {what}", stamp(record.at_us), record.process.to_string()))
}

fn birth_in_words(birth: &Birth, scenario: &Scenario) -> String {
    let how = match &birth.entry {
        Entry::Found => "founds the group".to_owned(),
        Entry::Auto => "joins, or founds the group if there is none".to_owned(),
        Entry::Multicast => "joins by multicast".to_owned(),
        Entry::Through(contacts) => {
            let nodes: Vec<String> =
                contacts.iter().filter_map(|at| scenario.births.get(*at)).map(|b| b.node.to_string()).collect();
            format!("joins through {}", nodes.join(", "))
        }
    };
    format!("process {} {how}", birth.node)
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::OneWay => "a link is cut one way",
        Shape::Link => "a link is cut",
        Shape::Deaf => "a process hears nobody",
        Shape::Mute => "nobody hears a process",
        Shape::Isolated => "a process is cut off",
        Shape::Leader => "the leader is cut off",
        Shape::Halves => "the network is cut in two",
        Shape::HalvesOneWay => "one half hears nothing of the other",
        Shape::Bridge => "one process alone connects two halves",
        Shape::Ring => "each hears its two neighbours only",
        Shape::Multicast => "multicast reaches nobody",
        Shape::MulticastOfOne => "multicast does not reach one process",
    }
}

fn reason(why: PassReason) -> &'static str {
    match why {
        PassReason::Fragment => "part of a large message",
        PassReason::NotAddressed => "for others",
        PassReason::Duplicate => "was there before",
        PassReason::Void => "a message that will not come",
        PassReason::Expired => "its view was over",
        PassReason::Control => "for the group itself",
        PassReason::Gap => "one before it in its session is missing",
        PassReason::SessionExpired => "its session is not known",
    }
}

/// `   0.012345 s`
fn stamp(micros: u64) -> String {
    format!("{:>11.6} s", micros as f64 / 1e6)
}

fn time(duration: Duration) -> String {
    if duration < Duration::from_millis(10) {
        format!("{} µs", duration.as_micros())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

fn percent(rate: f64) -> f64 {
    (rate * 10_000.0).round() / 100.0
}
