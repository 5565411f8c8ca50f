//! The library as an application uses it, over the in-memory network and over loopback.

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Bytes;
use gms::{Bootstrap, Config, Event, Events, Group, Level, Outcome, SendError};
use gms_net::{FaultRates, MemoryNetwork};

const LIMIT: Duration = Duration::from_secs(30);

async fn member(network: &MemoryNetwork, id: u64, change: impl FnOnce(&mut Config)) -> (Group, Events) {
    let mut config = Config::new("test");
    config.id = Some(id);
    config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
    change(&mut config);
    Group::join_over(config, network.attach()).await.expect("joins")
}

async fn group_of(network: &MemoryNetwork, members: u64, change: impl Fn(&mut Config)) -> Vec<(Group, Events)> {
    let mut all = Vec::new();
    for id in 0..members {
        all.push(member(network, id, &change).await);
    }
    all
}

/// Reads messages until there are `count` of them.
async fn read(events: &mut Events, count: usize) -> Vec<(u64, u64, Bytes)> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let batch = tokio::time::timeout(LIMIT, events.next_batch()).await.expect("in time").expect("goes on");
        messages.extend(batch.into_iter().filter_map(|event| match event {
            Event::Message(m) => Some((m.gseq, m.sender.node.0, m.payload)),
            _ => None,
        }));
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_read_one_order() {
    let network = MemoryNetwork::new(1, FaultRates::loss(0.05));
    let mut members = group_of(&network, 3, |_| {}).await;
    for round in 0..100 {
        for (group, _) in &members {
            group.queue(format!("{} says {round}", group.uid().node)).await.unwrap();
        }
    }
    let mut orders = Vec::new();
    for (_, events) in &mut members {
        orders.push(read(events, 300).await);
    }
    assert_eq!(orders[0], orders[1]);
    assert_eq!(orders[0], orders[2]);
}

