//! Scenarios for people.

use std::fmt::Display;
use std::time::Duration;

use gms_core::{QuorumMode, Ranking, Time};
use gms_sim::Scenario;
use gms_sim::scenario::{
    Again, Birth, Blow, Death, Entry, LastWords, Lineages, Mortality, Narrow, Passes, Reader, Shape, Side, Strike,
    Victim, Way, Whom, Wish,
};

/// What a run does, a line each.
pub(super) fn scenario_in_words(scenario: &Scenario) -> Vec<String> {
    let mut lines = vec![
        format!(
            "seed {}: {} processes, faults and messages for {}",
            scenario.name,
            scenario.births.len(),
            time(scenario.chaos)
        ),
        network_in_words(scenario),
        group_in_words(scenario),
    ];
    if !scenario.watchful {
        lines.push("  nobody is given up, whatever it does".to_owned());
    }
    if let Some(Mortality { noticed, quick, .. }) = &scenario.mortality {
        let (noticed, quick) = (yes(*noticed), if *quick { "150 ms" } else { "500 ms" });
        lines.push(format!("  deaths are noticed at once: {noticed}; who is silent for {quick} is given up"));
    }
    if let Some(proofs) = scenario.mortality.as_ref().and_then(|mortality| mortality.proofs) {
        lines.push(format!(
            "  deaths are proved after {}; {} % to nobody, {} % not to one of the survivors",
            time(proofs.after),
            percent(proofs.missing),
            percent(proofs.sparing)
        ));
    }
    for strike in scenario.mortality.iter().flat_map(|mortality| &mortality.strikes) {
        lines.push(format!("  {}", strike_in_words(strike)));
    }
    if !scenario.clients.is_empty() {
        let (clients, known) = (scenario.clients.len(), scenario.params.sessions);
        lines.push(format!("  {clients} clients, sessions known at a time: {known}"));
    }
    if let Some(Lineages { refuses, beside, first_words, .. }) = &scenario.lineages {
        let refuses = yes(*refuses);
        lines.push(format!(
            "  where nobody lives, connections are refused: {refuses}; processes on a host: up to {beside}"
        ));
        if let Some(LastWords { after, again: returns }) = first_words {
            let returns = returns.map_or(String::new(), again);
            lines.push(format!("  {} after the first acknowledgement its leader dies{returns}", time(*after)));
        }
    }
    let mut events = happenings(scenario);
    events.extend(scenario.lineages.iter().flat_map(lineage_happenings));
    events.sort_by_key(|(at, _)| *at);
    lines.extend(events.into_iter().map(|(at, what)| format!("  {} {what}", stamp(at.as_nanos() / 1000))));
    lines
}

fn network_in_words(scenario: &Scenario) -> String {
    let network = &scenario.network;
    let rates = &network.rates;
    format!(
        "  network: loss {} %, doubled {} %, reordered {} %, again much later {} %, corrupted {} %, delay {} to {}, faults from {} on",
        percent(rates.loss),
        percent(rates.duplicate),
        percent(rates.reorder),
        percent(network.echoes),
        percent(network.corruption),
        time(rates.delay.start),
        time(rates.delay.end),
        time(network.from)
    )
}

fn group_in_words(scenario: &Scenario) -> String {
    let params = &scenario.params;
    let quorum = match params.quorum {
        QuorumMode::Majority => "majority",
        QuorumMode::FailStop => "all but the dead",
    };
    let ranking = match params.ranking {
        Ranking::Bully => "the highest id",
        Ranking::Seniority => "the oldest member",
        Ranking::Priority => "the highest weight",
    };
    let preempt = if params.preempt { ", as soon as it is there" } else { "" };
    format!(
        "  group: datagrams {} B, messages up to {} B, window {} B, min voters {}, quorum {quorum}, {ranking} leads{preempt}",
        params.datagram, params.message_limit, params.window, params.min_voters
    )
}

