//! Messages of any size over connections: that they arrive, and from whom.

mod common;

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use gms_net::{Channel, Destination, FaultRates, Interface, MemoryNetwork, Transport, TransportExt, Udp, UdpConfig};
use tokio::time::timeout;

use common::{PATIENCE, alone, config, framed, hello, receive, receive_while, train, unused_address, work_until};

fn to(udp: &impl Transport) -> Destination {
    Destination::Stream(udp.local_address())
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index / 251 + index) as u8).collect()
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_names_its_sender() {
    let config = config();
    let [mut one, mut two] = [(); 2].map(|()| Udp::bind(config.clone()).unwrap());
    let contents = pattern(1 << 20);
    one.send(train(to(&two), &contents, contents.len())).await.unwrap();
    let received = receive_while(&mut two, &mut [&mut one]).await;
    assert_eq!((received.from, received.channel), (one.local_address(), Channel::Stream));
    assert_eq!((received.stride, received.datagram_count()), (1 << 20, 1));
    assert_eq!(received.contents, contents);
    assert_eq!((one.counters().stream_sent, two.counters().stream_received), (1, 1));
    assert_eq!((one.counters().sent, two.counters().received), (0, 0), "it is no datagram");
}

#[tokio::test]
async fn both_directions_use_one_connection() {
    let (mut one, mut two) = (alone(), alone());
    for round in 0..5u8 {
        one.send(train(to(&two), &[round; 3000], 3000)).await.unwrap();
        let received = receive_while(&mut two, &mut [&mut one]).await;
        assert_eq!(received.contents, vec![round; 3000]);
        let answer = Destination::Stream(received.from);
        two.send(train(answer, &[round, 1], 2)).await.unwrap();
        let received = receive_while(&mut one, &mut [&mut two]).await;
        assert_eq!((received.from, received.contents), (two.local_address(), vec![round, 1].into()));
    }
    assert_eq!((one.counters().connections, two.counters().connections), (1, 1));
}

#[tokio::test]
async fn the_messages_of_a_train_arrive_one_by_one_and_in_order() {
    let (mut one, mut two) = (alone(), alone());
    for base in [0u8, 100] {
        let contents: Vec<u8> = (base..base + 100).flat_map(|number| [number; 10]).chain([255; 3]).collect();
        one.send(train(to(&two), &contents, 10)).await.unwrap();
    }
    for base in [0u8, 100] {
        for number in base..base + 100 {
            assert_eq!(receive_while(&mut two, &mut [&mut one]).await.contents, [number; 10][..]);
        }
        assert_eq!(receive_while(&mut two, &mut [&mut one]).await.contents, [255; 3][..]);
    }
    one.send(train(to(&two), b"", 1)).await.unwrap();
    one.send(train(to(&two), b"last", 4)).await.unwrap();
    assert_eq!(receive_while(&mut two, &mut [&mut one]).await.contents, b"last"[..]);
}

#[tokio::test]
async fn a_message_to_oneself_arrives() {
    let mut one = alone();
    one.send(train(to(&one), b"note", 4)).await.unwrap();
    let received = receive(&mut one).await;
    assert_eq!((received.from, received.channel), (one.local_address(), Channel::Stream));
    assert_eq!(received.contents, b"note"[..]);
}

#[tokio::test]
async fn it_works_over_ipv6_and_from_another_address_of_this_host() {
    let mut interfaces: Vec<Interface> = vec!["127.0.0.5".parse().unwrap()];
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        interfaces.push(Interface::Address(Ipv6Addr::LOCALHOST.into()));
    }
    for interface in interfaces {
        let config = UdpConfig { interface, ..UdpConfig::with_peers([]) };
        let one = Udp::bind(config.clone());
        if cfg!(not(target_os = "linux")) && one.is_err() {
            println!("SKIP: this host has no {}", config.interface);
            continue;
        }
        let mut one = one.unwrap();
        let mut two = match one.local_address() {
            SocketAddr::V4(_) => alone(),
            SocketAddr::V6(_) => Udp::bind(config).unwrap(),
        };
        one.send(train(to(&two), &[7; 70_000], 70_000)).await.unwrap();
        let received = receive_while(&mut two, &mut [&mut one]).await;
        assert_eq!((received.from, received.contents.len()), (one.local_address(), 70_000));
    }
}

