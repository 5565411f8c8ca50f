//! A group cut in two: what becomes of messages sent in the smaller part.

mod common;

use std::time::Duration;

use common::{LIMIT, Server};
use gms::{Bootstrap, Client, ClientConfig, ClientError, Config, SendError, Update, WhenBlocked};
use gms_net::{FaultRates, MemoryNetwork};
use tokio::time::{sleep, timeout};

/// Five servers, led by the first.
async fn servers(network: &MemoryNetwork, when_blocked: WhenBlocked) -> Vec<Server> {
    let mut servers = Vec::new();
    for id in 0..5 {
        let mut config = Config::new("test");
        config.id = Some(id);
        config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
        config.when_blocked = when_blocked;
        servers.push(Server::start_as(network, config).await);
    }
    for server in &servers {
        server.settled(5).await;
    }
    servers
}

/// Nothing passes between the last two and the others.
fn cut_off_the_last_two(network: &MemoryNetwork, servers: &[Server]) {
    let addresses: Vec<_> = servers.iter().map(|server| server.group.address()).collect();
    network.with_faults(|faults| faults.partition(&[&addresses[..3], &addresses[3..]]));
}

fn at(servers: &[&Server]) -> ClientConfig {
    ClientConfig::at(servers.iter().map(|server| server.endpoint.clone()))
}

