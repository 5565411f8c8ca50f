//! Real sockets on the loopback interface: several processes' worth of them in this one.

mod common;

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use gms_net::{BindError, Channel, Destination, Interface, Segmentation, Transport, TransportExt, Udp, UdpConfig};

use common::{config, hears_nothing_else, next_is, receive, receive_bytes, train, unused_group};

#[tokio::test]
async fn multicast_reaches_every_receiver_and_names_the_unicast_address() {
    let config = config();
    let mut sender = Udp::bind(config.clone()).unwrap();
    let mut receivers = [(); 3].map(|()| Udp::bind(config.clone()).unwrap());
    assert_eq!(sender.control_group().unwrap().port() + 1, sender.data_group().unwrap().port());

    sender.send(train(Destination::Data, b"data", 4)).await.unwrap();
    for receiver in &mut receivers {
        let received = receive(receiver).await;
        assert_eq!(received.channel, Channel::Data);
        assert_eq!(received.from, sender.local_address());
        assert_eq!(received.contents, &b"data"[..]);
    }
    sender.send(train(Destination::Control, b"control", 7)).await.unwrap();
    for receiver in &mut receivers {
        let received = receive(receiver).await;
        assert_eq!(received.channel, Channel::Control);
        assert_eq!(received.from, sender.local_address());
    }
    let answer = Destination::Unicast(sender.local_address());
    receivers[0].send(train(answer, b"unicast", 7)).await.unwrap();
    // Its own multicast, which also came, is passed over.
    let received = receive(&mut sender).await;
    assert_eq!(received.channel, Channel::Unicast);
    assert_eq!(received.from, receivers[0].local_address());
}

#[tokio::test]
async fn a_train_arrives_whole() {
    let config = config();
    let mut sender = Udp::bind(config.clone()).unwrap();
    let mut receivers = [(); 3].map(|()| Udp::bind(config.clone()).unwrap());
    if sender.max_segments() == 1 {
        println!("SKIP: this kernel does not cut trains (UDP GSO)");
        return;
    }
    let contents: Vec<u8> = (0..45u8).flat_map(|index| [index; 1400]).chain([99; 33]).collect();
    sender.send(train(Destination::Data, &contents, 1400)).await.unwrap();
    for receiver in &mut receivers {
        let received = receive(receiver).await;
        assert_eq!(received.stride, 1400);
        assert_eq!(received.contents, contents);
        assert_eq!(received.datagram_count(), 46);
    }
    assert_eq!(sender.counters().sent, 46);
    assert_eq!(sender.counters().sent_calls, 1);
    assert_eq!(receivers[0].counters().received_calls, 1);
}

#[tokio::test]
async fn a_train_longer_than_a_packet_is_sent_in_pieces() {
    let config = config();
    let mut sender = Udp::bind(config.clone()).unwrap();
    let mut receiver = Udp::bind(config).unwrap();
    let contents: Vec<u8> = (0..200_000u32).map(|index| (index / 1000) as u8).collect();
    sender.send(train(Destination::Data, &contents, 1000)).await.unwrap();
    assert_eq!(receive_bytes(&mut receiver, contents.len()).await, contents);
    assert_eq!(sender.counters().sent, 200);
}

#[tokio::test]
async fn without_segmentation_every_datagram_goes_alone() {
    let config = UdpConfig { segmentation: Segmentation::Off, ..config() };
    let mut sender = Udp::bind(config.clone()).unwrap();
    let mut receiver = Udp::bind(config).unwrap();
    assert_eq!(sender.max_segments(), 1);
    let contents: Vec<u8> = (0..10u8).flat_map(|index| [index; 100]).chain([10; 7]).collect();
    sender.send(train(Destination::Data, &contents, 100)).await.unwrap();
    assert_eq!(sender.counters().sent_calls, 11);
    assert_eq!(receive_bytes(&mut receiver, contents.len()).await, contents);
    assert_eq!(receiver.counters().received, 11);
}

#[tokio::test]
async fn a_leader_does_not_hear_data_and_a_follower_does_again() {
    let config = config();
    let mut leader = Udp::bind(config.clone()).unwrap();
    let mut follower = Udp::bind(config.clone()).unwrap();
    leader.set_leading(true).unwrap();
    leader.set_leading(true).unwrap();

    for sender in [&mut follower, &mut leader] {
        sender.send(train(Destination::Data, b"data", 4)).await.unwrap();
    }
    assert!(next_is(&mut follower, b"data").await);
    assert!(hears_nothing_else(&mut leader, &mut follower).await);

    leader.set_leading(false).unwrap();
    follower.send(train(Destination::Data, b"more", 4)).await.unwrap();
    assert!(next_is(&mut leader, b"more").await);
}