#[tokio::test]
async fn a_process_that_came_back_is_connected_with_again() {
    let address = unused_address();
    let config = UdpConfig { unicast_port: address.port(), ..UdpConfig::with_peers([]) };
    let mut one = alone();
    for life in 0..3u8 {
        let mut two = Udp::bind(config.clone()).unwrap();
        // What is sent before the end of the old connection is known is lost, so it is repeated.
        let received = timeout(PATIENCE, async {
            loop {
                one.send(train(Destination::Stream(address), &[life; 5000], 5000)).await.unwrap();
                tokio::select! {
                    received = two.receive() => break received.unwrap(),
                    _ = one.receive() => panic!("nobody sends to it"),
                    () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
                }
            }
        });
        assert_eq!(received.await.expect("not connected again").contents, vec![life; 5000]);
    }
    assert!(one.counters().connections >= 3);
}

#[tokio::test]
async fn a_queue_is_bounded_and_what_it_took_arrives() {
    let config = UdpConfig { stream_limit: 64 << 10, ..UdpConfig::with_peers([]) };
    let [mut one, mut two] = [(); 2].map(|()| Udp::bind(config.clone()).unwrap());
    for number in 0..100u8 {
        one.send(train(to(&two), &[number; 10_000], 10_000)).await.unwrap();
    }
    let counters = one.counters();
    assert_eq!((counters.stream_sent, counters.stream_lost), (13, 87), "twice 64 KiB hold 13");
    for number in 0..13u8 {
        assert_eq!(receive_while(&mut two, &mut [&mut one]).await.contents, vec![number; 10_000]);
    }
}

#[tokio::test]
async fn more_large_messages_than_there_is_room_for_arrive_one_after_another() {
    let config = UdpConfig { stream_limit: 1 << 20, ..UdpConfig::with_peers([]) };
    let mut receiver = Udp::bind(config.clone()).unwrap();
    let mut senders: Vec<Udp> = (0..9).map(|_| Udp::bind(config.clone()).unwrap()).collect();
    let contents = pattern(1 << 20);
    for sender in &mut senders {
        sender.send(train(to(&receiver), &contents, contents.len())).await.unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..9 {
        let mut others: Vec<&mut Udp> = senders.iter_mut().collect();
        let received = receive_while(&mut receiver, &mut others).await;
        assert_eq!(received.contents, contents);
        heard.push(received.from);
    }
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 9);
}

