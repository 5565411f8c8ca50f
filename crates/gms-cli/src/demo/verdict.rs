//! Whether all members of a demo delivered the same.

use std::collections::BTreeMap;

use super::record::{End, Entry, Record, What};
use crate::level::LevelName;

/// What the members agree on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Members at the end.
    pub(super) members: usize,
    /// Messages in the one order.
    pub(super) messages: u64,
}

/// Compares every member with the one that was there longest, on the part of the order in which both were members;
/// `sent` says how many messages each member sent. The error says where they part.
pub(super) fn judge(
    records: &BTreeMap<u64, Record>,
    sent: &BTreeMap<u64, u64>,
    level: LevelName,
) -> Result<Agreement, String> {
    if let Some((id, _)) = records.iter().find(|(_, record)| record.end == End::Stopped) {
        return Err(format!("member {id} stopped"));
    }
    let Some((reference, longest)) = longest(records) else { return Err("nobody is left".to_owned()) };
    for (id, record) in records {
        let until = match record.end {
            End::Present => u64::MAX,
            // It may have delivered what nobody else ever got.
            End::Killed if level == LevelName::Agreed => record.last().min(longest.end_of(record.last_view())),
            _ => record.last(),
        };
        let from = record.first().max(longest.first());
        let common = |record: &'_ Record| -> Vec<Entry> {
            record.entries.iter().filter(|entry| (from..=until).contains(&entry.gseq)).cloned().collect()
        };
        let (theirs, ours) = (common(record), common(longest));
        if let Some(index) = (0..theirs.len().max(ours.len())).find(|index| theirs.get(*index) != ours.get(*index)) {
            let [theirs, ours] = [theirs.get(index), ours.get(index)].map(entry);
            return Err(format!("members {id} and {reference} part: {id} has {theirs}, {reference} has {ours}"));
        }
        if record.end == End::Released
            && let Some(missed) = longest.entries.iter().find(|entry| entry.gseq > until)
            && !is_view_without(missed, *id)
        {
            return Err(format!("member {id} left at #{until}, before {missed} of its last view"));
        }
    }
    if let Some(why) = undelivered(records, sent) {
        return Err(why);
    }
    let members = records.values().filter(|record| record.end == End::Present).count();
    Ok(Agreement { members, messages: longest.messages() })
}

/// Who has not delivered what: as long as there is something, it is too early to judge.
pub(super) fn undelivered(records: &BTreeMap<u64, Record>, sent: &BTreeMap<u64, u64>) -> Option<String> {
    let (reference, longest) = longest(records)?;
    for (sender, count) in sent {
        let delivered = longest.delivered.get(sender).copied().unwrap_or(0);
        // One that left unconfirmed may have taken some with it.
        let all = records.get(sender).is_none_or(|record| record.end != End::Unconfirmed);
        let lost = records.get(sender).map_or(0, |record| record.lost);
        if delivered > *count || (all && delivered + lost < *count) {
            return Some(format!("member {sender} sent {count} messages, {reference} delivered {delivered} of them"));
        }
    }
    let behind = |record: &Record| record.end == End::Present && record.last() != longest.last();
    let (id, record) = records.iter().find(|(_, record)| behind(record))?;
    Some(format!("member {id} has delivered up to #{}, {reference} up to #{}", record.last(), longest.last()))
}

/// The present member that was there longest.
fn longest(records: &BTreeMap<u64, Record>) -> Option<(u64, &Record)> {
    let present = records.iter().filter(|(_, record)| record.end == End::Present);
    present.min_by_key(|(_, record)| record.first()).map(|(id, record)| (*id, record))
}

