//! A handful of members in one thread: what any user of gms-core can rely on without a network.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::wire::{Control, Envelope, Kind, Successor};
use gms_core::{
    Addressing, Blocked, Config, Destination, Event, Input, Level, Member, Next, Outcome, Refusal, SendError,
    SessionNumber, Snapshot, Start, Time, Uid,
};

/// Members on a perfect network whose every hop takes a tenth of a millisecond; `drop` may lose datagrams.
struct World {
    now: Time,
    members: Vec<Member>,
    events: Vec<Vec<Event>>,
    flying: VecDeque<(Time, usize, SocketAddr, Bytes)>,
    drop: fn(u64) -> bool,
    sent: u64,
    /// Crashed: neither hears nor says anything.
    dead: Option<usize>,
    /// Everything that was sent to somebody, if that is wanted.
    copies: Option<Vec<(usize, SocketAddr, Bytes)>>,
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, index as u8], 7000))
}

impl World {
    fn new() -> Self {
        Self {
            now: Time::ZERO,
            members: vec![],
            events: vec![],
            flying: VecDeque::new(),
            drop: |_| false,
            sent: 0,
            dead: None,
            copies: None,
        }
    }

    fn start(&mut self, start: Start) -> usize {
        self.start_with(start, |_| {})
    }

    fn start_with(&mut self, start: Start, change: impl FnOnce(&mut Config)) -> usize {
        let index = self.members.len();
        let mut config = Config::new("test", Uid::new(index as u64, 1000 + index as u64), address(index));
        change(&mut config);
        self.members.push(Member::new(config, start, self.now).unwrap());
        self.events.push(vec![]);
        index
    }

    fn group_of(members: usize) -> Self {
        let mut world = Self::new();
        world.start(Start::Create);
        (1..members).for_each(|_| _ = world.start(Start::Join(vec![])));
        world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == w.members.len())));
        world
    }

    fn send(&mut self, index: usize, payload: impl Into<Bytes>, level: Level) -> u64 {
        self.members[index].send(self.now, payload.into(), level, Addressing::default()).unwrap()
    }

    /// One step: all members say what they have to say, then the next thing in time happens.
    fn step(&mut self) {
        for index in (0..self.members.len()).filter(|index| Some(*index) != self.dead) {
            let mut out = Vec::new();
            while let Some(transmit) = self.members[index].poll_transmit(self.now, 16, &mut out) {
                let leaders: Vec<bool> = self.members.iter().map(Member::is_leader).collect();
                for datagram in out.chunks(transmit.segment_size) {
                    for (to, leads) in leaders.iter().enumerate() {
                        let wanted = match transmit.destination {
                            Destination::Data => !leads,
                            Destination::Control => true,
                            Destination::Unicast(at) | Destination::Stream(at) => at == address(to),
                        };
                        self.sent += 1;
                        if wanted && to != index && Some(to) != self.dead && !(self.drop)(self.sent) {
                            let at = self.now + Duration::from_micros(100);
                            let copy = (to, address(index), Bytes::copy_from_slice(datagram));
                            self.copies.as_mut().into_iter().for_each(|copies| copies.push(copy.clone()));
                            self.flying.push_back((at, to, address(index), Bytes::copy_from_slice(datagram)));
                        }
                    }
                }
                out.clear();
            }
            self.members[index].poll_events(&mut self.events[index], usize::MAX);
        }
        let living = self.members.iter().enumerate().filter(|(index, _)| Some(*index) != self.dead);
        let timeout = living.filter_map(|(_, m)| m.poll_timeout()).min();
        let arrival = self.flying.front().map(|f| f.0);
        let Some(next) = timeout.into_iter().chain(arrival).min() else { return };
        self.now = self.now.max(next);
        while self.flying.front().is_some_and(|f| f.0 <= self.now) {
            let (_, to, from, datagram) = self.flying.pop_front().unwrap();
            self.members[to].handle(self.now, Input::Datagram { from, datagram });
        }
        self.members.iter_mut().for_each(|m| m.handle(self.now, Input::Tick));
    }

    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..200_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        let views: Vec<_> = self.members.iter().map(|m| m.view().map(|v| v.to_string())).collect();
        panic!(
            "not reached by {:?}: {views:?} {:?}",
            self.now,
            self.members.iter().map(|m| m.progress()).collect::<Vec<_>>()
        );
    }

    fn messages(&self, index: usize) -> Vec<(u64, u64, Bytes)> {
        let message = |e: &Event| match e {
            Event::Message(m) => Some((m.gseq, m.sender.node.0, m.payload.clone())),
            _ => None,
        };
        self.events[index].iter().filter_map(message).collect()
    }

    fn outcomes(&self, index: usize) -> Vec<(u64, Outcome)> {
        let outcome = |e: &Event| match e {
            Event::Outcome { sseq, outcome } => Some((*sseq, *outcome)),
            _ => None,
        };
        self.events[index].iter().filter_map(outcome).collect()
    }
}

