//! Becoming a member.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use gms::{
    Bootstrap, Config, Endpoint, Events, Group, JoinError, ListenError, Listeners, QuorumMode, Service, ServiceConfig,
    UdpConfig,
};
use gms_net::{Lossy, Transport, Udp};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::expected::waits_for_others;
use super::identity::{DefaultId, Who, host_name};
use super::settings::{Loss, ServerSettings};
use crate::failure::{Failure, complain};

/// Longest time a leave may take: a signal must end the server within a second.
const LEAVE_WITHIN: Duration = Duration::from_millis(800);

/// How long it may take to open the trace.
const OPEN_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether the interface has an address.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who waits for others to be started waits as long as it takes.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Sockets are open and everything is known; nothing was sent yet.
pub(super) struct Entrance {
    udp: Udp,
    config: Config,
    loss: Option<Loss>,
    pub(super) id: u64,
    drawn: Option<DefaultId>,
    /// Where clients are served.
    listeners: Listeners,
    service: ServiceConfig,
}

/// A member, with clients to serve.
pub(super) struct Entered {
    pub(super) group: Group,
    pub(super) events: Events,
    pub(super) service: Service,
    /// As long as this process is a server, no other one of this host has its number.
    pub(super) _drawn: Option<DefaultId>,
}

impl Entrance {
    /// Opens the sockets and the trace, and finds the peers.
    pub(super) async fn open(settings: &ServerSettings) -> Result<Self, Failure> {
        let udp = bind(&settings.network).await?;
        let address = udp.local_address();
        allow_interface(settings, udp.interface(), address)?;
        let drawn = settings.id.is_none().then(|| claim_id(settings, address));
        let id = settings.id.or(drawn.as_ref().map(|drawn| drawn.id)).expect("one of the two");
        let mut config = Config::new(settings.group.clone());
        config.id = Some(id);
        config.redraw_id = settings.id.is_none();
        config.server_name = settings.name.clone();
        config.network = settings.network.clone();
        config.peers = settings.peers.clone();
        config.bootstrap = settings.bootstrap.clone();
        if let Bootstrap::Expect(ids) = &settings.bootstrap {
            let names: Vec<String> = ids.iter().map(u64::to_string).collect();
            let others = if ids.contains(&id) {
                String::new()
            } else {
                format!("; this server, {id}, is not among them, and joins it then")
            };
            complain(&format!("the group is created once servers {} are all there{others}", names.join(", ")));
        }
        if waits_for_others(settings) {
            config.join_within = FOR_EVER;
        }
        config.directory = settings.directory.clone();
        config.level = settings.level;
        config.when_blocked = settings.when_blocked;
        config.absorb = settings.absorb;
        config.params = settings.rules.params();
        config.keeps_majority = settings.rules.keeps_majority();
        config.datagram = settings.datagram;
        config.weight = settings.rules.weight;
        config.set_profile(settings.rules.profile);
        config.params.check().map_err(Failure::usage)?;
        if settings.rules.quorum == QuorumMode::FailStop && !gms::proves_deaths() {
            complain(
                "warning: this system does not tell when other processes die: with --quorum fail-stop the group waits for \
                 every member that does",
            );
        }
        config.leave_within = LEAVE_WITHIN;
        config.insecure = settings.insecure;
        let any_port = udp.scoped(SocketAddr::new(address.ip(), 0));
        let places = settings.listen.clone().unwrap_or_else(|| vec![any_port.into()]);
        let listeners = Listeners::bind(&places, settings.insecure).await.map_err(listen_failure)?;
        config.clients = listeners.address().map(|listening| match listening.ip().is_unspecified() {
            true => SocketAddr::new(address.ip(), listening.port()),
            // Without the number that the interface has here.
            false => SocketAddr::new(listening.ip(), listening.port()),
        });
        let service = ServiceConfig { grace: settings.client_grace, ..ServiceConfig::default() };
        if let Some(path) = &settings.trace {
            config.trace = Some(Box::new(create_trace(path.clone()).await?));
        }
        if let Some(Loss { probability, seed }) = settings.loss {
            complain(&format!("dropping {} % of what is received, seed {seed}", probability * 100.0));
        }
        Ok(Self { udp, config, loss: settings.loss, id, drawn, listeners, service })
    }