#[tokio::test]
async fn a_multicast_tells_its_place_at_every_level() {
    let network = MemoryNetwork::new(2, FaultRates::NONE);
    let mut members = group_of(&network, 3, |_| {}).await;
    for level in [Level::Agreed, Level::Uniform, Level::Stable] {
        let receipt = members[1].0.level(level).multicast("hello").await.unwrap();
        let (gseq, sender, payload) = read(&mut members[2].1, 1).await.remove(0);
        assert_eq!((receipt.gseq, 1, Bytes::from("hello")), (gseq, sender, payload));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_sends_between_reads_never_deadlocks() {
    let network = MemoryNetwork::new(3, FaultRates::NONE);
    let tiny = |config: &mut Config| {
        config.unread = 1 << 10;
        config.pending = 1 << 10;
    };
    let members = group_of(&network, 2, tiny).await;
    let mut tasks = Vec::new();
    for (group, mut events) in members {
        tasks.push(tokio::spawn(async move {
            group.queue("start").await.unwrap();
            let (mut echoes, mut read) = (0, 0);
            while read < 400 {
                for event in tokio::time::timeout(LIMIT, events.next_batch()).await.expect("no deadlock").unwrap() {
                    let Event::Message(_) = event else { continue };
                    read += 1;
                    if echoes < 200 {
                        echoes += 1;
                        // Two sends for each event read: far more than any of the queues holds.
                        group.multicast(vec![0; 2000]).await.unwrap();
                        group.queue(vec![0; 2000]).await.unwrap();
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn leaving_ends_the_events_and_later_sends() {
    let network = MemoryNetwork::new(4, FaultRates::NONE);
    let mut members = group_of(&network, 2, |_| {}).await;
    let (mut leader, mut events) = members.remove(0);
    leader.queue("last words").await.unwrap();
    let both = tokio::join!(leader.leave(), leader.leave());
    assert_eq!(both, (Ok(true), Ok(true)));
    assert!(matches!(leader.multicast("late").await, Err(SendError::Closed)));
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    assert!(matches!(all.last(), Some(Event::Left { released: true })), "{all:?}");
    assert!(all.iter().any(|e| matches!(e, Event::Message(m) if m.payload == "last words")));
    leader = members[0].0.clone();
    leader.multicast("I lead now").await.unwrap();
    assert_eq!(leader.view().unwrap().leader, leader.uid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_every_queue_is_ordered_before_a_leave() {
    const MESSAGES: usize = 40_000;
    for leaver in 0..2 {
        let network = MemoryNetwork::new(9, FaultRates::NONE);
        let mut members = group_of(&network, 2, |config| config.leave_within = LIMIT).await;
        let (group, mut events) = members.remove(leaver);
        let (_other, mut others_events) = members.remove(0);
        let outcomes = tokio::spawn(async move {
            let mut ordered = 0;
            while let Some(event) = events.next().await {
                ordered += usize::from(matches!(event, Event::Outcome { outcome: Outcome::Ordered { .. }, .. }));
            }
            ordered
        });
        let reading = tokio::spawn(async move { read(&mut others_events, MESSAGES).await.len() });
        group.queue_all((0..MESSAGES).map(|_| vec![0; 1000])).await.unwrap();
        assert_eq!(group.leave().await, Ok(true));
        assert_eq!((outcomes.await.unwrap(), reading.await.unwrap()), (MESSAGES, MESSAGES));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_application_holds_its_senders_back_and_memory_is_bounded() {
    let network = MemoryNetwork::new(5, FaultRates::NONE);
    let small = |config: &mut Config| config.unread = 64 << 10;
    let mut members = group_of(&network, 2, small).await;
    let (_slow, mut unread) = members.pop().unwrap();
    let (sender, mut events) = members.pop().unwrap();
    tokio::spawn(async move { while events.next_batch().await.is_some() {} });
    let flood = tokio::spawn({
        let sender = sender.clone();
        async move {
            for _ in 0..200_000 {
                sender.level(Level::Agreed).queue(Bytes::from_static(&[7; 1000])).await.unwrap();
            }
        }
    });
    // Held back: with nobody reading, progress comes to an end well before the 200 MB are through.
    let mut last = (0, 0, 0);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let status = sender.status();
        assert!(status.memory.used <= status.memory.cap);
        if status.progress == last && last.0 > 0 {
            break;
        }
        last = status.progress;
    }
    assert!(!flood.is_finished());
    read(&mut unread, 200_000).await;
    flood.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_arrive_whole_among_small_messages() {
    let network = MemoryNetwork::new(6, FaultRates::NONE);
    let members = group_of(&network, 3, |_| {}).await;
    let large = Bytes::from(vec![42; 64 << 20]);
    let readers: Vec<_> = members
        .into_iter()
        .map(|(group, mut events)| {
            let large = large.clone();
            tokio::spawn(async move {
                let flood = tokio::spawn({
                    let group = group.clone();
                    async move {
                        if group.uid().node.0 == 1 {
                            group.queue(large).await.unwrap();
                        }
                        for _ in 0..2000 {
                            group.queue("small").await.unwrap();
                        }
                    }
                });
                let messages = read(&mut events, 6001).await;
                flood.await.unwrap();
                let memory = group.status().memory;
                assert!(memory.used <= memory.cap);
                messages.into_iter().map(|(gseq, sender, payload)| (gseq, sender, payload.len())).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut orders = Vec::new();
    for reader in readers {
        orders.push(reader.await.unwrap());
    }
    assert!(orders[0].iter().any(|(_, sender, len)| (*sender, *len) == (1, 64 << 20)));
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[tokio::test]
async fn leaving_a_dead_group_ends_in_time_and_every_send_gets_an_outcome() {
    let network = MemoryNetwork::new(7, FaultRates::NONE);
    let short = |config: &mut Config| {
        config.leave_within = Duration::from_millis(200);
        config.pending = 10 << 10;
    };
    let mut members = group_of(&network, 2, short).await;
    let (follower, mut events) = members.pop().unwrap();
    let addresses = [members[0].0.address(), follower.address()];
    network.with_faults(|faults| faults.partition(&[&addresses[..1], &addresses[1..]]));
    let mut sent = 0;
    while follower.try_queue(vec![1; 1000]).is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
    }
    assert!(sent > 20, "more than the protocol takes in are waiting");
    let both = tokio::join!(follower.leave(), follower.leave());
    assert_eq!(both, (Ok(false), Ok(false)));
    assert_eq!(follower.leave().await, Ok(false), "it stays so");
    let mut outcomes = Vec::new();
    let mut last = None;
    while let Some(event) = events.next().await {
        if let Event::Outcome { sseq, .. } = event {
            outcomes.push(sseq);
        }
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Left { released: false })));
    outcomes.sort();
    assert_eq!(outcomes, (1..=sent).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_leave_below_min_voters_is_refused_and_the_member_goes_on() {
    let network = MemoryNetwork::new(8, FaultRates::NONE);
    let members = group_of(&network, 2, |config| config.params.min_voters = 2).await;
    for (group, _) in &members {
        while group.view().is_none_or(|view| view.voters().count() < 2) {
            tokio::task::yield_now().await;
        }
    }
    for (group, _) in &members {
        assert_eq!(group.leave().await, Err(gms::LeaveError::TooFew { min_voters: 2 }));
        group.multicast("still here").await.unwrap();
    }
}

#[tokio::test]
async fn a_member_without_a_handle_goes_even_below_min_voters() {
    let network = MemoryNetwork::new(10, FaultRates::NONE);
    let strict = |config: &mut Config| {
        config.params.min_voters = 2;
        config.leave_within = Duration::from_millis(100);
    };
    let mut members = group_of(&network, 2, strict).await;
    for (group, _) in &members {
        while group.view().is_none_or(|view| view.voters().count() < 2) {
            tokio::task::yield_now().await;
        }
    }
    let (follower, mut events) = members.remove(1);
    drop(follower);
    let mut last = None;
    while let Some(event) = tokio::time::timeout(LIMIT, events.next()).await.expect("it goes") {
        last = Some(event);
    }
    assert_eq!(last, Some(Event::Left { released: false }));
}

#[tokio::test]
async fn a_view_that_is_larger_than_a_datagram_reaches_all() {
    // Nobody else meets there, not even this test when it runs twice at a time.
    let group = format!("many {}", std::process::id());
    let is_free = |port: &u16| [*port, port + 1].iter().all(|port| UdpSocket::bind(("0.0.0.0", *port)).is_ok());
    let first = 24_000 + (std::process::id() % 3000) as u16 * 2;
    let port = (first..32_000).step_by(2).find(is_free).expect("two free ports");
    let mut members = Vec::new();
    for id in 0..24 {
        let mut config = Config::new(&group);
        config.id = Some(id);
        config.params.datagram = 512;
        config.network.multicast.set_port(port);
        members.push(Group::join(config).await.expect("joins"));
    }
    let all_there = async {
        while !members.iter().all(|(group, _)| group.view().is_some_and(|view| view.voters().count() == 24)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, all_there).await.expect("in time");
    assert!(members.iter().any(|(group, _)| group.status().network.stream_received > 0), "by streams");
}

#[tokio::test]
async fn nobody_answers_and_different_settings_are_named() {
    let network = MemoryNetwork::new(9, FaultRates::NONE);
    let joins = |change: fn(&mut Config)| {
        let mut config = Config::new("test");
        config.bootstrap = Bootstrap::Join;
        config.join_within = Duration::from_millis(300);
        change(&mut config);
        Group::join_over(config, network.attach())
    };
    let error = joins(|_| {}).await.err().expect("nobody is there");
    assert!(error.to_string().contains("multicast group"), "{error}");
    let _creator = member(&network, 0, |_| {}).await;
    let error = joins(|config| config.params.window = 1 << 20).await.err().expect("differs");
    assert!(error.to_string().contains("window is 2097152 in the group and 1048576 here"), "{error}");
    let error = joins(|config| config.id = Some(0)).await.err().expect("taken");
    assert!(error.to_string().contains("id 0 is taken by the live server at"), "{error}");
}
