//! Events for people.

use std::borrow::Cow;
use std::fmt::Write;

use gms::{Blocked, Event, Outcome, Uid, ViewChange};

use crate::color::Palette;

/// The line for `event`, if it has one: what goes well with own messages shows as their delivery.
pub(crate) fn in_words(event: &Event, palette: Palette) -> Option<String> {
    Some(match event {
        Event::Message(message) => {
            let sender = message.sender.node.0;
            let gseq = palette.faint(message.gseq);
            format!("{gseq}  {}: {}", palette.member(sender, sender), printable(&message.payload))
        }
        Event::View(change) => palette.strong(view_in_words(change)).to_string(),
        Event::Outcome { outcome: Outcome::Ordered { .. }, .. } | Event::Refused(_) => return None,
        Event::Outcome { sseq, outcome: Outcome::NotOrdered } => format!("own message {sseq} was not ordered"),
        Event::Outcome { sseq, outcome: Outcome::Unknown } => {
            format!("own message {sseq}: outcome unknown, others may or may not deliver it")
        }
        Event::Blocked(why) => format!("blocked: {why}; {}", until(why)),
        Event::Unblocked => "unblocked: messages are ordered again".to_owned(),
        Event::LeaveRefused { min_voters } => {
            format!("still a member: the group keeps at least {min_voters} voters, let another join first")
        }
        Event::Left { released: true } => "left the group".to_owned(),
        Event::Left { released: false } => "left, unconfirmed".to_owned(),
        Event::Rival { gid, address, size } => {
            format!("warning: another group of this name, of {size} ({gid}), was met at {address}: end one of the two")
        }
        Event::Dissolved { upto, into, .. } => format!(
            "dissolved: another group of this name is larger, joining it ({into}); messages up to {upto} are not in its \
             history"
        ),
        Event::Excluded => "excluded: the group went on without this member; start it again to join".to_owned(),
        Event::Broken(why) => format!("stopped: {why}"),
    })
}

/// `view 4: leader 1, followers 0 2 3, joined 3`
pub(crate) fn view_in_words(change: &ViewChange) -> String {
    let view = &change.view;
    let mut line = format!("view {}: leader {}", view.vid, view.leader.node);
    let mut part = |name: &str, uids: &mut dyn Iterator<Item = Uid>| {
        for (index, uid) in uids.enumerate() {
            let _ = match index {
                0 => write!(line, ", {name} {}", uid.node),
                _ => write!(line, " {}", uid.node),
            };
        }
    };
    part("followers", &mut view.followers().map(|member| member.uid));
    part("learners", &mut view.learners().map(|member| member.uid).filter(|uid| *uid != view.leader));
    part("joined", &mut change.joined.iter().copied());
    part("left", &mut change.left.iter().copied());
    line
}

/// What has to happen for messages to go on.
fn until(why: &Blocked) -> &'static str {
    match why {
        Blocked::Leader { .. } => "messages wait until it is heard again",
        Blocked::Quorum { .. } => "messages wait until more are heard",
        Blocked::Window { .. } => "messages wait until it confirms",
        Blocked::Progress { .. } => "they wait until it does",
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
    use super::*;

    #[test]
    fn a_message_cannot_command_the_terminal() {
        assert_eq!(printable(b"plain \xc3\xa4\ttext"), "plain ä\ttext");
        assert_eq!(printable(b"\x1b[2Jgone\n"), "\\u{1b}[2Jgone\\n");
    }

    #[test]
    fn blocked_says_why_and_until_when() {
        let event = Event::Blocked(Blocked::Leader { leader: 1, millis: 1100 });
        let line = "blocked: leader 1 has not been heard for 1100 ms; messages wait until it is heard again";
        assert_eq!(in_words(&event, Palette::PLAIN).as_deref(), Some(line));
    }
}
