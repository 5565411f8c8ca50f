//! Events for people.

use std::borrow::Cow;
use std::fmt::Write;

use gms::{Blocked, Event, Gap, Outcome, Reason, Uid, Update, ViewChange, WhenBlocked, Why};

use crate::color::Palette;

/// The line for `event`, if it has one: what goes well with own messages shows as their delivery.
pub(crate) fn in_words(event: &Event, when_blocked: WhenBlocked, palette: Palette) -> Option<String> {
    Some(match event {
        Event::Message(m) => message_in_words(m.gseq, m.sender.node.0, &m.payload, palette),
        Event::View(change) => view_in_words(change, palette),
        Event::Outcome { outcome: Outcome::Ordered { .. } | Outcome::PlaceForgotten, .. } => return None,
        Event::Outcome { sseq, outcome: Outcome::NotOrdered | Outcome::SessionExpired } => {
            format!("own message {sseq} was not ordered")
        }
        Event::Outcome { sseq, outcome: Outcome::Unknown } => {
            format!("own message {sseq}: outcome unknown, others may or may not deliver it")
        }
        Event::Blocked(why) => format!("blocked: {why}; {}", until(why, when_blocked)),
        Event::Unblocked => "unblocked: messages are ordered again".to_owned(),
        Event::LeaveRefused { min_voters } => {
            format!("still a member: the group keeps at least {min_voters} voters, let another join first")
        }
        Event::Left { released: true } => "left the group".to_owned(),
        Event::Left { released: false } => "left, unconfirmed".to_owned(),
        Event::Rival { gid, address, size } => {
            format!("warning: another group of this name, of {size} ({gid}), was met at {address}: end one of the two")
        }
        Event::Unreached { members } if members.is_empty() => "multicast reaches all members again".to_owned(),
        Event::Unreached { members } => unreached_in_words(members),
        Event::Dissolved { into, .. } => dissolved_in_words(into),
        Event::GivenUp { gid, why } => format!("lineage {gid} is given up: {why}"),
        Event::Excluded => "excluded: this server is not a member any more, and joins again as a new one".to_owned(),
        Event::Refused(why) => format!("refused: {why}"),
        Event::Broken(why) => format!("stopped: {why}"),
    })
}

/// The line for what a client is told, in the words of a server.
pub(crate) fn update_in_words(update: &Update, palette: Palette) -> String {
    match update {
        Update::Message(m) => message_in_words(m.gseq, m.sender, &m.payload, palette),
        Update::View(v) => {
            let lists = [&v.followers, &v.learners, &v.joined, &v.left];
            let line = palette.strong(parts_in_words(v.view, v.leader, lists)).to_string();
            with_reasons(line, v.why.iter().map(|(id, why)| (*id, why.clone())))
        }
        Update::Gap(Gap { from: 0, .. }) => palette.strong("the group was created anew").to_string(),
        Update::Gap(gap) => {
            palette.strong(format_args!("{} to {} are not known any more", gap.from, gap.to)).to_string()
        }
        Update::Dissolved(end) => dissolved_in_words(&end.into),
    }
}

/// Why it concerns somebody although nothing is lost: those who come later find the group by multicast.
fn unreached_in_words(members: &[Uid]) -> String {
    let ids: Vec<String> = members.iter().map(|uid| uid.node.0.to_string()).collect();
    let get = if ids.len() == 1 { "gets" } else { "get" };
    format!(
        "warning: {} {get} nothing of what is multicast, and copies of all instead, which is slower: IGMP snooping \
         without a querier, or a firewall? New servers need --peer meanwhile",
        ids.join(", ")
    )
}

fn dissolved_in_words(into: impl std::fmt::Display) -> String {
    format!(
        "joining another group of this name ({into}); this one has ended: nothing was ordered in it yet, or an operator \
         keeps the other one"
    )
}

/// `view 4: leader 1, followers 0 2 3, joined 3`, and a line for each member that is gone and did not ask for it.
pub(crate) fn view_in_words(change: &ViewChange, palette: Palette) -> String {
    let view = &change.view;
    let nodes = |uids: &mut dyn Iterator<Item = Uid>| uids.map(|uid| uid.node.0).collect::<Vec<_>>();
    let followers = nodes(&mut view.followers().map(|member| member.uid));
    let learners = nodes(&mut view.learners().map(|member| member.uid).filter(|uid| *uid != view.leader));
    let joined = nodes(&mut change.joined.iter().copied());
    let left = nodes(&mut change.left.iter().map(|(uid, _)| *uid));
    let line = parts_in_words(view.vid, view.leader.node.0, [&followers, &learners, &joined, &left]);
    let reasons = change.left.iter().map(|(uid, why)| (uid.node.0, Reason::from(*why)));
    with_reasons(palette.strong(line).to_string(), reasons)
}

