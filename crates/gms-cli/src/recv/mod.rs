//! `gms-cli recv`: prints messages and views in order, as a client of a server.

mod reader;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gms::Update;

use crate::color::{ColorFlags, Palette};
use crate::contact::{ContactFlags, connect, no_server, runtime};
use crate::event_lines::update_in_words;
use crate::failure::{Failure, Outcome};

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct RecvFlags {
    /// Starts at this place of the order, as far back as the server remembers [default: from now on]
    #[arg(long, value_name = "GSEQ")]
    from: Option<u64>,

    /// Ends after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Prints the lines that `server --json` prints
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    color: ColorFlags,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Prints until there have been enough messages.
pub(crate) fn run(flags: &RecvFlags) -> Outcome {
    match runtime()?.block_on(receive(flags)) {
        // The reader had enough, and there was nothing else to do.
        Err(failure) if failure.is_unread() => Ok(ExitCode::SUCCESS),
        outcome => outcome,
    }
}

async fn receive(flags: &RecvFlags) -> Outcome {
    let client = connect(flags.contact.client("gms-cli recv").await?).await?;
    let mut updates = client.subscribe(flags.from).await.map_err(no_server)?;
    let mut printer = UpdatePrinter::new(flags.json, flags.color.palette());
    let mut missing = flags.count.unwrap_or(u64::MAX);
    let mut reader_gone = std::pin::pin!(reader::gone());
    while missing > 0 {
        let batch = tokio::select! {
            batch = updates.next_batch() => batch.map_err(no_server)?,
            () = &mut reader_gone => break,
        };
        for update in &batch {
            printer.print(update)?;
            missing -= u64::from(matches!(update, Update::Message(_)));
            if missing == 0 {
                break;
            }
        }
        printer.flush()?;
    }
    Ok::<_, Failure>(ExitCode::SUCCESS)
}

/// Standard output.
pub(crate) struct UpdatePrinter {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    palette: Palette,
}

impl UpdatePrinter {
    /// Takes standard output for itself.
    pub(crate) fn new(json: bool, palette: Palette) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), json, palette }
    }

    /// The line for `update`.
    pub(crate) fn print(&mut self, update: &Update) -> Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, &update.as_line())?;
            return Ok(self.out.write_all(b"\n")?);
        }
        Ok(writeln!(self.out, "{}", update_in_words(update, self.palette))?)
    }

    /// Something that is no line.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Shows it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
