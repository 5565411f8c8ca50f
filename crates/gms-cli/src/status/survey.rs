//! Asking all servers there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gms::{
    BlockedStatus, Client, ClientConfig, ClientError, Endpoint, FindConfig, FindError, FoundServer, ServerSeen,
    ServerStatus, find_servers,
};
use serde::{Serialize, Serializer};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::verdict::{Lineage, State, Trouble, lineages_of, merging, state_of, trouble_of};
use crate::contact::ContactFlags;
use crate::failure::Failure;

/// How long a server may take to tell its status.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What all of them say. The keys are API.
#[derive(Debug, Serialize)]
pub(crate) struct Survey {
    pub(crate) state: State,
    /// Whether the group is serving and all that answered are in the same view.
    pub(crate) agree: bool,
    /// The leader and the followers they agree on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leader: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) followers: Option<Vec<u64>>,
    /// Voters of the leader's view, and how many of them it hears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) voters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) voters_heard: Option<usize>,
    /// Why it is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<Trouble>,
    /// The lineages of a group that is split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lineages: Vec<Lineage>,
    /// The whole command that keeps the one of most servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    pub(crate) servers: Vec<Row>,
    /// Where nobody answered.
    #[serde(skip)]
    pub(crate) tried: Vec<String>,
}

/// One server, as it describes itself; only `id`, `address`, `role` and `last_seen_ms` of one that does not answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) address: String,
    /// `leader`, `follower`, `learner`, `none` (in no group), `silent` (does not answer, but others have seen it).
    pub(crate) role: String,
    /// `serving`, `blocked`, `split` or `none`, as it says itself.
    pub(crate) state: Option<String>,
    pub(crate) blocked: Option<BlockedStatus>,
    pub(crate) rivals: Option<Vec<String>>,
    pub(crate) last_seen_ms: u64,
    pub(crate) gid: Option<String>,
    pub(crate) view: Option<u64>,
    pub(crate) leader: Option<u64>,
    pub(crate) followers: Option<Vec<u64>>,
    pub(crate) learners: Option<Vec<u64>>,
    pub(crate) stored: Option<u64>,
    pub(crate) safe: Option<u64>,
    pub(crate) stable: Option<u64>,
    pub(crate) gseq: Option<u64>,
    pub(crate) uptime_ms: Option<u64>,
    pub(crate) clients: Option<usize>,
    pub(crate) voters: Option<usize>,
    pub(crate) voters_heard: Option<usize>,
    /// Datagrams and the like that it did not take, by cause; only causes that occurred.
    pub(crate) dropped: Option<BTreeMap<String, u64>>,
    /// Where it serves clients.
    #[serde(rename = "clients_at", serialize_with = "as_text")]
    pub(crate) endpoint: Option<Endpoint>,
}

fn as_text<S: Serializer>(endpoint: &Option<Endpoint>, serializer: S) -> Result<S::Ok, S::Error> {
    endpoint.as_ref().map(ToString::to_string).serialize(serializer)
}

/// A server that another one has seen.
struct Seen {
    server: ServerSeen,
    /// Where it serves clients.
    place: Option<Endpoint>,
}