#[test]
fn three_members_deliver_one_order_at_every_level() {
    for level in [Level::Agreed, Level::Uniform, Level::Stable] {
        let mut world = World::group_of(3);
        for round in 0..50 {
            for index in 0..3 {
                world.send(index, format!("{index}.{round}"), level);
            }
        }
        world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 150 && w.outcomes(i).len() == 50));
        assert_eq!(world.messages(0), world.messages(1), "{level:?}");
        assert_eq!(world.messages(0), world.messages(2), "{level:?}");
    }
}

#[test]
fn loss_is_repaired() {
    let mut world = World::group_of(4);
    world.drop = |n| n % 3 == 0 || n % 7 == 1;
    for round in 0..200 {
        for index in 0..4 {
            world.send(index, vec![round as u8; 300], Level::Uniform);
        }
    }
    world.run_until(|w| (0..4).all(|i| w.messages(i).len() == 800 && w.outcomes(i).len() == 200));
    assert!((1..4).all(|i| world.messages(0) == world.messages(i)));
}

/// What waits for a lost frame at the leader may be more than it keeps: it makes room for that one, and loses none.
#[test]
fn a_leader_that_keeps_little_loses_nothing() {
    let mut world = World::new();
    world.start_with(Start::Create, |config| config.limits.hold_frames = 3);
    (1..3).for_each(|_| _ = world.start(Start::Join(vec![])));
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    world.drop = |n| n % 4 == 0;
    for round in 0..60 {
        (1..3).for_each(|index| _ = world.send(index, vec![round; 1200], Level::Uniform));
    }
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 120));
    assert!((1..3).all(|i| world.messages(0) == world.messages(i)));
    let stats = world.members[0].stats();
    assert!(stats.overflow > 0 && stats.overflow < 1000, "{stats:?}");
}

/// Nothing follows that would show the gap: the leader repeats itself soon, not only with its next heartbeat.
#[test]
fn the_last_frame_before_a_silence_is_repaired_at_once() {
    let mut world = World::group_of(3);
    let quiet = world.now + Duration::from_secs(1);
    world.run_until(|w| w.now >= quiet);
    world.send(0, "last", Level::Uniform);
    world.drop = |_| true;
    let lost = world.now;
    world.step();
    world.drop = |_| false;
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 1) && w.outcomes(0).len() == 1);
    assert!(world.members[0].is_leader() && world.now > lost);
    let heartbeat = gms_core::Timing::default().heartbeat;
    assert!(world.now - lost < heartbeat / 2, "after {:?}", world.now - lost);
}

