//! The survey for people.

use std::io::{self, Write};
use std::time::Duration;

use super::survey::{Row, Survey};
use crate::color::Palette;

/// Columns and their widths; the last is as wide as it has to be.
const HEADER: [&str; 8] = ["SERVER", "ADDRESS", "ROLE", "SEEN", "UP", "VIEW", "SAFE", "ITS VIEW"];

/// A line for each server, and one on top that says whether they agree.
pub(super) fn write(out: &mut impl Write, survey: &Survey, palette: Palette) -> io::Result<()> {
    let verdict = match (survey.agree, survey.leader, survey.servers.is_empty()) {
        (_, _, true) => format!("no server found: tried {}", survey.tried.join("; ")),
        (true, Some(leader), _) => {
            let followers = survey.followers.iter().map(|list| format!(", {}", members("followers", list)));
            format!("agree: leader {leader}{}", followers.collect::<String>())
        }
        _ => "the servers do not agree".to_owned(),
    };
    writeln!(out, "{}", palette.strong(verdict))?;
    if survey.servers.is_empty() {
        return Ok(());
    }
    let cells: Vec<[String; 8]> = survey.servers.iter().map(row).collect();
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

fn row(server: &Row) -> [String; 8] {
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
        server.role.clone(),
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

fn line(cells: &[String; 8], widths: &[usize; 8]) -> String {
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
