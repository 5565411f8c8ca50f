//! `gms-cli demo`: a group of several members in one process, with real sockets on loopback.

mod board;
mod flags;
mod flood;
mod place;
mod record;
mod settings;
mod talk;
mod tally;
mod verdict;

use tokio::runtime;

pub(crate) use self::flags::DemoFlags;

use self::settings::{DemoSettings, Kind};
use crate::failure::{Failure, Outcome};

/// Shows a group, and tells whether all members saw the same.
pub(crate) fn run(flags: DemoFlags) -> Outcome {
    let settings = DemoSettings::resolve(flags).map_err(Failure::usage)?;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = match settings.kind {
        Kind::Talk { pause } => runtime.block_on(talk::run(&settings, pause)),
        Kind::Flood { size } => runtime.block_on(flood::run(&settings, size)),
    };
    runtime.shutdown_background();
    outcome
}