/// What happens at a time of its own.
fn happenings(scenario: &Scenario) -> Vec<(Time, String)> {
    let network = &scenario.network;
    let mut events: Vec<(Time, String)> = Vec::new();
    events.extend(scenario.births.iter().map(|birth| (birth.at, birth_in_words(birth, scenario))));
    let again = if scenario.rejoin { ", and may come again" } else { "" };
    events.extend(scenario.departures.iter().map(|departure| {
        let who = if departure.leader { "the leader" } else { "a follower" };
        (departure.at, format!("{who} leaves{again}"))
    }));
    events.extend(scenario.orders.iter().map(|order| {
        let wish = match order.wish {
            Wish::Exclude => "an operator wants a member out",
            Wish::Transfer => "an operator wants another leader",
        };
        (order.at, wish.to_owned())
    }));
    let crashes = scenario.mortality.iter().flat_map(|mortality| &mortality.crashes);
    events.extend(crashes.map(|c| (c.at, format!("{} dies{}", victim(c.victim), death(&c.death)))));
    let closings = scenario.mortality.iter().flat_map(|mortality| &mortality.closings);
    events.extend(closings.map(|closing| {
        let which = if closing.all { "all connections" } else { "a connection" };
        (closing.at, format!("{which} of {} close{}", victim(closing.victim), if closing.all { "" } else { "s" }))
    }));
    events
        .extend(network.spikes.iter().map(|s| (s.at, format!("delays up to {} for {}", time(s.delay), time(s.lasts)))));
    events.extend(network.cuts.iter().map(|cut| (cut.at, format!("{} for {}", shape(cut.shape), time(cut.lasts)))));
    events.extend(
        network.pauses.iter().map(|p| (p.at, format!("{} stands still for {}", victim(p.victim), time(p.lasts)))),
    );
    events
        .extend(network.bursts.iter().map(|b| (b.at, format!("{} % are lost for {}", percent(b.loss), time(b.lasts)))));
    events.extend(network.silences.iter().map(|silence| {
        let to = silence.to.map_or("anybody".to_owned(), |place| format!("the process at 10.0.0.{}", place + 1));
        (silence.at, format!("no {} reaches {to} for {}", silence.label, time(silence.lasts)))
    }));
    let clients = scenario.clients.iter();
    events.extend(clients.map(|client| (client.at, format!("a client begins to send {} messages", client.count))));
    events
}

/// What happens to the lineages.
fn lineage_happenings(lineages: &Lineages) -> Vec<(Time, String)> {
    let mut events = Vec::new();
    for rift in &lineages.rifts {
        let side = side(&rift.side);
        let steps = rift.steps.iter().map(|step| format!("{} for {}", passes(step.passes), time(step.lasts)));
        events.push((rift.at, format!("between {side} and the others: {}", steps.collect::<Vec<_>>().join(", "))));
    }
    events.extend(lineages.standstills.iter().map(|standstill| {
        let who = if standstill.all_but_one { "all but one stand" } else { "one stands" };
        let others = standstill.others.map_or(String::new(), |(before, lasts)| {
            format!(", and the others for {} from {} before its end on", time(lasts), time(before))
        });
        (standstill.at, format!("{who} still for {}{others}", time(standstill.lasts)))
    }));
    events.extend(lineages.kills.iter().map(|kill| {
        let who = if kill.count == usize::MAX { "all".to_owned() } else { format!("up to {}", kill.count) };
        let spared = kill.spared.map_or(String::new(), |place| format!(" but the one at 10.0.0.{}", place + 1));
        (kill.at, format!("{who}{spared} are killed{}", kill.again.map_or(String::new(), again)))
    }));
    events.extend(lineages.narrows.iter().map(|Narrow { at, lasts, side: whose, bytes, way }| {
        let (whose, lasts) = (side(whose), time(*lasts));
        let words = match way {
            Way::In => format!("what is longer than {bytes} B does not get through to {whose} for {lasts}"),
            Way::Out => format!("what is longer than {bytes} B does not get through from {whose} for {lasts}"),
            Way::Both => {
                format!("what is longer than {bytes} B does not get through to {whose} or from it for {lasts}")
            }
            Way::Interface => format!("the interface of {whose} carries {bytes} B for {lasts}"),
        };
        (*at, words)
    }));
    events.extend(lineages.multicast_ends.map(|at| (at, "no multicast gets through to anybody any more".to_owned())));
    events.extend(lineages.forced.iter().map(|at| (*at, "an operator forces a view".to_owned())));
    events
}

fn side(side: &Side) -> String {
    match side {
        Side::Places(places) => {
            places.iter().map(|place| format!("10.0.0.{}", place + 1)).collect::<Vec<_>>().join(", ")
        }
        Side::Leader => "the leader".to_owned(),
        Side::Any => "a process".to_owned(),
    }
}