#[tokio::test]
async fn streams_and_datagrams_do_not_starve_each_other() {
    let (mut one, mut two) = (alone(), alone());
    one.send(train(to(&two), &[1; 50], 1)).await.unwrap();
    // Now the connection stands, and all of it has come.
    receive_while(&mut two, &mut [&mut one]).await;
    for _ in 0..50 {
        one.send(train(Destination::Unicast(two.local_address()), b"2", 1)).await.unwrap();
    }
    // Lets the runtime see that the socket has something, too.
    tokio::task::yield_now().await;
    let mut order = Vec::new();
    for _ in 0..99 {
        order.push(receive_while(&mut two, &mut [&mut one]).await.channel);
    }
    let alternating = order.windows(2).filter(|two| two[0] != two[1]).count();
    // As long as there is something of both.
    assert!(alternating >= 80, "{order:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_or_counted() {
    let config = UdpConfig { stream_limit: 1024, ..UdpConfig::with_peers([]) };
    let (mut one, mut two) = (Udp::bind(config).unwrap(), alone());
    for (destination, length, word) in
        [(to(&two), 1025, "1024"), (Destination::Stream("[::1]:7".parse().unwrap()), 1, "one family")]
    {
        let error = one.send(train(destination, &[7; 1025][..length], length)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(word), "{error}");
    }
    for address in ["127.0.0.1:0", "192.0.2.1:7", "239.1.1.1:7"] {
        one.send(train(Destination::Stream(address.parse().unwrap()), b"x", 1)).await.unwrap();
    }
    assert_eq!((one.counters().stream_lost, one.counters().connections), (3, 0));
    // Nobody listens there: it is lost once the host has said so.
    one.send(train(Destination::Stream(unused_address()), b"x", 1)).await.unwrap();
    work_until(&mut [&mut one], |all| all[0].counters().stream_lost == 4).await;
    // None of that is lasting.
    let contents = pattern(1024);
    one.send(train(to(&two), &contents, 1024)).await.unwrap();
    assert_eq!(receive_while(&mut two, &mut [&mut one]).await.contents, contents);
}

#[tokio::test]
async fn the_format_on_the_wire_is_what_it_says() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut udp = alone();
    let mut stranger = tokio::net::TcpStream::connect(udp.local_address()).await.unwrap();
    let address: SocketAddr = ([127, 0, 0, 1], 7).into();
    let bytes = [hello(address), framed(b"message")].concat();
    // Byte by byte, so that nothing ends where a packet does.
    for byte in bytes {
        stranger.write_all(&[byte]).await.unwrap();
        stranger.set_nodelay(true).unwrap();
    }
    let received = receive(&mut udp).await;
    assert_eq!((received.from, received.contents), (address, b"message"[..].into()));
    udp.send(train(Destination::Stream(address), b"answer", 6)).await.unwrap();
    let expected = [hello(udp.local_address()), framed(b"answer")].concat();
    let mut answer = vec![0; expected.len()];
    tokio::select! {
        read = stranger.read_exact(&mut answer) => assert_eq!(read.unwrap(), expected.len()),
        _ = receive(&mut udp) => panic!("nothing was sent"),
    }
    assert_eq!(answer, expected);
}

#[tokio::test(start_paused = true)]
async fn the_network_in_memory_has_streams_that_only_a_cut_loses() {
    let network = MemoryNetwork::new(1, FaultRates { duplicate: 0.5, ..FaultRates::loss(1.0) });
    network.set_receive_buffer(1000);
    let (mut one, mut two) = (network.attach(), network.attach());
    let contents = pattern(1 << 20);
    one.send(train(to(&two), &contents, 1 << 19)).await.unwrap();
    for half in contents.chunks(1 << 19) {
        let received = two.receive().await.unwrap();
        assert_eq!((received.from, received.channel, received.stride), (one.local_address(), Channel::Stream, 1 << 19));
        assert_eq!(received.contents, half);
    }
    let delay = std::time::Duration::from_millis(3)..std::time::Duration::from_millis(300);
    network.with_faults(|faults| faults.set_rates(FaultRates { delay, ..FaultRates::NONE }));
    let start = tokio::time::Instant::now();
    one.send(train(to(&two), b"abc", 1)).await.unwrap();
    for letter in [b"a", b"b", b"c"] {
        assert_eq!(two.receive().await.unwrap().contents, letter[..]);
    }
    assert_eq!(start.elapsed().as_millis(), 3);
    network.with_faults(|faults| faults.cut(one.local_address(), two.local_address()));
    one.send(train(to(&two), b"abc", 3)).await.unwrap();
    two.send(train(to(&one), b"way back", 8)).await.unwrap();
    assert_eq!(one.receive().await.unwrap().contents, b"way back"[..]);
    assert!(timeout(PATIENCE, two.receive()).await.is_err());
    assert_eq!((one.counters().stream_sent, two.counters().stream_received), (6, 5));
    assert_eq!(two.counters().injected_loss, 1);
}
