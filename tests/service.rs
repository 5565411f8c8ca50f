//! The client protocol as it goes over the wire, with clients written by hand.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{LIMIT, Server, Wire, servers};
use gms::{Bootstrap, Config, Group, ListenError, Listeners, Service, ServiceConfig};
use gms_net::{FaultRates, MemoryNetwork};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_conversation_by_hand() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let servers = servers(&network, 2).await;
    let mut wire = Wire::connect(&servers[1].endpoint).await;
    let hello = wire.ask(r#"{"hello":{"protocol":1,"name":"by hand"}}"#).await;
    let (line_limit, message_limit) = (2 << 20, 64 << 20);
    let gid = servers[0].group.view().expect("a view").gid.to_string();
    let expected = json!({"protocol": 1, "id": 1, "gid": gid, "line_limit": line_limit, "message_limit": message_limit,
                          "sessions": true});
    assert_eq!(hello["hello"], expected);
    let subscribed = wire.ask(r#"{"subscribe":{}}"#).await;
    let from = subscribed["subscribed"]["from"].as_u64().expect("a place");
    assert_eq!(subscribed["subscribed"]["gid"], gid);

    wire.write("{\"send\":{\"number\":7,\"payload\":\"hello\"}}\n\r\n").await;
    let (mut ordered, mut message) = (wire.json().await, wire.json().await);
    if ordered.get("event").is_some() {
        std::mem::swap(&mut ordered, &mut message);
    }
    assert_eq!((&ordered["ordered"]["number"], &ordered["ordered"]["gid"]), (&7.into(), &gid.into()));
    let gseq = ordered["ordered"]["gseq"].as_u64().expect("a place");
    assert!(gseq >= from);
    let view = servers[0].group.view().expect("a view").vid;
    let expected = json!({"event": "message", "gseq": gseq, "view": view, "sender": 1, "payload": "hello"});
    assert_eq!(message, expected);

    let status = wire.ask(r#"{"status":{}}"#).await["status"].clone();
    assert_eq!((&status["id"], &status["role"], &status["leader"]), (&1.into(), &"follower".into(), &0.into()));
    assert_eq!((&status["gseq"], &status["clients"]), (&gseq.into(), &0.into()));
    assert_eq!(status["members"][0]["address"], servers[0].group.address().to_string());
}

/// Goes on in this session, or begins a new one, and says which.
async fn session(wire: &mut Wire, session: &str) -> String {
    let hello = wire.ask(&format!(r#"{{"hello":{{"protocol":1,"session":"{session}"}}}}"#)).await;
    hello["hello"]["session"].as_str().expect("a session").to_owned()
}

/// Sends message `number` and hears what became of it.
async fn send(wire: &mut Wire, number: u64) -> Value {
    wire.ask(&format!(r#"{{"send":{{"number":{number},"payload":"{number}"}}}}"#)).await
}

/// Two that were created apart, meet, and go on apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_met_another_lineage_says_that_the_group_is_split() {
    let network = MemoryNetwork::new(32, FaultRates::NONE);
    let expect = |id: u64| Bootstrap::Expect([id].into());
    let first = Server::start_with(&network, 1, expect(1)).await;
    // The next one that comes has the next address.
    let other = std::net::SocketAddr::from(([10, 0, 0, 2], first.group.address().port()));
    network.with_faults(|faults| faults.partition(&[&[first.group.address()], &[other]]));
    let second = Server::start_with(&network, 2, expect(2)).await;
    for server in [&first, &second] {
        // Otherwise one of them gives way.
        server.group.multicast("said").await.expect("ordered");
    }
    let mut wire = Wire::connect(&first.endpoint).await;
    let status = wire.ask(r#"{"status":{}}"#).await["status"].clone();
    assert_eq!((&status["state"], &status["rivals"]), (&"serving".into(), &json!([])), "{status}");
    assert_eq!((&status["voters"], &status["voters_heard"], &status["blocked"]), (&1.into(), &1.into(), &Value::Null));
    network.with_faults(|faults| faults.heal());
    let rival = second.group.view().expect("a view").gid.to_string();
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let status = wire.ask(r#"{"status":{}}"#).await["status"].clone();
        if status["state"] == "split" {
            assert_eq!(status["rivals"], json!([rival]));
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The leader is cut off with an `agreed` message that nobody else has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_of_a_server_that_is_excluded_is_told_which_places_are_in_doubt() {
    let network = MemoryNetwork::new(33, FaultRates::NONE);
    let servers = servers(&network, 3).await;
    let mut wire = Wire::connect(&servers[0].endpoint).await;
    wire.ask(r#"{"subscribe":{}}"#).await;
    let sure = servers[0].group.multicast("for all").await.expect("ordered").gseq;
    let told = wire.json().await;
    assert_eq!((&told["payload"], &told["gseq"]), (&"for all".into(), &sure.into()));
    let addresses: Vec<_> = servers.iter().map(|server| server.group.address()).collect();
    network.with_faults(|faults| faults.partition(&[&addresses[..1], &addresses[1..]]));
    servers[0].group.level(gms::Level::Agreed).queue("here alone").await.expect("accepted");
    let told = wire.json().await;
    assert_eq!((&told["payload"], &told["gseq"]), (&"here alone".into(), &(sure + 1).into()));
    servers[1].group.multicast("instead").await.expect("ordered");
    network.with_faults(|faults| faults.heal());
    let gap = wire.json().await;
    assert_eq!((&gap["event"], &gap["from"], &gap["to"]), (&"gap".into(), &(sure + 1).into(), &(sure + 1).into()));
    assert!(wire.json().await["closed"]["reason"].as_str().expect("a reason").contains("out of its group"));
}

/// A server whose memory is enough for one large line at a time.
#[tokio::test]
async fn large_lines_wait_for_their_turn_and_one_that_does_not_end_loses_it() {
    let network = MemoryNetwork::new(31, FaultRates::NONE);
    let grace = Duration::from_millis(1500);
    let config = ServiceConfig { line_limit: 16 << 20, grace, ..ServiceConfig::default() };
    let server = Server::start(&network, 0, config).await;
    let mut stuck = Wire::connect(&server.endpoint).await;
    stuck.write(&format!(r#"{{"send":{{"number":1,"payload":"{}"#, "x".repeat(100_000))).await;
    // Small lines go on, and a large one has its turn when the first has lost it.
    let mut small = Wire::connect(&server.endpoint).await;
    assert_eq!(send(&mut small, 1).await["ordered"]["number"], 1);
    let mut large = Wire::connect(&server.endpoint).await;
    let line = format!("{{\"send\":{{\"number\":2,\"payload\":\"{}\"}}}}\n", "y".repeat(3_000_000));
    let (written, told) = tokio::join!(large.writer.write_all(line.as_bytes()), stuck.json());
    written.expect("writes");
    assert!(told["closed"]["reason"].as_str().expect("a reason").contains("within 1500 ms"), "{told}");
    assert_eq!(large.json().await["ordered"]["number"], 2);
    assert_eq!(send(&mut large, 3).await["ordered"]["number"], 3);
}

#[tokio::test]
async fn a_session_goes_on_through_another_server_and_nothing_of_it_is_delivered_twice() {
    let network = MemoryNetwork::new(11, FaultRates::NONE);
    let servers = servers(&network, 3).await;
    let mut watcher = Wire::connect(&servers[0].endpoint).await;
    watcher.ask(r#"{"subscribe":{}}"#).await;
    let mut first = Wire::connect(&servers[1].endpoint).await;
    let id = session(&mut first, "new").await;
    assert!(id.len() == 32 && id != session(&mut Wire::connect(&servers[1].endpoint).await, "new").await);
    let mut places = Vec::new();
    for number in 1..=3 {
        places.push(send(&mut first, number).await["ordered"]["gseq"].clone());
    }
    let mut second = Wire::connect(&servers[2].endpoint).await;
    assert_eq!(session(&mut second, &id).await, id);
    for number in [2, 1, 3] {
        let told = send(&mut second, number).await;
        assert_eq!(told["ordered"]["gseq"], places[number as usize - 1], "{told}");
    }
    let early = send(&mut second, 5).await["not_ordered"].clone();
    assert_eq!((&early["number"], &early["again"]), (&5.into(), &true.into()));
    places.push(send(&mut second, 4).await["ordered"]["gseq"].clone());
    places.push(send(&mut first, 5).await["ordered"]["gseq"].clone());
    for (number, place) in (1..).zip(&places) {
        let message = watcher.json().await;
        assert_eq!((&message["payload"], &message["gseq"]), (&Value::from(format!("{number}")), place));
    }
    let refused = send(&mut second, 0).await["not_ordered"].clone();
    assert!(refused["reason"].as_str().expect("a reason").contains("begin with 1") && refused["again"].is_null());
    let refused = send(&mut second, u64::MAX).await["not_ordered"].clone();
    assert!(refused["reason"].as_str().expect("a reason").contains("end before"), "{refused}");
    // One that the group does not know.
    session(&mut second, &"7".repeat(32)).await;
    assert_eq!(send(&mut second, 1).await, json!({"session_expired": {"number": 1}}));
    // And out of it again: numbers mean nothing then.
    second.ask(r#"{"hello":{"protocol":1}}"#).await;
    for _ in 0..2 {
        assert_eq!(send(&mut second, 9).await["ordered"]["number"], 9);
    }
    let closed = second.ask(r#"{"hello":{"protocol":1,"session":"seven"}}"#).await;
    assert!(closed["closed"]["reason"].as_str().expect("a reason").contains("32 hexadecimal digits"), "{closed}");
}

/// Opens a session as soon as the group has room for one.
async fn opened(endpoint: &gms::Endpoint) -> (Wire, String) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    loop {
        let mut wire = Wire::connect(endpoint).await;
        let said = wire.ask(r#"{"hello":{"protocol":1,"session":"new"}}"#).await;
        if let Some(session) = said["hello"]["session"].as_str() {
            return (wire, session.to_owned());
        }
        assert!(tokio::time::Instant::now() < deadline, "{said}");
    }
}

/// A group that remembers two sessions only.
#[tokio::test]
async fn a_session_whose_client_is_connected_is_not_forgotten_and_one_whose_client_has_gone_is() {
    let network = MemoryNetwork::new(21, FaultRates::NONE);
    let mut config = Config::new("test");
    (config.id, config.bootstrap, config.params.sessions) = (Some(0), Bootstrap::Create, 2);
    let server = Server::start_as(&network, config).await;
    let (mut idle, kept) = opened(&server.endpoint).await;
    // One connection that asks for one session after the other, as many as it likes.
    let mut greedy = Wire::connect(&server.endpoint).await;
    let mut asked = HashSet::new();
    for _ in 0..50 {
        assert!(asked.insert(session(&mut greedy, "new").await));
    }
    let refused = Wire::connect(&server.endpoint).await.ask(r#"{"hello":{"protocol":1,"session":"new"}}"#).await;
    assert!(refused["closed"]["reason"].as_str().expect("a reason").contains("as many open sessions"), "{refused}");
    let place = send(&mut idle, 1).await["ordered"]["gseq"].clone();
    assert!(place.is_u64());
    // It comes back, and is held again from there on.
    drop(idle);
    let mut idle = Wire::connect(&server.endpoint).await;
    session(&mut idle, &kept).await;
    assert_eq!(send(&mut idle, 1).await["ordered"]["gseq"], place);
    for _ in 0..50 {
        session(&mut greedy, "new").await;
    }
    assert_eq!(send(&mut idle, 1).await["ordered"]["gseq"], place);
    // It goes for good: others take its room.
    drop(idle);
    let (_one, _) = opened(&server.endpoint).await;
    let mut late = Wire::connect(&server.endpoint).await;
    session(&mut late, &kept).await;
    assert_eq!(send(&mut late, 1).await, json!({"session_expired": {"number": 1}}));
}

#[tokio::test]
async fn a_session_has_one_connection_at_a_time() {
    let network = MemoryNetwork::new(12, FaultRates::NONE);
    let servers = servers(&network, 1).await;
    let mut first = Wire::connect(&servers[0].endpoint).await;
    let id = session(&mut first, "new").await;
    let mut second = Wire::connect(&servers[0].endpoint).await;
    assert_eq!(session(&mut second, &id).await, id);
    let closed = first.json().await;
    assert!(closed["closed"]["reason"].as_str().expect("a reason").contains("another connection"), "{closed}");
    assert_eq!(first.line().await, None);
    assert_eq!(session(&mut second, &id).await, id, "the same connection may say it twice");
    assert_eq!(send(&mut second, 1).await["ordered"]["number"], 1);
}

#[tokio::test]
async fn what_finds_no_room_in_the_group_stays_with_the_client() {
    let network = MemoryNetwork::new(3, FaultRates::NONE);
    let servers = servers(&network, 2).await;
    let (leader, follower) = (servers[0].group.address(), servers[1].group.address());
    network.with_faults(|faults| {
        faults.cut(leader, follower);
        faults.cut(follower, leader);
    });
    let mut wire = Wire::connect(&servers[1].endpoint).await;
    let line = format!("{{\"send\":{{\"number\":1,\"payload\":\"{}\"}}}}\n", "x".repeat(1 << 20));
    let mut taken = 0;
    // Own messages, the queue before them, one read and the sockets: all of them together are far less.
    while taken < 64 << 20 {
        match tokio::time::timeout(Duration::from_secs(1), wire.writer.write(line.as_bytes())).await {
            Ok(written) => taken += written.expect("the connection lives"),
            Err(_) => return,
        }
    }
    panic!("{taken} bytes were taken although nothing is ordered");
}

#[tokio::test]
async fn a_malformed_line_is_placed_and_the_connection_lives_on() {
    let network = MemoryNetwork::new(2, FaultRates::NONE);
    let server = servers(&network, 1).await.remove(0);
    let mut wire = Wire::connect(&server.endpoint).await;
    for (line, position, word) in [
        ("nonsense", 1, "expected"),
        (r#"{"send":{"number":1,"payload":"x"}"#, 34, "EOF"),
        (r#"{"send":{"number":1,"payload":"x","to":["a"]}}"#, 45, "no subgroups"),
        (r#"{"send":{"number":1,"colour":3}}"#, 28, "unknown field `colour`"),
        ("\u{1}\u{2}", 1, "expected"),
    ] {
        let error = wire.ask(line).await["error"].clone();
        assert!(error["reason"].as_str().is_some_and(|reason| reason.contains(word)), "{line}: {error}");
        assert_eq!(error["position"], position, "{line}: {error}");
    }
    wire.writer.write_all(b"{\"send\":{\"number\":1,\"payload\":\"\xff\"}}\n").await.expect("writes");
    assert_eq!(wire.json().await["error"]["position"], 32);
    let refused = wire.ask(r#"{"send":{"number":9,"payload_base64":"?"}}"#).await;
    assert_eq!(refused["not_ordered"]["number"], 9);
    assert!(wire.ask(r#"{"send":{"number":1,"payload":"x","level":"stable"}}"#).await["ordered"].is_object());
}

#[tokio::test]
async fn a_line_over_the_limit_ends_the_connection_with_a_reason() {
    let network = MemoryNetwork::new(3, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig { line_limit: 1000, ..ServiceConfig::default() }).await;
    for end in ["", "\n"] {
        let mut wire = Wire::connect(&server.endpoint).await;
        wire.write("{\"send\":{\"number\":1,\"payload\":\"first\"}}\n").await;
        // Much more than a socket holds: the client is still writing when it is told.
        let mut writer = wire.writer;
        let line = "x".repeat(8 << 20) + end;
        let writing = tokio::spawn(async move { writer.write_all(line.as_bytes()).await });
        let mut lines = String::new();
        tokio::time::timeout(LIMIT, wire.reader.read_to_string(&mut lines)).await.expect("in time").expect("reads");
        assert!(lines.contains(r#"{"error":{"position":1001,"reason":"a line has at most 1000 bytes"#), "{lines}");
        assert!(lines.contains(r#"{"ordered":{"number":1,"#), "{lines}");
        assert!(lines.lines().last().is_some_and(|line| line.starts_with(r#"{"closed":{"reason":"a line has"#)));
        let _ = writing.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_many_clients_gets_its_own_answer_in_order() {
    let network = MemoryNetwork::new(4, FaultRates::loss(0.01));
    let servers = servers(&network, 2).await;
    let mut clients = Vec::new();
    for client in 0..4_usize {
        let wire = Wire::connect(&servers[client % 2].endpoint).await;
        clients.push(tokio::spawn(async move {
            let line = |n| format!("{{\"send\":{{\"number\":{n},\"payload\":\"{client} {n}\"}}}}\n");
            let all: String = (0..5000).map(line).collect();
            let mut writer = wire.writer;
            let writing = tokio::spawn(async move {
                writer.write_all(all.as_bytes()).await.expect("writes");
                writer
            });
            let mut wire = Wire { reader: wire.reader, writer: writing.await.expect("no panic") };
            let (mut numbers, mut last) = (HashSet::new(), 0);
            for _ in 0..5000 {
                let ordered = wire.json().await["ordered"].clone();
                assert!(numbers.insert(ordered["number"].as_u64().expect("a number")), "{ordered}");
                let gseq = ordered["gseq"].as_u64().expect("a place");
                assert!(gseq > last, "first in, first out");
                last = gseq;
            }
        }));
    }
    // The application has numbers of its own in between.
    for _ in 0..5000 {
        servers[0].group.queue("own").await.expect("accepted");
    }
    for client in clients {
        client.await.expect("no panic");
    }
}

#[tokio::test]
async fn what_is_gone_from_the_history_is_a_gap() {
    let network = MemoryNetwork::new(5, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig { history: 5000, ..ServiceConfig::default() }).await;
    let mut all = Vec::new();
    for n in 0..200 {
        all.push(server.group.multicast(format!("{n:0>100}")).await.expect("ordered").gseq);
    }
    let mut wire = Wire::connect(&server.endpoint).await;
    wire.write("{\"subscribe\":{\"from\":1}}\n").await;
    assert_eq!(wire.json().await["subscribed"]["from"], 1);
    let gap = wire.json().await;
    assert_eq!((&gap["event"], &gap["from"]), (&"gap".into(), &1.into()));
    let to = gap["to"].as_u64().expect("a place");
    assert!(to > 100, "{gap}");
    for gseq in all.iter().filter(|gseq| **gseq > to) {
        assert_eq!(wire.json().await["gseq"], *gseq);
    }
    // From a place in the middle, and of another lineage.
    let middle = *all.last().expect("some") - 3;
    wire.write(&format!("{{\"subscribe\":{{\"from\":{middle}}}}}\n")).await;
    assert_eq!(wire.json().await["subscribed"]["from"], middle);
    for gseq in middle..middle + 4 {
        assert_eq!(wire.json().await["gseq"], gseq);
    }
    wire.write(&format!("{{\"subscribe\":{{\"from\":{middle},\"gid\":\"of another\"}}}}\n")).await;
    assert_eq!(wire.json().await["subscribed"]["from"], to + 1);
    let gap = wire.json().await;
    assert_eq!((&gap["from"], &gap["to"]), (&0.into(), &to.into()));
    assert_eq!(wire.json().await["gseq"], to + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let network = MemoryNetwork::new(6, FaultRates::NONE);
    // Not so short that the one that reads is taken for one that does not.
    let config = ServiceConfig { grace: Duration::from_secs(3), ..ServiceConfig::default() };
    let server = Server::start(&network, 0, config).await;
    let mut idle = Wire::connect(&server.endpoint).await;
    idle.ask(r#"{"subscribe":{}}"#).await;
    let mut reader = Wire::connect(&server.endpoint).await;
    reader.ask(r#"{"subscribe":{}}"#).await;
    let reading = tokio::spawn(async move {
        let mut count = 0;
        while count < 3000 {
            count += usize::from(reader.json().await["event"] == "message");
        }
        reader
    });
    for _ in 0..3000 {
        server.group.multicast("x".repeat(10_000)).await.expect("ordered");
    }
    let mut reader = reading.await.expect("no panic");
    loop {
        let status = reader.ask(r#"{"status":{}}"#).await;
        if status["status"]["clients"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Whatever was on its way is followed by the end or by the news that there is none.
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LIMIT, idle.reader.read_to_end(&mut rest)).await.expect("it ends");
    assert!(rest.len() < 20 << 20, "not everything was sent: {}", rest.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_held_back_while_the_group_is() {
    let network = MemoryNetwork::new(7, FaultRates::NONE);
    let mut config = Config::new("test");
    (config.bootstrap, config.unread) = (Bootstrap::Create, 64 << 10);
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("a place")], false).await.expect("free");
    // An application that does not read its events holds all senders of the group back.
    let (group, mut events) = Group::join_over(config, network.attach()).await.expect("joins");
    let service = Service::start(&group, listeners, ServiceConfig::default());
    let Wire { mut reader, mut writer } = Wire::connect(&service.endpoints()[0]).await;
    let line = format!("{{\"send\":{{\"number\":1,\"payload\":\"{}\"}}}}\n", "x".repeat(10_000));
    let mut written = 0;
    // As much as the sockets and the queues on the way hold, and no more.
    while let Ok(result) = tokio::time::timeout(Duration::from_millis(500), writer.write_all(line.as_bytes())).await {
        result.expect("writes");
        written += line.len();
        assert!(written < 64 << 20, "never held back");
    }
    tokio::spawn(async move {
        while let Some(batch) = events.next_batch().await {
            service.publish(&batch);
        }
    });
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, reader.read_line(&mut answer)).await.expect("goes on").expect("reads");
    assert!(answer.starts_with("{\"ordered\":"), "{answer}");
}

#[tokio::test]
async fn too_many_clients_are_told_so() {
    let network = MemoryNetwork::new(8, FaultRates::NONE);
    let server = Server::start(&network, 0, ServiceConfig { connections: 2, ..ServiceConfig::default() }).await;
    let mut first = Wire::connect(&server.endpoint).await;
    first.ask(r#"{"status":{}}"#).await;
    let mut second = Wire::connect(&server.endpoint).await;
    second.ask(r#"{"status":{}}"#).await;
    for _ in 0..3 {
        let mut third = Wire::connect(&server.endpoint).await;
        let line = third.ask(r#"{"status":{}}"#).await;
        let reason = line["closed"]["reason"].as_str().expect("a reason");
        assert!(reason.contains("2 clients") && reason.contains("another server"), "{reason}");
        assert_eq!(third.line().await, None);
    }
    drop(second);
    while first.ask(r#"{"status":{}}"#).await["status"]["clients"] != 0 {}
    let mut third = Wire::connect(&server.endpoint).await;
    assert!(third.ask(r#"{"status":{}}"#).await["status"].is_object());
}

#[tokio::test]
async fn a_server_that_leaves_answers_everything_first() {
    let network = MemoryNetwork::new(9, FaultRates::NONE);
    let mut servers = servers(&network, 2).await;
    let mut wire = Wire::connect(&servers[1].endpoint).await;
    let all: String = (0..1000).map(|n| format!("{{\"send\":{{\"number\":{n},\"payload\":\"x\"}}}}\n")).collect();
    wire.write(&all).await;
    assert!(wire.json().await["ordered"].is_object());
    servers[1].group.leave().await.expect("leaves");
    let mut answered = 1;
    let reason = loop {
        let line = wire.json().await;
        if let Some(reason) = line["closed"]["reason"].as_str() {
            break reason.to_owned();
        }
        assert!(line["ordered"].is_object() || line["not_ordered"].is_object(), "{line}");
        answered += 1;
    };
    assert!(reason.contains("left the group"), "{reason}");
    // Requests that had not been read yet are not answered; they were sent to nobody.
    assert!(answered <= 1000);
    assert_eq!(wire.line().await, None);
    servers.remove(1).wait().await;
}

#[tokio::test]
async fn the_end_of_the_requests_is_not_the_end_of_the_answers() {
    let network = MemoryNetwork::new(10, FaultRates::NONE);
    let server = servers(&network, 1).await.remove(0);
    let mut wire = Wire::connect(&server.endpoint).await;
    wire.write(&"{\"send\":{\"number\":1,\"payload\":\"x\"}}\n".repeat(500)).await;
    wire.writer.shutdown().await.expect("half closes");
    let mut text = String::new();
    tokio::time::timeout(LIMIT, wire.reader.read_to_string(&mut text)).await.expect("in time").expect("reads");
    assert_eq!(text.lines().filter(|line| line.starts_with("{\"ordered\"")).count(), 500);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_serves_too_and_an_abandoned_one_is_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gms.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    let place: gms::Endpoint = format!("unix:{}", path.display()).parse().expect("a place");
    let network = MemoryNetwork::new(11, FaultRates::NONE);
    let server = Server::start_at(&network, 0, ServiceConfig::default(), place.clone()).await;
    let error = Listeners::bind(std::slice::from_ref(&place), false).await.expect_err("in use");
    assert!(matches!(error, ListenError::InUse { .. }) && error.to_string().contains("gms.sock"), "{error}");
    let mut stream = tokio::net::UnixStream::connect(&path).await.expect("connects");
    stream.write_all(b"{\"send\":{\"number\":1,\"payload\":\"x\"}}\n").await.expect("writes");
    let mut answer = [0; 11];
    stream.read_exact(&mut answer).await.expect("reads");
    assert_eq!(&answer, b"{\"ordered\":");
    server.group.leave().await.expect("leaves");
    drop(stream);
    server.wait().await;
    assert!(!path.exists());
    std::fs::write(&path, "precious").expect("writes");
    let error = Listeners::bind(&[place], false).await.expect_err("a file");
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
}

#[tokio::test]
async fn places_to_listen_are_checked() {
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("a place")], false).await.expect("free");
    let taken = listeners.endpoints();
    let error = Listeners::bind(&taken, false).await.expect_err("in use").to_string();
    assert!(error.contains(&taken[0].to_string()) && error.contains("another"), "{error}");
    let error = Listeners::bind(&["0.0.0.0:0".parse().expect("a place")], false).await.expect_err("outside");
    assert!(matches!(error, ListenError::Insecure { .. }), "{error}");
}

#[tokio::test]
async fn a_service_can_end_before_its_member() {
    let network = MemoryNetwork::new(12, FaultRates::NONE);
    let mut config = Config::new("test");
    config.bootstrap = Bootstrap::Create;
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("a place")], false).await.expect("free");
    let (group, _events) = Group::join_over(config, network.attach()).await.expect("joins");
    let service = Service::start(&group, listeners, ServiceConfig::default());
    let mut wire = Wire::connect(&service.endpoints()[0]).await;
    assert_eq!(wire.ask(r#"{"status":{}}"#).await["status"]["role"], "leader");
    // Nobody reads the events: the outcome is not told to the service any more.
    wire.write("{\"send\":{\"number\":5,\"payload\":\"x\"}}\n{\"status\":{}}\n").await;
    assert!(wire.json().await["status"].is_object());
    tokio::spawn(service.close(LIMIT));
    assert_eq!(wire.json().await["unknown"]["number"], 5);
    assert!(wire.json().await["closed"]["reason"].as_str().is_some_and(|reason| reason.contains("any more")));
    assert_eq!(wire.line().await, None);
    assert!(group.view().is_some());
}