/// Waits until this member refuses messages; returns why.
async fn refusal(server: &Server) -> SendError {
    loop {
        match server.group.try_queue("is anybody there?") {
            Ok(_) => sleep(Duration::from_millis(5)).await,
            Err(why) => return why,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_refuse_while_they_are_cut_off_and_no_longer() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let servers = servers(&network, WhenBlocked::Refuse).await;
    cut_off_the_last_two(&network, &servers);
    for server in &servers[3..] {
        let why = timeout(LIMIT, refusal(server)).await.expect("in time");
        assert!(matches!(why, SendError::Blocked(_)), "{why}");
        assert_eq!(server.group.queue("again").await, Err(why.clone()));
        assert_eq!(server.group.multicast("and again").await, Err(why));
    }
    servers[0].settled(3).await;
    servers[0].group.multicast("among three").await.expect("ordered");
    network.with_faults(|faults| faults.heal());
    for server in &servers {
        timeout(LIMIT, server.settled(5)).await.expect("in time");
    }
    let told = timeout(LIMIT, async {
        while let Err(why) = servers[4].group.multicast("among five").await {
            // The view may be there before the application has read of it.
            assert!(matches!(why, SendError::Blocked(_)), "{why}");
            sleep(Duration::from_millis(5)).await;
        }
    });
    told.await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_hold_what_is_sent_meanwhile_if_they_are_to() {
    let network = MemoryNetwork::new(2, FaultRates::NONE);
    let servers = servers(&network, WhenBlocked::Hold).await;
    let sender = Client::connect(at(&[&servers[3]])).await.expect("a server");
    let mut watched = Client::connect(at(&[&servers[1]])).await.expect("a server").subscribe(None).await.expect("here");
    // Nobody has a majority.
    let addresses: Vec<_> = servers.iter().map(|server| server.group.address()).collect();
    network.with_faults(|faults| faults.partition(&[&addresses[..2], &addresses[2..4], &addresses[4..]]));
    let held = tokio::spawn(async move { sender.send("held").await });
    let report = timeout(LIMIT, async {
        while servers[3].group.status().blocked.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    report.await.expect("in time");
    servers[3].group.try_queue("late").expect("held, too");
    assert!(!held.is_finished());
    network.with_faults(|faults| faults.heal());
    let place = timeout(LIMIT, held).await.expect("in time").expect("no panic").expect("ordered").gseq;
    loop {
        match timeout(LIMIT, watched.next()).await.expect("in time").expect("a server") {
            Update::Message(m) if m.payload == "held" => return assert_eq!(m.gseq, place),
            Update::Message(m) => assert_eq!(m.payload, "late"),
            // A member that was not heard for so long may be excluded the moment the cut is mended, and come back.
            Update::Gap(gap) if (gap.from..=gap.to).contains(&place) => return,
            Update::View(_) | Update::Gap(_) => {}
            other @ Update::Dissolved(_) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_server_that_is_cut_off_goes_on_through_another_and_nothing_is_lost_or_delivered_twice() {
    let network = MemoryNetwork::new(3, FaultRates::NONE);
    let servers = servers(&network, WhenBlocked::Refuse).await;
    let sender = Client::connect(at(&[&servers[4], &servers[3], &servers[1]])).await.expect("a server");
    let mut watched = Client::connect(at(&[&servers[0]])).await.expect("a server").subscribe(None).await.expect("here");
    let sending = tokio::spawn(async move {
        let mut places = Vec::new();
        for n in 0..2000 {
            let receipt = sender.queue(n.to_string()).await.expect("accepted");
            if n % 10 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            places.push(receipt);
        }
        for place in &mut places {
            timeout(LIMIT, place).await.expect("in time").expect("ordered");
        }
    });
    let mut seen = 0;
    while seen < 2000 {
        match timeout(LIMIT, watched.next()).await.expect("in time").expect("a server") {
            Update::Message(m) => {
                assert_eq!(m.payload, seen.to_string(), "each once, and in order");
                seen += 1;
            }
            Update::View(_) => {}
            other => panic!("{other:?}"),
        }
        if seen == 100 {
            cut_off_the_last_two(&network, &servers);
        }
    }
    sending.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reaches_nobody_else_is_told_why_when_its_patience_is_over() {
    let network = MemoryNetwork::new(4, FaultRates::NONE);
    let servers = servers(&network, WhenBlocked::Refuse).await;
    cut_off_the_last_two(&network, &servers);
    for server in &servers[3..] {
        timeout(LIMIT, refusal(server)).await.expect("in time");
    }
    let config = ClientConfig { give_up: Duration::from_millis(300), ..at(&[&servers[4], &servers[3]]) };
    let sender = Client::connect(config).await.expect("a server");
    let error = timeout(LIMIT, sender.send("hello")).await.expect("in time").expect_err("refused");
    assert!(matches!(&error, ClientError::NotOrdered { reason } if reason.contains("blocked")), "{error}");
    network.with_faults(|faults| faults.heal());
    let sent = timeout(LIMIT, async { while sender.send("after all").await.is_err() {} });
    sent.await.expect("in time");
}

/// That a server went away is no reason not to try another, hours later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_idle_client_was_told_before_does_not_count() {
    let network = MemoryNetwork::new(5, FaultRates::NONE);
    let servers = servers(&network, WhenBlocked::Refuse).await;
    let give_up = Duration::from_secs(2);
    let config = ClientConfig { give_up, ..at(&[&servers[3], &servers[4], &servers[1]]) };
    let sender = Client::connect(config).await.expect("a server");
    let first = sender.status().await.expect("a server").id as usize;
    let leave = tokio::spawn({
        let group = servers[first].group.clone();
        async move { group.leave().await }
    });
    // Something is wanted of the first one when it goes, and nothing later.
    let other = async {
        loop {
            match sender.status().await {
                Ok(status) if status.id as usize != first => return status.id as usize,
                _ => {}
            }
        }
    };
    let second = timeout(LIMIT, other).await.expect("in time");
    assert!(leave.await.expect("no panic").expect("may leave"));
    servers[0].settled(4).await;
    let rest = servers.iter().enumerate().filter(|(index, _)| *index != second);
    let rest: Vec<_> = rest.map(|(_, server)| server.group.address()).collect();
    network.with_faults(|faults| faults.partition(&[&rest, &[servers[second].group.address()]]));
    timeout(LIMIT, refusal(&servers[second])).await.expect("in time");
    // Idle for longer than it may take to find a server.
    sleep(give_up).await;
    timeout(LIMIT, sender.send("again")).await.expect("in time").expect("ordered by another");
}
