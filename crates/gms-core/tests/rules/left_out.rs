//! One that the next view does not hold may be the one who decides it (protocol 5.2).

use std::time::Duration;

use gms_core::wire::Control;
use gms_core::{Event, Input, Level, Role};

use crate::group::{Group, uid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// 3 gets 1 to accept what leaves out 4, which has more than the cut, and dies. 4 has to propose the same again, and
/// tells what follows to 5, which has never said anything in this view, and compares all that it is told with its own
/// state.
#[test]
fn one_that_is_left_out_takes_back_what_it_has_beyond_the_cut_before_it_tells_others_what_follows() {
    let mut group = Group::of(5);
    group.joins(|_| {});
    let asks = |control: &Control| matches!(control, Control::JoinRequest(_) | Control::JoinProof { .. });
    let unheard = |from: usize, _: usize, control: Option<&Control>| from != 5 || control.is_some_and(asks);
    group.until(|group| (0..6).all(|who| group.members[who].view().is_some_and(|v| v.members.len() == 6)), unheard);
    group.passes(ms(10), unheard);
    let view = group.members[4].view().expect("a member").clone();
    assert_eq!(view.member(uid(5)).map(|member| member.role), Some(Role::Learner));
    for _ in 0..2 {
        group.sends_one(1, Level::Agreed);
        group.passes(ms(10), unheard);
    }
    group.sends_one(1, Level::Agreed);
    group.passes(ms(1), |from, to, control| [(1, 0), (0, 4)].contains(&(from, to)) && control.is_none());
    assert_eq!(group.have(4), group.have(3) + 1);

    // 0 dies, 4 is cut off, and 5 is not heard by it yet.
    for who in 1..6 {
        group.members[who].handle(group.now, Input::Closed(uid(0)));
    }
    let without =
        |gone: &'static [usize]| move |from: usize, to: usize| ![from, to].iter().any(|who| gone.contains(who));
    let alive = without(&[0, 4]);
    group.passes(ms(5), |from, to, _| alive(from, to));
    group.members[3].handle(group.now, Input::Stand);
    group.passes(ms(100), |from, to, control| {
        let lost = match control {
            Some(Control::Accept { .. }) => to != 1,
            Some(Control::Accepted { .. }) => true,
            _ => false,
        };
        alive(from, to) && !lost
    });

    // 3 dies, too, and 4 is back.
    let alive = without(&[0, 3]);
    let heard = |from: usize, to: usize, _: Option<&Control>| alive(from, to) && (from, to) != (5, 4);
    group.passes(ms(60), heard);
    group.members[4].handle(group.now, Input::Stand);
    group.passes(ms(400), heard);
    group.passes(ms(100), |from, to, _| alive(from, to));
    for who in [1, 2, 5] {
        assert_eq!(group.view(who), [1, 2, 3, 5], "{:?}", group.events[who].last());
    }
    assert_eq!(group.events[4].last(), Some(&Event::Excluded));
    assert!(group.events.iter().flatten().all(|event| !matches!(event, Event::Broken(_))));
}