    /// The unicast address, for the peers of others.
    pub(super) fn address(&self) -> SocketAddr {
        self.udp.local_address()
    }

    /// Where clients connect.
    pub(super) fn client_endpoints(&self) -> Vec<Endpoint> {
        self.listeners.endpoints()
    }

    /// Joins or creates the group, and lets clients in.
    pub(super) async fn enter(self) -> Result<Entered, Failure> {
        let joining = match self.loss {
            None => Group::enter_over(self.config, self.udp),
            Some(Loss { probability, seed }) => Group::enter_over(self.config, Lossy::new(self.udp, probability, seed)),
        };
        let joining = joining.map_err(join_failure)?;
        let (group, events) = joining.entered().await.map_err(join_failure)?;
        let service = Service::start(&group, self.listeners, self.service);
        Ok(Entered { group, events, service, _drawn: self.drawn })
    }
}

/// A number for a server that was given none.
fn claim_id(settings: &ServerSettings, address: SocketAddr) -> DefaultId {
    let meeting = match settings.network.peers {
        None => settings.network.multicast.to_string(),
        Some(_) => String::new(),
    };
    DefaultId::claim(Who {
        host: &host_name(),
        address: address.ip(),
        name: &settings.name,
        port: settings.network.unicast_port,
        group: &settings.group,
        meeting: &meeting,
    })
}

/// Opens the sockets as soon as the interface has an address: a server may be started before the network is up.
async fn bind(network: &UdpConfig) -> Result<Udp, Failure> {
    let mut said = String::new();
    loop {
        match Udp::bind(network.clone()) {
            Err(error) if error.may_pass() => {
                let why = error.to_string();
                if why != said {
                    complain(&format!("waiting: {why}"));
                    said = why;
                }
                sleep(LOOK_AGAIN).await;
            }
            bound => return bound.map_err(Failure::sockets),
        }
    }
}

/// Creates the file. Opening a pipe that nobody reads would block for ever.
async fn create_trace(path: PathBuf) -> Result<File, Failure> {
    let what = format!("cannot write the trace {}", path.display());
    match timeout(OPEN_WITHIN, spawn_blocking(move || File::create(path))).await {
        Ok(created) => Ok(created?.context(what)?),
        Err(_) => {
            Err(anyhow!("{what}: it cannot be opened within {} s; does anybody read it?", OPEN_WITHIN.as_secs()).into())
        }
    }
}

/// What leaves this host must be wanted.
fn allow_interface(settings: &ServerSettings, interface: &str, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    if !settings.insecure {
        return Err(Failure::insecure(interface));
    }
    complain(&format!(
        "warning: serving on {interface} ({}) without encryption or authentication: whoever reaches it can read \
         everything and send anything",
        address.ip()
    ));
    Ok(())
}

fn listen_failure(error: ListenError) -> Failure {
    match error {
        ListenError::Insecure { address } => Failure::usage(anyhow!(
            "{address} is not loopback and clients are neither authenticated nor encrypted: stay on loopback, or allow \
             it with --insecure"
        )),
        other => other.into(),
    }
}

fn join_failure(error: JoinError) -> Failure {
    match error {
        JoinError::NoAnswer { .. } => Failure::no_server(error),
        JoinError::Settings(_) | JoinError::Datagram { .. } => Failure::usage(error),
        // What the member says when the sockets fail is for its reader, not for an operator.
        JoinError::Io(error) if error.kind() == io::ErrorKind::Other => anyhow!("cannot join: {error}").into(),
        other => other.into(),
    }
}