fn again(again: Again) -> String {
    let Again { first, apart, elsewhere, creates } = again;
    let place = if elsewhere { " elsewhere" } else { "" };
    let told = if creates { ", each to create the group" } else { "" };
    format!(" and started again{place} after {}, {} apart{told}", time(first), time(apart))
}

fn passes(passes: Passes) -> &'static str {
    match passes {
        Passes::All => "everything passes",
        Passes::Nothing => "nothing passes",
        Passes::In => "nothing gets out",
        Passes::Out => "nothing gets in",
        Passes::Bridge => "one of the others alone connects them",
        Passes::Ring => "each hears its two neighbours only",
        Passes::Unicast => "no multicast gets in",
    }
}

fn birth_in_words(birth: &Birth, scenario: &Scenario) -> String {
    let nodes =
        |nodes: &mut dyn Iterator<Item = u64>| nodes.map(|node| node.to_string()).collect::<Vec<_>>().join(", ");
    let how = match &birth.entry {
        Entry::Create => "creates the group".to_owned(),
        Entry::Auto => "joins, or creates the group if there is none".to_owned(),
        Entry::Listed(contacts) => {
            let places: Vec<String> = contacts.iter().map(|place| format!("10.0.0.{}", place + 1)).collect();
            format!("joins, or creates the group if there is none, and asks {}", places.join(", "))
        }
        Entry::Expected => {
            format!("joins, or creates the group with {}", nodes(&mut scenario.expected().into_iter()))
        }
        Entry::Multicast => "joins by multicast".to_owned(),
        Entry::Through(contacts) => {
            let there = |place: &usize| scenario.births.iter().find(|birth| birth.place == *place);
            format!("joins through {}", nodes(&mut contacts.iter().filter_map(there).map(|birth| birth.node)))
        }
    };
    let weight = if birth.weight > 0 { format!(", weight {}", birth.weight) } else { String::new() };
    let reads = match birth.reader {
        Reader::Eager => String::new(),
        Reader::Slow { room, pause } => format!(", reads {room} B every {}", time(pause)),
    };
    let sends = birth.traffic.count;
    format!("process {} at 10.0.0.{} {how}{weight}, sends {sends} messages{reads}", birth.node, birth.place + 1)
}

fn strike_in_words(strike: &Strike) -> String {
    let Strike { label, number, whom, before, blow } = strike;
    let when = if *before { "before" } else { "after" };
    let (who, does) = match whom {
        Whom::Sender => ("sender", "sending"),
        Whom::Receiver => ("receiver", "receiving"),
    };
    let what = match blow {
        Blow::Crash(how) => format!("dies{}", death(how)),
        Blow::Pause(lasts) => format!("stands still for {}", time(*lasts)),
        Blow::Cut(lasts) => format!("is cut off for {}", time(*lasts)),
    };
    format!("{when} {does} {label} number {number}, its {who} {what}")
}

fn death(death: &Death) -> String {
    let after = if death.after > 0 { format!(" after {} datagrams more", death.after) } else { String::new() };
    let again = death.restart.map_or(String::new(), |pause| format!(", and starts again after {}", time(pause)));
    after + &again
}

fn victim(victim: Victim) -> impl Display {
    match victim {
        Victim::Any => "a process",
        Victim::Leader => "the leader",
        Victim::Follower => "a follower",
        Victim::Successor => "the next leader",
    }
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
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

/// `   0.012345 s`
pub(super) fn stamp(micros: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_told() {
        let words: Vec<String> = (1..300).flat_map(|seed| scenario_in_words(&Scenario::draw(seed))).collect();
        for said in [
            "dies",
            "an operator",
            "stands still",
            "are lost",
            "no Install",
            "before sending",
            "creates the group with",
        ] {
            assert!(words.iter().any(|line| line.contains(said)), "{said}");
        }
        let words: Vec<String> = (1..300).flat_map(|seed| scenario_in_words(&Scenario::lineage(seed))).collect();
        for said in
            ["gets in", "elsewhere", "all but one stand", "and the others for", "forces", "its leader dies", "asks"]
        {
            assert!(words.iter().any(|line| line.contains(said)), "{said}");
        }
    }
}
