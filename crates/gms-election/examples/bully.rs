//! Five nodes whose leader, Node5, is dead; Node1 notices. In one thread and in virtual time, so the
//! output is always the same: `cargo run -p gms-election --example bully`

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gms_election::{Destination, Election, ElectionConfig, Electorate, Event, Input, Message, Rank};

const DELAY: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = ElectionConfig { asks: 1, repeats: 1, ..ElectionConfig::default() };
    let members = Electorate::new(1, [1u64, 2, 3, 4, 5]).led_by(5);
    let mut nodes = BTreeMap::new();
    for id in 1..=4 {
        nodes.insert(id, Election::new(config.clone(), id, &members, Rank::Bully, id)?);
    }
    let mut now = Duration::ZERO;
    let mut network = VecDeque::new();

    println!("{now:>5.0?}  Node1 suspects Node5 and starts an election");
    // The others have not noticed yet.
    let mut due = VecDeque::from([(1, Input::Suspect(5)), (1, Input::Start)]);
    loop {
        while let Some((id, input)) = due.pop_front() {
            let Some(node) = nodes.get_mut(&id) else { continue };
            node.handle(now, input);
            while let Some(transmit) = node.poll_transmit() {
                let to = match transmit.to {
                    Destination::One(to) => vec![to],
                    Destination::All => members.members.iter().copied().filter(|to| *to != id).collect(),
                };
                for to in to {
                    let what = match transmit.message {
                        Message::Election { .. } => "Election",
                        Message::Ok { .. } => "OK",
                        Message::Coordinator { .. } => "I've won",
                    };
                    println!("{now:>5.0?}  Node{id}: {what} sent to Node{to}");
                    network.push_back((now + DELAY, to, id, transmit.message.encode()));
                }
            }
            while let Some(event) = node.poll_event() {
                match event {
                    Event::Won { round } => println!("{now:>5.0?}  Node{id} has won round {round}"),
                    Event::Elected { leader, .. } => println!("{now:>5.0?}  Node{id} follows Node{leader}"),
                    Event::GaveUp { attempts } => println!("{now:>5.0?}  Node{id} gives up after {attempts} attempts"),
                }
            }
        }
        let timer = nodes.values().filter_map(Election::poll_timeout).min();
        let arrival = network.front().map(|(at, ..)| *at);
        let Some(next) = timer.into_iter().chain(arrival).min() else { break };
        now = next;
        while let Some((_, to, from, body)) = network.pop_front_if(|(at, ..)| *at <= now) {
            due.push_back((to, Input::Received { from, message: Message::decode(&body)? }));
        }
        due.extend(nodes.keys().map(|id| (*id, Input::Tick)));
    }
    Ok(())
}