#[test]
fn the_leader_leaves_under_load_and_nothing_is_lost() {
    let mut world = World::group_of(3);
    for round in 0..300 {
        for index in 0..3 {
            world.send(index, format!("{index}.{round}"), Level::Uniform);
        }
    }
    for _ in 0..3 {
        world.step();
    }
    world.members[0].handle(world.now, Input::Leave);
    world.run_until(|w| matches!(w.events[0].last(), Some(Event::Left { released: true })));
    assert_eq!(world.outcomes(0).len(), 300, "the leaver's own messages are ordered first");
    assert_eq!(world.members[1].view().unwrap().leader, Uid::new(2, 1002), "the highest rank takes over");
    world.run_until(|w| (1..3).all(|i| w.messages(i).len() == 900 && w.outcomes(i).len() == 300));
    assert_eq!(world.messages(1), world.messages(2));
    assert!(world.messages(1).starts_with(&world.messages(0)));
    for index in [1, 2] {
        world.members[index].handle(world.now, Input::Leave);
    }
    world.run_until(|w| (1..3).all(|i| matches!(w.events[i].last(), Some(Event::Left { .. }))));
}

#[test]
fn a_large_message_arrives_whole_among_small_ones() {
    let mut world = World::group_of(3);
    let large: Bytes = (0..3_000_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    world.send(1, large.clone(), Level::Uniform);
    for _ in 0..500 {
        world.send(2, vec![1; 100], Level::Agreed);
        world.send(0, vec![2; 100], Level::Agreed);
    }
    world.run_until(|w| (0..3).all(|i| w.messages(i).len() == 1001));
    assert!(world.messages(0).iter().any(|(_, sender, payload)| *sender == 1 && *payload == large));
    assert_eq!(world.messages(0), world.messages(2));
}

#[test]
fn a_joiner_that_is_told_to_creates_the_group_and_the_others_find_it() {
    let mut world = World::new();
    (0..3).for_each(|_| _ = world.start(Start::Join(vec![])));
    let now = world.now;
    world.members[2].handle(now, Input::Create);
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    assert_eq!(world.members[0].view().unwrap().leader.node.0, 2);
    world.members[0].handle(now, Input::Create);
    assert_eq!(world.members[0].view().unwrap().gid, world.members[2].view().unwrap().gid, "in a group already");
}

#[test]
fn a_taken_node_id_is_refused_and_a_message_over_the_limit_names_it() {
    let mut world = World::group_of(2);
    for taken in 0..2 {
        let twin = Config::new("test", Uid::new(taken, 9), address(2 + taken as usize));
        world.members.push(Member::new(twin, Start::Join(vec![address(1)]), world.now).unwrap());
        world.events.push(vec![]);
        world.run_until(|w| matches!(w.events.last().unwrap().last(), Some(Event::Refused(_))));
        let refusal = Refusal::NodeTaken { node: taken, address: address(taken as usize) };
        assert_eq!(world.events.last().unwrap(), &[Event::Refused(refusal)]);
    }
    let huge = Bytes::from(vec![0; (64 << 20) + 1]);
    let error = world.members[0].send(world.now, huge, Level::Agreed, Addressing::default()).unwrap_err();
    assert_eq!(error, SendError::TooLarge { len: (64 << 20) + 1, limit: 64 << 20 });
    assert!(error.to_string().contains("67108864"));
}

#[test]
fn a_restarted_process_takes_the_place_of_its_dead_former_life() {
    let mut world = World::group_of(3);
    world.dead = Some(1);
    let again = Config::new("test", Uid::new(1, 9), address(3));
    world.members.push(Member::new(again, Start::Join(vec![address(0)]), world.now).unwrap());
    world.events.push(vec![]);
    let until = world.now + Duration::from_millis(500);
    world.run_until(|w| w.now > until);
    assert!(world.events[3].is_empty(), "neither refused nor let in while nobody knows");
    let (now, former) = (world.now, world.members[1].uid());
    world.members[0].handle(now, Input::Suspect { who: former, checks: 2 });
    world.run_until(|w| w.members[3].view().is_some_and(|v| v.voters().count() == 3));
    assert!(!world.members[0].view().unwrap().contains(former));
}

#[test]
fn a_message_bound_to_a_view_is_delivered_there_or_not_at_all() {
    let mut world = World::group_of(2);
    let vid = world.members[1].view().unwrap().vid;
    let bound = |vid| Addressing { only_in_view: Some(vid), ..Addressing::default() };
    let now = world.now;
    world.members[1].send(now, "now".into(), Level::Uniform, bound(vid)).unwrap();
    world.members[1].send(now, "late".into(), Level::Uniform, bound(vid - 1)).unwrap();
    world.members[1].send(now, "free".into(), Level::Uniform, Addressing::default()).unwrap();
    world.run_until(|w| w.outcomes(1).len() == 3 && w.messages(0).len() == 2);
    assert!(world.outcomes(1).contains(&(2, Outcome::NotOrdered)));
    let payloads: Vec<Bytes> = world.messages(0).into_iter().map(|m| m.2).collect();
    assert_eq!(payloads, ["now", "free"]);
}

#[test]
fn a_dead_leader_is_reported_and_so_is_its_return() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(Blocked::Leader { .. }))));
    // What is to be done about it is another thing once it is taken to be dead.
    let (now, leader) = (world.now, world.members[0].uid());
    world.members[1].handle(now, Input::Suspect { who: leader, checks: 2 });
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(Blocked::Quorum { .. }))));
    let until = world.now + Duration::from_secs(5);
    world.run_until(|w| w.now > until);
    assert_eq!(world.events[1].iter().filter(|event| matches!(event, Event::Blocked(_))).count(), 2);
    world.drop = |_| false;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Unblocked)));
}

