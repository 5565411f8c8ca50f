//! How many datagrams a second one sender moves to several receivers, with trains and without.
//!
//! `cargo run --release -p gms-net --example throughput [receivers] [datagram bytes] [milliseconds]`
//!
//! Each receiver has a thread and a runtime of its own and acknowledges every quarter of a megabyte to the sender,
//! which keeps at most half a megabyte unacknowledged to each: without such a window the figure would be of losses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gms_net::{Counters, Destination, Segmentation, Transmit, Transport, TransportExt, Udp, UdpConfig};
use tokio::time::timeout;

const ACKNOWLEDGE_EVERY: usize = 256 << 10;
const WINDOW: usize = 512 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let (receivers, size, milliseconds) = (number(3)?, number(1400)?, number(1000)?);
    let duration = Duration::from_millis(milliseconds as u64);
    for segmentation in [Segmentation::Auto, Segmentation::Off] {
        let config = UdpConfig { segmentation, ..UdpConfig::new("239.1.1.78:10780".parse()?) };
        let (elapsed, sent, received) = measure(&config, receivers, size, duration)?;
        let rate = received.iter().map(|counters| counters.received).min().unwrap_or(0) as f64 / elapsed.as_secs_f64();
        println!(
            "{segmentation:?}: {:.0} k datagrams/s of {size} bytes to each of {receivers} ({:.2} GB/s), \
             {:.1} per send call, {:.1} per receive call, {} lost",
            rate / 1e3,
            rate * size as f64 / 1e9,
            sent.sent as f64 / sent.sent_calls as f64,
            per_call(&received),
            received.iter().map(|counters| sent.sent.abs_diff(counters.received)).sum::<u64>(),
        );
    }
    Ok(())
}

fn per_call(received: &[Counters]) -> f64 {
    let calls: u64 = received.iter().map(|counters| counters.received_calls).sum();
    received.iter().map(|counters| counters.received).sum::<u64>() as f64 / calls as f64
}

/// One run: how long it took, what was sent, what each receiver got.
fn measure(
    config: &UdpConfig,
    receivers: usize,
    size: usize,
    duration: Duration,
) -> Result<(Duration, Counters, Vec<Counters>), Box<dyn std::error::Error>> {
    let runtime = runtime()?;
    let mut sender = runtime.block_on(async { Udp::bind(config.clone()) })?;
    sender.set_leading(true)?;
    let to_sender = Destination::Unicast(sender.local_address());
    let stop = Arc::new(AtomicBool::new(false));
    let (ready, all_ready) = std::sync::mpsc::channel();
    let threads: Vec<_> = (0..receivers)
        .map(|number| {
            let (config, stop, ready) = (config.clone(), stop.clone(), ready.clone());
            thread::spawn(move || -> io::Result<Counters> {
                let runtime = crate::runtime()?;
                let mut udp = runtime.block_on(async { Udp::bind(config) }).map_err(io::Error::other)?;
                let _ = ready.send(());
                runtime.block_on(consume(&mut udp, number as u8, to_sender, &stop))
            })
        })
        .collect();
    for _ in 0..receivers {
        all_ready.recv()?;
    }
    let start = Instant::now();
    runtime.block_on(produce(&mut sender, receivers, size, duration))?;
    let elapsed = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut received = Vec::new();
    for thread in threads {
        received.push(thread.join().map_err(|_| "a receiver panicked")??);
    }
    Ok((elapsed, sender.counters(), received))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Sends trains for a while, as fast as the slowest receiver acknowledges.
async fn produce(udp: &mut Udp, receivers: usize, size: usize, duration: Duration) -> io::Result<()> {
    let contents = vec![0x5a; (60_000 / size).clamp(1, 64) * size];
    let mut unacknowledged = vec![0usize; receivers];
    let start = Instant::now();
    while start.elapsed() < duration {
        let train = Transmit { destination: Destination::Data, contents: &contents, segment_size: size };
        udp.send(train).await?;
        unacknowledged.iter_mut().for_each(|bytes| *bytes += contents.len());
        while unacknowledged.iter().any(|&bytes| bytes > WINDOW) {
            match timeout(Duration::from_millis(100), udp.receive()).await {
                Ok(received) => {
                    for datagram in received?.datagrams() {
                        let bytes = &mut unacknowledged[usize::from(datagram[0])];
                        *bytes = bytes.saturating_sub(ACKNOWLEDGE_EVERY);
                    }
                }
                // Something was lost, so its acknowledgement never comes.
                Err(_) => unacknowledged.fill(0),
            }
        }
    }
    Ok(())
}

/// Receives and acknowledges until told to stop.
async fn consume(udp: &mut Udp, number: u8, to_sender: Destination, stop: &AtomicBool) -> io::Result<Counters> {
    let mut pending = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok(received) = timeout(Duration::from_millis(50), udp.receive()).await else {
            continue;
        };
        for datagram in received?.datagrams() {
            pending += datagram.len();
        }
        while pending >= ACKNOWLEDGE_EVERY {
            pending -= ACKNOWLEDGE_EVERY;
            udp.send(Transmit::single(to_sender, &[number])).await?;
        }
    }
    while let Ok(received) = timeout(Duration::from_millis(50), udp.receive()).await {
        received?;
    }
    Ok(udp.counters())
}
