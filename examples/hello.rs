//! A member that greets its group and prints whatever happens. Run it in two or three terminals.

use gms::{Config, Event, Group};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (group, mut events) = Group::join(Config::new("hello")).await?;
    let place = group.multicast("hello, everybody").await?;
    println!("ordered at {} in view {}", place.gseq, place.view);
    while let Some(event) = events.next().await {
        match event {
            Event::Message(m) => println!("{} {}: {}", m.gseq, m.sender.node, String::from_utf8_lossy(&m.payload)),
            Event::View(change) => println!("view {}", change.view),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