/// One that has lost its quorum does not say that it leads, and answers all the same.
#[test]
fn a_leader_that_is_heard_and_does_not_say_that_it_leads_is_reported() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    let view = gms_core::View::clone(world.members[1].view().unwrap());
    let envelope =
        Envelope { kind: Kind::Control as u8, gid: view.gid, vid: view.vid, sender: view.leader, status: [0; 3] };
    let (mut body, mut datagram) = (vec![], vec![]);
    Control::ViewRequest.encode(&mut body);
    envelope.encode(&mut datagram, |out| out.extend_from_slice(&body));
    let datagram = Bytes::from(datagram);
    let until = world.now + Duration::from_secs(2);
    while world.now < until {
        world.step();
        world.members[1].handle(world.now, Input::Datagram { from: address(0), datagram: datagram.clone() });
    }
    assert!(matches!(world.events[1].last(), Some(Event::Blocked(Blocked::Leader { .. }))), "{:?}", world.events[1]);
}

#[test]
fn the_return_of_a_leader_is_reported_however_busy_it_is() {
    let mut world = World::group_of(2);
    world.drop = |_| true;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Blocked(_))));
    world.drop = |_| false;
    let until = world.now + Duration::from_secs(1);
    while !world.events[1].contains(&Event::Unblocked) {
        assert!(world.now < until, "acks keep it from looking who is heard");
        let delivered = world.messages(1).len();
        world.send(0, "busy", Level::Uniform);
        world.run_until(|w| w.messages(1).len() > delivered);
    }
}

#[test]
fn a_dead_follower_is_removed_and_the_others_go_on() {
    let mut world = World::group_of(3);
    world.dead = Some(1);
    let sent = (0..50).map(|i| world.send(2, format!("{i}"), Level::Stable)).count();
    let (now, dead) = (world.now, world.members[1].uid());
    world.members[0].handle(now, Input::Suspect { who: dead, checks: 2 });
    world.run_until(|w| w.outcomes(2).len() == sent && w.messages(0).len() == sent);
    let view = world.members[0].view().unwrap();
    assert_eq!(view.to_string(), "6: leader 0, followers [2]".replace('6', &view.vid.to_string()));
    // It was only cut off: what it hears now is that the group went on without it.
    world.dead = None;
    world.run_until(|w| matches!(w.events[1].last(), Some(Event::Excluded)));
}

