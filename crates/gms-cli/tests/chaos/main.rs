//! Servers as processes, each on a host of its own, under load and under faults drawn from a seed: killed, stopped, cut
//! off, started again. In the end the traces must keep every property, and what clients were told must be what servers
//! delivered.
//!
//! ```sh
//! cargo test -p gms-cli --test chaos                                                  # two minutes
//! GMS_CHAOS_MINUTES=30 GMS_CHAOS_SEED=7 cargo test --release -p gms-cli --test chaos  # longer, with other faults
//! ```
//!
//! It needs root, `ip` and `nft`, and skips itself without. When it fails it says where the traces are, and `story.txt`
//! beside them, which tells what happened in order. The seed draws the faults; processes are never the same twice.
#![cfg(target_os = "linux")]

mod calm;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod draw;
mod fault;
mod server;
mod settings;
mod spoken;
mod stage;
mod story;
mod tally;
mod verdict;
mod weather;

use std::fs;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Instant;

use client::{Client, Told};
use common::namespaces::say;
use draw::Draw;
use gms_check::Property;
use server::{Plan, Server};
use settings::Settings;
use spoken::Life;
use stage::Stage;
use story::Story;
use tally::Tally;
use verdict::Account;
use weather::Weather;

const SERVERS: usize = 5;
/// Until all servers are killed.
const ROUNDS: RangeInclusive<u64> = 5..=20;
/// Of the clients.
const LEVELS: [&str; 4] = ["uniform", "uniform", "stable", "agreed"];

#[test]
fn whatever_happens_to_servers_their_clients_were_told_the_truth() {
    let Some(weather) = Weather::new(SERVERS) else { return };
    let settings = Settings::of_environment();
    let folder = tempfile::Builder::new().prefix("gms-chaos-").tempdir().expect("a folder");
    let run = catch_unwind(AssertUnwindSafe(|| run(weather, settings, folder.path())));
    if !run.as_ref().is_ok_and(|tally| tally.violations == 0) {
        let kept = folder.keep();
        say(&format!("GMS_CHAOS_SEED={}: traces and story.txt are in {}", settings.seed, kept.display()));
    }
    let tally = run.unwrap_or_else(|panic| resume_unwind(panic));
    assert_eq!(tally.violations, 0);
    // Silence must not come from nothing having happened.
    let Tally { ordered, unknown, not_ordered, kills, uniform, sessions, .. } = tally;
    let answers = ordered + unknown + not_ordered;
    assert!(10 * ordered >= 9 * answers && ordered > 0, "{ordered} of {answers} messages are ordered");
    assert!(kills > 0 && uniform > 0 && sessions > 0, "{kills} kills, P13 {uniform} times, P26 {sessions} times");
}

fn run(weather: Weather, settings: Settings, folder: &Path) -> Tally {
    let Settings { lasts, seed } = settings;
    let mut draw = Draw::new(seed);
    let story = Story::new(&folder.join("story.txt"));
    let plan = Plan { servers: SERVERS, multicast: draw.chance(0.7), folder: folder.to_owned(), story: story.clone() };
    let servers = (0..SERVERS).map(|number| Server::new(number, plan.clone())).collect();
    let mut stage = Stage::new(weather, servers, draw, story);
    let (start, mut wrong) = (Instant::now(), Vec::new());
    loop {
        (0..SERVERS).for_each(|server| stage.start(server));
        stage.settle();
        for (number, level) in LEVELS.into_iter().enumerate() {
            let (host, seed) = (stage.weather.clients(), stage.draw.bits());
            stage.clients.push(Client::start(number as u32, level, SERVERS, host, folder, seed));
        }
        let rounds = stage.draw.within(ROUNDS);
        for _ in 0..rounds {
            if start.elapsed() < lasts {
                stage.round();
                stage.settle();
            }
        }
        stage.answer_all();
        let over = start.elapsed() >= lasts;
        if over {
            stage.leave_all();
        } else {
            // In memory nothing outlives them: they begin a new history, and know nothing of the old one.
            stage.kill_all();
        }
        wrong.extend(judge_history(&mut stage, folder));
        if over {
            return judge(stage, wrong, settings, folder);
        }
    }
}

/// What clients were told, and what servers delivered, since all of these were started.
fn judge_history(stage: &mut Stage, folder: &Path) -> Vec<String> {
    let Stage { clients, servers, tally, .. } = stage;
    tally.histories += 1;
    let (mut lives, mut present): (Vec<Life>, Vec<Life>) = (Vec::new(), Vec::new());
    for server in servers {
        let (its_lives, views) = server.take_lives();
        present.extend(its_lives.last().cloned());
        lives.extend(its_lives);
        tally.views += views;
    }
    tally.lives += lives.len() as u64;
    tally.deliveries += lives.iter().map(|life| life.delivered.len() as u64).sum::<u64>();
    let account = |client: Client| Account { client: client.number, level: client.level, told: client.told() };
    let accounts: Vec<Account> = clients.drain(..).map(account).collect();
    for told in accounts.iter().flat_map(|account| &account.told) {
        match told {
            Told::Ordered(_) => tally.ordered += 1,
            Told::Unknown => tally.unknown += 1,
            Told::Not => tally.not_ordered += 1,
        }
    }
    accounts.iter().for_each(|account| account.write(folder));
    verdict::of_accounts(&lives, &present, &accounts)
}

/// Prints what was found and how much was checked.
fn judge(stage: Stage, mut wrong: Vec<String>, settings: Settings, folder: &Path) -> Tally {
    let Stage { servers, mut tally, .. } = stage;
    let (violations, report) = verdict::of_traces(servers.iter().flat_map(Server::traces).collect(), folder);
    (tally.uniform, tally.sessions) = (report.exercised(Property::P13), report.exercised(Property::P26));
    wrong.extend(violations);
    tally.violations = wrong.len();
    fs::write(folder.join("violations.txt"), wrong.join("\n") + "\n").expect("it can be written");
    wrong.iter().for_each(|line| say(line));
    say(&format!("{report}\nseed {}: {tally}", settings.seed));
    tally
}
