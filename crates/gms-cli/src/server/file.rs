//! What stands in the file that `--config` names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use super::rules::{AbsorbName, ElectionName, ProfileName, WhenBlockedName};
use crate::level::LevelName;
use crate::probability;
use crate::quorum::QuorumName;

/// Keys are the long flags.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ServerFile {
    pub(super) group: Option<String>,
    pub(super) multicast: Option<SocketAddr>,
    pub(super) interface: Option<String>,
    pub(super) peer: Option<Vec<String>>,
    pub(super) port: Option<u16>,
    pub(super) datagram: Option<u16>,
    pub(super) id: Option<u64>,
    pub(super) name: Option<String>,
    pub(super) expect: Option<Vec<u64>>,
    pub(super) bootstrap: Option<bool>,
    pub(super) listen: Option<Vec<String>>,
    pub(super) client_grace: Option<f64>,
    pub(super) announce_every: Option<f64>,
    pub(super) forget_after: Option<f64>,
    pub(super) sweep_every: Option<f64>,
    pub(super) level: Option<LevelName>,
    pub(super) min_voters: Option<u16>,
    pub(super) quorum: Option<QuorumName>,
    pub(super) election: Option<ElectionName>,
    pub(super) weight: Option<u32>,
    pub(super) preempt: Option<bool>,
    pub(super) profile: Option<ProfileName>,
    pub(super) when_blocked: Option<WhenBlockedName>,
    pub(super) absorb: Option<AbsorbName>,
    pub(super) trace: Option<PathBuf>,
    pub(super) loss: Option<f64>,
    pub(super) seed: Option<u64>,
    pub(super) insecure: Option<bool>,
    pub(super) json: Option<bool>,
}

impl ServerFile {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let file: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let message = error.message().replace("unknown field", "unknown key").replace('\n', " ");
            anyhow!("{}:{line}: {message}", path.display())
        })?;
        if let Some(datagram) = file.datagram.filter(|datagram| !(1200..=65_507).contains(datagram)) {
            return Err(anyhow!("{}: datagram: {datagram} is not in 1200..=65507", path.display()));
        }
        if let Some(Err(why)) = file.loss.map(probability::check) {
            return Err(anyhow!("{}: loss: {why}", path.display()));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ServerFile, String> {
        ServerFile::parse(text, Path::new("gms.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_the_long_flags() {
        let file =
            parse("group = 'orders'\nmin-voters = 2\nlevel = 'stable'\nquorum = 'fail-stop'\npeer = ['a:1', 'b:2']")
                .expect("reads");
        assert_eq!((file.group.as_deref(), file.min_voters), (Some("orders"), Some(2)));
        assert_eq!(file.quorum, Some(QuorumName::FailStop));
        assert_eq!((file.level, file.peer.map(|p| p.len())), (Some(LevelName::Stable), Some(2)));
    }

    #[test]
    fn mistakes_name_file_line_and_key() {
        let error = parse("group = 'a'\ncolour = 'red'\n").expect_err("unknown");
        assert!(error.starts_with("gms.toml:2: unknown key `colour`, expected one of"), "{error}");
        let error = parse("multicast = 'here'").expect_err("no address");
        assert!(error.starts_with("gms.toml:1: "), "{error}");
        assert!(parse("loss = 3.0").expect_err("too much").contains("0 to 1"));
    }
}
