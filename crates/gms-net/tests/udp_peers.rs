//! Groups without multicast: what is sent to a group is copied to processes.

mod common;

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use gms_net::{
    BindError, Channel, Destination, Interface, Lossy, Segmentation, Transport, TransportExt, Udp, UdpConfig,
};

use common::{hears_nothing_else, next_is, receive, receive_bytes, train, unused_address};

/// Three processes that know each other, on the loopback interface of the family of `interface`.
fn three(interface: Interface) -> [Udp; 3] {
    let config = UdpConfig { interface, ..UdpConfig::with_peers([]) };
    let mut three = [(); 3].map(|()| Udp::bind(config.clone()).unwrap());
    let all = three.each_ref().map(Udp::local_address);
    for udp in &mut three {
        // The list names oneself, too.
        udp.set_peers(&all).unwrap();
    }
    three
}

#[tokio::test]
async fn control_goes_to_peers_and_data_to_members() {
    let [mut one, mut two, mut three] = three(Interface::Loopback);
    assert_eq!((one.control_group(), one.data_group()), (None, None));
    one.send(train(Destination::Control, b"control", 7)).await.unwrap();
    // Nobody is a member yet.
    one.send(train(Destination::Data, b"data", 4)).await.unwrap();
    for other in [&mut two, &mut three] {
        let received = receive(other).await;
        assert_eq!((received.from, received.channel), (one.local_address(), Channel::Unicast));
        assert_eq!(received.contents, &b"control"[..]);
        assert!(hears_nothing_else(other, &mut one).await);
    }
    assert_eq!(one.counters().sent, 2 + 8);

    one.set_members(&[one.local_address(), two.local_address()]);
    one.send(train(Destination::Data, b"data", 4)).await.unwrap();
    assert!(next_is(&mut two, b"data").await);
    for other in [&mut one, &mut three] {
        assert!(hears_nothing_else(other, &mut two).await);
    }
    assert_eq!(one.counters().send_lost, 0);
}

#[tokio::test]
async fn members_that_are_no_peers_hear_control() {
    let [mut one, mut two, mut three] = three(Interface::Loopback);
    one.set_peers(&[two.local_address()]).unwrap();
    one.set_members(&[three.local_address(), two.local_address()]);
    one.send(train(Destination::Control, b"control", 7)).await.unwrap();
    for other in [&mut two, &mut three] {
        assert!(next_is(other, b"control").await);
        // And only once, though peer and member.
        assert!(hears_nothing_else(other, &mut one).await);
    }
}

#[tokio::test]
async fn a_peer_named_when_bound_can_answer() {
    let mut first = Udp::bind(UdpConfig::with_peers([])).unwrap();
    let mut second = Udp::bind(UdpConfig::with_peers([first.local_address()])).unwrap();
    second.send(train(Destination::Control, b"hello", 5)).await.unwrap();
    let from = receive(&mut first).await.from;
    first.send(train(Destination::Unicast(from), b"answer", 6)).await.unwrap();
    assert!(next_is(&mut second, b"answer").await);
}

#[tokio::test]
async fn a_process_may_name_itself_in_its_settings() {
    let free = unused_address();
    let config = UdpConfig { unicast_port: free.port(), ..UdpConfig::with_peers([free]) };
    let mut alone = Udp::bind(config).unwrap();
    alone.set_members(&[free]);
    for destination in [Destination::Control, Destination::Data] {
        alone.send(train(destination, b"to nobody", 9)).await.unwrap();
    }
    assert_eq!(alone.counters().sent, 0);
    // What is sent to oneself by name does arrive.
    alone.send(train(Destination::Unicast(free), b"to me", 5)).await.unwrap();
    assert!(next_is(&mut alone, b"to me").await);
}

#[tokio::test]
async fn dead_and_impossible_destinations_are_no_matter_to_the_others() {
    let [mut one, mut two, mut three] = three(Interface::Loopback);
    let impossible = ["127.0.0.1:0", "[::1]:7", "192.0.2.1:7"];
    let mut members = vec![unused_address(), two.local_address()];
    members.extend(impossible.map(|address| address.parse::<SocketAddr>().unwrap()));
    members.push(three.local_address());
    one.set_members(&members);
    let trains = one.max_segments();
    let contents: Vec<u8> = (0..100_000u32).map(|index| (index / 1000) as u8).collect();
    for _ in 0..3 {
        one.send(train(Destination::Data, &contents, 1000)).await.unwrap();
        for other in [&mut two, &mut three] {
            assert_eq!(receive_bytes(other, contents.len()).await, contents);
        }
    }
    assert_eq!(one.counters().send_lost, 3 * 3 * 100);
    assert_eq!(one.max_segments(), trains, "one destination must not turn trains off for the others");
}

