//! The in-memory network: who hears whom, and what the faults do to it.

use std::net::SocketAddr;
use std::time::Duration;

use gms_net::{
    Channel, Destination, FaultRates, MemoryNetwork, MemoryTransport, Received, Transmit, Transport, TransportExt,
};
use tokio::time::{Instant, timeout};

/// No test waits this long unless it has failed; with a paused clock it costs nothing.
const PATIENCE: Duration = Duration::from_secs(10);

fn train(destination: Destination, contents: &[u8], segment_size: usize) -> Transmit<'_> {
    Transmit { destination, contents, segment_size }
}

/// Everything that comes until nothing has come for a while (of paused time).
async fn drain(transport: &mut MemoryTransport) -> Vec<Received> {
    let mut trains = Vec::new();
    while let Ok(received) = timeout(PATIENCE, transport.receive()).await {
        trains.push(received.unwrap());
    }
    trains
}

fn count(trains: &[Received]) -> usize {
    trains.iter().map(Received::datagram_count).sum()
}

#[tokio::test(start_paused = true)]
async fn multicast_reaches_all_but_the_sender_and_data_not_the_leader() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let mut members = [network.attach(), network.attach(), network.attach()];
    members[2].set_leading(true).unwrap();
    let [ref mut sender, ref mut follower, ref mut leader] = members;

    sender.send(train(Destination::Control, b"control", 7)).await.unwrap();
    sender.send(train(Destination::Data, b"aabbc", 2)).await.unwrap();
    let to_leader = Destination::Unicast(leader.local_address());
    sender.send(train(to_leader, b"alone", 5)).await.unwrap();

    assert!(drain(sender).await.is_empty());
    let heard = drain(follower).await;
    assert_eq!(heard.len(), 2);
    assert_eq!(heard[0].channel, Channel::Control);
    assert_eq!(heard[1].channel, Channel::Data);
    assert_eq!(heard[1].from, sender.local_address());
    // Without faults a train stays a train.
    assert_eq!(heard[1].contents, &b"aabbc"[..]);
    assert_eq!(heard[1].stride, 2);
    let heard = drain(leader).await;
    let channels: Vec<Channel> = heard.iter().map(|one| one.channel).collect();
    assert_eq!(channels, [Channel::Control, Channel::Unicast]);

    leader.set_leading(false).unwrap();
    sender.send(train(Destination::Data, b"again", 5)).await.unwrap();
    assert_eq!(drain(leader).await.len(), 1);
    assert_eq!(sender.counters().sent, 6);
    assert_eq!(leader.counters().received, 3);
}

