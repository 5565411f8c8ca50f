//! Datagrams that cannot be true, or no longer are: what a member makes of them.

use gms_core::wire::{Control, Envelope, Kind, Successor};
use gms_core::{Addressing, Event, Input, Level, Next, Snapshot, Uid};

use crate::world::{World, address};

/// Real traffic with bytes flipped, as any stranger could send it: whatever it makes the members do
/// (nothing is authenticated yet), they do not panic and keep to their memory.
#[test]
fn mutated_traffic_never_panics() {
    let mut random = 1u64;
    let mut next = move |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound.max(1)
    };
    for _ in 0..60 {
        let mut world = World::group_of(3);
        for round in 0..400 {
            for index in 0..3 {
                let level = [Level::Agreed, Level::Uniform, Level::Stable][next(3)];
                let payload = vec![round as u8; next(3000)];
                let _ = world.members[index].send(world.now, payload.into(), level, Addressing::default());
            }
            world.step();
            if round == 200 {
                world.members[0].handle(world.now, Input::Leave);
            }
            let copies: Vec<_> =
                world.flying.iter().map(|(_, to, from, datagram)| (*to, *from, datagram.clone())).collect();
            for (to, from, datagram) in copies {
                let mut bytes = datagram.to_vec();
                // The first bytes stay, or nothing would get past the envelope.
                for _ in 0..=next(3) {
                    let at = 8 + next(bytes.len() - 8);
                    bytes[at] ^= 1 << next(8);
                }
                bytes.truncate(bytes.len() - next(3) / 2 * next(40).min(bytes.len() - 8));
                // Most get past the checksum.
                if next(4) > 0 && bytes.len() > gms_core::wire::ENVELOPE_LEN {
                    Envelope::seal(&mut bytes);
                }
                world.members[to].handle(world.now, Input::Datagram { from, datagram: bytes.into() });
            }
            for member in &world.members {
                let memory = member.memory();
                assert!(memory.used <= memory.cap || memory.cap == 0);
            }
        }
    }
}

/// A slow reader has left something unread when its member finds that its state is not the group's.
#[test]
fn who_is_behind_is_told_that_a_member_stopped() {
    let mut world = World::group_of(3);
    (0..9).for_each(|_| _ = world.send(0, "hello", Level::Agreed));
    let mut events = vec![];
    while events.is_empty() {
        world.step();
        world.members[1].poll_events(&mut events, 1);
    }
    assert!(events.len() < 9, "{events:?}");
    let view = gms_core::View::clone(world.members[1].view().unwrap());
    for (from, sender) in [0, 2].map(|from| (from, world.members[from].uid())) {
        let envelope = Envelope { kind: Kind::Control as u8, gid: view.gid, vid: view.vid, sender, status: [0; 3] };
        let next = gms_core::View {
            vid: view.vid + 1,
            at: world.members[1].progress().0 + 1,
            gseq: view.gseq + 1,
            ..view.clone()
        };
        let next = Successor::Whole(Next { view: next, cut_digest: 1, into: None, why: vec![] });
        let snapshot = Snapshot { next: vec![], digest: 1, sessions_digest: None, sessions: None };
        let (mut body, mut datagram) = (vec![], vec![]);
        Control::Install { next, snapshot }.encode(&mut body);
        envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
        world.members[1].handle(world.now, Input::Datagram { from: address(from), datagram: datagram.into() });
    }
    world.members[1].poll_events(&mut events, usize::MAX);
    assert!(matches!(events.last(), Some(Event::Broken(_))), "{events:?}");
}

/// What a former life at the same address said may come late, and is answered.
#[test]
fn who_is_told_that_another_one_is_out_stays() {
    for told in [|who| Control::Excluded { who }, |who| Control::Gone { who, upto: 1_000_000 }] {
        let mut world = World::group_of(2);
        let view = gms_core::View::clone(world.members[1].view().unwrap());
        let sender = view.leader;
        let envelope = Envelope { kind: Kind::Control as u8, gid: view.gid, vid: view.vid + 1, sender, status: [0; 3] };
        let me = world.members[1].uid();
        for (who, out) in [(Uid { incarnation: 7, ..me }, false), (me, true)] {
            let (mut body, mut datagram) = (vec![], vec![]);
            told(who).encode(&mut body);
            envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
            world.members[1].handle(world.now, Input::Datagram { from: address(0), datagram: datagram.into() });
            world.step();
            assert_eq!(world.events[1].contains(&Event::Excluded), out);
        }
    }
}
