//! What cannot be is counted, and changes nothing (plausibility).

use std::time::Duration;

use gms_core::wire::{Frame, FrameFlags, FrameHeader, Kind, Limits};
use gms_core::{Event, Input, Level, Position};

use crate::group::{Group, all, is_broken, uid};

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
        group.gets(1, 0, kind, [header.fseq, 0, 0], &[ordered.clone()]);
    }
    assert_eq!((group.have(1), group.members[1].stats().oversized_frames), (header.fseq - 1, 2));
    goes_on(&mut group);
}
