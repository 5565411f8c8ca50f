//! Traces for people.

use gms_check::{Event, Outcome, PassReason, Record};

use super::scenario_words::stamp;

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
        Event::Accepted { view, round: 0, .. } => format!("accepts what is to be view {view}"),
        Event::Accepted { view, round, .. } => format!("accepts what is to be view {view}, in round {round}"),
        Event::Repeated { sender, sseq, .. } => format!("leaves out what is in the order already: {sseq} of {sender}"),
        Event::Created { gid, from: None } => format!("creates lineage {gid:032x}"),
        Event::Created { gid, from: Some(from) } => {
            format!("creates lineage {gid:032x} from {:032x}, up to #{} in view {}", from.gid, from.upto, from.view)
        }
        Event::Heard { gid } => format!("hears of lineage {gid:032x} for the first time"),
        Event::Lives { before } => format!("goes on, before it was {before}"),
        Event::GaveUp { gid } => format!("gives lineage {gid:032x} up"),
        Event::Discarded { gid } => format!("an operator gives up lineage {gid:032x}"),
        Event::Incomplete { records } => format!("its trace ends: {records} records are missing"),
        Event::Excluded => "is excluded".to_owned(),
        Event::Left => "has left".to_owned(),
        Event::Dissolved { into } => format!("gives way to lineage {into:032x}"),
        Event::Blocked { why } => format!("is blocked: {why}"),
        Event::Unblocked => "goes on".to_owned(),
        Event::Memory { .. } => return None,
        Event::Crash => "crashes".to_owned(),
        Event::Proved { .. } => "can be proved to be dead".to_owned(),
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
