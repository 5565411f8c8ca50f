//! What the clients of a server notice when the group goes on without it, and does or does not take it back.

mod common;

use common::Wire;
use gms::{Bootstrap, Config, Event, Group, Listeners, Service, ServiceConfig};
use gms_net::{FaultRates, MemoryNetwork};

#[tokio::test]
async fn the_clients_of_a_server_that_is_refused_are_told() {
    let network = MemoryNetwork::new(15, FaultRates::NONE);
    let mut config = Config::new("test");
    config.bootstrap = Bootstrap::Found;
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("an address")], false).await.expect("free");
    let (group, _events) = Group::join_over(config, network.attach()).await.expect("joins");
    let service = Service::start(&group, listeners, ServiceConfig::default());
    let mut wire = Wire::connect(&service.endpoints()[0]).await;
    wire.ask(r#"{"hello":{"protocol":1}}"#).await;
    service.publish(&[Event::Refused(gms_core::Refusal::Group("another".to_owned()))]);
    let closed = wire.json().await["closed"]["reason"].to_string();
    assert!(closed.contains("the group has refused this server"), "{closed}");
}