#[test]
fn a_member_that_is_heard_again_is_not_suspected_any_more() {
    let mut world = World::group_of(3);
    let (now, accused) = (world.now, world.members[1].uid());
    // Without a quorum nothing can be decided, and by the time there is one the accused has been heard.
    world.drop = |_| true;
    let until = now + Duration::from_secs(2);
    world.run_until(|w| w.now > until);
    let now = world.now;
    world.members[0].handle(now, Input::Suspect { who: accused, checks: 2 });
    world.drop = |_| false;
    let until = now + Duration::from_secs(2);
    world.run_until(|w| w.now > until);
    assert!(world.members[0].view().unwrap().contains(accused));
}

#[test]
fn a_leader_without_a_quorum_removes_nobody() {
    let mut world = World::group_of(3);
    world.drop = |_| true;
    for suspect in [1, 2] {
        let (now, suspect) = (world.now, world.members[suspect].uid());
        world.members[0].handle(now, Input::Suspect { who: suspect, checks: 2 });
    }
    let until = world.now + Duration::from_secs(20);
    world.run_until(|w| w.now > until);
    assert!(world.events[0].iter().any(|e| matches!(e, Event::Blocked(_))));
    world.drop = |_| false;
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    let sseq = world.send(1, "together again", Level::Stable);
    world.run_until(|w| w.outcomes(1).iter().any(|(of, _)| *of == sseq));
    assert!(world.events.iter().flatten().all(|e| !matches!(e, Event::Excluded)));
}

/// Message `number` of session `session`.
fn of_session(session: u128, number: u64) -> Addressing {
    Addressing { session: Some(SessionNumber { session, number }), ..Addressing::default() }
}

#[test]
fn a_client_message_is_delivered_once_whichever_members_it_is_sent_through() {
    let mut world = World::group_of(3);
    let now = world.now;
    let send = |world: &mut World, index: usize, number: u64, len: usize| {
        world.members[index].send(now, vec![number as u8; len].into(), Level::Uniform, of_session(7, number)).unwrap()
    };
    send(&mut world, 1, 0, 0);
    world.run_until(|w| w.outcomes(1).len() == 1);
    // The same through all of them, while the first copies are still under way; some are cut into fragments.
    let len = |number: u64| if number % 10 == 3 { 20_000 } else { 50 };
    for index in [1, 2, 0] {
        (1..=40).for_each(|number| _ = send(&mut world, index, number, len(number)));
    }
    world.run_until(|w| (0..3).all(|i| w.outcomes(i).len() == if i == 1 { 41 } else { 40 }));
    let numbers: Vec<u8> = world.messages(0).iter().map(|(_, _, payload)| payload[0]).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u8>>());
    assert_eq!(world.messages(0), world.messages(1));
    assert_eq!(world.messages(0), world.messages(2));
    // Everybody is told where the message is, not where a repeat of it was passed.
    let places: Vec<u64> = world.messages(0).iter().map(|(gseq, ..)| *gseq).collect();
    for index in 0..3 {
        let told = world.outcomes(index).into_iter().rev().take(40).rev();
        let told: Vec<u64> = told
            .map(|(_, outcome)| match outcome {
                Outcome::Ordered { gseq, .. } => gseq,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, places);
    }
}

