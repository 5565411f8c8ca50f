//! One member of a bench, in a process of its own: `gms-cli bench-member`, which `gms-cli bench` starts.
//!
//! It uses the library as an application would: one task sends, one reads events in batches, beside the task of the
//! member itself. All of them share one thread, as measured best. On two processors with three members, a runtime with
//! a worker thread beside the first one takes 80 to 90 µs for an idle round trip instead of 40 to 60, and the ceiling
//! falls by a third, for whatever wakes one thread has to wake the other then. Load gains up to a fifth at 100 B, and
//! nothing from 1 KiB on; a second worker thread takes that away again.

mod endure;
mod ledger;
mod load;
mod payload;
mod ping;
mod raw;
mod reader;
mod stream;
mod window;

use std::io::{BufRead, Write, stdin, stdout};
use std::process::{ExitCode, exit};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use gms::{Bootstrap, Config, Event, Events, Group};
use gms_net::{Transport, Udp};
use tokio::runtime;
use tokio::sync::mpsc;

pub(super) use self::ledger::Ledger;
pub(super) use self::reader::histogram;

use super::orders::{Entrance, Order, Report};
use super::place::network;
use crate::failure::{Failure, Outcome};

/// Longest time a leave may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(30);

/// Does what it is told until its standard input ends.
pub(crate) fn run() -> Outcome {
    let mut orders = orders();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let entrance = match orders.recv().await {
            Some(Ok(Order::Join(entrance))) => entrance,
            Some(Ok(other)) => return Err(Failure::usage(anyhow!("joining comes first, not {other:?}"))),
            Some(Err(line)) => return Err(Failure::usage(not_an_order(&line))),
            None => return Ok(ExitCode::SUCCESS),
        };
        match serve(entrance, orders).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                report(&Report::Failed { why: format!("{error:#}") })?;
                Ok(ExitCode::FAILURE)
            }
        }
    });
    runtime.shutdown_background();
    outcome
}

/// The state of one member.
struct Member {
    id: u64,
    /// How many there are.
    members: usize,
    group: Group,
    events: Events,
    /// For datagrams that belong to no group.
    raw: Udp,
    /// Messages sent so far; they are numbered from 1.
    sent: u64,
}

async fn serve(entrance: Entrance, mut orders: mpsc::Receiver<Result<Order, String>>) -> Result<()> {
    let mut member = Member::join(entrance).await?;
    report(&Report::Joined { raw: member.raw.local_address() })?;
    while let Some(order) = orders.recv().await {
        let done = match order.map_err(|line| not_an_order(&line))? {
            Order::Join(_) => bail!("a member already"),
            Order::Load(phase) => Report::Measured(load::run(&mut member, &phase).await?),
            Order::Ping(phase) => Report::Measured(ping::run(&mut member, &phase).await?),
            Order::Ceiling(phase) => Report::Moved { per_second: raw::run(&mut member, &phase).await? },
            Order::Endure(stress) => return endure::run(&mut member, stress, &mut orders).await,
            other => bail!("{other:?} goes with enduring"),
        };
        report(&done)?;
    }
    Ok(())
}

impl Member {
    /// Joins, and waits until all are there.
    async fn join(entrance: Entrance) -> Result<Self> {
        let Entrance { id, members, group, level, multicast, ceiling, interface, insecure } = entrance;
        let raw = Udp::bind(network(ceiling, &interface))?;
        let mut config = Config::new(group);
        config.id = Some(id);
        config.network = network(multicast, &interface);
        config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
        // The name is this run's own: nobody else can have created the group.
        (config.discover, config.settle) = (Duration::ZERO, Duration::ZERO);
        config.level = level.into();
        config.insecure = insecure;
        // Everything that is under way is ordered first, however much it is.
        config.leave_within = LEAVE_WITHIN;
        let (group, mut events) = Group::join(config).await?;
        loop {
            match events.next().await.context("the membership ended")? {
                Event::View(change) if change.view.voters().count() as u64 == members => break,
                Event::View(_) | Event::Blocked(_) | Event::Unblocked => {}
                other => bail!("instead of a view with all members came {other:?}"),
            }
        }
        Ok(Self { id, members: members as usize, group, events, raw, sent: 0 })
    }
}

/// Reads standard input in a thread of its own. Its end means that the bench is over, however it ended: so does this
/// process, whatever it is doing.
fn orders() -> mpsc::Receiver<Result<Order, String>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            let order = serde_json::from_str(&line).map_err(|_| line);
            let ended = order.is_err();
            if sender.blocking_send(order).is_err() || ended {
                return;
            }
        }
        exit(0);
    });
    receiver
}

fn not_an_order(line: &str) -> anyhow::Error {
    anyhow!("'{line}' is not an order: this command is for `gms-cli bench`, use that one")
}

fn report(report: &Report) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", serde_json::to_string(report)?)?;
    Ok(out.flush()?)
}
