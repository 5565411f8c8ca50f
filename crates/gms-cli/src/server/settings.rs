//! What holds for a server: flags and environment before the file before the defaults.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gms::{Bootstrap, DirectoryConfig, Endpoint, Interface, Level, ServiceConfig, UdpConfig, WhenBlocked};

use super::file::ServerFile;
use super::flags::ServerFlags;
use super::rules::{AbsorbName, Rules};
use crate::color::Palette;
use crate::meeting_place;

/// Everything a server needs to know.
#[derive(Debug)]
pub(super) struct ServerSettings {
    pub(super) group: String,
    pub(super) network: UdpConfig,
    /// Hosts and ports as given.
    pub(super) peers: Vec<String>,
    pub(super) datagram: Option<u16>,
    pub(super) bootstrap: Bootstrap,
    pub(super) id: Option<u64>,
    pub(super) name: String,
    /// Where to serve clients; `None`: at any free port of the interface.
    pub(super) listen: Option<Vec<Endpoint>>,
    pub(super) client_grace: Duration,
    pub(super) directory: DirectoryConfig,
    pub(super) level: Level,
    pub(super) rules: Rules,
    pub(super) when_blocked: WhenBlocked,
    /// Whether a larger group of the name takes this one in.
    pub(super) absorb: bool,
    pub(super) trace: Option<PathBuf>,
    pub(super) loss: Option<Loss>,
    pub(super) insecure: bool,
    pub(super) format: Format,
}

/// Which datagrams are dropped.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Loss {
    pub(super) probability: f64,
    pub(super) seed: u64,
}

/// What the lines on standard output look like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    Words(Palette),
    Json,
}

impl ServerSettings {
    /// Puts them together.
    pub(super) fn resolve(flags: ServerFlags) -> Result<Self> {
        let file = flags.config.as_deref().map(ServerFile::read).transpose()?.unwrap_or_default();
        let directory = directory(&flags, &file)?;
        let rules = Rules::resolve(&flags, &file)?;
        let default = UdpConfig::default();
        let multicast = flags.multicast.or(file.multicast);
        let peers = flags.peer.or(file.peer).unwrap_or_default();
        if multicast.is_some() && !peers.is_empty() {
            bail!("peer is for groups without multicast: leave out multicast, or peer");
        }
        let multicast: SocketAddr = multicast.unwrap_or(default.multicast);
        let interface = flags.interface.or(file.interface).unwrap_or_else(|| "loopback".to_owned());
        let Ok(interface) = interface.parse::<Interface>();
        let expect: BTreeSet<u64> = flags.expect.or(file.expect).unwrap_or_default().into_iter().collect();
        let id = flags.id.or(file.id);
        let bootstrap = match (flags.bootstrap.or(file.bootstrap).unwrap_or(false), expect.is_empty()) {
            (true, false) => bail!("bootstrap creates the group at once and expect waits for others: give only one"),
            (true, true) => Bootstrap::Create,
            (false, false) if id.is_none() => {
                bail!("expect names servers by their ids: give this one its own with --id")
            }
            (false, false) => Bootstrap::Expect(expect),
            (false, true) => Bootstrap::Auto,
        };
        if let Some(peer) = peers.iter().find(|peer| !is_host_and_port(peer)) {
            bail!("the peer '{peer}' is no HOST:PORT: give the address of a server, and its --port");
        }
        let loss = flags.loss.or(file.loss);
        let seed = flags.seed.or(file.seed);
        let loss = match (loss, seed) {
            (Some(probability), seed) => Some(Loss { probability, seed: seed.unwrap_or_else(meeting_place::random) }),
            (None, Some(_)) => bail!("seed says which datagrams loss drops: give loss too, or leave seed out"),
            (None, None) => None,
        };
        let json = flags.json.or(file.json).unwrap_or(false);
        Ok(Self {
            group: flags.group.or(file.group).unwrap_or_else(|| "gms".to_owned()),
            network: UdpConfig {
                interface,
                unicast_port: flags.port.or(file.port).unwrap_or(0),
                // Those given by address are wrong now or never; names are looked up later.
                peers: (!peers.is_empty()).then(|| peers.iter().filter_map(|peer| gms_net::address_in(peer)).collect()),
                ..UdpConfig::new(multicast)
            },
            peers,
            datagram: flags.datagram.or(file.datagram),
            bootstrap,
            id,
            name: flags.name.or(file.name).unwrap_or_default(),
            listen: flags.listen.or(file.listen).map(|places| endpoints(&places)).transpose()?,
            client_grace: time(
                "client-grace",
                flags.client_grace.or(file.client_grace),
                ServiceConfig::default().grace,
            )?,
            directory,
            level: flags.level.or(file.level).map_or(Level::Uniform, Level::from),
            rules,
            when_blocked: flags.when_blocked.or(file.when_blocked).map_or(WhenBlocked::Hold, WhenBlocked::from),
            absorb: flags.absorb.or(file.absorb) == Some(AbsorbName::Larger),
            trace: flags.trace.or(file.trace),
            loss,
            insecure: flags.insecure.or(file.insecure).unwrap_or(false),
            format: if json { Format::Json } else { Format::Words(flags.color.palette()) },
        })
    }
}

