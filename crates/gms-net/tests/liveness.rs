//! Processes that are watched: told apart are those that died, those that are silent, and those that live.

mod common;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::time::Duration;

use gms_net::{Destination, Lossy, Transport, TransportExt, Udp, UdpConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use common::{PATIENCE, alone, hello, pass, receive_while, train, unused_address, work_until};

/// The next process that `watcher` has lost, while the `others` live on.
async fn lost(watcher: &mut Udp, others: &mut [&mut Udp]) -> SocketAddr {
    let lost = poll_fn(|cx| {
        for other in others.iter_mut() {
            assert!(other.poll_receive(cx).is_pending(), "nothing was sent");
        }
        assert!(watcher.poll_receive(cx).is_pending(), "nothing was sent");
        watcher.poll_lost(cx)
    });
    timeout(PATIENCE, lost).await.expect("not noticed")
}

fn nobody_is_lost(watcher: &mut impl Transport) -> bool {
    watcher.poll_lost(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Makes sure that `watcher` has heard of `other` by a connection.
async fn acquaint(watcher: &mut Udp, other: &mut Udp) {
    let there = Destination::Stream(watcher.local_address());
    other.send(train(there, b"I live", 6)).await.unwrap();
    assert_eq!(receive_while(watcher, &mut [other]).await.from, other.local_address());
}

fn at(address: SocketAddr) -> UdpConfig {
    UdpConfig { unicast_port: address.port(), ..UdpConfig::with_peers([]) }
}

#[tokio::test]
async fn a_process_that_ends_is_lost_and_those_that_live_are_not() {
    let (mut watcher, mut victim, mut survivor) = (alone(), alone(), alone());
    let all = [&watcher, &victim, &survivor].map(Udp::local_address);
    for udp in [&mut watcher, &mut victim, &mut survivor] {
        // Each watches all, itself too.
        udp.set_watched(&all);
    }
    acquaint(&mut watcher, &mut victim).await;
    acquaint(&mut watcher, &mut survivor).await;
    acquaint(&mut survivor, &mut victim).await;
    assert!(nobody_is_lost(&mut watcher) && nobody_is_lost(&mut survivor));
    drop(victim);
    assert_eq!(lost(&mut watcher, &mut [&mut survivor]).await, all[1]);
    assert_eq!(lost(&mut survivor, &mut [&mut watcher]).await, all[1]);
    assert!(nobody_is_lost(&mut watcher) && nobody_is_lost(&mut survivor));
}

#[tokio::test]
async fn watching_alone_makes_the_connection() {
    let (mut watcher, mut victim) = (alone(), alone());
    let there = victim.local_address();
    watcher.set_watched(&[there]);
    let both = &mut [&mut watcher, &mut victim];
    work_until(both, |both| both[1].counters().connections == 1).await;
    acquaint(&mut watcher, &mut victim).await;
    assert_eq!([&watcher, &victim].map(|one| one.counters().connections), [1, 1], "it is used both ways");
    drop(victim);
    assert_eq!(lost(&mut watcher, &mut []).await, there);
}

#[tokio::test]
async fn a_process_is_lost_once_for_each_time_it_was_there() {
    let mut watcher = alone();
    let (address, never_there) = (unused_address(), unused_address());
    watcher.set_watched(&[never_there, address]);
    for _ in 0..3 {
        let mut victim = Udp::bind(at(address)).unwrap();
        acquaint(&mut watcher, &mut victim).await;
        drop(victim);
        // The other was refused many times by now, but never there before.
        assert_eq!(lost(&mut watcher, &mut []).await, address);
        pass(Duration::from_millis(50), &mut [&mut watcher]).await;
        assert!(nobody_is_lost(&mut watcher));
    }
}

#[tokio::test]
async fn who_is_watched_no_more_is_not_reported() {
    let (mut watcher, mut one, mut two) = (alone(), alone(), alone());
    watcher.set_watched(&[one.local_address(), two.local_address()]);
    acquaint(&mut watcher, &mut one).await;
    acquaint(&mut watcher, &mut two).await;
    watcher.set_watched(&[two.local_address()]);
    let there = two.local_address();
    drop(one);
    pass(Duration::from_millis(20), &mut [&mut watcher, &mut two]).await;
    drop(two);
    assert_eq!(lost(&mut watcher, &mut []).await, there);
    assert!(nobody_is_lost(&mut watcher));
}

#[tokio::test]
async fn watching_the_impossible_does_no_harm() {
    let (mut watcher, mut victim) = (alone(), alone());
    let there = victim.local_address();
    let mut all = vec![watcher.local_address(), there, there];
    all.extend(
        ["[::1]:7", "127.0.0.1:0", "192.0.2.1:7", "239.1.1.1:7"].map(|text| text.parse::<SocketAddr>().unwrap()),
    );
    watcher.set_watched(&all);
    acquaint(&mut watcher, &mut victim).await;
    drop(victim);
    assert_eq!(lost(&mut watcher, &mut []).await, there);
    assert!(nobody_is_lost(&mut watcher));
}

#[tokio::test]
async fn beneath_other_transports_it_is_the_same() {
    let (watcher, mut victim) = (alone(), alone());
    let there = victim.local_address();
    let back = Destination::Stream(watcher.local_address());
    let mut watcher: Box<dyn Transport> = Box::new(Lossy::new(watcher, 1.0, 1));
    watcher.set_watched(&[there]);
    victim.send(train(back, b"I live", 6)).await.unwrap();
    tokio::select! {
        received = watcher.receive() => assert_eq!(received.unwrap().from, there),
        _ = victim.receive() => panic!("nothing was sent"),
    }
    drop(victim);
    let lost = poll_fn(|cx| {
        assert!(watcher.poll_receive(cx).is_pending());
        watcher.poll_lost(cx)
    });
    assert_eq!(timeout(PATIENCE, lost).await.expect("not noticed"), there);
}

/// Accepts the next connection, says hello as a process that lives, and closes it when it has heard one.
async fn accept_and_close(listener: &TcpListener, watcher: &mut Udp) {
    let greeting = hello(listener.local_addr().unwrap());
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&greeting).await.unwrap();
        stream.read_exact(&mut vec![0; greeting.len()]).await.unwrap();
    };
    tokio::select! {
        served = timeout(PATIENCE, served) => served.expect("no connection"),
        _ = watcher.receive() => panic!("nothing was sent"),
    }
}

#[tokio::test]
async fn a_process_that_closes_or_is_silent_but_listens_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = listener.local_addr().unwrap();
    let mut watcher = alone();
    watcher.set_watched(&[there]);
    for _ in 0..5 {
        accept_and_close(&listener, &mut watcher).await;
    }
    // From now on the kernel takes connections, and nobody says anything.
    let before = watcher.counters().connections;
    pass(Duration::from_secs(60), &mut [&mut watcher]).await;
    let tried = watcher.counters().connections - before;
    assert!((5..20).contains(&tried), "tried {tried} times in a minute");
    assert!(nobody_is_lost(&mut watcher));
    drop(listener);
    assert_eq!(lost(&mut watcher, &mut []).await, there);
}

#[tokio::test]
async fn a_watched_connection_stays_however_quiet_it_is() {
    let (mut watcher, mut other) = (alone(), alone());
    watcher.set_watched(&[other.local_address()]);
    acquaint(&mut watcher, &mut other).await;
    // Both may have begun a connection at the same time; the one that nobody watches goes.
    pass(Duration::from_secs(3600), &mut [&mut watcher, &mut other]).await;
    let connections = watcher.counters().connections;
    assert!(connections <= 2 && nobody_is_lost(&mut watcher), "{connections}");
    // Nobody watches any more: who opened it closes it, and nobody opens another.
    watcher.set_watched(&[]);
    pass(Duration::from_secs(3600), &mut [&mut watcher, &mut other]).await;
    assert_eq!(watcher.counters().connections, connections);
}