/// Asks the servers named, or all that are found.
pub(crate) async fn survey(contact: &ContactFlags) -> Result<Survey, Failure> {
    let (mut rows, mut tried, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let mut asking = JoinSet::new();
    if contact.servers().is_empty() {
        let find = contact.find().await?;
        let found = find_within(&find, contact.wait()?).await?;
        // Those named may be where servers serve clients.
        for peer in find.peers.iter().filter(|_| found.is_empty()).copied() {
            let endpoint = Endpoint::from(peer);
            asking.spawn(async move { ask(&endpoint).await });
        }
        for server in found {
            let endpoint = server.clients.map(Endpoint::from);
            asking.spawn(async move {
                let told = match &endpoint {
                    Some(endpoint) => ask(endpoint).await.ok(),
                    None => None,
                };
                Ok(told.unwrap_or_else(|| (Row::found(server), Vec::new())))
            });
        }
        tried.push(find.to_string());
    }
    for endpoint in contact.servers().to_vec() {
        asking.spawn(async move { ask(&endpoint).await });
    }
    while let Some(answer) = asking.join_next().await {
        match answer? {
            Ok((row, servers)) => {
                rows.push(row);
                seen.extend(servers);
            }
            Err(error) => tried.push(error),
        }
    }
    // Those that only the others have seen are asked, too.
    let mut asked = BTreeSet::new();
    for Seen { server, place } in &seen {
        let told = rows.iter().any(|row| row.id == server.id && row.address == server.address.to_string());
        if let Some(endpoint) = place.clone().filter(|place| !told && asked.insert(place.to_string())) {
            asking.spawn(async move { ask(&endpoint).await });
        }
    }
    while let Some(answer) = asking.join_next().await {
        if let Ok((row, _)) = answer? {
            rows.push(row);
        }
    }
    rows.extend(silent(&rows, seen));
    Ok(Survey::new(rows, tried, &contact.arguments()))
}

/// All servers that answer; asks again as long as there is time and nobody does.
async fn find_within(find: &FindConfig, wait: Duration) -> Result<Vec<FoundServer>, Failure> {
    let start = Instant::now();
    loop {
        let found = find_servers(find).await.map_err(|FindError::Bind(error)| Failure::sockets(error))?;
        if !found.is_empty() || start.elapsed() >= wait {
            return Ok(found);
        }
    }
}

/// What the server at this address, for members or for clients, says of itself and of the servers that it has seen.
async fn ask(endpoint: &Endpoint) -> Result<(Row, Vec<Seen>), String> {
    let mut config = ClientConfig::at([endpoint.clone()]);
    (config.name, config.give_up) = (Some("gms-cli status".to_owned()), Duration::ZERO);
    let asking = async {
        let client = Client::connect(config).await?;
        let status = client.status().await?;
        Ok::<_, ClientError>(told_by(status, client.server().unwrap_or_else(|| endpoint.clone())))
    };
    match timeout(ANSWER_WITHIN, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{endpoint} (no answer within {} ms)", ANSWER_WITHIN.as_millis())),
    }
}

fn told_by(status: ServerStatus, endpoint: Endpoint) -> (Row, Vec<Seen>) {
    let seen = status.servers.into_iter();
    let seen = seen.map(|server| Seen { place: server.clients.map(|clients| endpoint.neighbor(clients)), server });
    let seen = seen.collect();
    let row = Row {
        id: status.id,
        address: status.address.to_string(),
        last_seen_ms: 0,
        gid: Some(status.gid).filter(|gid| !gid.is_empty()),
        view: Some(status.view).filter(|_| status.role != "none"),
        leader: status.leader,
        followers: Some(status.followers).filter(|_| status.role != "none"),
        learners: Some(status.learners).filter(|_| status.role != "none"),
        role: status.role,
        state: Some(status.state),
        blocked: status.blocked,
        rivals: Some(status.rivals),
        voters: Some(status.voters),
        voters_heard: status.voters_heard,
        dropped: Some(status.dropped),
        stored: Some(status.stored),
        safe: Some(status.safe),
        stable: Some(status.stable),
        gseq: Some(status.gseq),
        uptime_ms: Some(status.uptime_ms),
        clients: Some(status.clients),
        endpoint: Some(endpoint),
    };
    (row, seen)
}

/// Servers that others have seen and that did not answer here. Where another answered, which may have changed its id,
/// they are no more.
fn silent(rows: &[Row], seen: Vec<Seen>) -> Vec<Row> {
    let mut silent: BTreeMap<(u64, String), (u64, Option<Endpoint>)> = BTreeMap::new();
    for Seen { server, place } in seen {
        let key = (server.id, server.address.to_string());
        if !rows.iter().any(|row| row.address == key.1) {
            let (last, _) = silent.entry(key).or_insert((server.last_seen_ms, place));
            *last = server.last_seen_ms.min(*last);
        }
    }
    let row = |((id, address), (ago, endpoint))| Row { endpoint, ..Row::bare(id, address, "silent", ago) };
    silent.into_iter().map(row).collect()
}

impl Row {
    pub(crate) fn bare(id: u64, address: String, role: &str, last_seen_ms: u64) -> Self {
        Self {
            id,
            address,
            role: role.to_owned(),
            state: None,
            blocked: None,
            rivals: None,
            voters: None,
            voters_heard: None,
            dropped: None,
            last_seen_ms,
            gid: None,
            view: None,
            leader: None,
            followers: None,
            learners: None,
            stored: None,
            safe: None,
            stable: None,
            gseq: None,
            uptime_ms: None,
            clients: None,
            endpoint: None,
        }
    }

    /// One that answers, but serves no clients, or too many.
    fn found(server: FoundServer) -> Self {
        let role = match (server.gid, server.leader) {
            (None, _) => "none",
            (Some(_), Some(leader)) if leader == server.id => "leader",
            (Some(_), _) => "follower",
        };
        Self {
            gid: server.gid.map(|gid| gid.to_string()),
            view: server.gid.map(|_| server.view),
            leader: server.leader,
            endpoint: server.clients.map(Endpoint::from),
            ..Self::bare(server.id, server.address.to_string(), role, 0)
        }
    }
}

impl Survey {
    /// `arguments`: as a command that helps needs them.
    pub(crate) fn new(mut servers: Vec<Row>, tried: Vec<String>, arguments: &str) -> Self {
        // One that has changed its id is known under both, and has answered twice.
        servers.sort_by(|a, b| (a.id, &a.address).cmp(&(b.id, &b.address)));
        servers.dedup_by(|a, b| (a.id, &a.address) == (b.id, &b.address));
        let mut answered = servers.iter().filter(|row| row.role != "silent");
        let told = servers.iter().find(|row| row.followers.is_some());
        let same = |a: &Row, b: &Row| {
            let lists = a.followers.is_none() || b.followers.is_none() || a.followers == b.followers;
            (&a.gid, a.view, a.leader) == (&b.gid, b.view, b.leader) && lists
        };
        let first = told.or(servers.iter().find(|row| row.role != "silent"));
        let mut lineages = lineages_of(&servers);
        let state = state_of(&servers, &lineages);
        if state != State::Split {
            lineages.clear();
        }
        let is_one = first.is_some_and(|first| first.view.is_some() && answered.all(|row| same(first, row)));
        let agree = is_one && state == State::Serving;
        let leads = servers.iter().filter(|row| row.role == "leader" && state == State::Serving);
        let leader = leads.max_by_key(|row| row.view);
        let agreed = told.filter(|_| agree);
        Self {
            state,
            agree,
            leader: first.filter(|_| agree).and_then(|row| row.leader).or(leader.map(|row| row.id)),
            followers: agreed.and_then(|row| row.followers.clone()),
            voters: leader.and_then(|row| row.voters),
            voters_heard: leader.and_then(|row| row.voters_heard),
            blocked: trouble_of(&servers, arguments).filter(|_| state == State::Blocked),
            command: merging(&lineages, arguments),
            lineages,
            servers,
            tried,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, view: u64, leader: u64, followers: &[u64]) -> Row {
        let role = if leader == id { "leader" } else { "follower" };
        Row {
            gid: Some("7".into()),
            view: Some(view),
            leader: Some(leader),
            followers: Some(followers.to_vec()),
            ..Row::bare(id, format!("127.0.0.1:{id}"), role, 0)
        }
    }

    #[test]
    fn leader_and_followers_are_told_when_all_agree() {
        let silent = Row::bare(3, "127.0.0.1:3".into(), "silent", 900);
        let survey = Survey::new(vec![row(0, 4, 1, &[0]), row(1, 4, 1, &[0]), silent], Vec::new(), "");
        assert_eq!((survey.agree, survey.leader, survey.followers), (true, Some(1), Some(vec![0])));
        for other in [row(0, 3, 1, &[0]), row(0, 4, 0, &[1]), Row { gid: Some("8".into()), ..row(0, 4, 1, &[0]) }] {
            let survey = Survey::new(vec![other, row(1, 4, 1, &[0])], Vec::new(), "");
            assert_eq!((survey.agree, survey.followers), (false, None));
        }
        let twice = Survey::new(vec![row(1, 4, 1, &[0]), row(0, 4, 1, &[0]), row(1, 4, 1, &[0])], Vec::new(), "");
        assert_eq!(twice.servers.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 1]);
        assert!(!Survey::new(vec![Row::bare(1, String::new(), "none", 0)], Vec::new(), "").agree);
    }

    #[test]
    fn whoever_is_only_heard_of_is_silent() {
        let seen = |id: u64, last_seen_ms| {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], id as u16));
            let server = ServerSeen { id, address, clients: None, view: 1, leader: None, last_seen_ms };
            Seen { server, place: None }
        };
        let rows = silent(&[row(1, 1, 1, &[])], vec![seen(1, 5), seen(2, 900), seen(2, 700)]);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].id, rows[0].last_seen_ms, rows[0].role.as_str()), (2, 700, "silent"));
        let renamed = Row { id: 9, ..row(1, 1, 1, &[]) };
        assert!(silent(&[renamed], vec![seen(1, 5)]).is_empty());
    }
}
