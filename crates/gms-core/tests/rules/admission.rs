//! Who is let in (protocol 6).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Addressing, Level, SessionNumber, Start};

use crate::group::{Group, all};

#[test]
fn of_more_joiners_than_may_wait_at_once_the_others_come_in_later() {
    let mut group = Group::with(1, |config| config.limits.joiners = 2);
    let before = group.vid(0);
    (0..3).for_each(|_| group.add(Start::Join(vec![]), |_| {}));
    let views = |group: &Group| group.members[0].view().expect("a member").members.len();
    let mut sizes = vec![views(&group)];
    while views(&group) < 4 {
        group.passes(Duration::from_millis(1), all);
        if sizes.last() != Some(&views(&group)) {
            sizes.push(views(&group));
        }
    }
    assert_eq!(sizes, [1, 3, 4]);
    assert!(group.vid(0) > before);
}

/// How often a joiner that confirms nothing is sent its INSTALL within two seconds, in a group with so many sessions.
fn welcomes(sessions: u64) -> usize {
    let mut group = Group::of(1);
    for session in 0..sessions {
        let session = Some(SessionNumber { session: u128::from(session) + 1, number: 0 });
        let addressing = Addressing { session, ..Addressing::default() };
        group.members[0].send(group.now, "hello".into(), Level::Agreed, addressing).expect("there is room");
    }
    group.passes(Duration::from_millis(50), all);
    group.add(Start::Join(vec![]), |_| {});
    let is_install = |control: Option<&Control>| matches!(control, Some(Control::Install { .. }));
    let said = group.passes(Duration::from_secs(2), |_, _, control| !is_install(control));
    said.iter().filter(|(.., control)| is_install(Some(control))).count()
}

#[test]
fn a_joiner_is_not_sent_many_sessions_again_and_again() {
    assert!(welcomes(16) > 10, "{}", welcomes(16));
    assert!((2..=5).contains(&welcomes(17)), "{}", welcomes(17));
}