fn with_reasons(mut line: String, reasons: impl Iterator<Item = (u64, Reason)>) -> String {
    for (id, Reason { text, .. }) in reasons.filter(|(_, why)| why.reason != Why::Left.name()) {
        let _ = write!(line, "\nmember {id} out: {text}");
    }
    line
}

fn parts_in_words(view: u64, leader: u64, lists: [&Vec<u64>; 4]) -> String {
    let mut line = format!("view {view}: leader {leader}");
    for (name, list) in ["followers", "learners", "joined", "left"].into_iter().zip(lists) {
        for (index, node) in list.iter().enumerate() {
            let _ = if index == 0 { write!(line, ", {name} {node}") } else { write!(line, " {node}") };
        }
    }
    line
}

fn message_in_words(gseq: u64, sender: u64, payload: &[u8], palette: Palette) -> String {
    format!("{}  {}: {}", palette.faint(gseq), palette.member(sender, sender), printable(payload))
}

/// What becomes of messages, and what has to happen for them to go on.
fn until(why: &Blocked, when_blocked: WhenBlocked) -> String {
    let until = match why {
        Blocked::Leader { .. } => "it is heard again",
        Blocked::Quorum { .. } => "more are heard; if they are gone for good, gms-cli force-view goes on without them",
        Blocked::TooFew { .. } => "more have joined",
        Blocked::Window { .. } => "it confirms",
        Blocked::Progress { .. } => "it does",
        Blocked::Unsettled { .. } => "then",
        Blocked::Out(_) => "it is in the group",
    };
    match when_blocked {
        WhenBlocked::Hold => format!("messages wait until {until}"),
        WhenBlocked::Refuse => format!("messages are refused until {until}"),
    }
}

/// As text; what could move the cursor or change the terminal is shown as an escape.
fn printable(payload: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(payload);
    if !text.chars().any(|c| c.is_control() && c != '\t') {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() && c != '\t' { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gms::{Gid, Params, View};

    use super::*;

    #[test]
    fn a_message_cannot_command_the_terminal() {
        assert_eq!(printable(b"plain \xc3\xa4\ttext"), "plain ä\ttext");
        assert_eq!(printable(b"\x1b[2Jgone\n"), "\\u{1b}[2Jgone\\n");
    }

    #[test]
    fn a_view_says_why_members_are_out_unless_they_asked_for_it() {
        let leader = Uid::new(1, 9);
        let view = View { gid: Gid(7), vid: 4, at: 8, gseq: 9, leader, members: vec![], params: Params::default() };
        let left = vec![(Uid::new(2, 9), Why::Silent { millis: 570, checks: 2 }), (Uid::new(3, 9), Why::Left)];
        let change = ViewChange { view: Arc::new(view), joined: vec![], left };
        let lines = "view 4: leader 1, left 2 3\nmember 2 out: silent for 570 ms, 2 checks unanswered";
        assert_eq!(in_words(&Event::View(change), WhenBlocked::Hold, Palette::PLAIN).as_deref(), Some(lines));
    }

    #[test]
    fn blocked_says_why_and_until_when() {
        let event = Event::Blocked(Blocked::Leader { leader: 1, millis: 1100 });
        let line = "blocked: leader 1 has not been heard for 1100 ms; messages wait until it is heard again";
        assert_eq!(in_words(&event, WhenBlocked::Hold, Palette::PLAIN).as_deref(), Some(line));
        let line = "blocked: leader 1 has not been heard for 1100 ms; messages are refused until it is heard again";
        assert_eq!(in_words(&event, WhenBlocked::Refuse, Palette::PLAIN).as_deref(), Some(line));
        let event = Event::Blocked(Blocked::Quorum { heard: 1, voters: 2 });
        let line = in_words(&event, WhenBlocked::Hold, Palette::PLAIN).expect("a line");
        assert!(line.starts_with("blocked: no quorum: only 1 of 2 voters are heard; messages wait"), "{line}");
        assert!(line.contains("gms-cli force-view"), "{line}");
    }
}
