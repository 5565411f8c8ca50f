//! Which servers a client goes to: the same flags for all commands that are clients.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use gms::{Client, ClientConfig, ClientError, Endpoint, FindConfig, UdpConfig};
use gms_net::AskSocket;

use crate::failure::Failure;

const DEFAULT_MULTICAST: &str = "239.1.1.1:10000";
const DEFAULT_INTERFACE: &str = "loopback";

/// What was typed, or stands in the environment.
#[derive(Debug, Args)]
pub(crate) struct ContactFlags {
    /// Goes to these servers, to the first that answers; either address that a server prints will do. Default is to ask
    /// the group's multicast address who is there
    #[arg(long, env = "GMS_SERVER", value_name = "HOST:PORT|unix:PATH", num_args = 1, value_delimiter = ',')]
    server: Vec<Endpoint>,

    /// Name of the group [default: gms; with --server any]
    #[arg(long, env = "GMS_GROUP", value_name = "NAME")]
    group: Option<String>,

    /// Multicast address of the group
    #[arg(long, env = "GMS_MULTICAST", value_name = "ADDR:PORT", default_value = DEFAULT_MULTICAST)]
    multicast: SocketAddr,

    /// Network interface
    #[arg(long, env = "GMS_INTERFACE", value_name = "NAME|IP", default_value = DEFAULT_INTERFACE)]
    interface: String,

    /// Asks these members instead of the multicast address: the addresses they print when they start
    #[arg(long, env = "GMS_PEER", value_name = "HOST:PORT", num_args = 1, value_delimiter = ',')]
    peer: Vec<String>,

    /// How long to look for a server
    #[arg(long, env = "GMS_WAIT", value_name = "SECONDS", default_value_t = 2.0)]
    wait: f64,
}

impl ContactFlags {
    /// The servers named.
    pub(crate) fn servers(&self) -> &[Endpoint] {
        &self.server
    }

    /// The flags as they have to be typed again in another command, each after a space.
    pub(crate) fn arguments(&self) -> String {
        let default = (DEFAULT_MULTICAST.to_owned(), DEFAULT_INTERFACE);
        let mut flags: Vec<(&str, String)> = Vec::new();
        flags.extend(self.server.iter().map(|server| ("server", server.to_string())));
        flags.extend(self.group.iter().map(|group| ("group", group.clone())));
        flags.extend(self.peer.iter().map(|peer| ("peer", peer.clone())));
        let multicast = Some(self.multicast.to_string()).filter(|multicast| *multicast != default.0);
        flags.extend(multicast.map(|multicast| ("multicast", multicast)));
        let interface = Some(self.interface.clone()).filter(|interface| interface != default.1);
        flags.extend(interface.map(|interface| ("interface", interface)));
        flags.into_iter().map(|(name, value)| format!(" --{name} {value}")).collect()
    }

    /// How to find servers.
    pub(crate) async fn find(&self) -> Result<FindConfig, Failure> {
        let Ok(interface) = self.interface.parse();
        let mut peers = Vec::new();
        for peer in &self.peer {
            let cannot = || format!("cannot find the peer {peer}: give HOST:PORT, as a member printed when it started");
            peers.extend(gms_net::resolve(peer).await.with_context(cannot).map_err(Failure::no_server)?);
        }
        let network = UdpConfig { interface, ..UdpConfig::new(self.multicast) };
        // What is wrong with these is not that nobody answers.
        AskSocket::bind(&network).map_err(Failure::sockets)?;
        let find = FindConfig::new(self.group.as_deref().unwrap_or("gms"));
        Ok(FindConfig { multicast: network.multicast, interface: network.interface, peers, ..find })
    }

    /// How a client goes to them.
    pub(crate) async fn client(&self, name: &str) -> Result<ClientConfig, Failure> {
        let give_up = self.wait()?;
        let mut config = match self.server.is_empty() {
            false => ClientConfig::at(self.server.iter().cloned()),
            true => ClientConfig { find: Some(self.find().await?), ..ClientConfig::new("") },
        };
        config.group = self.group.clone();
        (config.name, config.give_up) = (Some(name.to_owned()), give_up);
        Ok(config)
    }

    /// How long to look for a server.
    pub(crate) fn wait(&self) -> Result<Duration, Failure> {
        let seconds = self.wait;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| Failure::usage(anyhow!("--wait {seconds} is no time to wait: give seconds, 0 or more")))
    }
}

/// A client of whichever server is found.
pub(crate) async fn connect(config: ClientConfig) -> Result<Client, Failure> {
    Client::connect(config).await.map_err(no_server)
}

/// The exit code for what went wrong with a server.
pub(crate) fn no_server(error: ClientError) -> Failure {
    Failure::no_server(error)
}

/// One thread is enough for a client.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
