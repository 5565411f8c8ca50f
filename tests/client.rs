//! The client library, with servers in this process.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{LIMIT, Server, servers};
use gms::{
    Bootstrap, Client, ClientConfig, ClientError, Config, Gap, Group, Listeners, Service, ServiceConfig, Subscription,
    Update,
};
use gms_net::{FaultRates, MemoryNetwork};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

fn at(servers: &[&Server]) -> ClientConfig {
    ClientConfig::at(servers.iter().map(|server| server.endpoint.clone()))
}

async fn client(config: ClientConfig) -> Client {
    tokio::time::timeout(LIMIT, Client::connect(config)).await.expect("in time").expect("a server")
}

async fn next(updates: &mut Subscription) -> Update {
    tokio::time::timeout(LIMIT, updates.next()).await.expect("in time").expect("a server")
}

/// The next message.
async fn message(updates: &mut Subscription) -> (u64, String) {
    loop {
        match next(updates).await {
            Update::Message(m) => return (m.gseq, String::from_utf8(m.payload.to_vec()).expect("text")),
            Update::View(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_one_client_sends_another_reads_in_order() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let servers = servers(&network, 2).await;
    let sender = client(at(&[&servers[0]])).await;
    let reader = client(at(&[&servers[1]])).await;
    let mut updates = reader.subscribe(None).await.expect("a server");
    let mut places = Vec::new();
    for n in 0..20 {
        places.push((sender.send(format!("message {n}")).await.expect("ordered").gseq, format!("message {n}")));
    }
    for place in places {
        assert_eq!(message(&mut updates).await, place);
    }
    let bytes = [0xff, 0, b'\n'];
    sender.send(bytes).await.expect("ordered");
    assert!(matches!(next(&mut updates).await, Update::Message(m) if m.payload == bytes[..]));
    let status = sender.status().await.expect("a server");
    assert_eq!((status.id, status.role.as_str(), status.members.len()), (0, "leader", 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_messages_keep_their_order_and_all_are_answered() {
    let network = MemoryNetwork::new(2, FaultRates::loss(0.01));
    let servers = servers(&network, 2).await;
    let sender = client(at(&[&servers[1]])).await;
    let mut updates = sender.subscribe(None).await.expect("a server");
    let sending = tokio::spawn(async move {
        let mut receipts = Vec::new();
        for n in 0..30_000 {
            receipts.push(sender.queue(n.to_string()).await.expect("accepted"));
        }
        let mut last = 0;
        for receipt in receipts {
            let place = tokio::time::timeout(LIMIT, receipt).await.expect("in time").expect("ordered").gseq;
            assert!(place > last);
            last = place;
        }
    });
    for n in 0..30_000 {
        assert_eq!(message(&mut updates).await.1, n.to_string());
    }
    sending.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_is_replaced_and_nothing_is_lost_or_delivered_twice() {
    let network = MemoryNetwork::new(3, FaultRates::NONE);
    let mut servers = servers(&network, 3).await;
    let sender = client(at(&[&servers[2], &servers[1]])).await;
    let mut followed = client(at(&[&servers[2], &servers[1]])).await.subscribe(Some(1)).await.expect("a server");
    let mut watched = client(at(&[&servers[0]])).await.subscribe(None).await.expect("a server");
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move {
            let mut outcomes = Vec::new();
            for n in 0..20_000 {
                outcomes.push(sender.queue(n.to_string()).await.expect("accepted"));
            }
            let mut places = Vec::new();
            for outcome in outcomes {
                places.push(tokio::time::timeout(LIMIT, outcome).await.expect("in time").expect("ordered").gseq);
            }
            places
        }
    });
    let mut seen = Vec::new();
    for n in 0..500 {
        let (gseq, text) = message(&mut watched).await;
        assert_eq!(text, n.to_string());
        seen.push(gseq);
    }
    servers.remove(2).crash();
    for n in 500..20_000 {
        let (gseq, text) = message(&mut watched).await;
        assert_eq!(text, n.to_string(), "each once, and in order");
        seen.push(gseq);
    }
    assert_eq!(sending.await.expect("no panic"), seen, "everything is where it was said to be");
    sender.send("the end").await.expect("ordered");
    assert_eq!(message(&mut watched).await.1, "the end");
    // The subscription has moved on too, without losing or repeating anything.
    let mut last = 0;
    loop {
        match next(&mut followed).await {
            Update::Message(m) if m.payload == "the end" => break,
            Update::Message(m) => {
                assert!(m.gseq > last);
                last = m.gseq;
            }
            Update::View(_) => {}
            // The other server's history begins with its own first view.
            Update::Gap(gap) => assert_eq!(gap.from, 1),
            other @ Update::Dissolved(_) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_is_replaced_and_nothing_is_refused() {
    let network = MemoryNetwork::new(11, FaultRates::NONE);
    let mut servers = servers(&network, 3).await;
    let sender = client(at(&[&servers[2], &servers[1]])).await;
    let mut watched = client(at(&[&servers[0]])).await.subscribe(None).await.expect("a server");
    let sending = tokio::spawn({
        let sender = sender.clone();
        async move {
            let mut outcomes = Vec::new();
            for n in 0..5_000 {
                // Some are cut into fragments.
                let len = if n % 100 == 7 { 20_000 } else { 6 };
                outcomes.push(sender.queue(format!("{n:0len$}")).await.expect("accepted"));
            }
            for outcome in outcomes {
                tokio::time::timeout(LIMIT, outcome).await.expect("in time").expect("ordered");
            }
        }
    });
    for n in 0..5_000 {
        let (_, text) = message(&mut watched).await;
        assert_eq!(text.parse::<usize>().expect("a number"), n);
        if n == 200 {
            servers[2].group.leave().await.expect("leaves");
        }
    }
    sending.await.expect("no panic");
    servers.remove(2).wait().await;
}

/// A group that remembers one session only; the client's server serves nobody for a while.
#[tokio::test]
async fn a_session_that_was_forgotten_is_replaced_as_long_as_nothing_is_in_doubt() {
    let network = MemoryNetwork::new(12, FaultRates::NONE);
    let mut config = Config::new("test");
    (config.id, config.bootstrap, config.params.sessions) = (Some(0), Bootstrap::Create, 1);
    let (group, mut events) = Group::join_over(config, network.attach()).await.expect("joins");
    let serving: Arc<Mutex<Option<Service>>> = Arc::default();
    let serve = async |place: gms::Endpoint| {
        let listeners = Listeners::bind(&[place], false).await.expect("free");
        let service = Service::start(&group, listeners, ServiceConfig::default());
        let endpoint = service.endpoints()[0].clone();
        *serving.lock().expect("no panic") = Some(service);
        endpoint
    };
    let place = serve("127.0.0.1:0".parse().expect("an address")).await;
    let publisher = tokio::spawn({
        let serving = serving.clone();
        async move {
            while let Some(batch) = events.next_batch().await {
                serving.lock().expect("no panic").iter().for_each(|service| service.publish(&batch));
            }
        }
    });
    let one = client(ClientConfig { give_up: LIMIT, ..ClientConfig::at([place.clone()]) }).await;
    let before = one.send("before").await.expect("ordered");
    *serving.lock().expect("no panic") = None;
    // Somebody else takes the only room there is.
    let elsewhere = serve("127.0.0.1:0".parse().expect("an address")).await;
    let other = client(ClientConfig { give_up: LIMIT, ..ClientConfig::at([elsewhere]) }).await;
    other.send("other").await.expect("ordered");
    drop(other);
    *serving.lock().expect("no panic") = None;
    serve(place).await;
    let places = ["after", "and after"].map(|text| one.send(text));
    let [after, and_after] = places;
    let (after, and_after) = tokio::join!(after, and_after);
    let (after, and_after) = (after.expect("ordered"), and_after.expect("ordered"));
    assert!(before.gseq < after.gseq && after.gseq < and_after.gseq);
    publisher.abort();
}

#[tokio::test]
async fn a_subscription_is_told_what_is_missing() {
    let network = MemoryNetwork::new(4, FaultRates::NONE);
    let config = || ServiceConfig { history: 4000, ..ServiceConfig::default() };
    let first = Server::start(&network, 0, config()).await;
    let second = Server::start(&network, 1, config()).await;
    first.settled(2).await;
    second.settled(2).await;
    let reader = client(at(&[&second, &first])).await;
    let mut updates = reader.subscribe(None).await.expect("a server");
    let start = first.group.multicast("start").await.expect("ordered").gseq;
    assert_eq!(message(&mut updates).await, (start, "start".to_owned()));
    second.crash();
    for _ in 0..100 {
        first.group.multicast("x".repeat(100)).await.expect("ordered");
    }
    let gap = loop {
        match next(&mut updates).await {
            Update::Gap(gap) => break gap,
            Update::View(view) => assert!(view.gseq > start),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(gap.from, start + 1);
    assert!(matches!(next(&mut updates).await, Update::Message(m) if m.gseq == gap.to + 1));
}

#[tokio::test]
async fn a_group_created_anew_is_told_from_the_one_before() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free");
    let place: gms::Endpoint = listener.local_addr().expect("an address").into();
    drop(listener);
    let network = MemoryNetwork::new(5, FaultRates::NONE);
    let first = Server::start_at(&network, 0, ServiceConfig::default(), place.clone()).await;
    let reader = client(at(&[&first])).await;
    let mut updates = reader.subscribe(None).await.expect("a server");
    for _ in 0..50 {
        first.group.multicast("before").await.expect("ordered");
        message(&mut updates).await;
    }
    first.group.leave().await.expect("leaves");
    first.wait().await;
    let other = MemoryNetwork::new(6, FaultRates::NONE);
    let again = Server::start_at(&other, 0, ServiceConfig::default(), place).await;
    let gid = again.group.view().expect("a view").gid.to_string();
    assert_eq!(next(&mut updates).await, Update::Gap(Gap { gid: gid.clone(), from: 0, to: 0 }));
    assert!(matches!(next(&mut updates).await, Update::View(view) if view.gid == gid && view.view == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_on_when_its_group_gives_way_to_another() {
    let network = MemoryNetwork::new(10, FaultRates::NONE);
    let apart = |addresses: &[std::net::SocketAddr]| {
        network.with_faults(|faults| faults.partition(&[&addresses[..1], &addresses[1..]]));
    };
    let alone = |id| Server::start_with(&network, id, Bootstrap::Auto);
    let first = alone(1).await;
    // The next one that comes has the next address.
    let other = std::net::SocketAddr::from(([10, 0, 0, 2], first.group.address().port()));
    apart(&[first.group.address(), other]);
    let second = alone(2).await;
    assert_eq!(second.group.address(), other);
    let mut readers = Vec::new();
    for server in [&first, &second] {
        readers.push(client(at(&[server])).await.subscribe(None).await.expect("a server"));
    }
    network.with_faults(|faults| faults.heal());
    first.settled(2).await;
    second.settled(2).await;
    let gid = first.group.view().expect("a view").gid.to_string();
    let together = client(at(&[&first])).await.send("together").await.expect("ordered").gseq;
    let mut dissolved = 0;
    for mut updates in readers {
        loop {
            match next(&mut updates).await {
                Update::Dissolved(end) => {
                    assert_eq!(end.into, gid);
                    assert!(end.upto >= 1);
                    dissolved += 1;
                }
                Update::View(view) => assert_eq!(view.gid, gid),
                Update::Gap(gap) => panic!("{gap:?}"),
                Update::Message(m) => {
                    assert_eq!((m.gseq, m.payload.as_ref()), (together, &b"together"[..]));
                    break;
                }
            }
        }
    }
    assert_eq!(dissolved, 1, "one of the two gave way");
}

#[tokio::test]
async fn without_a_server_the_error_says_what_was_tried() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("free").local_addr().expect("an address");
    let mut config = ClientConfig::at([nobody.into(), "unix:/nowhere/gms".parse().expect("a place")]);
    config.give_up = Duration::from_millis(100);
    let error = Client::connect(config).await.expect_err("nobody is there");
    let ClientError::NoServer { tried } = &error else { panic!("{error}") };
    assert!(tried.contains(&nobody.to_string()) && tried.contains("unix:/nowhere/gms"), "{tried}");
}

#[tokio::test]
async fn messages_wait_for_a_server_and_fail_when_there_is_none_for_long() {
    let network = MemoryNetwork::new(7, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig::default()).await;
    let place = server.endpoint.clone();
    let sender = client(ClientConfig { give_up: Duration::from_millis(200), ..at(&[&server]) }).await;
    sender.send("first").await.expect("ordered");
    server.group.leave().await.expect("leaves");
    server.wait().await;
    // Until the loss has been noticed, a message may be on its way.
    let error = loop {
        match sender.send("to nobody").await {
            Err(ClientError::Unknown) => {}
            other => break other.expect_err("nobody is there"),
        }
    };
    assert!(matches!(error, ClientError::NoServer { .. }), "{error}");
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("second").await }
    });
    let again = Server::start_at(&network, 0, ServiceConfig::default(), place).await;
    match waiting.await.expect("no panic") {
        Ok(_) | Err(ClientError::NoServer { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    sender.send("third").await.expect("found again");
    drop(again);
}

#[tokio::test]
async fn what_is_accepted_is_sent_although_the_client_is_dropped() {
    let network = MemoryNetwork::new(8, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig::default()).await;
    let mut updates = client(at(&[&server])).await.subscribe(None).await.expect("a server");
    let sender = client(at(&[&server])).await;
    for n in 0..1000 {
        drop(sender.queue(n.to_string()).await.expect("accepted"));
    }
    drop(sender);
    for n in 0..1000 {
        assert_eq!(message(&mut updates).await.1, n.to_string());
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_it_is_sent() {
    let network = MemoryNetwork::new(9, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig { line_limit: 1000, ..ServiceConfig::default() }).await;
    let sender = client(at(&[&server])).await;
    let error = sender.send("x".repeat(1000)).await.expect_err("too large");
    assert!(matches!(error, ClientError::TooLarge { limit: 1000, len } if len > 1000), "{error}");
    sender.send("x".repeat(900)).await.expect("fits");
}

#[tokio::test]
async fn a_program_that_is_no_server_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("free");
    let place: gms::Endpoint = listener.local_addr().expect("an address").into();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let (reader, mut writer) = stream.into_split();
            let mut line = String::new();
            let _ = BufReader::new(reader).read_line(&mut line).await;
            let _ = writer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let config = ClientConfig { give_up: Duration::from_millis(50), ..ClientConfig::at([place]) };
    let error = Client::connect(config).await.expect_err("no server").to_string();
    assert!(error.contains("no gms server"), "{error}");
}
