//! `gms-cli send`: sends messages through a server.
//!
//! One task queues what is to be sent, as far as there is room; the other prints what became of each message, in the
//! order in which they were sent. Between them wait at most [`IN_FLIGHT`] messages.

mod report;
mod source;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, value_parser};
use gms::{Client, ClientError, Receipt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use self::report::{Report, Style};
use self::source::Source;
use crate::contact::{ContactFlags, connect, runtime};
use crate::failure::{Failure, Outcome};
use crate::level::LevelName;

/// Messages whose outcome has not been printed, at most.
const IN_FLIGHT: usize = 8192;

/// Bytes of a message, at most: no group takes larger ones.
const LARGEST: i64 = 64 << 20;

/// Messages per second, at least: about one in four months.
const SLOWEST: f64 = 1e-7;

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct SendFlags {
    /// Each argument is one message; without any, each line of standard input is
    #[arg(value_name = "MESSAGE")]
    messages: Vec<String>,

    /// Sends the lines of a file
    #[arg(long, value_name = "FILE", conflicts_with = "messages")]
    file: Option<PathBuf>,

    /// Sends so many messages that are made up
    #[arg(long, value_name = "N", conflicts_with_all = ["messages", "file"])]
    count: Option<u64>,

    /// Bytes of a message that is made up, 64 MiB at most
    #[arg(long, value_name = "BYTES", default_value_t = 100, requires = "count", value_parser = value_parser!(u32).range(..=LARGEST))]
    size: u32,

    /// Waits for answers no longer than so many seconds: then what was not sent is not, and the rest is unknown
    /// [default: as long as there is a server]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,

    /// Messages per second, at most [default: as many as the group takes]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,

    /// When messages are delivered [default: as the server has it]
    #[arg(long, env = "GMS_LEVEL", value_enum, value_name = "LEVEL")]
    level: Option<LevelName>,

    /// Prints a summary only
    #[arg(long, short)]
    quiet: bool,

    /// Prints JSON: one object a message, in the order in which they were sent
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    contact: ContactFlags,
}

/// A message on its way.
struct Sent {
    at: Instant,
    receipt: Result<Receipt, ClientError>,
}

/// Sends, and fails if not all is ordered.
pub(crate) fn run(flags: SendFlags) -> Outcome {
    let runtime = runtime()?;
    let outcome = runtime.block_on(send(flags));
    runtime.shutdown_background();
    outcome
}

async fn send(flags: SendFlags) -> Outcome {
    if let Some(rate) = flags.rate.filter(|rate| !rate.is_finite() || *rate < SLOWEST) {
        return Err(Failure::usage(anyhow!(
            "--rate {rate} sends nothing: give messages per second, {SLOWEST} or more"
        )));
    }
    let timeout = flags
        .timeout
        .map(Duration::try_from_secs_f64)
        .transpose()
        .map_err(|_| Failure::usage(anyhow!("--timeout is no time to wait: give seconds, 0 or more")))?;
    let incomplete = Arc::new(AtomicBool::new(false));
    let made_up = flags.count.map(|count| (count, flags.size as usize));
    let source = Source::open(flags.messages, flags.file, made_up, &incomplete)?;
    let mut config = flags.contact.client("gms-cli send").await?;
    config.level = flags.level.map(Into::into);
    let client = connect(config).await?;
    let (sent, outcomes) = mpsc::channel(IN_FLIGHT);
    let sending = tokio::spawn(queue_all(client.clone(), source, flags.rate, sent));
    let report = Report::new(client.clone(), if flags.json { Style::Json } else { Style::Words }, flags.quiet);
    let mut reporting = pin!(report.run(outcomes));
    let outcome = tokio::select! {
        outcome = &mut reporting => outcome,
        () = over(timeout) => {
            sending.abort();
            client.time_out();
            reporting.await
        }
    };
    // A user who stopped reading the output does not want the rest sent either.
    sending.abort();
    match sending.await {
        Err(_) if outcome.is_ok() => {
            Err(Failure::not_ordered(anyhow!("the time was over before all of the input was read")))
        }
        _ if outcome.is_ok() && incomplete.load(Ordering::Acquire) => {
            Err(anyhow!("not all of the input was sent").into())
        }
        _ => outcome,
    }
}

/// Ready when the time is over, if there is one.
async fn over(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Queues message after message, no faster than asked for.
async fn queue_all(client: Client, mut source: Source, rate: Option<f64>, sent: mpsc::Sender<Sent>) {
    let (start, mut count) = (Instant::now(), 0.0);
    while let Some(batch) = source.next().await {
        for payload in batch {
            if let Some(rate) = rate {
                sleep_until(start + Duration::from_secs_f64(count / rate)).await;
                count += 1.0;
            }
            let at = Instant::now();
            let receipt = client.queue(payload).await;
            if sent.send(Sent { at, receipt }).await.is_err() {
                return;
            }
        }
    }
}