#[tokio::test(start_paused = true)]
async fn loss_and_duplication_keep_their_rates() {
    let rates = FaultRates { loss: 0.1, duplicate: 0.2, ..FaultRates::NONE };
    let network = MemoryNetwork::new(3, rates);
    let (mut sender, mut receiver) = (network.attach(), network.attach());
    let contents = vec![7; 10_000];
    sender.send(train(Destination::Data, &contents, 1)).await.unwrap();
    let arrived = count(&drain(&mut receiver).await);
    let lost = receiver.counters().injected_loss;
    assert!((900..1100).contains(&lost), "lost {lost}");
    let twice = arrived as u64 + lost - 10_000;
    assert!((1700..1900).contains(&twice), "twice {twice}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    let run = async |seed| {
        let rates = FaultRates {
            loss: 0.2,
            duplicate: 0.1,
            reorder: 0.1,
            delay: Duration::from_millis(1)..Duration::from_millis(9),
        };
        let network = MemoryNetwork::new(seed, rates);
        let (mut sender, mut receiver) = (network.attach(), network.attach());
        for number in 0..200u8 {
            sender.send(train(Destination::Data, &[number], 1)).await.unwrap();
        }
        let trains = drain(&mut receiver).await;
        trains.iter().map(|one| one.contents[0]).collect::<Vec<u8>>()
    };
    let first = run(5).await;
    assert_eq!(first, run(5).await);
    assert_ne!(first, run(6).await);
    assert!(!first.is_sorted(), "a wide range of delays reorders");
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_kept_to_and_wakes_a_waiting_reader() {
    let delay = Duration::from_millis(20);
    let rates = FaultRates { delay: delay..delay, ..FaultRates::NONE };
    let network = MemoryNetwork::new(1, rates);
    let (mut sender, mut receiver) = (network.attach(), network.attach());
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        let mut times = Vec::new();
        for _ in 0..2 {
            receiver.receive().await.unwrap();
            times.push(start.elapsed());
        }
        times
    });
    tokio::task::yield_now().await;
    sender.send(train(Destination::Data, b"slow", 4)).await.unwrap();
    // A sooner one, sent while the reader sleeps towards the later one, must not wait for it.
    network.with_faults(|faults| {
        faults.set_rates(FaultRates { delay: delay / 4..delay / 4, ..FaultRates::NONE });
    });
    sender.send(train(Destination::Data, b"fast", 4)).await.unwrap();
    let times = timeout(PATIENCE, reader).await.unwrap().unwrap();
    assert_eq!(times, [delay / 4, delay]);
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_one_way_and_a_partition_two() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let (mut left, mut right) = (network.attach(), network.attach());
    let [at_left, at_right] = [left.local_address(), right.local_address()];
    let exchange = async |left: &mut MemoryTransport, right: &mut MemoryTransport| {
        left.send(train(Destination::Control, b"x", 1)).await.unwrap();
        right.send(train(Destination::Unicast(at_left), b"y", 1)).await.unwrap();
        [drain(left).await.len(), drain(right).await.len()]
    };

    network.with_faults(|faults| faults.cut(at_left, at_right));
    assert_eq!(exchange(&mut left, &mut right).await, [1, 0]);
    network.with_faults(|faults| {
        faults.heal();
        faults.partition(&[&[at_left], &[at_right]]);
    });
    assert_eq!(exchange(&mut left, &mut right).await, [0, 0]);
    network.with_faults(|faults| faults.heal());
    assert_eq!(exchange(&mut left, &mut right).await, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_unread_queue_is_bounded() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    network.set_receive_buffer(1000);
    let (mut sender, mut receiver) = (network.attach(), network.attach());
    assert_eq!(receiver.receive_budget(), 1000);
    for _ in 0..5 {
        sender.send(train(Destination::Data, &[0; 300], 100)).await.unwrap();
    }
    assert_eq!(drain(&mut receiver).await.len(), 3);
    assert_eq!(receiver.counters().overflowed, 6);
    // What was read made room.
    sender.send(train(Destination::Data, &[0; 1000], 100)).await.unwrap();
    assert_eq!(count(&drain(&mut receiver).await), 10);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_process_leaves_the_network() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let (mut sender, gone) = (network.attach(), network.attach());
    let address: SocketAddr = gone.local_address();
    drop(gone);
    sender.send(train(Destination::Unicast(address), b"x", 1)).await.unwrap();
    sender.send(train(Destination::Control, b"x", 1)).await.unwrap();
    assert_ne!(network.attach().local_address(), address);
}

#[tokio::test(start_paused = true)]
async fn a_train_without_datagrams_is_refused_or_nothing() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let (mut sender, mut receiver) = (network.attach(), network.attach());
    assert!(sender.send(train(Destination::Data, b"x", 0)).await.is_err());
    sender.send(train(Destination::Data, b"", 1)).await.unwrap();
    assert!(drain(&mut receiver).await.is_empty());
}

/// Two tasks that always have something to do must not keep a third from running.
#[tokio::test]
async fn busy_endpoints_let_others_run() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let (mut sender, mut receiver) = (network.attach(), network.attach());
    let busy = [
        tokio::spawn(async move {
            loop {
                sender.send(train(Destination::Data, b"x", 1)).await.unwrap();
            }
        }),
        tokio::spawn(async move {
            loop {
                receiver.receive().await.unwrap();
            }
        }),
    ];
    for _ in 0..10 {
        timeout(PATIENCE, tokio::task::yield_now()).await.unwrap();
    }
    for task in busy {
        task.abort();
    }
}
