//! What connects to a server and is none of its clients.

mod common;

use common::{Server, Wire};
use gms::ServiceConfig;
use gms_net::{FaultRates, MemoryNetwork};

#[tokio::test]
async fn what_a_web_page_has_a_browser_post_is_not_read() {
    let network = MemoryNetwork::new(21, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig::default()).await;
    let before = server.group.view().expect("a view").gid;
    let order = r#"{"operate":{"force_view":{"part":"create","discard":true}}}"#;
    let mut wire = Wire::connect(&server.endpoint).await;
    wire.write(&format!("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\r\n{order}\n")).await;
    let closed = wire.json().await["closed"]["reason"].to_string();
    assert!(closed.contains("HTTP"), "{closed}");
    assert_eq!(wire.line().await, None, "nothing follows");
    assert_eq!(server.group.view().expect("still a member").gid, before);

    // The order itself would be taken; not one that means no harm, of a group that has a quorum.
    let mut operator = Wire::connect(&server.endpoint).await;
    let refused =
        operator.ask(r#"{"operate":{"force_view":{"part":"create"}}}"#).await["refused"]["reason"].to_string();
    assert!(refused.contains("has a quorum"), "{refused}");
    assert_eq!(server.group.view().expect("still a member").gid, before);
    assert!(operator.ask("HTTP/1.1 is not JSON").await.get("error").is_some(), "the connection lives on");
    assert!(operator.ask(order).await.get("operated").is_some());
}
