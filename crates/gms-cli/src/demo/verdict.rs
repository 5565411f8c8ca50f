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
/// `sent` says how many messages each member sent. Nobody is left out alive, unless the network is `lossy`. The error
/// says where they part.
pub(super) fn judge(
    records: &BTreeMap<u64, Record>,
    sent: &BTreeMap<u64, u64>,
    level: LevelName,
    lossy: bool,
) -> Result<Agreement, String> {
    if let Some((id, _)) = records.iter().find(|(_, record)| record.end == End::Stopped) {
        return Err(format!("member {id} stopped"));
    }
    if let Some((id, _)) = records.iter().find(|(_, record)| !lossy && !record.former.is_empty()) {
        return Err(format!("member {id} was left out alive"));
    }
    let Some((reference, longest)) = longest(records) else { return Err("nobody is left".to_owned()) };
    for (id, record) in records {
        for life in record.former.iter().chain([record]) {
            compare(*id, life, reference, longest, level)?;
        }
    }
    if let Some(why) = undelivered(records, sent) {
        return Err(why);
    }
    let members = records.values().filter(|record| record.end == End::Present).count();
    Ok(Agreement { members, messages: longest.messages() })
}

/// Whether member `id`, in one of its lives, delivered what the one that was there longest did meanwhile.
fn compare(id: u64, life: &Record, reference: u64, longest: &Record, level: LevelName) -> Result<(), String> {
    let until = match life.end {
        End::Present => u64::MAX,
        // It may have delivered what nobody else ever got.
        End::Killed | End::Stopped if level == LevelName::Agreed => life.last().min(longest.end_of(life.last_view())),
        _ => life.last(),
    };
    let from = life.first().max(longest.first());
    let common = |record: &'_ Record| -> Vec<Entry> {
        record.entries.iter().filter(|entry| (from..=until).contains(&entry.gseq)).cloned().collect()
    };
    let (theirs, ours) = (common(life), common(longest));
    if let Some(index) = (0..theirs.len().max(ours.len())).find(|index| theirs.get(*index) != ours.get(*index)) {
        let [theirs, ours] = [theirs.get(index), ours.get(index)].map(entry);
        return Err(format!("members {id} and {reference} part: {id} has {theirs}, {reference} has {ours}"));
    }
    if life.end == End::Released
        && let Some(missed) = longest.entries.iter().find(|entry| entry.gseq > until)
        && !is_view_without(missed, id)
    {
        return Err(format!("member {id} left at #{until}, before {missed} of its last view"));
    }
    Ok(())
}

/// Who has not delivered what: as long as there is something, it is too early to judge.
pub(super) fn undelivered(records: &BTreeMap<u64, Record>, sent: &BTreeMap<u64, u64>) -> Option<String> {
    let (reference, longest) = longest(records)?;
    for (sender, count) in sent {
        let delivered = longest.delivered.get(sender).copied().unwrap_or(0);
        // One that left unconfirmed may have taken some with it.
        let all = records.get(sender).is_none_or(|record| record.end != End::Unconfirmed);
        // So may one that was left out alive, and it is told so.
        let left_out = records.get(sender).filter(|record| !record.former.is_empty());
        let lost = left_out.map_or(0, |record| record.lost);
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
    use gms::{Event, Outcome, ViewChange};

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

    fn sent() -> BTreeMap<u64, u64> {
        BTreeMap::from([(0, 1), (1, 2), (2, 1)])
    }

    #[test]
    fn members_that_come_and_go_agree_on_what_they_saw() {
        assert_eq!(judge(&story(), &sent(), LevelName::Uniform, false), Ok(Agreement { members: 2, messages: 4 }));
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
            let error = judge(&story, &sent(), LevelName::Uniform, false).expect_err(words);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_dead_may_have_delivered_more_only_where_that_is_agreed() {
        let mut story = story();
        let dead = story.get_mut(&0).unwrap();
        dead.end = End::Killed;
        dead.entries.push(message(6, 2, 0, 2));
        assert!(
            judge(&story, &sent(), LevelName::Uniform, false).expect_err("not uniform").contains("0 has #6 \"0.2\"")
        );
        assert!(judge(&story, &sent(), LevelName::Agreed, false).is_ok());
    }

    /// Member 2 has come, said something, and been left out; now it comes back, in view 3.
    fn one_that_is_back() -> BTreeMap<u64, Record> {
        let mut story = story();
        let mut back = record(End::Present, vec![view(4, 2, &[0, 1, 2]), message(5, 2, 2, 1)]);
        let uid = gms::Uid::new(2, 7);
        let (gid, params) = (gms::Gid(1), gms::Params::default());
        let view = gms::View { gid, vid: 3, at: 6, gseq: 6, leader: uid, members: vec![], params };
        back.note(&Event::Outcome { sseq: 2, outcome: Outcome::Unknown });
        back.note(&Event::Excluded);
        back.note(&Event::View(ViewChange { view: view.into(), joined: vec![], left: vec![] }));
        assert_eq!((back.end, back.first(), back.lost, back.former.len()), (End::Present, 6, 1, 1));
        back.entries = story[&1].entries[5..].to_vec();
        story.insert(2, back);
        story
    }

    #[test]
    fn one_that_was_left_out_and_is_back_may_have_lost_what_it_was_told_of() {
        let sent = |by_2| BTreeMap::from([(0, 1), (1, 2), (2, by_2)]);
        let judged = |story, by_2, lossy| judge(&story, &sent(by_2), LevelName::Uniform, lossy);
        assert!(judged(one_that_is_back(), 2, true).is_ok(), "one is known to be lost");
        assert!(judged(one_that_is_back(), 3, true).expect_err("two").contains("2 sent 3 messages"));
        assert!(judged(one_that_is_back(), 2, false).expect_err("nothing was lost").contains("2 was left out alive"));
        let mut other = one_that_is_back();
        other.get_mut(&2).unwrap().former[0].entries[1] = message(5, 2, 2, 9);
        assert!(judged(other, 2, true).expect_err("another order").contains("members 2 and 1 part"));
        let mut present = story();
        present.get_mut(&2).unwrap().lost = 1;
        assert!(judged(present, 2, true).expect_err("it was there all the time").contains("2 sent 2 messages"));
    }
}
