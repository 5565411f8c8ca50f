//! `gms-cli exclude`, `transfer-leader` and `force-view`: an operator's orders, and waiting until the views show them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use gms::{OperateError, Operation, Part};

use crate::contact::{ContactFlags, runtime};
use crate::failure::{Failure, Outcome};
use crate::status::{Row, Survey, survey};

/// How long an order may take to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was typed after `exclude` or `transfer-leader`.
#[derive(Debug, Args)]
pub(crate) struct OperateFlags {
    /// Id of the member
    #[arg(value_name = "ID")]
    id: u64,

    #[command(flatten)]
    contact: ContactFlags,
}

/// What was typed after `force-view`.
#[derive(Debug, Args)]
pub(crate) struct ForceFlags {
    /// Ids of those that go on: all of them on this host, none of them in a view that others go on with. The first
    /// founds the new lineage, the others join it
    #[arg(long, value_name = "ID", value_delimiter = ',', required = true)]
    survivors: Vec<u64>,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Puts a member out.
pub(crate) fn exclude(flags: &OperateFlags) -> Outcome {
    let id = flags.id;
    runtime()?.block_on(async {
        let before = led_by(&flags.contact).await?;
        order(&before, Operation::Exclude(id)).await?;
        let shown = |survey: &Survey| leader_row(survey).is_some_and(|row| row.view > before.view);
        wait(&flags.contact, &format!("member {id} is out"), shown).await
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
        wait(&flags.contact, &format!("member {id} leads"), |survey| survey.leader == Some(id)).await
    })
}

/// Lets the survivors go on in a new lineage.
pub(crate) fn force_view(flags: &ForceFlags) -> Outcome {
    let survivors = &flags.survivors;
    runtime()?.block_on(async {
        let survey = survey(&flags.contact).await?;
        let mut rows = Vec::new();
        for id in survivors {
            let row = survey.servers.iter().find(|row| row.id == *id && row.role != "silent");
            rows.push(
                row.ok_or_else(|| Failure::no_server(anyhow!("server {id} does not answer: name those that do")))?,
            );
        }
        for row in &survey.servers {
            if row.role == "leader" && !survivors.contains(&row.id) {
                return Err(Failure::usage(anyhow!(
                    "server {} leads a view and is not among the survivors: name it too, or let them join it",
                    row.id
                )));
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let part = if index == 0 { Part::Found } else { Part::Join };
            order(row, Operation::ForceView(part)).await?;
        }
        let former = rows[0].gid.clone();
        let all = |survey: &Survey| {
            let row = |id: &u64| survey.servers.iter().find(|row| row.id == *id && row.leader.is_some());
            let first = row(&survivors[0]).map(|row| (&row.gid, row.view));
            first.is_some_and(|(gid, _)| *gid != former)
                && survivors.iter().all(|id| row(id).map(|row| (&row.gid, row.view)) == first)
        };
        wait(&flags.contact, "the survivors are in one view of a new lineage", all).await
    })
}

/// The server that says it leads.
async fn led_by(contact: &ContactFlags) -> Result<Row, Failure> {
    let survey = survey(contact).await?;
    let found = leader_row(&survey).cloned();
    found.ok_or_else(|| Failure::no_server(anyhow!("no server that leads was found: see gms-cli status")))
}

fn leader_row(survey: &Survey) -> Option<&Row> {
    survey.servers.iter().find(|row| row.role == "leader")
}

async fn order(row: &Row, operation: Operation) -> Result<(), Failure> {
    let endpoint = row.endpoint.clone().ok_or_else(|| {
        Failure::no_server(anyhow!("server {} serves no clients (--listen), so it takes no orders", row.id))
    })?;
    gms::operate(&endpoint, operation).await.map_err(|error| match error {
        OperateError::Io { .. } => Failure::no_server(error),
        OperateError::Refused(_) => Failure::from(anyhow!("server {}: {error}", row.id)),
    })
}

/// Waits until the views show it.
async fn wait(contact: &ContactFlags, what: &str, shown: impl Fn(&Survey) -> bool) -> Outcome {
    let start = Instant::now();
    while start.elapsed() < SHOWN_WITHIN {
        let survey = survey(contact).await?;
        if shown(&survey) {
            println!("{what}");
            return Ok(ExitCode::SUCCESS);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Failure::from(anyhow!(
        "the order was taken, but after {} s no view shows it: see gms-cli status",
        SHOWN_WITHIN.as_secs()
    )))
}
