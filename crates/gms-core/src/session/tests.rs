//! What the table decides.

use super::*;
use crate::id::{Position, Uid};
use crate::params::Params;
use crate::view::tests::view_of;
use crate::wire::{Addressing, FrameFlags, FrameHeader, Level, Limits, write_entry};

/// A table, and the place of the entry that comes next.
struct Order {
    sessions: Sessions,
    next: Gseq,
}

impl Order {
    fn new(limit: u32) -> Self {
        Self { sessions: Sessions::new(limit), next: 1 }
    }

    /// What becomes of these messages of sessions, one after the other, all sent by a process that is no longer a
    /// member.
    fn fold(&mut self, rows: &[(u128, u64)]) -> Vec<Option<Passed>> {
        rows.iter().map(|row| self.decide(9, *row, &[1])).collect()
    }

    /// The same for a message that member `node` sent in a view of `members`.
    fn decide(&mut self, node: u64, (session, number): (u128, u64), members: &[u64]) -> Option<Passed> {
        self.next += 1;
        let at = At { gseq: self.next - 1, vid: 1, sender: Uid::new(node, node + 100) };
        self.sessions.decide(SessionNumber { session, number }, at, &view_of(members))
    }

    fn stretches(&self) -> usize {
        let known = || self.sessions.known.values();
        for session in known() {
            assert_eq!(session.remembered, session.stretches.iter().map(|stretch| stretch.count).sum::<u32>());
        }
        let counted = known().map(|known| known.stretches.len()).sum();
        assert_eq!(self.sessions.stretches, counted);
        counted
    }
}

const UNKNOWN: Option<Passed> = Some(Passed::SessionExpired);
const FORGOTTEN: Option<Passed> = Some(Passed::Repeat { first: None });

fn repeat(gseq: Gseq) -> Option<Passed> {
    Some(Passed::Repeat { first: Some((gseq, 1)) })
}

#[test]
fn each_number_is_delivered_once_and_in_order() {
    let mut order = Order::new(10);
    let opened = Some(Passed::Control);
    for (row, expected) in [
        ((7, 0), opened),
        ((7, 1), None),
        ((7, 2), None),
        ((7, 1), repeat(2)),
        ((7, 4), Some(Passed::Gap)),
        ((7, 3), None),
        ((7, 4), None),
        ((7, 2), repeat(3)),
        ((8, 1), UNKNOWN),
        ((7, 0), opened),
        ((7, 4), repeat(7)),
        ((7, 5), None),
    ] {
        assert_eq!(order.fold(&[row]), [expected], "{row:?}");
    }
}

/// A message is one with its last fragment; one that is meant for another view is none, and neither is a void.
#[test]
fn only_whole_messages_for_this_view_count() {
    let (mut order, mut body) = (Order::new(10), Vec::new());
    order.fold(&[(7, 0)]);
    let fragment = |offset| EntryKind::Fragment { offset, total: 4 };
    for (kind, number, only_in_view) in [
        (EntryKind::Message, 1, None),
        (fragment(0), 2, None),
        (fragment(2), 2, None),
        (EntryKind::Message, 3, Some(1)),
        (EntryKind::Message, 4, Some(2)),
        (EntryKind::Void, 4, None),
        (EntryKind::Message, 4, None),
        (EntryKind::Message, 2, None),
        (EntryKind::Message, 6, None),
    ] {
        let session = Some(SessionNumber { session: 7, number });
        let addressing = Addressing { session, only_in_view, ..Addressing::default() };
        let payload: &[u8] = if kind == EntryKind::Void { &[] } else { b"xy" };
        write_entry(&mut body, kind, Level::Agreed, &addressing, payload);
    }
    let (first, origin) = (Position { sseq: 1, offset: 0 }, Uid::new(1, 1));
    let header =
        FrameHeader { flags: FrameFlags::default(), count: 9, vid: 1, fseq: 2, gseq: order.next, origin, first };
    order.sessions.take_in(&Frame { header, body: body.into(), end: first, open: 0 }, &view_of(&[1]));
    let passed: Vec<_> = (2..11).filter_map(|gseq| Some((gseq, order.sessions.why_passed(gseq)?))).collect();
    assert_eq!(passed, [(9, Passed::Repeat { first: Some((4, 1)) }), (10, Passed::Gap)]);
}

#[test]
fn a_table_that_holds_more_than_the_order_is_told_to_nobody() {
    let mut order = Order::new(2);
    order.fold(&[(1, 0)]);
    assert!(order.sessions.records().is_some() && order.sessions.digest().is_some());
    order.sessions.lose();
    assert!(order.sessions.records().is_none() && order.sessions.digest().is_none());
}

#[test]
fn the_session_unused_longest_expires_and_stays_so() {
    let mut order = Order::new(2);
    order.fold(&[(1, 0), (2, 0), (2, 1), (1, 1), (3, 0)]);
    assert_eq!(order.fold(&[(2, 1), (1, 2), (3, 1), (2, 1)]), [UNKNOWN, None, None, UNKNOWN]);
    assert_eq!((order.sessions.known.len(), order.sessions.by_use.len(), order.stretches()), (2, 2, 3));
}

