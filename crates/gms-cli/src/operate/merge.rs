//! `gms-cli merge`: an operator chooses among the lineages of one name. What is lost is printed first.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use gms::{Gid, Operation};

use super::{endpoint, order, wait};
use crate::contact::{ContactFlags, runtime};
use crate::failure::{Failure, Outcome};
use crate::status::{Row, State, Survey, survey};

/// What to look for when an order does not show.
const NOT_TOGETHER: &str = "the servers of all lineages have to reach each other, and those of one that is named nowhere \
                            here take the order only where they are found: give the same command there";

/// What was typed after `merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeFlags {
    /// The lineage to keep, as gms-cli status shows it
    #[arg(long, value_name = "GID")]
    keep: Gid,

    /// Goes through with it without asking
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Keeps one lineage.
pub(crate) fn merge(flags: &MergeFlags) -> Outcome {
    let MergeFlags { keep, yes, contact } = flags;
    runtime()?.block_on(async {
        let survey = survey(contact).await?;
        let plan = Plan::of(&survey, *keep)?;
        if plan.others.is_empty() && survey.state != State::Blocked {
            println!("lineage {keep} is the only one: nothing to do");
            return Ok(ExitCode::SUCCESS);
        }
        for (gid, other) in &plan.others {
            println!("{}", loss(gid, other));
        }
        if !yes && !confirmed(*keep)? {
            return Err(Failure::from(anyhow!("nothing was changed")));
        }
        for row in plan.to_tell {
            order(row, Operation::Merge { keep: *keep }).await?;
        }
        let kept = keep.to_string();
        let is_one = |survey: &Survey| {
            let mut in_views = survey.servers.iter().filter(|row| row.role != "silent").peekable();
            let ends = |row: &Row| row.gid.as_ref() == Some(&kept) && row.rivals.iter().flatten().next().is_none();
            in_views.peek().is_some() && in_views.all(|row| row.view.is_some() && ends(row))
        };
        wait(contact, &format!("all servers that answer are in lineage {keep}"), is_one, NOT_TOGETHER).await
    })
}

/// Who has to be told, and what is lost by it.
#[derive(Debug)]
struct Plan<'a> {
    /// The lineages to end, and their servers.
    others: BTreeMap<String, Vec<&'a Row>>,
    /// The servers of the others first: until they end, those of the one to keep would meet them again.
    to_tell: Vec<&'a Row>,
}

impl<'a> Plan<'a> {
    fn of(survey: &'a Survey, keep: Gid) -> Result<Self, Failure> {
        let kept = keep.to_string();
        let rows = || survey.servers.iter().filter(|row| row.role != "silent" && row.view.is_some());
        let of_kept: Vec<&Row> = rows().filter(|row| row.gid.as_ref() == Some(&kept)).collect();
        let Some(leader) = of_kept.iter().find(|row| row.role == "leader") else {
            let known: BTreeSet<&str> = rows().filter_map(|row| row.gid.as_deref()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Failure::no_server(anyhow!(
                "nothing was changed: no server answers that leads lineage {keep}; there are: {known}"
            )));
        };
        // Others do keep one from serving that has not settled yet.
        if let Some(blocked) = leader.blocked.as_ref().filter(|blocked| blocked.kind != "unsettled") {
            return Err(Failure::from(anyhow!(
                "nothing was changed: lineage {keep} does not serve: server {}: {}",
                leader.id,
                blocked.reason
            )));
        }
        let mut others: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in rows() {
            let rivals = row.rivals.iter().flatten().filter(|gid| **gid != kept);
            rivals.for_each(|gid| _ = others.entry(gid.clone()).or_default());
            if let Some(gid) = row.gid.as_ref().filter(|gid| **gid != kept) {
                others.entry(gid.clone()).or_default().push(row);
            }
        }
        let mut to_tell = Vec::new();
        for (gid, rows) in &others {
            let serves = rows.iter().any(|row| row.blocked.is_none());
            match rows.iter().copied().find(|row| row.role == "leader").filter(|_| serves) {
                Some(leader) => to_tell.push(leader),
                None if serves => {
                    return Err(Failure::no_server(anyhow!(
                        "nothing was changed: lineage {gid} serves, and its leader does not answer: name it with --server"
                    )));
                }
                None => to_tell.extend(rows),
            }
        }
        to_tell.extend(of_kept);
        for row in &to_tell {
            endpoint(row)?;
        }
        Ok(Self { others, to_tell })
    }
}

