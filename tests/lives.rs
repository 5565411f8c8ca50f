//! What the clients of a server notice when the group goes on without it, and does or does not take it back.

mod common;

use common::Wire;
use gms::{Bootstrap, Config, Event, Events, Group, Listeners, Service, ServiceConfig};
use gms_net::{FaultRates, MemoryNetwork};

/// A member alone in its group that serves clients; what they are told is what the test publishes.
async fn served() -> (Group, Events, Service) {
    let network = MemoryNetwork::new(15, FaultRates::NONE);
    let mut config = Config::new("test");
    config.bootstrap = Bootstrap::Create;
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("an address")], false).await.expect("free");
    let (group, events) = Group::join_over(config, network.attach()).await.expect("joins");
    let service = Service::start(&group, listeners, ServiceConfig::default());
    (group, events, service)
}

/// The next outcome of a message.
async fn outcome(events: &mut Events) -> Event {
    loop {
        let event = events.next().await.expect("a member");
        if matches!(event, Event::Outcome { .. }) {
            return event;
        }
    }
}

#[tokio::test]
async fn the_clients_of_a_server_that_is_refused_are_told() {
    let (_group, _events, service) = served().await;
    let mut wire = Wire::connect(&service.endpoints()[0]).await;
    wire.ask(r#"{"hello":{"protocol":1}}"#).await;
    service.publish(&[Event::Refused(gms_core::Refusal::Group("another".to_owned()))]);
    let closed = wire.json().await["closed"]["reason"].to_string();
    assert!(closed.contains("the group has refused this server"), "{closed}");
}

#[tokio::test]
async fn a_server_between_two_lives_holds_no_client() {
    let (_group, mut events, service) = served().await;
    let view = events.next().await.expect("the first view");
    service.publish(std::slice::from_ref(&view));
    let mut before = Wire::connect(&service.endpoints()[0]).await;
    before.write("{\"send\":{\"number\":1,\"payload\":\"a\"}}\n").await;
    // The client's message is under way, and what becomes of it is not published.
    outcome(&mut events).await;
    service.publish(&[Event::Excluded]);
    assert_eq!(before.json().await["unknown"]["number"], 1);
    assert!(before.json().await["closed"]["reason"].as_str().expect("a reason").contains("go to another"));

    let mut between = Wire::connect(&service.endpoints()[0]).await;
    let refused = between.ask(r#"{"send":{"number":2,"payload":"b"}}"#).await["not_ordered"].clone();
    assert_eq!((&refused["number"], &refused["again"]), (&2.into(), &true.into()), "{refused}");
    let opening = between.ask(r#"{"hello":{"protocol":1,"session":"new"}}"#).await;
    assert!(opening["closed"]["reason"].as_str().expect("a reason").contains("send through another"), "{opening}");

    service.publish(&[view]);
    let mut after = Wire::connect(&service.endpoints()[0]).await;
    after.write("{\"send\":{\"number\":3,\"payload\":\"c\"}}\n").await;
    let outcome = outcome(&mut events).await;
    service.publish(&[outcome]);
    assert_eq!(after.json().await["ordered"]["number"], 3);
}