fn entry(entry: Option<&Entry>) -> String {
    entry.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

fn is_view_without(entry: &Entry, id: u64) -> bool {
    matches!(&entry.what, What::View { members, .. } if !members.contains(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(gseq: u64, view: u64, members: &[u64]) -> Entry {
        Entry { gseq, view, what: What::View { leader: 0, members: members.to_vec() } }
    }

    fn message(gseq: u64, view: u64, sender: u64, sseq: u64) -> Entry {
        Entry { gseq, view, what: What::Message { sender, sseq, payload: format!("{sender}.{sseq}").into() } }
    }

    fn record(end: End, entries: Vec<Entry>) -> Record {
        let mut record = Record { entries, end, ..Record::default() };
        for entry in &record.entries {
            if let What::Message { sender, .. } = entry.what {
                *record.delivered.entry(sender).or_default() += 1;
            }
        }
        record
    }

    /// 0 leaves, 1 stays, 2 comes late.
    fn story() -> BTreeMap<u64, Record> {
        let all = [
            view(1, 1, &[0, 1]),
            message(2, 1, 0, 1),
            message(3, 1, 1, 1),
            view(4, 2, &[0, 1, 2]),
            message(5, 2, 2, 1),
            view(6, 3, &[1, 2]),
            message(7, 3, 1, 2),
        ];
        BTreeMap::from([
            (0, record(End::Released, all[..5].to_vec())),
            (1, record(End::Present, all.to_vec())),
            (2, record(End::Present, all[3..].to_vec())),
        ])
    }

    #[test]
    fn one_that_was_left_out_and_is_back_counts_from_then_on() {
        let mut records = story();
        let mut back = record(End::Stopped, vec![view(1, 1, &[0, 1]), message(2, 1, 0, 1)]);
        let uid = gms::Uid::new(2, 7);
        let member = gms::ViewMember {
            uid,
            address: "127.0.0.1:1".parse().expect("an address"),
            role: gms::Role::Voter,
            budget: 1,
            weight: 0,
            process: None,
        };
        let params = gms::Params::default();
        let gid = gms::Gid(1);
        let view = gms::View { gid, vid: 3, at: 6, gseq: 6, leader: uid, members: vec![member], params };
        back.note(&gms::Event::Outcome { sseq: 2, outcome: gms::Outcome::Unknown });
        back.note(&gms::Event::View(gms::ViewChange { view: view.into(), joined: vec![uid], left: vec![] }));
        assert_eq!((back.end, back.first(), back.lost), (End::Present, 6, 1));
        records.get_mut(&2).expect("there").lost = 1;
        let sent = BTreeMap::from([(0, 1), (1, 2), (2, 2)]);
        assert_eq!(undelivered(&records, &sent), None, "one is known to be lost");
        let sent = BTreeMap::from([(0, 1), (1, 2), (2, 3)]);
        assert!(undelivered(&records, &sent).is_some());
    }

    fn sent() -> BTreeMap<u64, u64> {
        BTreeMap::from([(0, 1), (1, 2), (2, 1)])
    }

    #[test]
    fn members_that_come_and_go_agree_on_what_they_saw() {
        assert_eq!(judge(&story(), &sent(), LevelName::Uniform), Ok(Agreement { members: 2, messages: 4 }));
    }

    #[test]
    fn every_difference_is_found_and_named() {
        type Change = fn(&mut BTreeMap<u64, Record>);
        let cases: [(Change, &str); 4] = [
            (|story| story.get_mut(&2).unwrap().entries.swap(1, 3), "members 2 and 1 part: 2 has #7 \"1.2\" of 1"),
            (|story| drop(story.get_mut(&2).unwrap().entries.pop()), "2 has nothing, 1 has #7"),
            (|story| drop(story.get_mut(&0).unwrap().entries.pop()), "member 0 left at #4, before #5"),
            (|story| *story.get_mut(&1).unwrap().delivered.get_mut(&1).unwrap() = 1, "1 sent 2 messages"),
        ];
        for (change, words) in cases {
            let mut story = story();
            change(&mut story);
            let error = judge(&story, &sent(), LevelName::Uniform).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_dead_may_have_delivered_more_only_where_that_is_agreed() {
        let mut story = story();
        let dead = story.get_mut(&0).unwrap();
        dead.end = End::Killed;
        dead.entries.push(message(6, 2, 0, 2));
        assert!(judge(&story, &sent(), LevelName::Uniform).expect_err("not uniform").contains("0 has #6 \"0.2\""));
        assert!(judge(&story, &sent(), LevelName::Agreed).is_ok());
    }
}
