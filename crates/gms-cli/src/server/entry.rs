//! Becoming a member.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use gms::{Config, Events, Group, JoinError};
use gms_net::{BindError, Lossy, Transport, Udp};

use super::identity::{default_id, host_name};
use super::settings::{Loss, ServerSettings};
use crate::failure::{Failure, complain};

/// Longest time a leave may take: a signal must end the server within a second.
const LEAVE_WITHIN: Duration = Duration::from_millis(800);

/// Sockets are open and everything is known; nothing was sent yet.
pub(super) struct Entrance {
    udp: Udp,
    config: Config,
    loss: Option<Loss>,
    pub(super) id: u64,
}

impl Entrance {
    /// Opens the sockets and the trace, and finds the peers.
    pub(super) fn open(settings: &ServerSettings) -> Result<Self, Failure> {
        let udp = Udp::bind(settings.network.clone()).map_err(bind_failure)?;
        let address = udp.local_address();
        allow_interface(settings, udp.interface(), address)?;
        let id = settings.id.unwrap_or_else(|| default_id(&host_name(), address.ip(), &settings.name));
        let mut config = Config::new(settings.group.clone());
        config.id = Some(id);
        config.redraw_id = settings.id.is_none();
        config.server_name = settings.name.clone();
        config.network = settings.network.clone();
        config.peers = settings.peers.clone();
        config.bootstrap = settings.bootstrap.clone();
        config.level = settings.level;
        config.params.min_voters = settings.min_voters;
        config.params.check().map_err(Failure::usage)?;
        config.leave_within = LEAVE_WITHIN;
        config.insecure = settings.insecure;
        if let Some(path) = &settings.trace {
            let file = File::create(path).with_context(|| format!("cannot write the trace {}", path.display()))?;
            config.trace = Some(Box::new(file));
        }
        if let Some(Loss { probability, seed }) = settings.loss {
            complain(&format!("dropping {} % of what is received, seed {seed}", probability * 100.0));
        }
        Ok(Self { udp, config, loss: settings.loss, id })
    }

    /// The unicast address, for the peers of others.
    pub(super) fn address(&self) -> SocketAddr {
        self.udp.local_address()
    }

    /// Joins or founds the group.
    pub(super) async fn enter(self) -> Result<(Group, Events), Failure> {
        let joined = match self.loss {
            None => Group::join_over(self.config, self.udp).await,
            Some(Loss { probability, seed }) => {
                Group::join_over(self.config, Lossy::new(self.udp, probability, seed)).await
            }
        };
        joined.map_err(join_failure)
    }
}

/// Nothing is authenticated or encrypted: what leaves this host must be wanted.
fn allow_interface(settings: &ServerSettings, interface: &str, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    if !settings.insecure {
        return Err(Failure::usage(anyhow!(
            "{interface} is not loopback and nothing is encrypted or authenticated: stay on loopback, or allow it with \
             --insecure"
        )));
    }
    complain(&format!(
        "warning: serving on {interface} ({}) without encryption or authentication: whoever reaches it can read \
         everything and send anything",
        address.ip()
    ));
    Ok(())
}

fn bind_failure(error: BindError) -> Failure {
    match error {
        BindError::UnknownInterface { .. }
        | BindError::NoAddressOfFamily { .. }
        | BindError::NotMulticast { .. }
        | BindError::PortOutOfRange { .. }
        | BindError::UnreachablePeer { .. } => Failure::usage(error),
        other => other.into(),
    }
}

fn join_failure(error: JoinError) -> Failure {
    match error {
        JoinError::NoAnswer { .. } => Failure::no_server(error),
        JoinError::Settings(_) => Failure::usage(error),
        // What the member says when the sockets fail is for its reader, not for an operator.
        JoinError::Io(error) if error.kind() == io::ErrorKind::Other => anyhow!("cannot join: {error}").into(),
        other => other.into(),
    }
}
