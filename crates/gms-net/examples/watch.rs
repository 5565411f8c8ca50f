//! Processes that send each other a large message, and notice within milliseconds when one of them dies.
//!
//! `cargo run -p gms-net --example watch` in one terminal, the same with the address it prints (and more of them) in
//! others; then kill one, however hard.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;

use gms_net::{Channel, Destination, Received, Transmit, Transport, TransportExt, Udp, UdpConfig};

enum Happened {
    Received(Received),
    Lost(SocketAddr),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let peers: Vec<SocketAddr> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let mut udp = Udp::bind(UdpConfig::with_peers(peers.clone()))?;
    println!("this is {}", udp.local_address());
    let message = vec![7; 1 << 20];
    for &peer in &peers {
        udp.send(Transmit::single(Destination::Stream(peer), &message)).await?;
    }
    let mut watched = peers;
    udp.set_watched(&watched);
    loop {
        let happened = poll_fn(|cx| {
            if let Poll::Ready(received) = udp.poll_receive(cx) {
                return Poll::Ready(received.map(Happened::Received));
            }
            udp.poll_lost(cx).map(|lost| Ok(Happened::Lost(lost)))
        });
        match happened.await? {
            Happened::Lost(peer) => println!("{peer} seems to be dead"),
            Happened::Received(Received { from, channel: Channel::Stream, contents, .. }) => {
                println!("{} bytes from {from}", contents.len());
                watched.push(from);
                udp.set_watched(&watched);
            }
            Happened::Received(_) => {}
        }
    }
}
