//! Times and caps of a directory.

use std::time::Duration;

use crate::entry::NAME_LIMIT;

/// Settings of a [`Directory`](crate::Directory).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DirectoryConfig {
    /// How often a server announces itself.
    pub announce_every: Duration,
    /// A change of the own entry is announced at once, but not sooner than this after the announcement before.
    pub change_gap: Duration,
    /// Silence after which a server is forgotten, at the next sweep.
    pub forget_after: Duration,
    /// How often the directory looks for the silent.
    pub sweep_every: Duration,
    /// Probes at the start: one at once, the others for what was lost. Those that the asker has heard do
    /// not answer the later ones.
    pub probes: u32,
    /// Time between them.
    pub probe_every: Duration,
    /// Servers known, at most. A directory that is full refuses newcomers: those that are known and
    /// announce themselves cannot be driven out, and the silent make room after `forget_after`.
    pub servers: usize,
    /// Answers to probes in any one second, at most.
    pub replies: u32,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            announce_every: Duration::from_secs(10),
            change_gap: Duration::from_millis(100),
            forget_after: Duration::from_secs(30),
            sweep_every: Duration::from_secs(15),
            probes: 3,
            probe_every: Duration::from_millis(250),
            servers: 256,
            replies: 512,
        }
    }
}

impl DirectoryConfig {
    /// Why these settings cannot work, if they cannot.
    pub fn check(&self) -> Result<(), DirectoryError> {
        let named = [
            ("announce_every", self.announce_every.is_zero()),
            ("sweep_every", self.sweep_every.is_zero()),
            ("probe_every", self.probe_every.is_zero()),
            ("servers", self.servers == 0),
        ];
        if let Some((name, _)) = named.into_iter().find(|(_, zero)| *zero) {
            return Err(DirectoryError::Zero(name));
        }
        if self.forget_after <= self.announce_every {
            return Err(DirectoryError::Forget { forget: self.forget_after, announce: self.announce_every });
        }
        Ok(())
    }
}

/// Settings, or an own entry, that cannot work. Nothing has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A setting is zero.
    #[error("{0} is 0: set it to more")]
    Zero(&'static str),
    /// Everybody would be forgotten between two announcements.
    #[error("servers are forgotten after {forget:?} but announced every {announce:?}: forget later or announce sooner")]
    Forget {
        /// Silence allowed.
        forget: Duration,
        /// Silence to be expected.
        announce: Duration,
    },
    /// The own name is too long.
    #[error("the name has {0} bytes: shorten it to {NAME_LIMIT}")]
    Name(usize),
    /// Nobody could call the own address.
    #[error("{0} cannot be called: announce the address and port of one interface")]
    Address(std::net::SocketAddr),
    /// The id of a running directory was to be changed.
    #[error("a directory keeps its id: make another for another id")]
    Id,
}
