//! `gms-cli exclude`, `leave`, `transfer-leader`, `force-view` and `merge`: an operator's orders, and waiting until the
//! views show them.

mod force_view;
mod merge;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use gms::{ClientConfig, Endpoint, OperateError, Operation, Update};

pub(crate) use self::force_view::{ForceFlags, force_view};
pub(crate) use self::merge::{MergeFlags, merge};
use crate::contact::{ContactFlags, connect, no_server, runtime};
use crate::failure::{Failure, Outcome};
use crate::status::{Row, Survey, survey};

/// How long an order may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What to look for when an order does not show.
const NO_QUORUM: &str = "a view takes a quorum of the one before, and --min-voters";
/// What to look for when a server is still there.
const NOT_LEFT: &str = "the group has to have a quorum, and --min-voters";
const NOT_READY: &str = "it gets the lead once it votes, is heard and keeps up: order it again then";

/// What was typed after `exclude`, `leave` or `transfer-leader`.
#[derive(Debug, Args)]
pub(crate) struct OperateFlags {
    /// Id of the member
    #[arg(value_name = "ID")]
    id: u64,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Puts a member out.
pub(crate) fn exclude(flags: &OperateFlags) -> Outcome {
    let id = flags.id;
    runtime()?.block_on(async {
        let before = led_by(&flags.contact).await?;
        // One that lives may be back before anybody looks, so the views have to be followed.
        let mut config = ClientConfig::at([endpoint(&before)?]);
        config.give_up = Duration::ZERO;
        let mut views = connect(config).await?.subscribe(None).await.map_err(no_server)?;
        order(&before, Operation::Exclude(id)).await?;
        let is_out = async {
            loop {
                match views.next().await.map_err(no_server)? {
                    Update::View(view) if view.left.contains(&id) => return Ok(()),
                    _ => {}
                }
            }
        };
        match tokio::time::timeout(SHOWN_WITHIN, is_out).await {
            Ok(Ok(())) => {
                Ok(say(&format!("member {id} is out; if it lives, it joins again: gms-cli leave {id} has it stay out")))
            }
            Ok(Err(lost)) => Err(Failure::after(
                lost,
                "the order was taken, then the leader was lost: see gms-cli status".to_owned(),
            )),
            Err(_) => Err(not_shown(NO_QUORUM)),
        }
    })
}

/// Has a server leave.
pub(crate) fn leave(flags: &OperateFlags) -> Outcome {
    let id = flags.id;
    runtime()?.block_on(async {
        let before = survey(&flags.contact).await?;
        let answers = |row: &&Row| row.id == id && row.role != "silent";
        let row = before.servers.iter().find(answers).ok_or_else(|| {
            Failure::no_server(anyhow!(
                "no server with id {id} answers: see gms-cli status; one that is dead is put out by the others"
            ))
        })?;
        order(row, Operation::Leave).await?;
        let gone = |survey: &Survey| !survey.servers.iter().any(|row| answers(&row));
        wait(&flags.contact, &format!("server {id} has left"), gone, NOT_LEFT).await
    })
}

/// Hands the lead over.
pub(crate) fn transfer_leader(flags: &OperateFlags) -> Outcome {
    let id = flags.id;
    runtime()?.block_on(async {
        let before = led_by(&flags.contact).await?;
        if before.id != id {
            order(&before, Operation::TransferLeader(id)).await?;
        }
        let leads = |survey: &Survey| leader_row(survey).is_ok_and(|row| row.is_some_and(|row| row.id == id));
        wait(&flags.contact, &format!("member {id} leads"), leads, NOT_READY).await
    })
}

/// The server that says it leads.
async fn led_by(contact: &ContactFlags) -> Result<Row, Failure> {
    let survey = survey(contact).await?;
    let found = leader_row(&survey)?.cloned();
    found.ok_or_else(|| Failure::no_server(anyhow!("no server that leads was found: see gms-cli status")))
}

/// That server in a survey. One that was cut off may take itself for the leader still: the latest view counts.
fn leader_row(survey: &Survey) -> Result<Option<&Row>, Failure> {
    let leaders = || survey.servers.iter().filter(|row| row.role == "leader");
    let Some(last) = leaders().max_by_key(|row| row.view) else { return Ok(None) };
    match leaders().find(|row| row.gid != last.gid) {
        None => Ok(Some(last)),
        Some(other) => Err(Failure::from(anyhow!(
            "servers {} and {} lead groups of their own: say with --server which one is meant",
            other.id,
            last.id
        ))),
    }
}

/// Where a server takes orders.
fn endpoint(row: &Row) -> Result<Endpoint, Failure> {
    row.endpoint.clone().ok_or_else(|| {
        Failure::no_server(anyhow!("server {} serves no clients (--listen), so it takes no orders", row.id))
    })
}

async fn order(row: &Row, operation: Operation) -> Result<(), Failure> {
    gms::operate(&endpoint(row)?, operation).await.map_err(|error| match error {
        OperateError::Io { .. } => Failure::no_server(error),
        OperateError::Refused(_) => Failure::from(anyhow!("server {}: {error}", row.id)),
    })
}

/// Waits until the views show it. `otherwise` is what to do when they do not.
async fn wait(contact: &ContactFlags, what: &str, shown: impl Fn(&Survey) -> bool, otherwise: &str) -> Outcome {
    let start = Instant::now();
    while start.elapsed() < SHOWN_WITHIN {
        // One that has left does not answer any more, and may have been the only one that was named.
        let survey = survey(contact).await?;
        if shown(&survey) {
            return Ok(say(what));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(not_shown(otherwise))
}

fn say(what: &str) -> ExitCode {
    println!("{what}");
    ExitCode::SUCCESS
}

fn not_shown(otherwise: &str) -> Failure {
    let seconds = SHOWN_WITHIN.as_secs();
    Failure::from(anyhow!("the order was taken, but after {seconds} s no view shows it: {otherwise} (gms-cli status)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(leaders: &[(u64, u64, &str)]) -> Survey {
        let row = |&(id, view, gid): &(u64, u64, &str)| Row {
            gid: Some(gid.to_owned()),
            view: Some(view),
            ..Row::bare(id, format!("127.0.0.1:{id}"), "leader", 0)
        };
        Survey::new(leaders.iter().map(row).collect(), Vec::new(), "")
    }

    #[test]
    fn of_those_that_take_themselves_for_the_leader_the_latest_leads() {
        let leader = |leaders: &[(u64, u64, &str)]| {
            leader_row(&survey(leaders))
                .map(|row| row.map(|row| row.id))
                .map_err(|failure| failure.into_error().to_string())
        };
        assert_eq!(leader(&[]), Ok(None));
        assert_eq!(leader(&[(1, 4, "7"), (2, 6, "7"), (3, 5, "7")]), Ok(Some(2)));
        let why = leader(&[(1, 4, "7"), (2, 6, "8")]).expect_err("two groups");
        assert!(why.starts_with("servers 1 and 2 lead groups of their own"), "{why}");
    }
}
