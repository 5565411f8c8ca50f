//! Connections from those who do not keep to the rules.

mod common;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use gms_net::{Destination, Transport, TransportExt, Udp, UdpConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use common::{PATIENCE, alone, framed, hello, pass, receive, receive_while, train, work_until};

fn somebody() -> SocketAddr {
    ([127, 0, 0, 1], 7).into()
}

/// Waits until `udp` has closed the connection, and hears nothing by it.
async fn is_closed(stream: &mut TcpStream, udp: &mut Udp) {
    let closed = async {
        let mut bytes = [0; 1000];
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::select! {
        closed = timeout(PATIENCE, closed) => closed.expect("not closed"),
        heard = udp.receive() => panic!("heard {heard:?}"),
    }
}

#[tokio::test]
async fn forged_hellos_and_garbage_close_the_connection() {
    let limit = 2000;
    let mut udp = Udp::bind(UdpConfig { stream_limit: limit, ..UdpConfig::with_peers([]) }).unwrap();
    let greeting = hello(somebody());
    let cases = [
        ("an address of another host", [hello(([127, 0, 0, 2], 7).into()), framed(b"x")].concat()),
        ("an address of nobody", [hello(([127, 0, 0, 1], 0).into()), framed(b"x")].concat()),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("another version", [b"gms-net\x02", &greeting[8..], &framed(b"x")].concat()),
        ("too large a message", [greeting.clone(), framed(&vec![7; limit + 1])].concat()),
        ("the largest length", [greeting.clone(), vec![0xff; 4]].concat()),
        ("an empty message", [greeting.clone(), framed(b"")].concat()),
    ];
    let count = cases.len() as u64;
    for (what, bytes) in cases {
        let mut stream = TcpStream::connect(udp.local_address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        println!("{what}");
        is_closed(&mut stream, &mut udp).await;
    }
    assert_eq!(udp.counters().connections_refused, count);
    assert_eq!(udp.counters().stream_received, 0);
    // The largest message that is allowed passes, and it still works for others.
    let mut stream = TcpStream::connect(udp.local_address()).await.unwrap();
    stream.write_all(&[greeting, framed(&vec![7; limit])].concat()).await.unwrap();
    assert_eq!(receive(&mut udp).await.contents, vec![7; limit]);
}

#[tokio::test]
async fn a_process_that_we_connect_with_must_be_the_one_meant() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = listener.local_addr().unwrap();
    let mut udp = alone();
    udp.send(train(Destination::Stream(there), b"secret", 6)).await.unwrap();
    let accepted = tokio::select! {
        accepted = listener.accept() => accepted.unwrap().0,
        _ = udp.receive() => panic!("nothing was sent"),
    };
    let mut stream = accepted;
    stream.write_all(&hello(somebody())).await.unwrap();
    is_closed(&mut stream, &mut udp).await;
    assert_eq!(udp.counters().connections_refused, 1);
}

#[tokio::test]
async fn who_is_silent_or_stops_midway_is_cut_off_in_time() {
    let mut udp = alone();
    let greeting = hello(somebody());
    let cases = [
        ("nothing at all", Vec::new()),
        ("half a hello", greeting[..20].to_vec()),
        ("half a length", [&greeting[..], &[7, 0]].concat()),
        ("half a message", [greeting.clone(), framed(&[7; 5000])[..4000].to_vec()].concat()),
    ];
    let count = cases.len() as u64;
    for (what, bytes) in cases {
        let mut stream = TcpStream::connect(udp.local_address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        println!("{what}");
        let accepted = udp.counters().connections + 1;
        work_until(&mut [&mut udp], |all| all[0].counters().connections == accepted).await;
        let refused = udp.counters().connections_refused;
        // No time at all, and then more than enough.
        pass(Duration::from_secs(1), &mut [&mut udp]).await;
        assert_eq!(udp.counters().connections_refused, refused);
        pass(Duration::from_secs(20), &mut [&mut udp]).await;
        is_closed(&mut stream, &mut udp).await;
    }
    assert_eq!(udp.counters().connections_refused, count);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_by_who_opened_it() {
    let (mut one, mut two) = (alone(), alone());
    let there = Destination::Stream(two.local_address());
    for round in 1..3 {
        one.send(train(there, b"x", 1)).await.unwrap();
        receive_while(&mut two, &mut [&mut one]).await;
        assert_eq!((one.counters().connections, two.counters().connections), (round, round));
        pass(Duration::from_secs(100), &mut [&mut one, &mut two]).await;
    }
}

#[tokio::test]
async fn many_silent_connections_keep_nobody_out() {
    let (mut udp, mut genuine) = (alone(), alone());
    let mut silent = Vec::new();
    for _ in 0..300 {
        tokio::select! {
            stream = TcpStream::connect(udp.local_address()) => silent.push(stream.unwrap()),
            _ = udp.receive() => panic!("nothing was sent"),
        }
    }
    genuine.send(train(Destination::Stream(udp.local_address()), b"genuine", 7)).await.unwrap();
    assert_eq!(receive_while(&mut udp, &mut [&mut genuine]).await.contents, b"genuine"[..]);
}

#[tokio::test]
async fn a_new_connection_from_the_same_process_takes_the_place_of_the_old() {
    let mut udp = alone();
    let mut streams = Vec::new();
    for number in 0..3u8 {
        let mut stream = TcpStream::connect(udp.local_address()).await.unwrap();
        stream.write_all(&[hello(somebody()), framed(&[number])].concat()).await.unwrap();
        let received = receive(&mut udp).await;
        assert_eq!((received.from, received.contents), (somebody(), vec![number].into()));
        streams.push(stream);
    }
    let last = streams.pop();
    for stream in &mut streams {
        is_closed(stream, &mut udp).await;
    }
    assert_eq!(udp.counters().connections_refused, 0);
    drop(last);
}