/// A client is connected at member 1, and others open sessions again and again.
#[test]
fn a_session_that_a_member_holds_makes_room_for_no_other() {
    let opened = Some(Passed::Control);
    let mut order = Order::new(3);
    assert_eq!(order.decide(1, (7, 0), &[1, 2]), opened);
    for session in 100..200 {
        assert_eq!(order.decide(2, (session, SESSION_OPEN), &[1, 2]), opened);
        assert_eq!(order.decide(2, (session, SESSION_RELEASE), &[1, 2]), opened);
    }
    assert_eq!(order.decide(1, (7, 1), &[1, 2]), None);
    // All three are held: nobody else gets one.
    assert_eq!(order.decide(2, (8, SESSION_OPEN), &[1, 2]), opened);
    assert_eq!(order.decide(2, (9, SESSION_OPEN), &[1, 2]), opened);
    assert_eq!(order.decide(2, (10, SESSION_OPEN), &[1, 2]), UNKNOWN);
    assert_eq!(order.decide(2, (10, 1), &[1, 2]), UNKNOWN);
    // Another member releases nothing; who holds it last counts; what it sends says nothing of where its client is.
    assert_eq!(order.decide(2, (7, SESSION_RELEASE), &[1, 2]), opened);
    assert_eq!(order.decide(2, (10, SESSION_OPEN), &[1, 2]), UNKNOWN);
    assert_eq!(order.decide(2, (7, SESSION_HOLD), &[1, 2]), opened);
    assert_eq!(order.decide(1, (7, 2), &[1, 2]), None);
    assert_eq!(order.decide(1, (7, SESSION_RELEASE), &[1, 2]), opened);
    assert_eq!(order.decide(1, (10, SESSION_OPEN), &[1, 2]), UNKNOWN);
    // A member that is gone holds nothing; the session unused longest goes first.
    assert_eq!(order.decide(1, (10, SESSION_OPEN), &[1]), opened);
    assert_eq!(order.decide(1, (8, 1), &[1]), UNKNOWN);
    assert_eq!(order.decide(1, (9, 1), &[1]), None);
    assert_eq!(order.decide(1, (11, SESSION_HOLD), &[1]), UNKNOWN);
    assert_eq!(order.decide(1, (11, SESSION_RELEASE), &[1]), UNKNOWN);
}

#[test]
fn places_are_remembered_within_the_window() {
    let (mut order, window) = (Order::new(10), u64::from(SESSION_WINDOW));
    let all: Vec<(u128, u64)> = (0..=window + 5).map(|number| (1, number)).collect();
    order.fold(&all);
    assert_eq!((order.stretches(), order.sessions.known[&1].remembered), (1, SESSION_WINDOW));
    let rows = [(1, 5), (1, 6), (1, window + 5)];
    assert_eq!(order.fold(&rows), [FORGOTTEN, repeat(7), repeat(window + 6)]);
}

#[test]
fn places_of_those_unused_longest_are_forgotten_first() {
    let mut order = Order::new(3);
    order.fold(&[(1, 0), (2, 0), (3, 0)]);
    for number in 1..=9 {
        // No two places of one session follow each other.
        assert_eq!(order.fold(&[(1, number), (2, number), (3, number)]), [None; 3]);
        assert_eq!(order.stretches() as u64, (3 * number).min(6));
        assert!(order.sessions.bytes() <= order.sessions.cap());
    }
    assert_eq!(order.sessions.bytes(), order.sessions.cap(), "there is no room left");
    let last = order.next - 1;
    let rows = [(3, 9), (3, 8), (1, 8), (1, 7)];
    assert_eq!(order.fold(&rows), [repeat(last), repeat(last - 3), repeat(last - 5), FORGOTTEN]);
}

/// Clients that wait for each answer, and one that loses its server before it has it.
#[test]
fn the_place_of_the_last_message_is_known_as_long_as_the_session() {
    for sessions in [1, 2, 7, 50] {
        let mut order = Order::new(50);
        (1..=sessions).for_each(|session| _ = order.fold(&[(session, 0)]));
        for number in 1..=400 {
            (1..=sessions).for_each(|session| assert_eq!(order.fold(&[(session, number)]), [None]));
            assert!(order.stretches() <= 100);
        }
        for (session, place) in (1..=sessions).zip(order.next - sessions as Gseq..order.next) {
            assert_eq!(order.fold(&[(session, 400)]), [repeat(place)]);
        }
    }
}

#[test]
fn no_more_is_forgotten_than_has_to_be() {
    let mut order = Order::new(3);
    order.fold(&[(1, 0), (2, 0), (3, 0)]);
    (1..=3).for_each(|number| _ = order.fold(&[(1, number), (2, number)]));
    // One place less of the one unused longest for each new one, but for its last.
    for (row, left) in [((3, 1), (2, 3)), ((2, 4), (1, 4)), ((3, 2), (1, 3))] {
        order.fold(&[row]);
        let stretches = |session| order.sessions.known[&session].stretches.len();
        assert_eq!(((stretches(1), stretches(2)), order.stretches()), (left, 6), "{row:?}");
    }
    assert_eq!(order.fold(&[(1, 3), (1, 2), (2, 1), (2, 2)]), [repeat(8), FORGOTTEN, FORGOTTEN, repeat(7)]);
}

