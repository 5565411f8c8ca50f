//! The processes of a bench: started, told what to do, and never left behind.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::orders::{Order, Report};

/// Name of the command that runs one member.
pub(super) const MEMBER: &str = "bench-member";
/// How much longer than planned anything may take: what many members have under way takes long to be delivered. That one
/// has ended is known at once.
const GRACE: Duration = Duration::from_secs(60);

/// All members, by number.
pub(super) struct Crew {
    members: Vec<Hand>,
    heard: mpsc::Receiver<(usize, Heard)>,
}

/// One process. It ends when its standard input does, so not even a bench that is killed leaves it behind.
struct Hand {
    child: Child,
    orders: ChildStdin,
    process: u32,
}

enum Heard {
    Line(String),
    End,
}

impl Crew {
    /// Starts so many processes that wait for orders.
    pub(super) fn start(members: u64, verbose: u8) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program to start members with")?;
        let (sender, heard) = mpsc::channel(members as usize);
        let mut crew = Self { members: Vec::new(), heard };
        for index in 0..members as usize {
            let (hand, lines) = Hand::start(&program, verbose).context("cannot start a member")?;
            crew.members.push(hand);
            tokio::spawn(listen(index, lines, sender.clone()));
        }
        Ok(crew)
    }

    /// Gives each member its order and waits until all have reported; `planned` is how long that should take.
    ///
    /// The error says who did not do what; the crew is of no use then.
    pub(super) async fn all(
        &mut self,
        what: &str,
        planned: Duration,
        order: impl Fn(u64) -> Order,
    ) -> Result<Vec<Report>> {
        for (id, hand) in self.members.iter_mut().enumerate() {
            let line = serde_json::to_string(&order(id as u64))? + "\n";
            // One that has ended cannot be written to; its end is heard below.
            let _ = hand.orders.write_all(line.as_bytes()).await;
        }
        let mut reports: Vec<Option<Report>> = self.members.iter().map(|_| None).collect();
        let gathered = timeout(planned + GRACE, async {
            while reports.iter().any(Option::is_none) {
                let (index, heard) = self.heard.recv().await.context("no member is heard any more")?;
                reports[index] = Some(self.report(index, heard, what).await?);
            }
            anyhow::Ok(())
        });
        match gathered.await {
            Ok(gathered) => gathered?,
            Err(_) => {
                let missing = reports.iter().enumerate().filter(|(_, report)| report.is_none());
                let missing: Vec<String> = missing.map(|(index, _)| index.to_string()).collect();
                bail!("{what}: no word from member {} in time: is the host too busy?", missing.join(" and "));
            }
        }
        Ok(reports.into_iter().flatten().collect())
    }

    /// Ends all processes and waits until they have.
    pub(super) async fn dismiss(mut self) {
        for hand in &mut self.members {
            let _ = hand.child.start_kill();
        }
        for hand in &mut self.members {
            let _ = hand.child.wait().await;
        }
    }

    async fn report(&mut self, index: usize, heard: Heard, what: &str) -> Result<Report> {
        let Hand { child, process, .. } = &mut self.members[index];
        match heard {
            Heard::Line(line) => match serde_json::from_str(&line) {
                Ok(Report::Failed { why }) => Err(anyhow!("{what}: member {index} failed: {why}")),
                Ok(report) => Ok(report),
                Err(error) => Err(anyhow!("{what}: member {index} said '{line}', which is no report: {error}")),
            },
            Heard::End => {
                let status = child.wait().await?;
                Err(anyhow!("{what}: member {index} (process {process}) ended too early: {status}"))
            }
        }
    }
}

impl Hand {
    fn start(program: &std::path::Path, verbose: u8) -> io::Result<(Self, ChildStdout)> {
        let mut command = Command::new(program);
        command.arg(MEMBER).args((0..verbose).map(|_| "-v"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C is for the bench, which then ends its members.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let piped = || io::Error::other("no pipe");
        let (orders, lines) = (child.stdin.take().ok_or_else(piped)?, child.stdout.take().ok_or_else(piped)?);
        let process = child.id().unwrap_or_default();
        Ok((Self { child, orders, process }, lines))
    }
}

async fn listen(index: usize, lines: ChildStdout, heard: mpsc::Sender<(usize, Heard)>) {
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if heard.send((index, Heard::Line(line))).await.is_err() {
            return;
        }
    }
    let _ = heard.send((index, Heard::End)).await;
}
