//! Three directories find each other, then a detector notices that one is gone; all in one thread and in
//! virtual time: `cargo run -p gms-discovery --example three_servers`

use std::collections::BTreeMap;
use std::time::Duration;

use gms_discovery::{Destination, Detector, DetectorConfig, Directory, DirectoryConfig, Entry, Event, Input, Message};

type Servers = BTreeMap<u32, Directory<u32>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut servers = Servers::new();
    for id in 1..=3 {
        let now = Duration::from_secs(id.into());
        let me = Entry::new(id, 1, format!("10.0.0.{id}:7000").parse()?, format!("server-{id}"));
        println!("{now:>6.1?}  {} starts and probes", me.name);
        servers.insert(id, Directory::new(DirectoryConfig::default(), me, now)?);
        carry(&mut servers, now)?;
    }

    let died = Duration::from_secs(4);
    println!("{died:>6.1?}  server-3 dies");
    servers.remove(&3);

    let mut detector = Detector::new(DetectorConfig::lan(), 1)?;
    detector.watch(died, 3);
    while let Some(at) = detector.poll_timeout() {
        detector.tick(at);
        while let Some(event) = detector.poll_event() {
            println!("{at:>6.2?}  server-1's detector: {event:?}");
        }
    }

    while servers.values().any(|directory| directory.servers().len() > 1) {
        let now = servers.values().filter_map(Directory::poll_timeout).min().expect("directories always have a timer");
        servers.values_mut().for_each(|directory| directory.handle(now, Input::Tick));
        carry(&mut servers, now)?;
    }
    Ok(())
}

/// The network: takes each message to whom it is for, at once, and prints what follows from it.
fn carry(servers: &mut Servers, now: Duration) -> Result<(), Box<dyn std::error::Error>> {
    while let Some((source, transmit)) =
        servers.values_mut().find_map(|directory| Some((directory.me().address, directory.poll_transmit()?)))
    {
        let body = transmit.message.encode()?;
        for directory in servers.values_mut() {
            let is_meant = match transmit.destination {
                Destination::All => true,
                Destination::One(to) => to == directory.me().address,
            };
            if is_meant {
                directory.handle(now, Input::Received { source, message: Message::decode(&body)? });
            }
        }
    }
    servers.values_mut().for_each(|directory| print_events(directory, now));
    Ok(())
}

fn print_events(directory: &mut Directory<u32>, now: Duration) {
    while let Some(event) = directory.poll_event() {
        let text = match event {
            Event::Appeared(entry) => format!("sees {} at {}", entry.name, entry.address),
            Event::Changed(entry) => format!("has news of {}", entry.name),
            Event::Forgotten { entry, why } => format!("forgets {}: {why:?}", entry.name),
            Event::Conflict(entry) => format!("has its id used at {}", entry.address),
        };
        println!("{now:>6.1?}  {} {text}", directory.me().name);
    }
}