#[tokio::test]
async fn every_copy_of_a_train_is_a_train() {
    let [mut one, mut two, mut three] = three(Interface::Loopback);
    if one.max_segments() == 1 {
        println!("SKIP: this kernel does not cut trains (UDP GSO)");
        return;
    }
    one.set_members(&[two.local_address(), three.local_address()]);
    let contents: Vec<u8> = (0..45u8).flat_map(|index| [index; 1400]).chain([99; 33]).collect();
    one.send(train(Destination::Data, &contents, 1400)).await.unwrap();
    for other in [&mut two, &mut three] {
        let received = receive(other).await;
        assert_eq!((received.stride, received.datagram_count()), (1400, 46));
        assert_eq!(received.contents, contents);
    }
    assert_eq!((one.counters().sent, one.counters().sent_calls), (92, 2));
}

#[tokio::test]
async fn without_segmentation_the_copies_arrive_too() {
    let config = UdpConfig { segmentation: Segmentation::Off, ..UdpConfig::with_peers([]) };
    let [mut one, mut two] = [(); 2].map(|()| Udp::bind(config.clone()).unwrap());
    one.set_peers(&[two.local_address()]).unwrap();
    one.send(train(Destination::Control, &[7; 1050], 100)).await.unwrap();
    assert_eq!(receive_bytes(&mut two, 1050).await, [7; 1050]);
    assert_eq!(one.counters().sent_calls, 11);
}

#[tokio::test]
async fn leading_changes_nothing_but_is_allowed() {
    let [mut leader, mut two, _] = three(Interface::Loopback);
    leader.set_leading(true).unwrap();
    two.set_members(&[leader.local_address()]);
    two.send(train(Destination::Data, b"data", 4)).await.unwrap();
    assert!(next_is(&mut leader, b"data").await);
    leader.set_leading(false).unwrap();
}

#[tokio::test]
async fn ipv6_needs_no_multicast_route() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("SKIP: this host has no IPv6");
        return;
    }
    let [mut one, mut two, mut three] = three(Interface::Address(Ipv6Addr::LOCALHOST.into()));
    assert!(one.local_address().is_ipv6());
    one.set_members(&[two.local_address(), three.local_address()]);
    for (destination, contents) in [(Destination::Control, b"control"), (Destination::Data, b"data...")] {
        one.send(train(destination, contents, 7)).await.unwrap();
        for other in [&mut two, &mut three] {
            assert!(next_is(other, contents).await);
        }
    }
    // The family of the first peer decides on which address of the interface to listen.
    let fourth = Udp::bind(UdpConfig::with_peers([one.local_address()])).unwrap();
    assert!(fourth.local_address().is_ipv6());
}

#[tokio::test]
async fn peers_that_cannot_be_reached_are_refused() {
    let v4: SocketAddr = ([127, 0, 0, 1], 7).into();
    for (bad, word) in [("[::1]:7", "one family"), ("192.0.2.1:7", "interface"), ("127.0.0.1:0", "port")] {
        let bad = bad.parse().unwrap();
        let error = Udp::bind(UdpConfig::with_peers([v4, bad])).unwrap_err();
        assert!(matches!(error, BindError::UnreachablePeer { peer, .. } if peer == bad), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&bad.to_string()) && text.contains(word), "{text}");
    }
    let v6_only =
        UdpConfig { interface: "127.0.0.1".parse().unwrap(), ..UdpConfig::with_peers(["[::1]:7".parse().unwrap()]) };
    let error = Udp::bind(v6_only).unwrap_err();
    assert!(matches!(error, BindError::NoAddressOfFamily { .. }), "{error:?}");
    assert!(error.to_string().contains("[::1]:7"), "{error}");
}

#[tokio::test]
async fn peers_refused_later_leave_the_old_ones() {
    let [mut one, mut two, mut three] = three(Interface::Loopback);
    let error = one.set_peers(&[three.local_address(), "[::1]:7".parse().unwrap()]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("[::1]:7"), "{error}");
    one.send(train(Destination::Control, b"still", 5)).await.unwrap();
    for other in [&mut two, &mut three] {
        assert!(next_is(other, b"still").await);
    }
}

#[tokio::test]
async fn it_works_beneath_other_transports() {
    let [one, mut two, mut three] = three(Interface::Loopback);
    let (to_two, to_three) = (two.local_address(), three.local_address());
    let mut wrapped: Box<dyn Transport> = Box::new(Lossy::new(one, 0.0, 1));
    wrapped.set_peers(&[to_three]).unwrap();
    wrapped.set_members(&[to_two]);
    wrapped.send(train(Destination::Data, b"data", 4)).await.unwrap();
    wrapped.send(train(Destination::Control, b"control", 7)).await.unwrap();
    assert!(next_is(&mut two, b"data").await);
    for other in [&mut two, &mut three] {
        assert!(next_is(other, b"control").await);
    }
}
