//! `gms-cli chat`: prints what is said and sends what is typed.

use std::io::{IsTerminal, stdin, stdout};
use std::process::ExitCode;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use gms::{Client, ClientError};
use tokio::task::JoinSet;

use crate::color::ColorFlags;
use crate::contact::{ContactFlags, connect, no_server, runtime};
use crate::failure::{Outcome, complain};
use crate::foreground::ForegroundInput;
use crate::lines;
use crate::patience::Patience;
use crate::recv::UpdatePrinter;

/// Bytes of a line, at most: nobody types more.
const LINE_LIMIT: usize = 1 << 20;
const PROMPT: &str = "> ";
/// To the beginning of the line, and nothing is left of it.
const ERASE: &str = "\r\x1b[K";

/// What was typed.
#[derive(Debug, Args)]
pub(crate) struct ChatFlags {
    /// Begins each message with this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Starts at this place of the order, as far back as the server remembers [default: from now on]
    #[arg(long, value_name = "GSEQ")]
    from: Option<u64>,

    #[command(flatten)]
    color: ColorFlags,

    #[command(flatten)]
    contact: ContactFlags,
}

/// Talks until the input ends and all of it has been said.
pub(crate) fn run(flags: &ChatFlags) -> Outcome {
    let runtime = runtime()?;
    let outcome = runtime.block_on(chat(flags));
    runtime.shutdown_background();
    outcome
}

async fn chat(flags: &ChatFlags) -> Outcome {
    let client = connect(flags.contact.client("gms-cli chat").await?).await?;
    let mut updates = client.subscribe(flags.from).await.map_err(no_server)?;
    let mut screen = Screen::new(flags.color);
    let mut typed = lines::read(ForegroundInput, LINE_LIMIT);
    let mut patience = Patience::new(client.clone());
    let mut talk = Talk { client, name: flags.name.clone(), outcomes: JoinSet::new(), code: 0 };
    // The place of the last own message: once it has been shown, all has.
    let (mut last, mut input_ended) = (0, false);
    screen.prompt()?;
    while !input_ended || !talk.outcomes.is_empty() || screen.shown < last {
        tokio::select! {
            batch = updates.next_batch() => screen.show(&batch.map_err(no_server)?)?,
            lines = typed.recv(), if !input_ended => match lines {
                Some(lines) => {
                    if talk.outcomes.is_empty() {
                        patience.begin_anew();
                    }
                    talk.say(lines).await;
                }
                None => input_ended = true,
            },
            Some(outcome) = talk.outcomes.join_next() => {
                patience.begin_anew();
                last = last.max(talk.heed(outcome?));
                screen.prompt()?;
            }
            never = patience.run(), if !talk.outcomes.is_empty() => match never {},
        }
    }
    screen.end()?;
    Ok(ExitCode::from(talk.code))
}

/// What is said here.
struct Talk {
    client: Client,
    name: Option<String>,
    outcomes: JoinSet<Result<gms::Ordered, ClientError>>,
    /// To end with: the last that went wrong has been complained about.
    code: u8,
}

impl Talk {
    async fn say(&mut self, lines: Vec<Bytes>) {
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            let queued = match &self.name {
                Some(name) => self.client.queue([name.as_bytes(), b": ", &line].concat()).await,
                None => self.client.queue(line).await,
            };
            self.outcomes.spawn(async { queued?.await });
        }
    }

    /// The place of the message, or 0 and a complaint.
    fn heed(&mut self, outcome: Result<gms::Ordered, ClientError>) -> u64 {
        let error = match outcome {
            Ok(ordered) => return ordered.gseq,
            Err(ClientError::PlaceForgotten) => return 0,
            Err(error) => error,
        };
        complain(&format!("error: {error}"));
        self.code = match error {
            ClientError::Unknown => 5,
            ClientError::NoServer { .. } => 3,
            _ => 4,
        };
        0
    }
}

/// Lines above, the prompt below, if there is a terminal.
struct Screen {
    printer: UpdatePrinter,
    has_prompt: bool,
    /// Place of the last line.
    shown: u64,
}

impl Screen {
    fn new(color: ColorFlags) -> Self {
        let has_prompt = stdin().is_terminal() && stdout().is_terminal();
        Self { printer: UpdatePrinter::new(false, color.palette()), has_prompt, shown: 0 }
    }

    fn show(&mut self, batch: &[gms::Update]) -> Result<()> {
        if self.has_prompt {
            self.printer.write(ERASE)?;
        }
        for update in batch {
            self.printer.print(update)?;
            let place = match update {
                gms::Update::Message(message) => message.gseq,
                gms::Update::View(view) => view.gseq,
                // What was said before a group was created anew will not be shown any more.
                gms::Update::Gap(gap) if gap.from == 0 => u64::MAX,
                gms::Update::Dissolved(_) => u64::MAX,
                gms::Update::Gap(gap) => gap.to,
            };
            self.shown = self.shown.max(place);
        }
        self.prompt()
    }

    fn prompt(&mut self) -> Result<()> {
        if self.has_prompt {
            self.printer.write(ERASE)?;
            self.printer.write(PROMPT)?;
        }
        self.printer.flush()
    }

    fn end(&mut self) -> Result<()> {
        if self.has_prompt {
            self.printer.write(ERASE)?;
        }
        self.printer.flush()
    }
}
