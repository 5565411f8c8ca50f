//! `gms-cli force-view`: all survivors are looked at before the first one is told anything.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use gms::{Operation, Part};

use super::{LOOK_EVERY, SHOWN_WITHIN, endpoint, not_shown, order, wait};
use crate::contact::{ContactFlags, runtime};
use crate::failure::{Failure, Outcome};
use crate::status::{Row, Survey, survey};

/// Survivors notice that their quorum is lost at about the same time, within this.
const NOTICED_WITHIN: Duration = Duration::from_secs(3);
/// What to look for when an order does not show.
const NOT_TOGETHER: &str = "all survivors have to reach each other: order it again then";

/// What was typed after `force-view`.
#[derive(Debug, Args)]
pub(crate) struct ForceFlags {
    /// Ids of those that go on: all that are left of the group. The one furthest ahead creates the new lineage, with
    /// its history; the others join it
    #[arg(long, value_name = "ID", value_delimiter = ',', required = true)]
    survivors: Vec<u64>,

    /// Also where the group, or a part of it, has a quorum: what it goes on with is lost
    #[arg(long)]
    yes_discard: bool,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Lets the survivors go on in a new lineage.
pub(crate) fn force_view(flags: &ForceFlags) -> Outcome {
    let ForceFlags { survivors, yes_discard: discard, contact } = flags;
    runtime()?.block_on(async {
        let start = Instant::now();
        let heir = loop {
            let survey = survey(contact).await?;
            match ready(&survey, survivors, *discard) {
                Ok(heir) => {
                    if *discard {
                        println!("{}", loss(&survey, heir, survivors));
                    }
                    break heir.clone();
                }
                Err(not_yet) if not_yet.may_pass && start.elapsed() < NOTICED_WITHIN => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(not_ready) => return Err(not_ready.into_failure()),
            }
        };
        order(&heir, Operation::ForceView { part: Part::Create, discard: *discard }).await?;
        let leads = |row: &&Row| row.id == heir.id && row.role == "leader" && row.gid != heir.gid;
        let (start, mut reasons) = (Instant::now(), Vec::new());
        let others = loop {
            let survey = survey(contact).await?;
            if let Some(gid) = survey.servers.iter().find(leads).map(|row| row.gid.clone()) {
                let remain = |row: &Row| survivors.contains(&row.id) && row.gid != gid;
                break survey.servers.into_iter().filter(remain).collect::<Vec<_>>();
            }
            if start.elapsed() >= SHOWN_WITHIN {
                return Err(not_shown(NOT_TOGETHER));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        // One that is blocked joins by itself what its own lineage goes on in, even if it takes no order from here.
        for row in &others {
            let discard = *discard && has_quorum(row);
            if let Err(failure) = order(row, Operation::ForceView { part: Part::Join, discard }).await {
                reasons.push(failure.into_error().to_string());
            }
        }
        let all = |survey: &Survey| {
            let row = |id: &u64| survey.servers.iter().find(|row| row.id == *id && row.leader.is_some());
            let first = row(&heir.id).map(|row| (&row.gid, row.view));
            first.is_some_and(|(gid, _)| *gid != heir.gid)
                && survivors.iter().all(|id| row(id).map(|row| (&row.gid, row.view)) == first)
        };
        let shown = wait(contact, "the survivors are in one view of a new lineage", all, NOT_TOGETHER).await;
        shown.map_err(|failure| match &reasons[..] {
            [] => failure,
            reasons => failure.after(format!("server {} goes on, and {}", heir.id, reasons.join("; "))),
        })
    })
}

/// Why nothing is changed.
#[derive(Debug)]
struct NotReady {
    reasons: Vec<String>,
    /// Somebody does not answer.
    silent: bool,
    /// Some have lost their quorum, and others may notice in a moment.
    may_pass: bool,
}

impl NotReady {
    fn into_failure(self) -> Failure {
        let error = anyhow!("nothing was changed: {}", self.reasons.join("; "));
        if self.silent { Failure::no_server(error) } else { Failure::from(error) }
    }
}

/// The survivor that is furthest ahead, if all of them are ready.
fn ready<'a>(survey: &'a Survey, survivors: &[u64], discard: bool) -> Result<&'a Row, NotReady> {
    let mut not = NotReady { reasons: Vec::new(), silent: false, may_pass: false };
    let answers = |row: &&Row| row.role != "silent";
    let mut rows = Vec::new();
    for id in survivors {
        match survey.servers.iter().filter(answers).find(|row| row.id == *id) {
            Some(row) if row.state.is_some() && endpoint(row).is_ok() => rows.push(row),
            Some(_) => {
                not.silent = true;
                not.reasons
                    .push(format!("server {id} answers no clients (--listen), so it takes no orders: leave it out"));
            }
            None => {
                not.silent = true;
                not.reasons.push(format!("server {id} does not answer: start it again, or leave it out"));
            }
        }
    }
    let ahead = |row: &&Row| (row.view, row.stored, row.id);
    let Some(heir) = rows.iter().copied().max_by_key(ahead) else { return Err(not) };
    for row in rows.iter().filter(|row| row.gid.is_some() && row.gid != heir.gid) {
        not.reasons.push(format!(
            "server {} is in lineage {}, and server {} in {}: name those of one lineage, and restart the others",
            row.id,
            row.gid.as_deref().unwrap_or_default(),
            heir.id,
            heir.gid.as_deref().unwrap_or_default()
        ));
    }
    let others = survey.servers.iter().filter(answers).filter(|row| !survivors.contains(&row.id));
    let mut serve = false;
    if !discard {
        for row in rows.iter().copied().filter(|row| has_quorum(row)) {
            serve = true;
            not.may_pass = rows.iter().any(|row| !has_quorum(row));
            not.reasons.push(format!("server {} {}: nothing has to be forced", row.id, condition(row)));
        }
        for row in others {
            if has_quorum(row) {
                serve = true;
                not.may_pass |= row.gid == heir.gid;
                let id = row.id;
                not.reasons.push(format!(
                    "server {id}, not among the survivors, {}: stop it, or restart the survivors, which then join it",
                    condition(row)
                ));
            } else if row.gid.is_some() && row.gid == heir.gid && (row.view, row.stored) > (heir.view, heir.stored) {
                not.reasons.push(format!("server {} holds more than the survivors: name it too", row.id));
            }
        }
        if serve {
            not.reasons.push("--yes-discard does it nevertheless, and says what is lost".to_owned());
        }
    }
    if not.reasons.is_empty() { Ok(heir) } else { Err(not) }
}

/// Whether the group of a server goes on by itself, as far as that one knows.
fn has_quorum(row: &Row) -> bool {
    let lost = row.blocked.as_ref().is_some_and(|blocked| ["quorum", "leader"].contains(&blocked.kind.as_str()));
    // Of one that serves no clients only this is known.
    let leads = row.state.is_some() || row.leader.is_some();
    row.view.is_some() && leads && !lost
}

fn condition(row: &Row) -> String {
    let view = row.view.unwrap_or_default();
    match &row.blocked {
        None => format!("serves in view {view} of lineage {}", row.gid.as_deref().unwrap_or_default()),
        Some(blocked) => format!("has a quorum in view {view}, although it is blocked ({})", blocked.reason),
    }
}

/// What is lost when `heir` goes on.
fn loss(survey: &Survey, heir: &Row, survivors: &[u64]) -> String {
    let Some(gid) = &heir.gid else { return format!("server {} is in no lineage: its group begins empty", heir.id) };
    let lists = heir.followers.iter().chain(&heir.learners).flatten().chain(&heir.leader).copied();
    let found = survey.servers.iter().filter(|row| row.gid == heir.gid).map(|row| row.id);
    let others: std::collections::BTreeSet<u64> = lists.chain(found).filter(|id| !survivors.contains(id)).collect();
    format!(
        "discarding lineage {gid}: what others order, or have ordered, in it after place {} is lost; {} of its servers are \
         not among the survivors",
        heir.gseq.unwrap_or_default(),
        others.len()
    )
}
