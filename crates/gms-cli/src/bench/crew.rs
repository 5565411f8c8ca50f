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

/// Program that sends signals.
const KILL: &str = "kill";

/// Name of the command that runs one member.
pub(super) const MEMBER: &str = "bench-member";
/// How much longer than planned anything may take: what many members have under way takes long to be delivered. That
/// one has ended is known at once.
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
    /// Killed by us: its end is no failure.
    killed: bool,
    /// Messages that it said were ordered.
    ordered: u64,
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
        let everybody: Vec<u64> = (0..self.members.len() as u64).collect();
        for id in &everybody {
            self.tell(&[*id], &order(*id)).await?;
        }
        self.hear(&everybody, what, planned).await
    }

    /// Gives these members one order.
    pub(super) async fn tell(&mut self, whom: &[u64], order: &Order) -> Result<()> {
        let line = serde_json::to_string(order)? + "\n";
        for id in whom {
            // One that has ended cannot be written to; its end is heard later.
            let _ = self.members[*id as usize].orders.write_all(line.as_bytes()).await;
        }
        Ok(())
    }

    /// Waits until these members have reported, and returns their reports in the same order; `planned` is how long that
    /// should take. Errors as [`Self::all`].
    pub(super) async fn hear(&mut self, whom: &[u64], what: &str, planned: Duration) -> Result<Vec<Report>> {
        let mut reports: Vec<Option<Report>> = whom.iter().map(|_| None).collect();
        let gathered = timeout(planned + GRACE, async {
            while reports.iter().any(Option::is_none) {
                let (index, heard) = self.heard.recv().await.context("no member is heard any more")?;
                if self.members[index].killed && matches!(heard, Heard::End) {
                    continue;
                }
                match self.report(index, heard, what).await? {
                    Report::Ordered { upto } => self.members[index].ordered = upto,
                    // It may have been about to say more.
                    _ if self.members[index].killed => {}
                    report => {
                        let place = whom.iter().position(|id| *id == index as u64);
                        let place = place.ok_or_else(|| anyhow!("{what}: member {index} said {report:?} unasked"))?;
                        reports[place] = Some(report);
                    }
                }
            }
            anyhow::Ok(())
        });
        match gathered.await {
            Ok(gathered) => gathered?,
            Err(_) => {
                let missing = whom.iter().zip(&reports).filter(|(_, report)| report.is_none());
                let missing: Vec<String> = missing.map(|(id, _)| id.to_string()).collect();
                bail!("{what}: no word from member {} in time: is the host too busy?", missing.join(" and "));
            }
        }
        Ok(reports.into_iter().flatten().collect())
    }

    /// Kills a member.
    pub(super) fn kill(&mut self, id: u64) -> Result<()> {
        let hand = &mut self.members[id as usize];
        hand.killed = true;
        Ok(hand.child.start_kill()?)
    }

    /// Sends a signal to a member, by its name without `SIG`.
    pub(super) async fn signal(&mut self, id: u64, name: &str) -> Result<()> {
        let process = self.members[id as usize].process.to_string();
        let status = Command::new(KILL).args(["-s", name, &process]).status().await;
        let status = status.with_context(|| format!("cannot run {KILL}, which sends signals"))?;
        if status.success() { Ok(()) } else { Err(anyhow!("member {id} cannot be sent SIG{name}")) }
    }

    /// How many of its messages a member has said to be ordered.
    pub(super) fn ordered(&self, id: u64) -> u64 {
        self.members[id as usize].ordered
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
        Ok((Self { child, orders, process, killed: false, ordered: 0 }, lines))
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
