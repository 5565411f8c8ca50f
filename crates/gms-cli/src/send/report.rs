//! What became of the messages.

use std::future::{Future, poll_fn};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::pin::Pin;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Result, anyhow};
use gms::{Client, ClientError, Ordered};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Sent;
use crate::failure::{Failure, Outcome, is_broken_pipe};
use crate::patience::Patience;

/// How it is printed.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Words,
    Json,
}

/// Prints each outcome as it comes, or a summary at the end.
pub(super) struct Report {
    patience: Patience,
    out: BufWriter<StdoutLock<'static>>,
    style: Style,
    quiet: bool,
    start: Instant,
    latencies: Histogram<u32>,
    not_ordered: u64,
    unknown: u64,
    no_server: u64,
    /// The first of each, for the last line.
    reason: Option<ClientError>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Line {
    Ordered {
        /// Without a place when the group has forgotten it.
        #[serde(flatten)]
        place: Option<Place>,
        latency_us: u64,
    },
    NotOrdered {
        reason: String,
    },
    Unknown,
    NoServer,
}

#[derive(Serialize)]
struct Place {
    gseq: u64,
    view: u64,
}

#[derive(Serialize)]
struct Summary {
    messages: u64,
    ordered: u64,
    not_ordered: u64,
    unknown: u64,
    no_server: u64,
    seconds: f64,
    per_second: u64,
    latency_us: Latency,
}

#[derive(Serialize)]
struct Latency {
    p50: u64,
    p99: u64,
    max: u64,
}

impl Report {
    /// Takes standard output for itself.
    pub(super) fn new(client: Client, style: Style, quiet: bool) -> Self {
        Self {
            patience: Patience::new(client),
            out: BufWriter::with_capacity(64 << 10, io::stdout().lock()),
            style,
            quiet,
            start: Instant::now(),
            // Microseconds, to 1 %.
            latencies: Histogram::new(2).expect("a precision there is"),
            not_ordered: 0,
            unknown: 0,
            no_server: 0,
            reason: None,
        }
    }

    /// Prints until all is told.
    pub(super) async fn run(mut self, sent: mpsc::Receiver<Sent>) -> Outcome {
        match self.tell_all(sent).await {
            Ok(()) => self.finish(),
            Err(error) if is_broken_pipe(&error) => Err(Failure::from(anyhow!(
                "standard output was closed: {} messages were ordered by then, and not all of the rest was sent",
                self.latencies.len()
            ))),
            Err(error) => Err(error.into()),
        }
    }

    async fn tell_all(&mut self, mut sent: mpsc::Receiver<Sent>) -> Result<()> {
        loop {
            let next = match sent.try_recv() {
                Ok(next) => next,
                Err(_) => {
                    self.out.flush()?;
                    let Some(next) = sent.recv().await else { return Ok(()) };
                    next
                }
            };
            let outcome = match next.receipt {
                Err(error) => Err(error),
                Ok(mut receipt) => {
                    match poll_fn(|cx| Poll::Ready(Pin::new(&mut receipt).poll(cx))).await {
                        Poll::Ready(outcome) => outcome,
                        Poll::Pending => {
                            // Nothing comes for a while: show what has come.
                            self.out.flush()?;
                            self.patience.begin_anew();
                            tokio::select! {
                                outcome = receipt => outcome,
                                never = self.patience.run() => match never {},
                            }
                        }
                    }
                }
            };
            self.tell(outcome, next.at.elapsed())?;
        }
    }

    fn tell(&mut self, outcome: Result<Ordered, ClientError>, latency: Duration) -> Result<()> {
        let place = match outcome {
            Ok(Ordered { gseq, view }) => Ok(Some(Place { gseq, view })),
            Err(ClientError::PlaceForgotten) => Ok(None),
            Err(error) => Err(error),
        };
        let line = match place {
            Ok(place) => {
                let latency_us = latency.as_micros() as u64;
                let _ = self.latencies.record(latency_us);
                Line::Ordered { place, latency_us }
            }
            Err(error) => {
                let line = match &error {
                    ClientError::Unknown | ClientError::SessionExpired => Line::Unknown,
                    ClientError::NoServer { .. } => Line::NoServer,
                    refused => Line::NotOrdered { reason: refused.to_string() },
                };
                let (count, worse) = match &line {
                    Line::Unknown => (&mut self.unknown, true),
                    Line::NoServer => (&mut self.no_server, false),
                    _ => (&mut self.not_ordered, false),
                };
                *count += 1;
                if self.reason.is_none() || worse {
                    self.reason = Some(error);
                }
                line
            }
        };
        if self.quiet {
            return Ok(());
        }
        match self.style {
            Style::Json => {
                serde_json::to_writer(&mut self.out, &line)?;
                self.out.write_all(b"\n")?;
            }
            Style::Words => match &line {
                Line::Ordered { place: Some(Place { gseq, view }), latency_us } => {
                    writeln!(self.out, "ordered at {gseq} in view {view}, {}", milliseconds(*latency_us))?;
                }
                Line::Ordered { place: None, .. } => {
                    writeln!(self.out, "ordered, at a place that the group no longer remembers")?;
                }
                Line::NotOrdered { reason } => writeln!(self.out, "{reason}")?,
                Line::Unknown => writeln!(self.out, "outcome unknown")?,
                Line::NoServer => writeln!(self.out, "not sent: no server")?,
            },
        }
        Ok(())
    }

    fn finish(mut self) -> Outcome {
        let summary = self.summary();
        if self.quiet {
            match self.style {
                Style::Json => writeln!(self.out, "{}", serde_json::to_string(&summary)?)?,
                Style::Words => writeln!(
                    self.out,
                    "{} of {} messages ordered in {:.3} s, {}/s; latency p50 {}, p99 {}, max {}",
                    summary.ordered,
                    summary.messages,
                    summary.seconds,
                    summary.per_second,
                    milliseconds(summary.latency_us.p50),
                    milliseconds(summary.latency_us.p99),
                    milliseconds(summary.latency_us.max),
                )?,
            }
        }
        self.out.flush()?;
        let of = summary.messages;
        match self.reason {
            None => Ok(ExitCode::SUCCESS),
            Some(reason) if self.unknown > 0 => Err(Failure::unknown(anyhow!(
                "{} of {of} messages may or may not have been delivered: {reason}",
                self.unknown
            ))),
            Some(reason) if self.not_ordered > 0 => Err(Failure::not_ordered(anyhow!(
                "{} of {of} messages were not ordered, {} not sent: {reason}",
                self.not_ordered,
                self.no_server
            ))),
            Some(reason) => {
                Err(Failure::no_server(anyhow!("{} of {of} messages were not sent: {reason}", self.no_server)))
            }
        }
    }

    fn summary(&self) -> Summary {
        let seconds = self.start.elapsed().as_secs_f64();
        let (latencies, ordered) = (&self.latencies, self.latencies.len());
        Summary {
            messages: ordered + self.not_ordered + self.unknown + self.no_server,
            ordered,
            not_ordered: self.not_ordered,
            unknown: self.unknown,
            no_server: self.no_server,
            seconds: (seconds * 1000.0).round() / 1000.0,
            per_second: (ordered as f64 / seconds) as u64,
            latency_us: Latency {
                p50: latencies.value_at_quantile(0.5),
                p99: latencies.value_at_quantile(0.99),
                max: latencies.max(),
            },
        }
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10)
}
