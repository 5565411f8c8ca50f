//! Two processes' worth of sockets on one loopback group: one sends a train of four datagrams, the other slices it.

use gms_net::{Destination, Transmit, Transport, TransportExt, Udp, UdpConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = UdpConfig::new("239.1.1.77:10770".parse()?); // on loopback, unless told otherwise
    let mut alice = Udp::bind(config.clone())?;
    let mut bob = Udp::bind(config)?;
    let train = Transmit { destination: Destination::Data, contents: b"one two six ten", segment_size: 4 };
    alice.send(train).await?; // one call, four datagrams
    let mut heard = Vec::new();
    while heard.len() < 4 {
        let received = bob.receive().await?;
        if received.from == alice.local_address() {
            heard.extend(received.datagrams()); // slices, no copies
        }
    }
    for datagram in &heard {
        println!("{}", String::from_utf8_lossy(datagram));
    }
    assert_eq!(heard.concat(), b"one two six ten");
    Ok(())
}
