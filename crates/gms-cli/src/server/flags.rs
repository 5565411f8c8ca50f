//! What was typed, or stands in the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::rules::{AbsorbName, ElectionName, ProfileName, WhenBlockedName};
use crate::color::ColorFlags;
use crate::level::LevelName;
use crate::probability;
use crate::quorum::QuorumName;

/// Unset means: look into the file, then take the default.
#[derive(Debug, Args)]
pub(crate) struct ServerFlags {
    /// Name of the group [default: gms]
    #[arg(long, env = "GMS_GROUP", value_name = "NAME")]
    pub(super) group: Option<String>,

    /// Multicast address of the group; the port after it is used too [default: 239.1.1.1:10000]
    #[arg(long, env = "GMS_MULTICAST", value_name = "ADDR:PORT")]
    pub(super) multicast: Option<SocketAddr>,

    /// Network interface [default: loopback]
    #[arg(long, env = "GMS_INTERFACE", value_name = "NAME|IP")]
    pub(super) interface: Option<String>,

    /// Servers of the group, where there is no multicast: then each gets a copy of everything. Give each server a
    /// --port, and all of them the same list; it may name themselves. A majority of them creates the group, and it
    /// orders while it keeps so many
    #[arg(long, env = "GMS_PEER", value_name = "HOST:PORT", num_args = 1.., value_delimiter = ',')]
    pub(super) peer: Option<Vec<String>>,

    /// Port of this server, UDP and TCP, for the --peer of others [default: any free one]
    #[arg(long, env = "GMS_PORT", value_name = "PORT")]
    pub(super) port: Option<u16>,

    /// Bytes of the group's datagrams, if this server creates it, 1200 or more: others join if their interface carries
    /// as many [default: what the interface carries, 1472 at most; 1400 on loopback]
    #[arg(long, env = "GMS_DATAGRAM", value_name = "BYTES", hide_short_help = true, value_parser = clap::value_parser!(u16).range(1200..=65507))]
    pub(super) datagram: Option<u16>,

    /// TOML file with the long names of these flags as keys; the environment and flags come before it
    #[arg(long, env = "GMS_CONFIG", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Number of this member, and its rank: the highest takes over when the leader leaves [default: a hash of host
    /// name, address, --name, --port and how many servers like it this host has already]
    #[arg(long, env = "GMS_ID", value_name = "N")]
    pub(super) id: Option<u64>,

    /// Tells servers on one host apart, in the default --id
    #[arg(long, env = "GMS_NAME", value_name = "NAME")]
    pub(super) name: Option<String>,

    /// Looks for the group; it is created once all servers with these ids are there. Default is to look for it and
    /// let the highest id create it after 0.3 s
    #[arg(long, env = "GMS_EXPECT", value_name = "ID", num_args = 1.., value_delimiter = ',')]
    pub(super) expect: Option<Vec<u64>>,

    /// Looks for the group like any other server, and creates it if there is none, whoever else is there
    #[arg(long, env = "GMS_BOOTSTRAP", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) bootstrap: Option<bool>,

    /// Where clients are served; `none` serves none [default: any free port of the interface]
    #[arg(long, env = "GMS_LISTEN", value_name = "ADDR:PORT|unix:PATH", num_args = 1.., value_delimiter = ',')]
    pub(super) listen: Option<Vec<String>>,

    /// A client that does not read is cut off after so long [default: 10]
    #[arg(long, env = "GMS_CLIENT_GRACE", value_name = "SECONDS")]
    pub(super) client_grace: Option<f64>,

    /// How often this server announces itself to the others [default: 10]
    #[arg(long, env = "GMS_ANNOUNCE_EVERY", value_name = "SECONDS", hide_short_help = true)]
    pub(super) announce_every: Option<f64>,

    /// A server not heard for so long is forgotten [default: 30]
    #[arg(long, env = "GMS_FORGET_AFTER", value_name = "SECONDS", hide_short_help = true)]
    pub(super) forget_after: Option<f64>,

    /// How often this server looks whom to forget [default: 15]
    #[arg(long, env = "GMS_SWEEP_EVERY", value_name = "SECONDS", hide_short_help = true)]
    pub(super) sweep_every: Option<f64>,

    /// When messages of this member are delivered [default: uniform]
    #[arg(long, env = "GMS_LEVEL", value_enum, value_name = "LEVEL")]
    pub(super) level: Option<LevelName>,

    /// Messages wait while the group has fewer voters, and no leave makes them fewer; the same for all members
    /// [default: 1, and with --peer a majority of the servers named; who joins takes the group's]
    #[arg(long, env = "GMS_MIN_VOTERS", value_name = "N")]
    pub(super) min_voters: Option<u16>,

    /// How many members have to agree to go on without others; the same for all members [default: majority]
    #[arg(long, env = "GMS_QUORUM", value_enum, value_name = "MODE")]
    pub(super) quorum: Option<QuorumName>,

    /// Who leads next when the leader is gone; the same for all members [default: bully]
    #[arg(long, env = "GMS_ELECTION", value_enum, value_name = "RANK")]
    pub(super) election: Option<ElectionName>,

    /// Rank of this member with --election priority: the highest leads [default: 0]
    #[arg(long, env = "GMS_WEIGHT", value_name = "N")]
    pub(super) weight: Option<u32>,

    /// A leader hands over to a member of higher rank that has joined; the same for all members
    #[arg(long, env = "GMS_PREEMPT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) preempt: Option<bool>,

    /// How far apart the servers are: how often they say that they live, and how soon silence is suspicious; the same
    /// for all members [default: lan]
    #[arg(long, env = "GMS_PROFILE", value_enum, value_name = "NETWORK")]
    pub(super) profile: Option<ProfileName>,

    /// What becomes of messages while this server is cut off from a quorum: they wait, or are refused, and clients go
    /// to another server [default: hold]
    #[arg(long, env = "GMS_WHEN_BLOCKED", value_enum, value_name = "WHAT")]
    pub(super) when_blocked: Option<WhenBlockedName>,

    /// What becomes of a group in which something was said when it meets another one of its name. Each goes on until
    /// `gms-cli merge` keeps one, or the smaller one, if this server leads it, ends by itself [default: never]
    #[arg(long, env = "GMS_ABSORB", value_enum, value_name = "WHICH", hide_short_help = true)]
    pub(super) absorb: Option<AbsorbName>,

    /// Writes what this member does, for `gms-cli check`
    #[arg(long, env = "GMS_TRACE", value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,

    /// Drops this part of the datagrams received, 0 to 1
    #[arg(long, env = "GMS_LOSS", value_name = "P", value_parser = probability::parse)]
    pub(super) loss: Option<f64>,

    /// Which datagrams --loss drops [default: random]
    #[arg(long, env = "GMS_SEED", value_name = "N")]
    pub(super) seed: Option<u64>,

    /// Serves beyond loopback although nothing is encrypted or authenticated
    #[arg(long, env = "GMS_INSECURE", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) insecure: Option<bool>,

    /// Prints one JSON object a line
    #[arg(long, env = "GMS_JSON", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) json: Option<bool>,

    #[command(flatten)]
    pub(super) color: ColorFlags,
}