#[test]
fn a_joiner_knows_the_sessions_and_a_gap_or_an_unknown_session_is_reported() {
    let mut world = World::group_of(2);
    for number in 0..=5 {
        let now = world.now;
        world.members[0].send(now, "once".into(), Level::Agreed, of_session(7, number)).unwrap();
    }
    world.run_until(|w| w.messages(1).len() == 5);
    let joiner = world.start(Start::Join(vec![]));
    world.run_until(|w| w.members.iter().all(|m| m.view().is_some_and(|v| v.voters().count() == 3)));
    let now = world.now;
    for (session, number) in [(7, 5), (7, 7), (8, 1), (7, 6), (7, 7)] {
        world.members[joiner].send(now, "late".into(), Level::Agreed, of_session(session, number)).unwrap();
    }
    world.run_until(|w| w.outcomes(joiner).len() == 5);
    let outcomes: Vec<Outcome> = world.outcomes(joiner).into_iter().map(|(_, outcome)| outcome).collect();
    let (fifth, _, _) = world.messages(1)[4].clone();
    assert!(matches!(outcomes[0], Outcome::Ordered { gseq, .. } if gseq == fifth), "{outcomes:?}");
    assert_eq!(outcomes[1..3], [Outcome::NotOrdered, Outcome::SessionExpired]);
    assert!(outcomes[3..].iter().all(|outcome| matches!(outcome, Outcome::Ordered { .. })));
    world.run_until(|w| w.messages(1).len() == 7);
    assert_eq!(world.messages(joiner), world.messages(1)[5..], "the joiner decides like the others");
    // Nor do they differ at the next view, or they would stop.
    world.members[0].handle(now, Input::Leave);
    world.run_until(|w| (1..3).all(|i| w.members[i].view().is_some_and(|v| v.members.len() == 2)));
    assert!(world.events.iter().flatten().all(|event| !matches!(event, Event::Broken(_))));
}

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

#[test]
fn of_several_who_join_at_once_as_many_come_in_as_there_is_room_for() {
    let mut world = World::new();
    world.start_with(Start::Create, |config| config.limits.members = 3);
    (1..6).for_each(|_| _ = world.start_with(Start::Join(vec![]), |config| config.limits.members = 3));
    let refused =
        |w: &World| w.events.iter().flatten().filter(|e| matches!(e, Event::Refused(Refusal::Full(3)))).count();
    world.run_until(|w| refused(w) == 3);
    assert!(world.members[0].view().is_some_and(|view| view.members.len() == 3));
}

/// Delayed copies of what a joiner has said.
#[test]
fn what_a_dead_member_said_to_come_in_does_not_bring_it_back() {
    let mut world = World::group_of(2);
    world.start(Start::Join(vec![]));
    world.copies = Some(vec![]);
    world.run_until(|w| w.members[2].view().is_some());
    let said = world.copies.take().unwrap().into_iter().filter(|(to, from, _)| (*to, *from) == (0, address(2)));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.voters().count() == 3));
    let uid = world.members[2].uid();
    world.dead = Some(2);
    world.members[0].handle(world.now, Input::Closed(uid));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.members.len() == 2));
    for (_, from, datagram) in said {
        world.members[0].handle(world.now, Input::Datagram { from, datagram });
    }
    let until = world.now + Duration::from_secs(1);
    while world.now < until {
        world.step();
        assert!(!world.members[0].view().is_some_and(|view| view.contains(uid)));
    }
}

/// A view voids what is unfinished: it would be sent all over again.
#[test]
fn joins_wait_for_a_large_message_and_come_in_together() {
    let mut world = World::new();
    let narrow = |config: &mut Config| config.params.window = 64 << 10;
    world.start_with(Start::Create, narrow);
    world.start_with(Start::Join(vec![]), narrow);
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.voters().count() == 2));
    world.send(1, vec![7; 16 << 20], Level::Uniform);
    world.step();
    let (sent, views) = (world.now, world.events[0].len());
    (2..5).for_each(|_| _ = world.start_with(Start::Join(vec![]), narrow));
    world.run_until(|w| w.members[0].view().is_some_and(|view| view.members.len() == 5));
    world.step();
    let mut since = world.events[0][views..].iter().filter(|e| matches!(e, Event::Message(_) | Event::View(_)));
    assert!(matches!(since.next(), Some(Event::Message(m)) if m.payload.len() == 16 << 20));
    assert!(matches!(since.next(), Some(Event::View(change)) if change.view.members.len() == 5));
    assert!(world.now - sent > 2 * gms_core::Timing::default().join_batch, "{:?}", world.now - sent);
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