#[tokio::test]
async fn groups_on_one_port_do_not_mix() {
    let one = config();
    let mut other = one.clone();
    other.multicast.set_ip([239, 255, 255, 7].into());
    let mut sender = Udp::bind(one.clone()).unwrap();
    let mut same = Udp::bind(one).unwrap();
    let mut stranger = Udp::bind(other).unwrap();
    sender.send(train(Destination::Data, b"data", 4)).await.unwrap();
    assert!(next_is(&mut same, b"data").await);
    assert!(hears_nothing_else(&mut stranger, &mut sender).await);
}

#[tokio::test]
async fn a_flood_of_one_kind_does_not_starve_another() {
    let config = config();
    let mut receiver = Udp::bind(config.clone()).unwrap();
    let mut sender = Udp::bind(config).unwrap();
    let to_receiver = Destination::Unicast(receiver.local_address());
    for _ in 0..100 {
        for destination in [Destination::Control, to_receiver, Destination::Data] {
            sender.send(train(destination, b"x", 1)).await.unwrap();
        }
    }
    let mut order = Vec::new();
    for _ in 0..40 {
        order.push(receive(&mut receiver).await.channel);
    }
    for window in order.windows(4) {
        for channel in [Channel::Control, Channel::Data, Channel::Unicast] {
            assert!(window.contains(&channel), "{order:?}");
        }
    }
}

#[tokio::test]
async fn what_nobody_listens_to_is_no_error() {
    let mut udp = Udp::bind(config()).unwrap();
    let gone = Udp::bind(config()).unwrap().local_address();
    for address in [gone, SocketAddr::from(([127, 0, 0, 1], 0))] {
        for _ in 0..3 {
            udp.send(train(Destination::Unicast(address), b"aabb", 2)).await.unwrap();
        }
    }
    assert_eq!(udp.counters().send_lost, 6);
    let max_segments = udp.max_segments();
    assert_eq!(max_segments, Udp::bind(config()).unwrap().max_segments());
}

#[tokio::test]
async fn wrong_trains_are_refused_with_a_reason() {
    let mut udp = Udp::bind(config()).unwrap();
    let v6 = Destination::Unicast("[::1]:1".parse().unwrap());
    let huge = vec![0; 66_000];
    for (transmit, reason) in [
        (train(Destination::Data, b"x", 0), "segment size"),
        (train(v6, b"x", 1), "one family"),
        (train(Destination::Data, &huge, huge.len()), "does not fit"),
    ] {
        let error = udp.send(transmit).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(reason), "{error}");
    }
    // None of that is lasting.
    udp.send(train(Destination::Data, b"x", 1)).await.unwrap();
}

/// On loopback, where that carries IPv6 multicast, and on every other interface that has IPv6: with a time to live of
/// 0, so that nothing leaves this host.
#[tokio::test]
async fn ipv6_works_too() {
    let group = |high, low, number| {
        let [high, low, number] = [high, low, number].map(u16::from);
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, high, low, number).into()
    };
    let mut interfaces = vec![Interface::Loopback];
    for interface in if_addrs::get_if_addrs().unwrap() {
        if interface.ip().is_ipv6() && !interface.is_loopback() && interface.is_oper_up() {
            interfaces.push(Interface::Address(interface.ip()));
        }
    }
    if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        println!("SKIP: this host has no IPv6");
        return;
    }
    for interface in interfaces {
        let config = UdpConfig { interface: interface.clone(), ttl: 0, ..UdpConfig::new(unused_group(group)) };
        match Udp::bind(config.clone()) {
            Ok(sender) => exchange(sender, Udp::bind(config).unwrap()).await,
            Err(
                error @ (BindError::NoMulticastRoute { .. }
                | BindError::NoAddressOfFamily { .. }
                | BindError::UnknownInterface { .. }),
            ) => println!("SKIP {interface}: {error}"),
            Err(error) => panic!("{interface}: {error}"),
        }
    }
}

/// Every kind of message once, and the data group left.
async fn exchange(mut sender: Udp, mut receiver: Udp) {
    for destination in [Destination::Control, Destination::Data] {
        sender.send(train(destination, &[7; 3000], 1000)).await.unwrap();
        assert_eq!(receive_bytes(&mut receiver, 3000).await, [7; 3000]);
    }
    let to_sender = Destination::Unicast(sender.local_address());
    receiver.send(train(to_sender, b"alone", 5)).await.unwrap();
    let received = receive(&mut sender).await;
    assert_eq!(received.from, receiver.local_address());
    assert_eq!(received.channel, Channel::Unicast);

    receiver.set_leading(true).unwrap();
    receiver.send(train(Destination::Data, b"own", 3)).await.unwrap();
    assert!(next_is(&mut sender, b"own").await);
    sender.send(train(Destination::Data, b"lost", 4)).await.unwrap();
    assert!(hears_nothing_else(&mut receiver, &mut sender).await);
}