/// The places named, or none at all.
fn endpoints(places: &[String]) -> Result<Vec<Endpoint>> {
    if places.iter().any(|place| place == "none") {
        if places.len() > 1 {
            bail!("listen: none serves no clients: leave the other places out, or leave out none");
        }
        return Ok(Vec::new());
    }
    places
        .iter()
        .map(|place| place.parse().with_context(|| format!("listen: cannot serve clients at '{place}'")))
        .collect()
}

/// A time as it was given, in seconds, or else the default.
fn time(name: &str, seconds: Option<f64>, default: Duration) -> Result<Duration> {
    let Some(seconds) = seconds else { return Ok(default) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_millis(1) => Ok(time),
        _ => bail!("{name}: {seconds} is no time to wait: give seconds, 0.001 or more"),
    }
}

fn directory(flags: &ServerFlags, file: &ServerFile) -> Result<DirectoryConfig> {
    let default = DirectoryConfig::default();
    let announce = flags.announce_every.or(file.announce_every);
    let forget = flags.forget_after.or(file.forget_after);
    let sweep = flags.sweep_every.or(file.sweep_every);
    let directory = DirectoryConfig {
        announce_every: time("announce-every", announce, default.announce_every)?,
        forget_after: time("forget-after", forget, default.forget_after)?,
        sweep_every: time("sweep-every", sweep, default.sweep_every)?,
        ..default
    };
    directory.check()?;
    Ok(directory)
}

fn is_host_and_port(peer: &str) -> bool {
    peer.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;
    use gms::{Profile, QuorumMode, Ranking};

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        flags: ServerFlags,
    }

    fn resolve(arguments: &[&str]) -> Result<ServerSettings, String> {
        let typed = Typed::parse_from([&["server"], arguments].concat());
        ServerSettings::resolve(typed.flags).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        write!(file, "group = 'orders'\nid = 3\nbootstrap = true\n").expect("writes");
        let path = file.path().to_str().expect("text");
        let settings = resolve(&["--config", path, "--id", "7"]).expect("resolves");
        assert_eq!((settings.group.as_str(), settings.id), ("orders", Some(7)));
        assert_eq!(settings.rules.params(), gms::Params::default());
        assert_eq!(settings.when_blocked, WhenBlocked::Hold);
        assert_eq!(settings.bootstrap, Bootstrap::Create);
        let settings = resolve(&["--config", path, "--bootstrap=false"]).expect("resolves");
        assert_eq!(settings.bootstrap, Bootstrap::Auto);
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (arguments, word) in [
            (&["--bootstrap", "--expect", "1,2"][..], "only one"),
            (&["--expect", "1,2"], "--id"),
            (&["--multicast", "239.1.1.1:7", "--peer", "host:1"], "without multicast"),
            (&["--announce-every", "40"], "announced every 40s"),
            (&["--sweep-every", "0"], "sweep-every"),
            (&["--seed", "1"], "loss"),
            (&["--weight", "3"], "--election priority"),
            (&["--preempt", "--election", "seniority"], "seniority"),
            (&["--peer", "host"], "HOST:PORT"),
            (&["--config", "/nowhere/gms.toml"], "/nowhere/gms.toml"),
        ] {
            let error = resolve(arguments).expect_err("refused");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn expected_servers_are_several() {
        let settings = resolve(&["--expect", "0,1,2", "--id", "1"]).expect("resolves");
        assert_eq!(settings.bootstrap, Bootstrap::Expect([0, 1, 2].into()));
    }

    #[test]
    fn what_the_group_decides_by_is_in_its_settings() {
        let rules = |arguments: &[&str]| resolve(arguments).expect("resolves").rules;
        let priority = rules(&["--election", "priority", "--weight", "7", "--preempt", "--quorum", "fail-stop"]);
        let params = priority.params();
        assert_eq!((params.ranking, params.quorum), (Ranking::Priority, QuorumMode::FailStop));
        assert_eq!((params.preempt, priority.weight), (true, 7));
        assert_eq!(rules(&["--profile", "wan"]).profile, Profile::Wan);
        assert_eq!(rules(&["--min-voters", "3"]).params().min_voters, 3);
    }

    #[test]
    fn peers_are_several() {
        let settings = resolve(&["--peer", "a:1", "b:2", "--peer", "c:3,d:4"]).expect("resolves");
        assert_eq!(settings.peers, ["a:1", "b:2", "c:3", "d:4"]);
        assert_eq!(settings.network.peers, Some(vec![]), "no multicast");
    }
}
