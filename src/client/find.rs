//! Finding servers: asking the group's control address, or members by theirs, who is there.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Gid, Uid};
use gms_discovery::{Entry, KNOWN_LIMIT, Message};
use gms_net::{AskSocket, BindError, Interface, UdpConfig};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::layers::{Layer, enclose, open};

/// When servers are asked, counted from the beginning: one that is busy at first answers later.
const ASK_AT: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(350)];

/// Where to look for servers.
#[derive(Clone, Debug)]
pub struct FindConfig {
    /// Name of the group. Default `gms`.
    pub group: String,
    /// The group's multicast address. Default 239.1.1.1:10000.
    pub multicast: SocketAddr,
    /// Network interface. Default loopback.
    pub interface: Interface,
    /// Members to ask directly, by their unicast addresses; then the multicast address is not asked. Default none.
    pub peers: Vec<SocketAddr>,
    /// How long to wait for answers. Default 500 ms.
    pub within: Duration,
}

/// Why servers cannot even be looked for.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The socket could not be made.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// A server that answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundServer {
    /// Its number.
    pub id: u64,
    /// Its unicast address.
    pub address: SocketAddr,
    /// Where it serves clients, if it does; with the number of our interface where that holds on one link only.
    pub clients: Option<SocketAddr>,
    /// What people call it; may be empty.
    pub name: String,
    /// Lineage of the group it is in; `None` while it is in none.
    pub gid: Option<Gid>,
    /// Number of its view.
    pub view: u64,
    /// Whom it follows, or itself.
    pub leader: Option<u64>,
    /// Members of its view.
    pub size: u32,
}

impl FindConfig {
    /// Asks the default multicast address on loopback for the group called `group`.
    pub fn new(group: impl Into<String>) -> Self {
        let network = UdpConfig::default();
        Self {
            group: group.into(),
            multicast: network.multicast,
            interface: network.interface,
            peers: Vec::new(),
            within: Duration::from_millis(500),
        }
    }
}

/// `group 'gms' at 239.1.1.1:10000 on loopback`
impl fmt::Display for FindConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group '{}' at ", self.group)?;
        if self.peers.is_empty() {
            return write!(f, "{} on {}", self.multicast, self.interface);
        }
        let peers: Vec<String> = self.peers.iter().map(ToString::to_string).collect();
        f.write_str(&peers.join(", "))
    }
}

/// All servers that answer within [`FindConfig::within`], in the order of their numbers.
///
/// # Errors
/// [`FindError`] when nobody can be asked; that nobody answers is none. Cancel safe.
pub async fn find_servers(config: &FindConfig) -> Result<Vec<FoundServer>, FindError> {
    let mut finder = Finder::open(config)?;
    let mut found = Vec::new();
    while let Some(server) = finder.next().await {
        found.push(server);
    }
    found.sort_by_key(|server| (server.id, server.address));
    Ok(found)
}

/// Asks again and again, and tells who answered.
pub(super) struct Finder {
    socket: AskSocket,
    group: Gid,
    start: Instant,
    deadline: Instant,
    asked: usize,
    /// By number and address: a group that has come apart may have one number twice.
    heard: HashSet<(u64, SocketAddr)>,
}

impl Finder {
    pub(super) fn open(config: &FindConfig) -> Result<Self, FindError> {
        let peers = Some(config.peers.clone()).filter(|peers| !peers.is_empty());
        let network = UdpConfig { interface: config.interface.clone(), peers, ..UdpConfig::new(config.multicast) };
        let (socket, start) = (AskSocket::bind(&network)?, Instant::now());
        Ok(Self {
            socket,
            group: gms_core::Gid::of_name(&config.group),
            start,
            deadline: start + config.within,
            asked: 0,
            heard: HashSet::new(),
        })
    }

    /// The next server that had not answered before; `None` when the time is over. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<FoundServer> {
        let mut buffer = [0; 2048];
        loop {
            let again = ASK_AT.get(self.asked).map(|after| self.start + *after);
            let answer = tokio::select! {
                biased;
                answer = self.socket.answer(&mut buffer) => answer,
                () = sleep_until(again.unwrap_or(self.deadline).min(self.deadline)) => {
                    if Instant::now() >= self.deadline {
                        return None;
                    }
                    self.ask().await;
                    continue;
                }
            };
            match answer {
                Ok((len, from)) => {
                    if let Some(server) = self.read(&buffer[..len], from) {
                        return Some(server);
                    }
                }
                // What the system has to say about peers that are not there: others may be.
                Err(error) => tracing::debug!(%error, "an answer cannot be read"),
            }
            if Instant::now() >= self.deadline {
                return None;
            }
        }
    }

    async fn ask(&mut self) {
        self.asked += 1;
        let known = self.heard.iter().map(|(id, _)| *id).take(KNOWN_LIMIT).collect();
        let probe = Message::<u64>::Probe { from: None, known }.encode().expect("within all limits");
        let datagram = enclose(Layer::Directory, self.group, Uid::default(), &probe);
        if let Ok(Err(error)) = timeout_at(self.deadline, self.socket.ask(&datagram)).await {
            tracing::debug!(%error, "not everybody can be asked");
        }
    }

    fn read(&mut self, datagram: &[u8], from: SocketAddr) -> Option<FoundServer> {
        if Layer::of(datagram) != Some(Layer::Directory) {
            return None;
        }
        let (_, body) = open(self.group, Bytes::copy_from_slice(datagram)).ok()??;
        let Ok(Message::ProbeReply(entry)) = Message::<u64>::decode(&body) else {
            tracing::debug!(%from, "not an answer");
            return None;
        };
        let is_new = self.heard.insert((entry.id, entry.address));
        is_new.then(|| {
            let mut server = FoundServer::from(entry);
            server.clients = server.clients.map(|place| self.socket.scoped(place));
            server
        })
    }
}

impl From<Entry<u64>> for FoundServer {
    fn from(entry: Entry<u64>) -> Self {
        Self {
            id: entry.id,
            address: entry.address,
            clients: entry.clients,
            name: entry.name,
            gid: (entry.gid != 0).then_some(Gid(entry.gid)),
            view: entry.vid,
            leader: entry.leader,
            size: entry.size,
        }
    }
}
