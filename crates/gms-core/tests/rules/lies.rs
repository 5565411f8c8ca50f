//! What cannot be is counted, and changes nothing (plausibility).

use std::time::Duration;

use gms_core::wire::{Control, Delta, Frame, FrameFlags, FrameHeader, Kind, Limits, Successor};
use gms_core::{Ballot, Event, Input, Level, Next, NodeId, Position, Snapshot, Uid, View, Why};

use crate::group::{Group, Said, address, all, is_broken, is_install, uid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether `who` has been told what somebody said.
fn has_heard(group: &Group, who: usize) -> bool {
    group.events[who].iter().any(|event| matches!(event, Event::Message(_)))
}

/// The group goes on: what each says is delivered by all, and a leader that dies is replaced.
fn goes_on(group: &mut Group) {
    for who in 0..3 {
        group.sends_one(who, Level::Uniform);
        group.events.iter_mut().for_each(Vec::clear);
        group.passes(ms(50), all);
        assert!((0..3).all(|other| has_heard(group, other)), "what {who} says");
    }
    for who in [1, 2] {
        group.members[who].handle(group.now, Input::Closed(uid(0)));
    }
    let alive = |from: usize, to: usize| ![from, to].contains(&0);
    group.passes(ms(20), |from, to, _| alive(from, to));
    group.members[2].handle(group.now, Input::Stand);
    group.passes(ms(500), |from, to, _| alive(from, to));
    assert_eq!((group.view(1), group.view(2)), (vec![1, 2], vec![1, 2]));
    assert!((0..3).all(|who| !is_broken(group, who)));
}

#[test]
fn a_leader_cannot_say_of_others_that_they_have_stored_what_does_not_exist() {
    let mut group = Group::of(3);
    group.sends_one(0, Level::Uniform);
    // 1 stores it; its ack, and all that would come of it, is lost.
    let lost = |from: usize, to: usize, control: Option<&_>| control.is_some() || (from, to) == (0, 1);
    group.passes(ms(1), lost);
    let have = group.have(1);
    for status in [[have, u64::MAX, 0], [have, 0, u64::MAX], [u64::MAX; 3], [have + (1 << 40), have, 0]] {
        for kind in [Kind::Ordered, Kind::Heartbeat, Kind::Held] {
            let before = group.members[1].stats().implausible_status;
            assert_eq!(group.gets(1, 0, kind, status, &[]), []);
            assert_eq!(group.members[1].stats().implausible_status, before + 1);
        }
    }
    assert!(!has_heard(&group, 1), "no quorum has stored it");
    assert_eq!(group.waits(1, ms(100)), [], "it misses nothing");
    goes_on(&mut group);
}

#[test]
fn a_follower_cannot_have_stored_what_is_not_stamped_nor_have_more_room_than_there_is() {
    let mut group = Group::of(3);
    let (have, progress) = (group.have(0), group.members[0].progress());
    for status in [[have + 1, 0, 0], [u64::MAX, 0, 0], [have, u64::MAX, 0]] {
        for kind in [Kind::Ack, Kind::Forward] {
            group.gets(0, 1, kind, status, &[]);
        }
    }
    assert_eq!(group.members[0].stats().implausible_status, 6);
    assert_eq!(group.members[0].progress(), progress);
    goes_on(&mut group);
}

/// A frame of one message of this length, the first of `who`.
fn frame(group: &Group, who: usize, len: usize) -> Frame {
    let mut body = vec![0, len as u8, (len >> 8) as u8];
    body.resize(3 + len, 7);
    let header = FrameHeader {
        flags: FrameFlags::default(),
        count: 1,
        vid: group.vid(who),
        fseq: 0,
        gseq: 0,
        origin: uid(who),
        first: Position::START,
    };
    Frame::check(header, body.into(), &Limits::default()).expect("one entry")
}

#[test]
fn what_the_leader_could_not_send_on_is_not_ordered() {
    let mut group = Group::of(3);
    let room = gms_core::Params::default().frame_room();
    let have = group.have(0);
    let status = [group.have(1), 0, 0];
    for len in [4000, room - 2] {
        let frame = frame(&group, 1, len);
        group.gets(0, 1, Kind::Forward, status, &[frame]);
        assert_eq!(group.have(0), have);
    }
    assert_eq!(group.members[0].stats().oversized_frames, 2);
    let largest = frame(&group, 1, room - 3);
    group.gets(0, 1, Kind::Forward, status, &[largest]);
    assert_eq!(group.have(0), have + 1);

    let mut group = Group::of(3);
    let header = FrameHeader { fseq: group.have(1) + 1, ..frame(&group, 1, 4000).header };
    let ordered = Frame { header, ..frame(&group, 1, 4000) };
    for kind in [Kind::Ordered, Kind::Repair] {
        group.gets(1, 0, kind, [header.fseq, 0, 0], std::slice::from_ref(&ordered));
    }
    assert_eq!((group.have(1), group.members[1].stats().oversized_frames), (header.fseq - 1, 2));
    goes_on(&mut group);
}

/// A process that is in no view.
const STRANGER: Uid = Uid { node: NodeId(9), incarnation: 9 };
/// Where a stranger is.
const ELSEWHERE: usize = 9;

#[test]
fn nobody_speaks_for_a_member_from_elsewhere() {
    let mut group = Group::of(3);
    let (vid, have) = (group.vid(1), group.have(0));
    group.is_told(1, Input::Closed(uid(0)));
    let prepare = Control::Prepare { ballot: Ballot { round: 1, node: NodeId(2) }, carried: false };
    assert_eq!(group.hears_of(uid(2), vid, 1, ELSEWHERE, &prepare), []);
    assert_eq!(group.hears_of(uid(2), vid, 1, 0, &prepare), [], "nor from where another one is");
    assert_eq!(group.hears_of(uid(2), vid, 1, ELSEWHERE, &Control::Nack { ranges: vec![(1, 1)] }), []);
    assert_eq!(group.hears_of(uid(0), vid + 1, 1, ELSEWHERE, &Control::Excluded { who: uid(1) }), []);
    assert_eq!(group.members[1].stats().wrong_address, 4);
    group.members[1].handle(group.now, Input::Trust(uid(0)));
    let forward = frame(&group, 1, 20);
    group.gets_from(0, uid(1), ELSEWHERE, vid, Kind::Forward, [group.have(1), 0, 0], &[forward]);
    assert_eq!((group.have(0), group.members[0].stats().wrong_address), (have, 1));
    goes_on(&mut group);
}

#[test]
fn what_strangers_send_of_the_next_view_is_not_kept() {
    let mut group = Group::of(3);
    let used = group.members[1].memory().used;
    for _ in 0..5 {
        group.gets_from(1, STRANGER, ELSEWHERE, group.vid(1) + 1, Kind::Ack, [0; 3], &[]);
        group.gets_from(1, STRANGER, ELSEWHERE, group.vid(1) + 1, Kind::Forward, [0; 3], &[frame(&group, 2, 1000)]);
    }
    assert_eq!(group.members[1].memory().used, used);
    group.gets_from(1, uid(2), 2, group.vid(1) + 1, Kind::Forward, [0; 3], &[frame(&group, 2, 1000)]);
    assert!(group.members[1].memory().used > used);
    goes_on(&mut group);
}

#[test]
fn a_round_that_nobody_can_have_come_to_wedges_nobody() {
    let last = u32::MAX / 2;
    let ballot = |round, node| Ballot { round, node: NodeId(node) };
    let mut group = Group::of(3);
    group.is_told(1, Input::Closed(uid(0)));
    assert_eq!(group.hears(1, 2, &Control::Prepare { ballot: ballot(last, 2), carried: false }), []);
    group.gets(0, 2, Kind::Ack, [group.have(2), 0, u64::MAX], &[]);
    group.members[1].handle(group.now, Input::Trust(uid(0)));
    goes_on(&mut group);
    assert_eq!([0, 1].map(|who| group.members[who].stats().implausible_rounds), [1, 1]);

    // Nor is a candidate kept from standing, though it may have to try again.
    let mut group = Group::of(3);
    group.accuse(1, &[2]);
    let said = group.is_told(1, Input::Stand);
    let Some((_, Control::Prepare { ballot: mine, .. })) = said.first() else { panic!("{said:?}") };
    group.hears(1, 2, &Control::PromiseNo { ballot: *mine, promised: Some(ballot(last, 2)) });
    assert!(!group.members[1].is_candidate());
    assert_eq!(group.members[1].stats().implausible_rounds, 1);
    group.passes(ms(200), all);
    goes_on(&mut group);
}

/// It may have been cut off while the others tried in vain.
#[test]
fn one_that_is_asked_again_and_again_for_a_far_round_comes_to_it() {
    let mut group = Group::of(3);
    group.is_told(1, Input::Closed(uid(0)));
    let prepare = Control::Prepare { ballot: Ballot { round: 5000, node: NodeId(2) }, carried: false };
    let answers: Vec<bool> = (0..5).map(|_| !group.hears(1, 2, &prepare).is_empty()).collect();
    assert_eq!(answers, [false, false, false, false, true]);
}

/// The next view of the group, of all its members, so many frames after what all have.
fn next_view(group: &Group, frames: u64) -> View {
    let view = View::clone(group.members[1].view().expect("a member"));
    View { vid: view.vid + 1, at: group.have(1) + 1 + frames, gseq: view.gseq + 1, ..view }
}

/// That this view is installed.
fn install(view: View) -> Control {
    let snapshot = Snapshot { next: vec![], digest: 1, sessions_digest: None, sessions: None };
    Control::Install { next: Successor::Whole(Next { view, cut_digest: 1, into: None, why: vec![] }), snapshot }
}

#[test]
fn a_view_without_a_member_says_why() {
    let mut group = Group::of(3);
    let said = group.is_told(0, Input::Exclude(uid(2)));
    let accept = said.into_iter().find(|(to, control)| *to == 1 && matches!(control, Control::Accept { .. }));
    let (_, accept) = accept.expect("it proposes to go on without 2");
    let Control::Accept { ballot, next: Successor::Delta(delta) } = &accept else { panic!("{accept:?}") };
    for why in [vec![], vec![Why::Dead; 2]] {
        let next = Successor::Delta(Delta { why, ..delta.clone() });
        assert_eq!(group.hears(1, 0, &Control::Accept { ballot: *ballot, next }), []);
    }
    assert_eq!(group.members[1].stats().implausible_ends, 2);
    assert_eq!(group.hears(1, 0, &accept), [(0, Control::Accepted { ballot: *ballot })]);
}

fn asks(said: &[Said]) -> Vec<usize> {
    said.iter().filter(|(_, control)| *control == Control::ViewRequest).map(|(to, _)| *to).collect()
}

#[test]
fn a_view_that_begins_where_nothing_can_be_is_not_waited_for() {
    let mut group = Group::of(3);
    let (far, early) = (next_view(&group, 1 << 40), next_view(&group, 0));
    let early = View { at: 1, ..early };
    let ballot = Ballot { round: 0, node: NodeId(0) };
    for view in [far, early] {
        assert_eq!(group.hears(1, 0, &install(view.clone())), []);
        let next = Successor::Whole(Next { view, cut_digest: 1, into: None, why: vec![] });
        assert_eq!(group.hears(1, 0, &Control::Accept { ballot, next }), []);
    }
    assert_eq!(group.members[1].stats().implausible_ends, 4);
    assert_eq!(group.waits(1, ms(100)), [], "it misses nothing");
    goes_on(&mut group);
}

#[test]
fn what_one_member_says_of_the_end_of_a_view_is_asked_of_the_others() {
    for frames in [0, 1] {
        let mut group = Group::of(3);
        let view = next_view(&group, frames);
        for (liar, told) in [(2, 1), (0, 1), (1, 0)] {
            let said = group.hears(told, liar, &install(view.clone()));
            assert_eq!(asks(&said), (0..3).filter(|other| *other != told).collect::<Vec<_>>());
            assert_eq!(asks(&group.hears(told, liar, &install(view.clone()))), [] as [usize; 0], "not that often");
            group.passes(ms(500), all);
        }
        for out in [Control::Excluded { who: uid(1) }, Control::Gone { who: uid(1), upto: view.at }] {
            group.hears_in(view.vid, 1, 2, &out);
            group.passes(ms(500), all);
        }
        assert_eq!(group.vid(1), view.vid - 1);
        goes_on(&mut group);
    }
}

#[test]
fn what_strangers_say_of_the_end_of_a_view_is_a_reason_to_ask_the_members() {
    let mut group = Group::of(3);
    let vid = group.vid(1);
    let view = View { members: vec![], ..next_view(&group, 0) };
    let member = View::clone(group.members[1].view().expect("a member")).members.remove(1);
    let stranger = gms_core::ViewMember { uid: STRANGER, ..member };
    let view = View { leader: STRANGER, members: vec![stranger], ..view };
    let words = [
        install(view.clone()),
        install(View { vid: vid + 2, ..view }),
        Control::Excluded { who: uid(1) },
        Control::Gone { who: uid(1), upto: 1 << 40 },
        Control::ViewRequest,
    ];
    for (word, ahead) in words.iter().zip([0, 1, 1, 1, 1]) {
        let said = group.hears_of(STRANGER, vid + ahead, 1, ELSEWHERE, word);
        assert!(said.iter().all(|(to, _)| *to != ELSEWHERE), "{said:?}");
        let asked = if matches!(word, Control::Install { .. }) && ahead == 0 { vec![] } else { vec![0, 2] };
        assert!(asks(&said) == asked || asks(&said) == [0, 2], "{said:?}");
        // Not before all of that is settled.
        group.passes(ms(1500), all);
    }
    assert_eq!(group.vid(1), vid);
    goes_on(&mut group);
}

#[test]
fn one_that_hears_nobody_of_its_view_any_more_believes_what_it_is_told() {
    for (teller, from, patience) in [(uid(2), 2, ms(500)), (STRANGER, ELSEWHERE, ms(1200))] {
        let mut group = Group::of(3);
        group.waits(1, ms(1100));
        let vid = group.vid(1) + 1;
        group.hears_of(teller, vid, 1, from, &Control::Excluded { who: uid(1) });
        assert!(!group.events[1].contains(&Event::Excluded), "it asks first");
        group.waits(1, patience);
        assert_eq!(group.events[1].last(), Some(&Event::Excluded));
    }
}

/// The digest of the order, and that of the state.
#[test]
fn a_false_digest_of_one_member_stops_nobody() {
    for accepted in [false, true] {
        let mut group = Group::of(3);
        let said = group.is_told(0, Input::Exclude(uid(2)));
        let accept = said.iter().find(|(to, control)| *to == 1 && matches!(control, Control::Accept { .. }));
        let Some((_, accept @ Control::Accept { next, .. })) = accept else { panic!("{said:?}") };
        if accepted {
            group.hears(1, 0, accept);
        }
        let Some(next) = next.clone().resolve(group.members[1].view().map(|view| &**view)) else { panic!("{next:?}") };
        let false_digest = Next { cut_digest: next.cut_digest ^ 1, ..next.clone() };
        for next in [next, false_digest] {
            let snapshot = Snapshot { next: vec![], digest: 1, sessions_digest: Some(1), sessions: None };
            group.hears(1, 0, &Control::Install { next: Successor::Whole(next), snapshot });
        }
        assert!(!is_broken(&group, 1));
        group.passes(ms(500), all);
        assert_eq!([0, 1].map(|who| group.view(who)), [[0, 1], [0, 1]]);
        assert!(!is_broken(&group, 1));
    }
}

/// The leader orders what it is told a member said, and only that member can know better.
#[test]
fn one_that_finds_what_it_never_said_in_the_order_stops_before_it_is_one_off() {
    let mut group = Group::of(3);
    let forward = frame(&group, 1, 20);
    group.gets(0, 1, Kind::Forward, [group.have(1), 0, 0], &[forward]);
    group.passes(ms(50), all);
    assert!(is_broken(&group, 1) && !is_broken(&group, 0) && !is_broken(&group, 2));
}

#[test]
fn a_frame_that_does_not_continue_the_order_is_asked_for_again() {
    let mut group = Group::of(3);
    group.sends_one(0, Level::Uniform);
    // Nobody gets it yet.
    group.passes(ms(1), |_, _, _| false);
    let fseq = group.have(1) + 1;
    let header = FrameHeader { fseq, gseq: 1 << 40, ..frame(&group, 2, 20).header };
    group.gets(1, 2, Kind::Repair, [0; 3], &[Frame { header, ..frame(&group, 2, 20) }]);
    assert_eq!((group.have(1), group.members[1].stats().misplaced_frames), (fseq - 1, 1));
    goes_on(&mut group);
}

#[test]
fn strangers_are_sent_no_frames_and_little_else() {
    let mut group = Group::of(3);
    let (vid, top) = (group.vid(0), group.have(0));
    for vid in [vid, vid - 1] {
        for _ in 0..50 {
            let said = group.hears_of(STRANGER, vid, 0, ELSEWHERE, &Control::Nack { ranges: vec![(1, top)] });
            assert!(said.iter().all(|(_, control)| *control == Control::Excluded { who: STRANGER }), "{said:?}");
            assert!(said.len() <= 1);
        }
    }
    let mut answers = 0;
    for _ in 0..50 {
        answers += group.hears_of(STRANGER, vid - 1, 0, ELSEWHERE, &Control::ViewRequest).len();
    }
    assert!(answers <= 1, "{answers} answers in no time");
    assert_eq!(group.members[0].stats().repairs, 0);
    assert!(!group.waits(0, ms(50)).iter().any(|(to, control)| *to == ELSEWHERE || is_install(control)));
}

/// A transport may hand over small parts of large chunks.
#[test]
fn what_is_kept_of_a_datagram_does_not_hold_the_chunk_it_came_in() {
    let mut group = Group::of(3);
    let (vid, have) = (group.vid(1), group.have(1));
    let ordered = |fseq| FrameHeader { fseq, gseq: fseq, ..frame(&group, 2, 9).header };
    let stamped = |fseq| Frame { header: ordered(fseq), ..frame(&group, 2, 9) };
    let (first, second) = (stamped(have + 2), stamped(have + 3));
    let waits = Frame {
        header: FrameHeader { first: Position::message(7), ..frame(&group, 1, 9).header },
        ..frame(&group, 1, 9)
    };
    for (who, from, vid, kind, frame) in [
        (1, 0, vid, Kind::Ordered, first),
        (1, 2, vid, Kind::Repair, second),
        (1, 2, vid + 1, Kind::Forward, waits.clone()),
        (0, 1, vid, Kind::Forward, waits),
    ] {
        let used = group.members[who].memory().used;
        let status = if kind == Kind::Ordered { [have + 2, 0, 0] } else { [0; 3] };
        let mut chunk = group.datagram(uid(from), vid, kind, status, &[frame]);
        let len = chunk.len();
        chunk.resize(512 << 10, 0);
        let chunk = bytes::Bytes::from(chunk);
        group.is_told(who, Input::Datagram { from: address(from), datagram: chunk.slice(..len) });
        assert!(group.members[who].memory().used > used, "{kind:?} is kept");
        assert!(chunk.is_unique(), "{kind:?}");
    }
}
