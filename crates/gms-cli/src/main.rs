//! The command line of gms: runs members of a group, demonstrates them, measures them, simulates them, checks their
//! traces.
//!
//! Every command goes one way: its flags (what was typed) become settings (what holds, after environment, file and
//! defaults), and those go to the crates that do the work.
#![forbid(unsafe_code)]

mod bench;
mod chat;
mod check;
mod cli;
mod color;
mod contact;
mod demo;
mod diagnostics;
mod event_lines;
mod failure;
mod foreground;
mod level;
mod lines;
mod meeting_place;
mod operate;
mod patience;
mod probability;
mod quorum;
mod recv;
mod send;
mod server;
mod sim;
mod status;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    diagnostics::start(cli.verbose, matches!(cli.command, Command::Sim(_)));
    let result = match cli.command {
        Command::Demo(flags) => demo::run(flags),
        Command::Server(flags) => server::run(*flags),
        Command::Bench(flags) => bench::run(&flags, cli.verbose),
        Command::BenchMember => bench::run_member(),
        Command::Send(flags) => send::run(*flags),
        Command::Recv(flags) => recv::run(&flags),
        Command::Chat(flags) => chat::run(&flags),
        Command::Status(flags) => status::run(&flags),
        Command::Exclude(flags) => operate::exclude(&flags),
        Command::TransferLeader(flags) => operate::transfer_leader(&flags),
        Command::Leave(flags) => operate::leave(&flags),
        Command::ForceView(flags) => operate::force_view(&flags),
        Command::Merge(flags) => operate::merge(&flags),
        Command::Sim(flags) => sim::run(&flags),
        Command::Check(flags) => check::run(&flags),
    };
    failure::exit_code(result)
}
