//! The commands and what they share.

use clap::{ArgAction, Parser, Subcommand};

use crate::bench::BenchFlags;
use crate::chat::ChatFlags;
use crate::check::CheckFlags;
use crate::demo::DemoFlags;
use crate::operate::{ForceFlags, MergeFlags, OperateFlags};
use crate::recv::RecvFlags;
use crate::send::SendFlags;
use crate::server::ServerFlags;
use crate::sim::SimFlags;
use crate::status::StatusFlags;

/// Group membership with view-synchronous, totally ordered, reliable multicast
#[derive(Debug, Parser)]
#[command(name = "gms-cli", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Says more on standard error: -v what happens, -vv everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows a group at work: members that talk, one that joins late, a leader that leaves
    Demo(DemoFlags),
    /// Runs a member: prints views and messages, multicasts the lines it reads
    Server(Box<ServerFlags>),
    /// Measures a group that it starts as processes: throughput and latency, beside what datagrams alone would do
    Bench(BenchFlags),
    /// Is one member of a bench, which starts it
    #[command(hide = true)]
    BenchMember,
    /// Sends messages through a server and prints their places in the order
    Send(Box<SendFlags>),
    /// Prints messages and views in order, as a client of a server
    Recv(RecvFlags),
    /// Both: prints what is said and sends what is typed
    Chat(ChatFlags),
    /// Asks every server for its own view of the group
    Status(StatusFlags),
    /// Puts a member out of the group; one that lives joins again
    Exclude(OperateFlags),
    /// Has a server leave the group and stay out: it hands over if it leads, and sends its clients elsewhere
    #[command(visible_alias = "drain")]
    Leave(OperateFlags),
    /// Hands the lead over to a member
    TransferLeader(OperateFlags),
    /// Lets survivors go on that have lost their quorum for good, in a new lineage
    ForceView(ForceFlags),
    /// Keeps one of several lineages of the group's name; the others end, and what was ordered in them is lost
    Merge(MergeFlags),
    /// Runs groups in simulated time with faults, and checks every property
    Sim(SimFlags),
    /// Checks the properties of the group in trace files
    Check(CheckFlags),
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed or standard output closed, 2 usage, 3 no server found, 4 not ordered, \
                          5 outcome unknown";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
