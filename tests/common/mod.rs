//! Members that serve clients, in this process.
#![allow(dead_code)]

use std::time::Duration;

use gms::{Bootstrap, Config, Endpoint, Event, Group, Listeners, Service, ServiceConfig};
use gms_net::MemoryNetwork;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A member that serves clients, and the task that reads its events.
pub(crate) struct Server {
    pub(crate) group: Group,
    pub(crate) endpoint: Endpoint,
    events: JoinHandle<()>,
}

impl Server {
    /// Member `id` of the group on `network`; 0 creates it.
    pub(crate) async fn start(network: &MemoryNetwork, id: u64, config: ServiceConfig) -> Self {
        Self::start_at(network, id, config, "127.0.0.1:0".parse().expect("an address")).await
    }

    pub(crate) async fn start_at(network: &MemoryNetwork, id: u64, service: ServiceConfig, place: Endpoint) -> Self {
        let bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
        Self::begin(network, id, bootstrap, service, place).await
    }

    /// Comes to a group in another way.
    pub(crate) async fn start_with(network: &MemoryNetwork, id: u64, bootstrap: Bootstrap) -> Self {
        let place = "127.0.0.1:0".parse().expect("an address");
        Self::begin(network, id, bootstrap, ServiceConfig::default(), place).await
    }

    async fn begin(
        network: &MemoryNetwork,
        id: u64,
        bootstrap: Bootstrap,
        service: ServiceConfig,
        place: Endpoint,
    ) -> Self {
        let mut config = Config::new("test");
        (config.id, config.bootstrap) = (Some(id), bootstrap);
        Self::run(network, config, service, place).await
    }

    /// With settings of its own.
    pub(crate) async fn start_as(network: &MemoryNetwork, config: Config) -> Self {
        let place = "127.0.0.1:0".parse().expect("an address");
        Self::run(network, config, ServiceConfig::default(), place).await
    }

    async fn run(network: &MemoryNetwork, mut config: Config, service: ServiceConfig, place: Endpoint) -> Self {
        config.leave_within = Duration::from_secs(3);
        let listeners = Listeners::bind(&[place], false).await.expect("free");
        let (group, mut events) = Group::join_over(config, network.attach()).await.expect("joins");
        let service = Service::start(&group, listeners, service);
        let endpoint = service.endpoints()[0].clone();
        let events = tokio::spawn(async move {
            while let Some(batch) = events.next_batch().await {
                service.publish(&batch);
            }
            service.close(LIMIT).await;
        });
        Self { group, endpoint, events }
    }

    /// Waits until the whole group is in one view and everybody has caught up.
    pub(crate) async fn settled(&self, members: usize) {
        let together = async {
            while self.group.view().is_none_or(|view| view.voters().count() < members) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(LIMIT, together).await.expect("in one view in time");
    }

    /// Ends as a crash does: all its connections break. The member leaves in the background.
    pub(crate) fn crash(self) {
        self.events.abort();
    }

    pub(crate) async fn wait(self) {
        tokio::time::timeout(LIMIT, self.events).await.expect("in time").expect("no panic");
    }
}

/// Servers 0, 1 and so on, in one view.
pub(crate) async fn servers(network: &MemoryNetwork, count: u64) -> Vec<Server> {
    let mut servers = Vec::new();
    for id in 0..count {
        servers.push(Server::start(network, id, ServiceConfig::default()).await);
    }
    for server in &servers {
        server.settled(count as usize).await;
    }
    servers
}

/// A client written by hand.
pub(crate) struct Wire {
    pub(crate) reader: BufReader<OwnedReadHalf>,
    pub(crate) writer: OwnedWriteHalf,
}

impl Wire {
    pub(crate) async fn connect(endpoint: &Endpoint) -> Self {
        let stream = TcpStream::connect(endpoint.to_string()).await.expect("connects");
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        tokio::time::timeout(LIMIT, self.writer.write_all(text.as_bytes())).await.expect("in time").expect("writes");
    }

    /// The next line; `None` at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(LIMIT, self.reader.read_line(&mut line)).await.expect("a line in time");
        (read.expect("reads") > 0).then(|| line.trim_end().to_owned())
    }

    /// The next line as JSON.
    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await.expect("a line")).expect("JSON")
    }

    /// Says it and hears the next line.
    pub(crate) async fn ask(&mut self, text: &str) -> Value {
        self.write(&format!("{text}\n")).await;
        self.json().await
    }
}

/// The lines that `events` are printed as.
pub(crate) fn lines(events: &[Event]) -> Vec<String> {
    let line = |event| gms::EventLine::of(event).map(|line| serde_json::to_string(&line).expect("plain data"));
    events.iter().filter_map(line).collect()
}
