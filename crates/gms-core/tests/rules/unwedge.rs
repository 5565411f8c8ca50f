//! A leader whose followers are bound to a ballot that came to nothing frees them (protocol 5.1).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Ballot, Input, NodeId};

use crate::group::{Group, all, uid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A group of five, led by 0, in which 4, which 0 has not heard for so long, has got these to promise it something.
fn bound(promised: &[usize], silent: Duration) -> Group {
    let mut group = Group::of(5);
    group.passes(ms(1000), all);
    group.passes(silent, |from, to, _| from != 4 && to != 4);
    // A member that is asked must take the leader to be dead, or it would refuse.
    for who in promised {
        group.members[*who].handle(group.now, Input::Closed(uid(0)));
    }
    let others: Vec<usize> = (1..4).collect();
    group.accuse(4, &others);
    group.members[4].handle(group.now, Input::Stand);
    group.passes(Duration::ZERO, |from, to, control| {
        from == 4 && promised.contains(&to) && matches!(control, Some(Control::Prepare { .. }))
    });
    group
}

/// What 0 says to free them, and after how long.
fn frees(group: &mut Group) -> (Control, Duration) {
    let since = group.now;
    loop {
        let said = group.passes(ms(1), |from, to, _| from != 4 && to != 4);
        let frees = |control: &Control| matches!(control, Control::Accept { .. } | Control::Prepare { .. });
        if let Some((_, _, control)) = said.into_iter().find(|(from, _, control)| *from == 0 && frees(control)) {
            return (control, group.now - since);
        }
        assert!(group.now - since < ms(2000), "it does nothing");
    }
}

#[test]
fn a_leader_frees_few_who_are_bound_by_a_view_of_the_same_members() {
    let mut group = bound(&[1], Duration::ZERO);
    let before = group.vid(0);
    let (control, _) = frees(&mut group);
    assert!(matches!(control, Control::Accept { ballot, .. } if ballot.round == 0), "{control:?}");
    group.passes(ms(100), |from, to, _| from != 4 && to != 4);
    assert_eq!(group.view(0), [0, 1, 2, 3, 4]);
    assert_eq!((group.vid(0), group.vid(1), group.members[0].stats().candidacies), (before + 1, before + 1, 0));
}

#[test]
fn a_leader_that_may_plan_nothing_frees_who_is_bound_by_a_ballot_of_its_own_the_sooner_the_more_they_are() {
    // As long as 4 may come back nothing can be planned, and who is bound is found out meanwhile.
    for (promised, waits) in [(&[1, 2, 3][..], ms(50)), (&[1], ms(200))] {
        let (control, after) = frees(&mut bound(promised, ms(350)));
        assert!(matches!(control, Control::Prepare { .. }), "{control:?}");
        assert!((waits..waits + ms(149)).contains(&after), "{after:?}");
    }
}

#[test]
fn a_leader_that_is_bound_itself_first_waits_for_whose_ballot_it_is() {
    let mut group = Group::of(5);
    // It hears nobody, so it has to promise anybody who asks.
    group.waits(0, ms(1500));
    assert!(group.members[0].blocked().is_some());
    let ballot = Ballot { round: 1, node: NodeId(4) };
    let said = group.hears(0, 4, &Control::Prepare { ballot, carried: false });
    assert!(said.iter().any(|(to, control)| *to == 4 && matches!(control, Control::Promise { .. })), "{said:?}");
    let (control, after) = frees(&mut group);
    assert!(matches!(control, Control::Prepare { .. }), "{control:?}");
    assert!((ms(400)..ms(600)).contains(&after), "{after:?}");
}
