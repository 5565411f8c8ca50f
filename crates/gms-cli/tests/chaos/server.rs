//! One server: a process that is started, and started again.

use std::fs::File;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::program_on;
use crate::spoken::{Life, Spoken, View, lock};
use crate::story::Story;
use crate::weather::address;

/// Where every server takes clients.
pub(crate) const CLIENTS: u16 = 9000;
/// Where every server is reached by the others.
const PORT: u16 = 7000;

/// What all servers of a run have in common.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) servers: usize,
    /// Whether they meet by multicast, or by a list of peers.
    pub(crate) multicast: bool,
    /// For traces.
    pub(crate) folder: PathBuf,
    pub(crate) story: Story,
}

/// A server; killed when dropped.
pub(crate) struct Server {
    number: usize,
    plan: Plan,
    running: Option<Running>,
    starts: usize,
    /// Of processes that have ended.
    past: Vec<Life>,
    past_views: u64,
}

struct Running {
    child: Child,
    spoken: Arc<Mutex<Spoken>>,
    frozen: bool,
}

impl Server {
    /// Not started yet.
    pub(crate) fn new(number: usize, plan: Plan) -> Self {
        Self { number, plan, running: None, starts: 0, past: Vec::new(), past_views: 0 }
    }

    /// Starts it on its host; it loses this part of what it receives.
    pub(crate) fn start(&mut self, host: &str, loss: f64, seed: u64) {
        assert!(self.running.is_none(), "server {} runs", self.number);
        let Plan { servers, multicast, folder, story } = &self.plan;
        let peers: Vec<String> = (0..*servers).map(|id| format!("{}:{PORT}", address(id))).collect();
        let peers = peers.join(",");
        let (id, port) = (self.number.to_string(), PORT.to_string());
        let (listen, trace) = (format!("{}:{CLIENTS}", address(self.number)), self.trace(self.starts));
        let mut arguments = vec!["server", "--json", "--id", &id, "--interface", "eth0", "--insecure"];
        arguments.extend(["--port", &port, "--listen", &listen, "--trace", trace.to_str().expect("text")]);
        arguments.extend(if *multicast { ["--multicast", "239.77.0.1:7400"] } else { ["--peer", &peers] });
        let (loss, seed) = (loss.to_string(), seed.to_string());
        if loss != "0" {
            arguments.extend(["--loss", &loss, "--seed", &seed]);
        }
        story.tell(&format!("start server {id}, loss {loss}"));
        let complaints = File::options().create(true).append(true).open(folder.join(format!("server-{id}.stderr")));
        let mut command = program_on(host, &arguments);
        command.stdout(Stdio::piped()).stderr(complaints.expect("it can be written"));
        let mut child = command.spawn().expect("the program starts");
        let output = child.stdout.take().expect("piped");
        let spoken = Spoken::listen(self.number, output, story.clone());
        self.starts += 1;
        self.running = Some(Running { child, spoken, frozen: false });
    }

    fn trace(&self, start: usize) -> PathBuf {
        self.plan.folder.join(format!("server-{}-{start}.jsonl", self.number))
    }

    /// Of all its processes.
    pub(crate) fn traces(&self) -> Vec<PathBuf> {
        (0..self.starts).map(|start| self.trace(start)).filter(|path: &PathBuf| Path::exists(path)).collect()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What it has printed since it was started, if it runs.
    pub(crate) fn spoken(&self) -> Option<MutexGuard<'_, Spoken>> {
        self.running.as_ref().map(|running| lock(&running.spoken))
    }

    /// The view it is in, unless it is frozen and cannot know.
    pub(crate) fn view(&self) -> Option<View> {
        let running = self.running.as_ref().filter(|running| !running.frozen)?;
        lock(&running.spoken).view.clone()
    }

    /// All incarnations that its processes had since this was asked last, and how many views they installed; none runs.
    pub(crate) fn take_lives(&mut self) -> (Vec<Life>, u64) {
        assert!(self.running.is_none(), "server {} runs", self.number);
        (mem::take(&mut self.past), mem::take(&mut self.past_views))
    }

    /// As a crash does.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            running.child.kill().expect("it can be killed");
            self.wait(Duration::from_secs(10));
        }
    }

    /// Stops it where it is.
    pub(crate) fn freeze(&mut self) {
        self.signal("-STOP");
        self.running.iter_mut().for_each(|running| running.frozen = true);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.signal("-CONT");
        self.running.iter_mut().for_each(|running| running.frozen = false);
    }

    /// Tells it to leave.
    pub(crate) fn leave(&mut self) {
        self.signal("-TERM");
    }

    fn signal(&self, name: &str) {
        let Some(running) = &self.running else { return };
        let pid = running.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.running.as_mut()?.child.try_wait().expect("it can be waited for")?;
        let running = self.running.take().expect("just seen");
        // All it printed is read before it is put away.
        while !lock(&running.spoken).ended {
            thread::sleep(Duration::from_millis(1));
        }
        let mut spoken = lock(&running.spoken);
        self.past.append(&mut spoken.lives);
        self.past_views += spoken.views;
        self.plan.story.tell(&format!("server {} ended, {status}, at last it was {}", self.number, spoken.last));
        Some(status)
    }

    /// Waits for its end; `None` if it does not end in time.
    pub(crate) fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < within {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}
