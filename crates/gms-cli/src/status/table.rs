//! The survey for people.

use std::io::{self, Write};
use std::time::Duration;

use super::survey::{Row, Survey};
use super::verdict::{Lineage, State, Trouble};
use crate::color::Palette;

/// Columns and their widths; the last is as wide as it has to be.
const HEADER: [&str; COLUMNS] = ["SERVER", "ADDRESS", "CLIENTS", "ROLE", "SEEN", "UP", "VIEW", "SAFE", "ITS VIEW"];
const COLUMNS: usize = 9;

/// A line for each server, and one on top that says how the group is.
pub(super) fn write(out: &mut impl Write, survey: &Survey, palette: Palette) -> io::Result<()> {
    writeln!(out, "{}", palette.strong(verdict(survey)))?;
    if survey.servers.is_empty() {
        return Ok(());
    }
    let cells: Vec<[String; COLUMNS]> = survey.servers.iter().map(row).collect();
    let mut widths = HEADER.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    writeln!(out, "{}", palette.faint(line(&HEADER.map(str::to_owned), &widths)))?;
    for (row, server) in cells.iter().zip(&survey.servers) {
        writeln!(out, "{}", palette.member(server.id, line(row, &widths)))?;
    }
    for tried in survey.tried.iter().filter(|tried| tried.starts_with("no server found")) {
        writeln!(out, "{}", palette.faint(tried))?;
    }
    Ok(())
}

/// The first line.
fn verdict(survey: &Survey) -> String {
    match survey.state {
        State::Serving => serving(survey),
        State::Blocked => survey.blocked.as_ref().map_or_else(|| "blocked".to_owned(), blocked),
        State::Split => {
            let lineage = |lineage: &Lineage| match &lineage.servers[..] {
                [] => format!("{} (met)", lineage.gid),
                servers => format!("{} ({})", lineage.gid, members("servers", servers)),
            };
            let lineages: Vec<String> = survey.lineages.iter().map(lineage).collect();
            let help = survey.command.iter().map(|command| format!("; to keep one of them: {command}"));
            let (count, lineages) = (lineages.len(), lineages.join(", "));
            format!("split: {count} lineages of this name: {lineages}{}", help.collect::<String>())
        }
        State::None if survey.servers.is_empty() => format!("none: no server found, tried {}", survey.tried.join("; ")),
        State::None => {
            let ids: Vec<u64> = survey.servers.iter().map(|row| row.id).collect();
            let why = survey.servers.iter().filter_map(|row| Some((row.id, row.blocked.as_ref()?)));
            let why: String = why.map(|(id, blocked)| format!("; server {id}: {}", blocked.reason)).collect();
            format!("none: {} in no group{why}", members("servers", &ids))
        }
    }
}

fn serving(survey: &Survey) -> String {
    let leader = survey.leader.map_or_else(|| "no leader answers".to_owned(), |leader| format!("leader {leader}"));
    let followers = survey.followers.iter().map(|list| format!(", {}", members("followers", list)));
    let heard = survey.voters_heard.zip(survey.voters).map(|(heard, of)| format!(", {heard} of {of} voters heard"));
    let apart = if survey.agree { "" } else { "; not all servers are in its view" };
    format!("serving: {leader}{}{}{apart}", followers.collect::<String>(), heard.unwrap_or_default())
}

fn blocked(trouble: &Trouble) -> String {
    let Trouble { server, reason, since_ms, command, when } = trouble;
    let help = command.as_ref().map_or_else(|| (*when).to_owned(), |command| format!("{when}: {command}"));
    format!("blocked: server {server}: {reason}, for {}; {help}", span(*since_ms))
}

fn row(server: &Row) -> [String; COLUMNS] {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let view = match (server.leader, &server.followers) {
        (None, _) => "-".to_owned(),
        (Some(leader), None) => format!("leader {leader}"),
        (Some(leader), Some(followers)) => {
            let learners = server.learners.iter().filter(|list| !list.is_empty());
            let learners: String = learners.map(|list| format!(", {}", members("learners", list))).collect();
            format!("leader {leader}, {}{learners}", members("followers", followers))
        }
    };
    [
        server.id.to_string(),
        server.address.clone(),
        server.endpoint.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        if server.blocked.is_some() && server.view.is_some() {
            format!("{}, blocked", server.role)
        } else {
            server.role.clone()
        },
        format!("{} ago", span(server.last_seen_ms)),
        server.uptime_ms.map_or_else(|| "-".to_owned(), span),
        number(server.view),
        number(server.safe),
        view,
    ]
}

fn members(name: &str, list: &[u64]) -> String {
    match list {
        [] => format!("no {name}"),
        list => list.iter().fold(name.to_owned(), |line, id| format!("{line} {id}")),
    }
}

fn line(cells: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

/// How long, as people say it.
fn span(millis: u64) -> String {
    match Duration::from_millis(millis).as_secs() {
        0 => format!("{millis} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
