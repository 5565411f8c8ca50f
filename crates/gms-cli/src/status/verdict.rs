//! What all servers together say of the group.

use std::collections::BTreeMap;

use serde::Serialize;

use super::survey::Row;

/// Whether messages are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// They are.
    Serving,
    /// A server says that they wait.
    Blocked,
    /// There are several lineages of the group's name.
    Split,
    /// No server is in a group.
    None,
}

/// Why messages wait, and what helps. The keys are API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Trouble {
    /// The server that says so.
    pub(crate) server: u64,
    pub(crate) reason: String,
    pub(crate) since_ms: u64,
    /// A whole command, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// When that helps.
    #[serde(skip)]
    pub(crate) when: &'static str,
}

/// One lineage, and the servers in it. The keys are API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Lineage {
    pub(crate) gid: String,
    pub(crate) servers: Vec<u64>,
}

impl State {
    /// The exit code of `gms-cli status`.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Serving => 0,
            Self::Split => 1,
            Self::None => 3,
            Self::Blocked => 4,
        }
    }
}

/// The state of the group, from what each server says of itself.
pub(super) fn state_of(servers: &[Row], lineages: &[Lineage]) -> State {
    match lineages {
        [] => State::None,
        // One that is in no view says why, and the others go on.
        [_] if servers.iter().any(|row| row.view.is_some() && row.blocked.is_some()) => State::Blocked,
        [_] => State::Serving,
        _ => State::Split,
    }
}

/// The lineages that servers are in, or that they have met. Those without a server were only met.
pub(super) fn lineages_of(servers: &[Row]) -> Vec<Lineage> {
    let mut lineages: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in servers.iter().filter(|row| row.view.is_some()) {
        if let Some(gid) = &row.gid {
            lineages.entry(gid).or_default().push(row.id);
        }
        for rival in row.rivals.iter().flatten() {
            lineages.entry(rival).or_default();
        }
    }
    lineages.into_iter().map(|(gid, servers)| Lineage { gid: gid.to_owned(), servers }).collect()
}

/// The command that makes one of several lineages.
pub(super) fn merging(lineages: &[Lineage], arguments: &str) -> Option<String> {
    let largest = lineages.iter().rev().max_by_key(|lineage| lineage.servers.len())?;
    Some(format!("gms-cli merge --keep {}{arguments}", largest.gid))
}

/// What is told of a group that is blocked: the leader's word counts before that of others, then the latest view.
pub(super) fn trouble_of(servers: &[Row], arguments: &str) -> Option<Trouble> {
    let blocked = servers.iter().filter(|row| row.view.is_some()).filter_map(|row| Some((row, row.blocked.as_ref()?)));
    let (row, blocked) = blocked.max_by_key(|(row, _)| (row.role == "leader", row.view))?;
    let (when, command) = match (blocked.kind.as_str(), blocked.server) {
        ("quorum" | "leader", _) => {
            let answer = |other: &&Row| other.role != "silent" && other.gid == row.gid;
            let survivors: Vec<String> = servers.iter().filter(answer).map(|row| row.id.to_string()).collect();
            let command = format!("gms-cli force-view --survivors {}{arguments}", survivors.join(","));
            ("if the others are dead for good", Some(command))
        }
        ("window", Some(member)) => ("to go on without it", Some(format!("gms-cli exclude {member}{arguments}"))),
        ("too_few", _) => ("start another server", None),
        _ => ("see what that server says", None),
    };
    let (reason, since_ms) = (blocked.reason.clone(), blocked.since_ms);
    Some(Trouble { server: row.id, reason, since_ms, command, when })
}

#[cfg(test)]
mod tests {
    use gms::BlockedStatus;

    use super::*;

    fn row(id: u64, leader: u64, gid: &str) -> Row {
        let role = if leader == id { "leader" } else { "follower" };
        let (gid, view, leader) = (Some(gid.to_owned()), Some(4), Some(leader));
        Row { gid, view, leader, ..Row::bare(id, format!("127.0.0.1:{id}"), role, 0) }
    }

    fn blocked(row: Row, kind: &str, server: Option<u64>) -> Row {
        let reason = format!("because of {kind}");
        Row { blocked: Some(BlockedStatus { kind: kind.to_owned(), reason, server, since_ms: 1200 }), ..row }
    }

    fn state(servers: &[Row]) -> State {
        state_of(servers, &lineages_of(servers))
    }

    #[test]
    fn each_state_has_its_signs() {
        let serving = [row(1, 1, "7"), row(2, 1, "7"), Row::bare(3, String::new(), "silent", 900)];
        assert_eq!(state(&serving), State::Serving);
        // The leader is dead, and who follows it waits.
        let silent = Row::bare(1, String::new(), "silent", 9);
        let waiting = [silent, blocked(row(2, 1, "7"), "leader", Some(1)), row(3, 1, "7")];
        assert_eq!(state(&waiting), State::Blocked);
        assert_eq!(state(&[row(1, 1, "7"), row(2, 2, "8")]), State::Split);
        assert_eq!(state(&[Row { rivals: Some(vec!["8".to_owned()]), ..row(1, 1, "7") }]), State::Split);
        let out = Row { view: None, gid: None, ..blocked(row(3, 1, "7"), "out", None) };
        assert_eq!(state(&[row(1, 1, "7"), out.clone()]), State::Serving);
        assert_eq!(state(&[out]), State::None);
        assert_eq!(state(&[]), State::None);
        assert_eq!(state(&[Row::bare(1, String::new(), "none", 0)]), State::None);
        let codes = [State::Serving, State::Split, State::None, State::Blocked].map(State::code);
        assert_eq!(codes, [0, 1, 3, 4]);
    }

    #[test]
    fn a_blocked_group_is_told_what_helps() {
        let silent = Row::bare(3, String::new(), "silent", 9);
        let rows = [blocked(row(1, 2, "7"), "progress", Some(2)), blocked(row(2, 2, "7"), "quorum", None), silent];
        let trouble = trouble_of(&rows, " --group x").expect("blocked");
        assert_eq!((trouble.server, trouble.reason.as_str(), trouble.since_ms), (2, "because of quorum", 1200));
        assert_eq!(trouble.command.as_deref(), Some("gms-cli force-view --survivors 1,2 --group x"));
        let trouble = trouble_of(&[blocked(row(2, 2, "7"), "window", Some(1))], "").expect("blocked");
        assert_eq!(trouble.command.as_deref(), Some("gms-cli exclude 1"));
        let trouble = trouble_of(&[blocked(row(2, 2, "7"), "too_few", None)], "").expect("blocked");
        assert_eq!((trouble.when, trouble.command), ("start another server", None));
        assert_eq!(trouble_of(&[row(2, 2, "7")], ""), None);
    }

    #[test]
    fn lineages_name_their_servers() {
        let rows = [row(1, 1, "7"), Row { rivals: Some(vec!["9".into(), "7".into()]), ..row(2, 2, "8") }];
        let told: Vec<(String, Vec<u64>)> = lineages_of(&rows).into_iter().map(|l| (l.gid, l.servers)).collect();
        assert_eq!(told, [("7".into(), vec![1]), ("8".into(), vec![2]), ("9".into(), vec![])]);
        assert_eq!(merging(&lineages_of(&rows), " --group x").as_deref(), Some("gms-cli merge --keep 7 --group x"));
        assert_eq!(merging(&[], ""), None);
    }
}