/// What is lost when a lineage ends.
fn loss(gid: &str, rows: &[&Row]) -> String {
    let ids: BTreeSet<u64> = rows.iter().map(|row| row.id).collect();
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    match rows.iter().filter_map(|row| row.gseq).max() {
        Some(last) => {
            format!(
                "discarding lineage {gid}: all that was ordered in it, up to place {last}, is lost; servers {}",
                ids.join(", ")
            )
        }
        None => format!("discarding lineage {gid}: it was met, and none of its servers answers here"),
    }
}

/// Asks at the terminal.
fn confirmed(keep: Gid) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!("nothing was changed: --yes goes through with it without asking")));
    }
    print!("keep lineage {keep} only? Type yes: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use gms::BlockedStatus;

    use super::*;

    fn row(id: u64, gid: &str, leads: bool) -> Row {
        let gid = format!("{gid:0>32}");
        let role = if leads { "leader" } else { "follower" };
        let endpoint = Some(format!("127.0.0.1:{id}").parse().expect("an address"));
        Row {
            gid: Some(gid),
            view: Some(3),
            gseq: Some(9),
            endpoint,
            ..Row::bare(id, format!("127.0.0.1:{id}"), role, 0)
        }
    }

    fn blocked(row: Row, kind: &str) -> Row {
        let kind = kind.to_owned();
        Row { blocked: Some(BlockedStatus { reason: kind.clone(), kind, server: None, since_ms: 9 }), ..row }
    }

    fn told(rows: Vec<Row>) -> Result<Vec<u64>, String> {
        let survey = Survey::new(rows, Vec::new(), "");
        let plan = Plan::of(&survey, Gid(7)).map_err(|failure| failure.into_error().to_string())?;
        Ok(plan.to_tell.iter().map(|row| row.id).collect())
    }

    #[test]
    fn the_leader_of_each_other_lineage_is_told_first_and_all_of_one_that_does_not_serve() {
        let kept = || vec![row(1, "7", true), row(2, "7", false)];
        assert_eq!(told(kept()), Ok(vec![1, 2]));
        assert_eq!(told([kept(), vec![row(3, "8", true), row(4, "8", false)]].concat()), Ok(vec![3, 1, 2]));
        let stuck = vec![blocked(row(3, "8", true), "quorum"), blocked(row(4, "8", false), "leader")];
        assert_eq!(told([kept(), stuck].concat()), Ok(vec![3, 4, 1, 2]));
        let met = Row { rivals: Some(vec!["9".to_owned()]), ..row(1, "7", true) };
        assert_eq!(told(vec![met]), Ok(vec![1]));
    }

    #[test]
    fn nothing_is_told_to_anybody_where_the_one_to_keep_does_not_serve_or_a_leader_is_missing() {
        let why = told(vec![row(3, "8", true)]).expect_err("nobody to keep");
        assert!(why.contains("no server answers that leads lineage") && why.contains("there are: 0"), "{why}");
        let why = told(vec![blocked(row(1, "7", true), "quorum"), row(3, "8", true)]).expect_err("it is blocked");
        assert!(why.contains("does not serve: server 1: quorum"), "{why}");
        assert!(told(vec![blocked(row(1, "7", true), "unsettled")]).is_ok());
        let why = told(vec![row(1, "7", true), row(4, "8", false)]).expect_err("no leader");
        assert!(why.contains("its leader does not answer"), "{why}");
    }

    #[test]
    fn the_loss_names_the_place_and_the_servers() {
        let (a, b) = (row(4, "8", true), row(3, "8", false));
        let line = loss("8", &[&a, &b]);
        assert_eq!(line, "discarding lineage 8: all that was ordered in it, up to place 9, is lost; servers 3, 4");
        assert!(loss("9", &[]).contains("none of its servers answers"));
    }
}
