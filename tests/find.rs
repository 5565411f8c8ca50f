//! Finding servers on loopback: with servers in this process, and with one made by hand.

mod common;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use common::LIMIT;
use gms::{
    Bootstrap, Client, ClientConfig, Config, Events, FindConfig, Group, Listeners, Service, ServiceConfig, UdpConfig,
    find_servers,
};

/// A multicast address that no other test uses.
fn meeting() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 2000) as u16;
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 2000 * 2;
        let is_free = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if is_free(port) && is_free(port + 1) {
            return SocketAddr::from(([239, 1, 1, 1], port));
        }
    }
}

fn find(multicast: SocketAddr) -> FindConfig {
    FindConfig { multicast, ..FindConfig::new("test") }
}

/// A member that serves clients and says so.
async fn server(multicast: SocketAddr, id: u64) -> (Group, Events, Service) {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("a place")], false).await.expect("free");
    let mut config = Config::new("test");
    config.id = Some(id);
    config.network = UdpConfig::new(multicast);
    config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
    config.clients = listeners.address();
    let (group, events) = Group::join(config).await.expect("joins");
    let service = Service::start(&group, listeners, ServiceConfig::default());
    (group, events, service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_answer_and_clients_find_them() {
    let multicast = meeting();
    assert_eq!(find_servers(&find(multicast)).await.expect("can ask"), []);
    let mut servers = Vec::new();
    for id in 0..3 {
        servers.push(server(multicast, id).await);
    }
    let found = async {
        loop {
            let found = find_servers(&find(multicast)).await.expect("can ask");
            if found.len() == 3 && found.iter().all(|server| server.size == 3) {
                break found;
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, found).await.expect("all answer in time");
    for ((group, _, service), found) in servers.iter().zip(&found) {
        assert_eq!((found.id, found.address), (group.uid().node.0, group.address()));
        assert_eq!(found.clients.map(gms::Endpoint::from).as_ref(), Some(&service.endpoints()[0]));
        assert_eq!((found.leader, found.gid), (Some(0), group.view().map(|view| view.gid)));
    }
    let other = FindConfig { group: "other".into(), ..find(multicast) };
    assert_eq!(find_servers(&other).await.expect("can ask"), []);
    let peer = FindConfig { peers: vec![found[1].address], multicast: meeting(), ..find(multicast) };
    let asked = find_servers(&peer).await.expect("can ask");
    assert_eq!((asked.len(), asked[0].id), (1, 1));

    let mut groups = Vec::new();
    for (group, mut events, service) in servers {
        groups.push(group);
        tokio::spawn(async move {
            while let Some(batch) = events.next_batch().await {
                service.publish(&batch);
            }
        });
    }
    let config = ClientConfig { find: Some(find(multicast)), ..ClientConfig::new("test") };
    let client = tokio::time::timeout(LIMIT, Client::connect(config)).await.expect("in time").expect("found");
    client.send("hello").await.expect("ordered");
    let seen = async {
        loop {
            let seen = client.status().await.expect("a server").servers;
            if seen.len() == 2 {
                break seen;
            }
        }
    };
    let seen = tokio::time::timeout(LIMIT, seen).await.expect("both others in time");
    assert!(seen.iter().all(|server| server.clients.is_some()), "{seen:?}");
}

#[tokio::test]
async fn garbage_does_not_hurt_and_a_peer_that_is_not_there_does_not_either() {
    let asked = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("free");
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("free").local_addr().expect("an address");
    let peer = asked.local_addr().expect("an address");
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        let mut asked_at = Vec::new();
        while asked_at.len() < 4 {
            let (len, from) = asked.recv_from(&mut buffer).await.expect("reads");
            asked_at.push(Instant::now());
            assert!(len >= 1024, "as long as any answer");
            for garbage in [&b""[..], b"gm", &buffer[..len], &[0xff; 1500]] {
                asked.send_to(garbage, from).await.expect("writes");
            }
        }
        asked_at
    });
    let config = FindConfig { peers: vec![nobody, peer], ..find(meeting()) };
    assert_eq!(find_servers(&config).await.expect("can ask"), []);
    let asked_at = tokio::time::timeout(LIMIT, answering).await.expect("in time").expect("no panic");
    assert!(asked_at[3] - asked_at[0] >= Duration::from_millis(250), "not all at once");
}

#[tokio::test]
async fn settings_that_cannot_be_are_named() {
    let config = FindConfig { interface: "nope0".parse().expect("a name"), ..find(meeting()) };
    let error = find_servers(&config).await.expect_err("no such interface").to_string();
    assert!(error.contains("nope0"), "{error}");
    let config =
        ClientConfig { find: Some(find(meeting())), give_up: Duration::from_millis(10), ..ClientConfig::new("test") };
    let error = Client::connect(config).await.expect_err("nobody").to_string();
    assert!(error.contains("group 'test' at 239.1.1.1:"), "{error}");
}
