//! `gms-cli server`: runs a member.
//!
//! The main thread prints, and may block on a slow reader. The member lives on the runtime's threads, with the tasks
//! that tell its clients what happens, send what was typed and wait for signals. What is not printed yet is bounded: a
//! reader that is too slow holds the group back in the end, for nothing may be left out.

mod departure;
mod entry;
mod expected;
mod file;
mod flags;
mod follow;
mod identity;
mod printer;
mod rules;
mod settings;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use gms::{Event, Group, SendError, WhenBlocked};
use tokio::runtime;
use tokio::sync::mpsc;

pub(crate) use self::flags::ServerFlags;

use self::entry::{Entered, Entrance};
use self::follow::{CLIENTS_READ_WITHIN, Unprinted, follow};
use self::printer::{Printer, Start};
use self::settings::ServerSettings;
use self::signals::Signals;
use crate::failure::{Failure, Outcome, complain, is_broken_pipe};
use crate::foreground::ForegroundInput;
use crate::lines;

/// How long a process that was told to stop while it was joining stays, so that a group that has let it in meanwhile
/// hears that it leaves.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs a member until it is told to leave, or is no member any more.
pub(crate) fn run(flags: ServerFlags) -> Outcome {
    let settings = ServerSettings::resolve(flags).map_err(Failure::usage)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(serve(settings));
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: ServerSettings) -> Outcome {
    let mut signals = Signals::listen()?;
    let entrance = tokio::select! {
        entrance = Entrance::open(&settings) => entrance?,
        // Nothing has been sent yet.
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let own = entrance.address();
    let wanted = entrance.id;
    let mut printer = Printer::new(settings.format, settings.when_blocked);
    printer.start(Start {
        id: entrance.id,
        name: &settings.name,
        address: entrance.address().to_string(),
        multicast: settings.network.multicast.to_string(),
        peers: &settings.peers,
        group: &settings.group,
        clients: &entrance.client_endpoints(),
    })?;
    let entered = tokio::select! {
        entered = entrance.enter() => entered,
        never = expected::name_missing(&settings, own), if expected::waits_for_others(&settings) => match never {},
        () = signals.next() => {
            tokio::time::sleep(FAREWELL).await;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let Entered { group, events, service, _drawn } = match entered {
        Ok(entered) => entered,
        Err(failure) => {
            tokio::time::sleep(FAREWELL).await;
            return Err(failure);
        }
    };
    let id = group.uid().node.0;
    if id != wanted {
        printer.renamed(wanted, id)?;
    }
    let limit = group.view().map_or(gms::Params::default(), |view| view.params.clone()).message_limit;
    tokio::spawn(departure::on_signal(group.clone(), signals));
    let typed = lines::read(ForegroundInput, limit as usize);
    tokio::spawn(send(group.clone(), typed, settings.when_blocked));
    let (unprinted, following) = follow(events, service);
    let ended = print(&mut printer, unprinted).await;
    if ended.is_err() {
        departure::leave(&group).await;
    }
    let _ = tokio::time::timeout(2 * CLIENTS_READ_WITHIN, following).await;
    match ended {
        Err(error) if is_broken_pipe(&error) => Err(anyhow!("standard output was closed: left the group").into()),
        ended => Ok(ended?),
    }
}

/// Prints until there is nothing more.
async fn print(printer: &mut Printer, mut unprinted: mpsc::UnboundedReceiver<Unprinted>) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    while let Some(batch) = unprinted.recv().await {
        printer.events(&batch.events)?;
        match batch.events.last() {
            Some(Event::Left { released: false }) => departure::warn_unconfirmed(),
            Some(Event::Refused(why)) => {
                complain(&format!("error: refused: {why}"));
                code = ExitCode::FAILURE;
            }
            Some(Event::Broken(why)) => {
                complain(&format!("error: this member stopped: {why}; start it again to join"));
                code = ExitCode::FAILURE;
            }
            _ => {}
        }
    }
    Ok(code)
}

/// Multicasts what was typed. The end of the input is not the end of the server.
async fn send(group: Group, mut lines: mpsc::Receiver<Vec<Bytes>>, when_blocked: WhenBlocked) {
    while let Some(batch) = lines.recv().await {
        let sent = match when_blocked {
            WhenBlocked::Hold => group.queue_all(batch).await.map(|_| ()),
            WhenBlocked::Refuse => send_each(&group, batch).await,
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "no more input is read");
            return;
        }
    }
}

/// One after the other, so that it can be said which are not sent.
async fn send_each(group: &Group, batch: Vec<Bytes>) -> Result<(), SendError> {
    for line in batch {
        match group.queue(line.clone()).await {
            Err(SendError::Blocked(why)) => {
                complain(&format!("not sent, blocked: {why}: {}", String::from_utf8_lossy(&line)));
            }
            sent => _ = sent?,
        }
    }
    Ok(())
}
