//! Getting a connection to some server.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::config::ClientConfig;
use super::error::ClientError;
use super::find::{FindConfig, Finder};
use crate::client_protocol::{
    Endpoint, HelloReply, HelloRequest, Incoming, LineBuffer, PROTOCOL, Request, Stream, Text, write_line,
};

/// Longest time for a server to accept a connection and say hello.
const HELLO_WITHIN: Duration = Duration::from_secs(1);
/// Longest time for a server to say where it serves clients, asked at its member address.
const MEMBER_WITHIN: Duration = Duration::from_millis(200);
/// The group of servers that are named by their member addresses, unless a group is named.
const DEFAULT_GROUP: &str = "gms";
/// Pauses between rounds over all servers, from the shortest to the longest.
const PAUSE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(640)];
/// Bytes of a server's line, at most: the largest message there can be, with every byte escaped.
const LINE_LIMIT: usize = 512 << 20;

/// The servers there are, as far as one connection has learned.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    config: ClientConfig,
    /// Lost or left just now: the last to be tried.
    avoid: Option<Endpoint>,
    /// Named, and neither served yet nor asked whether they are member addresses.
    doubtful: Vec<Endpoint>,
}

/// A server that has said hello.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) lines: LineBuffer,
    pub(super) endpoint: Endpoint,
    /// What it said of itself.
    pub(super) hello: HelloReply,
}

impl Servers {
    pub(super) fn new(config: ClientConfig) -> Self {
        let doubtful = config.servers.clone();
        Self { config, avoid: None, doubtful }
    }

    /// How long to look for a server that is of use.
    pub(super) fn give_up(&self) -> Duration {
        self.config.give_up
    }

    /// Prefers any other server from here on.
    pub(super) fn avoid(&mut self, endpoint: Endpoint) {
        self.avoid = Some(endpoint);
    }

    /// Tries one after the other until one says hello, again and again until the time is over. Cancel safe.
    pub(super) async fn connect(&mut self) -> Result<Connection, ClientError> {
        let deadline = Instant::now() + self.config.give_up;
        let mut pause = PAUSE[0];
        loop {
            let mut tried = Vec::new();
            if let Some(connection) = self.round(&mut tried).await {
                return Ok(connection);
            }
            if Instant::now() + pause >= deadline {
                return Err(ClientError::NoServer { tried: tried.join("; ") });
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE[1]);
        }
    }

    /// Tries each once.
    async fn round(&mut self, tried: &mut Vec<String>) -> Option<Connection> {
        let mut candidates: VecDeque<Endpoint> = self.config.servers.iter().cloned().collect();
        if let Some(avoid) = &self.avoid
            && let Some(index) = candidates.iter().position(|endpoint| endpoint == avoid)
        {
            candidates.rotate_left(index + 1);
        }
        for endpoint in candidates {
            if let Some(connection) = self.attempt(endpoint.clone(), tried).await {
                self.doubtful.retain(|doubtful| *doubtful != endpoint);
                return Some(connection);
            }
            if self.doubtful.contains(&endpoint)
                && let Some(place) = self.place_of_member(&endpoint).await
                && let Some(connection) = self.attempt(place, tried).await
            {
                return Some(connection);
            }
        }
        let find = self.config.find.as_ref()?;
        let mut finder = match Finder::open(find) {
            Ok(finder) => finder,
            Err(error) => {
                tried.push(error.to_string());
                return None;
            }
        };
        let mut last_resort = None;
        while let Some(server) = finder.next().await {
            let Some(endpoint) = server.clients.map(Endpoint::from) else {
                tried.push(format!("server {} serves no clients", server.id));
                continue;
            };
            if self.avoid.as_ref() == Some(&endpoint) {
                last_resort = Some(endpoint);
            } else if let Some(connection) = self.attempt(endpoint, tried).await {
                return Some(connection);
            }
        }
        if let Some(endpoint) = last_resort
            && let Some(connection) = self.attempt(endpoint, tried).await
        {
            return Some(connection);
        }
        if tried.is_empty() {
            // Those named may be where servers serve clients.
            for peer in find.peers.clone() {
                if let Some(connection) = self.attempt(peer.into(), tried).await {
                    return Some(connection);
                }
            }
            tried.push(find.to_string());
        }
        None
    }

    /// Where the server with this member address serves clients. Goes there from then on. Asked once for each.
    async fn place_of_member(&mut self, endpoint: &Endpoint) -> Option<Endpoint> {
        self.doubtful.retain(|doubtful| doubtful != endpoint);
        let Endpoint::Tcp(address) = endpoint else { return None };
        let address = *gms_net::resolve(address).await.ok()?.first()?;
        let interface = local_address(address).ok()?.to_string().parse().ok()?;
        let group = self.config.group.as_deref().unwrap_or(DEFAULT_GROUP);
        let find = FindConfig { peers: vec![address], within: MEMBER_WITHIN, interface, ..FindConfig::new(group) };
        let mut finder = Finder::open(&find).ok()?;
        let place = Endpoint::from(finder.next().await?.clients?);
        self.config.servers.iter_mut().filter(|named| *named == endpoint).for_each(|named| *named = place.clone());
        Some(place)
    }

    async fn attempt(&self, endpoint: Endpoint, tried: &mut Vec<String>) -> Option<Connection> {
        match timeout(HELLO_WITHIN, self.greet(&endpoint)).await {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(error)) => tried.push(format!("{endpoint} ({error})")),
            Err(_) => tried.push(format!("{endpoint} (no answer within {} ms)", HELLO_WITHIN.as_millis())),
        }
        None
    }

    async fn greet(&self, endpoint: &Endpoint) -> io::Result<Connection> {
        let stream = Stream::connect(endpoint).await?;
        let name = self.config.name.as_deref().map(|name| Text(name.into()));
        let group = self.config.group.as_deref().map(|group| Text(group.into()));
        let mut hello = Vec::new();
        write_line(&Request::Hello(HelloRequest { protocol: PROTOCOL, name, group, session: None }), &mut hello);
        let (lines, endpoint) = (LineBuffer::new(LINE_LIMIT), endpoint.clone());
        let mut connection = Connection { stream, lines, endpoint, hello: HelloReply::default() };
        connection.write(&hello).await?;
        let line = connection.line().await?;
        let incoming = Incoming::parse(&line).map_err(|error| invalid(&format!("no gms server: {error}")))?;
        let refused = incoming.closed.map(|closed| closed.reason).or(incoming.error.map(|error| error.reason));
        match (incoming.hello, refused) {
            (Some(hello), _) => Ok(Connection { hello, ..connection }),
            (None, Some(reason)) => Err(invalid(&reason)),
            (None, None) => Err(invalid("no gms server: it did not say hello")),
        }
    }
}

impl Connection {
    /// Writes all of it. Not cancel safe.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// The next line. Cancel safe.
    pub(super) async fn line(&mut self) -> io::Result<bytes::BytesMut> {
        loop {
            if let Some(line) = self.buffered_line()? {
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// The next line that has been read already.
    pub(super) fn buffered_line(&mut self) -> io::Result<Option<bytes::BytesMut>> {
        self.lines.next_line().map_err(|_| invalid("the server's line has no end"))
    }

    /// Reads more, at least a byte. Cancel safe.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        self.lines.settle(0);
        let read = poll_fn(|cx| self.stream.poll_read(cx, self.lines.space(false))).await?;
        self.lines.settle(read);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The address of this host from which another is reached.
fn local_address(other: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(other)?;
    Ok(socket.local_addr()?.ip())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