#[test]
fn who_loads_the_records_decides_alike_from_there_on() {
    let mut order = Order::new(4);
    for number in 0..30 {
        order.fold(&[(1, number), (2, number / 2), (3 + u128::from(number % 4), number / 5)]);
    }
    let sessions = Sessions::load(4, &order.sessions.records().expect("known")).expect("a table");
    assert_eq!((sessions.records(), sessions.digest()), (order.sessions.records(), order.sessions.digest()));
    let mut other = Order { sessions, next: order.next };
    for n in 0..300 {
        let numbers = [n / 10 % 40, SESSION_HOLD, SESSION_RELEASE];
        let (row, node) = ((u128::from(n % 7), numbers[(n % 5).saturating_sub(2) as usize]), n % 3);
        assert_eq!(order.decide(node, row, &[0, 1]), other.decide(node, row, &[0, 1]));
        assert_eq!(other.sessions.digest(), order.sessions.digest());
    }
    let digest_of = |session| {
        let mut order = Order::new(4);
        order.fold(&[(session, 0)]);
        order.sessions.digest()
    };
    assert_ne!(digest_of(1 << 100), digest_of(1 << 101));
    let before = other.sessions.digest();
    let session = *other.sessions.known.first_key_value().expect("a session").0;
    for number in [SESSION_HOLD, SESSION_RELEASE] {
        other.decide(1, (session, number), &[1]);
    }
    let released = other.sessions.digest();
    other.decide(1, (session, SESSION_HOLD), &[1]);
    assert!(other.sessions.digest() != released && released != before);
    for table in [&mut other, &mut order] {
        table.decide(2, (session, SESSION_HOLD), &[1]);
    }
    assert_eq!(other.sessions.digest(), order.sessions.digest());
    other.sessions.known.values_mut().next().expect("a session").last += 1;
    assert_ne!(other.sessions.digest(), order.sessions.digest());
}

#[test]
fn records_that_no_table_has_are_refused() {
    let stretch = |count| Stretch { gseq: 5, vid: 1, count };
    let record = |session, last, stretches: &[Stretch]| SessionRecord {
        session: [session; 16],
        last,
        cut_short: false,
        holder: None,
        stretches: stretches.to_vec(),
    };
    let ok = |records: &[SessionRecord]| Sessions::load(2, records).is_some();
    assert!(ok(&[record(1, 4096, &[stretch(4096)]), record(2, 7, &[stretch(3), stretch(2)])]));
    assert!(!ok(&[record(1, 1, &[]), record(1, 1, &[])]), "one session twice");
    assert!(!ok(&[record(1, 0, &[]), record(2, 0, &[]), record(3, 0, &[])]), "too many");
    assert!(!ok(&[record(1, 9, &[stretch(1); 5])]), "too many stretches");
    assert!(!ok(&[record(1, 4097, &[stretch(4097)])]) && !ok(&[record(1, 3, &[stretch(4)])]));
    assert!(
        !ok(&[record(1, 3, &[Stretch { gseq: Gseq::MAX / 2, vid: 1, count: 1 }])]),
        "a place that nothing can have"
    );
    assert!(!ok(&[record(1, 3, &[stretch(0)])]) && !ok(&[record(1, 9, &[stretch(u32::MAX), stretch(1)])]));
}

#[test]
fn the_largest_table_fits_a_control_message() {
    let stretch = Stretch { gseq: 1 << 48, vid: 1 << 27, count: SESSION_WINDOW };
    let record = SessionRecord {
        session: [9; 16],
        last: 1 << 48,
        holder: Some(u64::MAX),
        cut_short: true,
        stretches: vec![stretch; STRETCHES],
    };
    let table = vec![record; Params::MOST_SESSIONS as usize];
    let (encoded, limits) = (postcard::to_stdvec(&table).expect("plain data").len(), Limits::default());
    assert!(encoded + 100 * limits.members < limits.control, "{encoded}");
}

/// What a lineage that returned has lost, nobody sends again: a client that was told of it would wait for ever.
#[test]
fn one_that_goes_on_beyond_what_is_left_of_it_has_expired() {
    let mut order = Order::new(10);
    order.fold(&[(7, 0), (7, 1), (8, 0), (8, 1), (9, 0), (9, 1)]);
    let before = order.sessions.digest();
    order.sessions.cut_short();
    assert_ne!(order.sessions.digest(), before, "joiners have to know");
    let told = Sessions::load(10, &order.sessions.records().expect("not lost")).expect("a table");
    assert_eq!(told.digest(), order.sessions.digest());
    order.sessions = told;
    assert_eq!(order.fold(&[(7, 1)]), [repeat(2)], "what is left is known");
    assert_eq!(order.fold(&[(7, 3), (7, 2), (7, 0)]), [UNKNOWN, UNKNOWN, Some(Passed::Control)]);
    assert_eq!(order.fold(&[(8, 2), (8, 4)]), [None, Some(Passed::Gap)], "nothing of it was lost");
    order.stretches();
}
