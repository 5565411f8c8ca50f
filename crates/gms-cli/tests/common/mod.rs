//! Running the program: with a time limit, and never left behind.
#![allow(dead_code)]

pub(crate) mod namespaces;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest wait for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The program, without anything from the caller's environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gms-cli"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GMS_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The program on a host of a network of the test's own.
pub(crate) fn program_on(host: &str, arguments: &[&str]) -> Command {
    let program = program(arguments);
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host]).arg(program.get_program()).args(program.get_args()).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    let mut command = program(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let pid = child.id().to_string();
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(4 * LIMIT) else {
        let _ = Command::new("kill").args(["-9", &pid]).status();
        panic!("it does not end: {arguments:?}");
    };
    Finished::of(&output.expect("it can be waited for"))
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A multicast address and port that no other test uses.
pub(crate) fn multicast() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 2000) as u16;
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 2000 * 2;
        let is_free = |port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
        if is_free(port) && is_free(port + 1) {
            return format!("239.1.1.1:{port}");
        }
    }
}

/// So many unicast ports that nobody uses, UDP and TCP. Below those that systems give out by themselves, or a
/// connection of another test could take one of them meanwhile.
pub(crate) fn ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 7000) as u16;
    let is_free = |port: &u16| {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
            && TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()
    };
    let ports = std::iter::repeat_with(|| 17_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 7000);
    ports.filter(is_free).take(count).collect()
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Arc<Lines>,
    warnings: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    all: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Server {
    /// Starts one with an open standard input; the JSON lines it prints are kept.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(program(&[&["server", "--json"], arguments].concat()))
    }

    /// Starts this and keeps what it prints.
    pub(crate) fn run(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let lines = Lines::of(child.stdout.take().expect("piped"));
        let warnings = Lines::of(child.stderr.take().expect("piped"));
        Self { stdin: child.stdin.take(), child, lines, warnings }
    }

    /// Starts one whose standard output nobody reads.
    pub(crate) fn start_unread(arguments: &[&str]) -> Self {
        let mut command = program(&[&["server", "--json"], arguments].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let warnings = Lines::of(child.stderr.take().expect("piped"));
        Self { stdin: child.stdin.take(), child, lines: Arc::default(), warnings }
    }

    /// The same on a host of a network of the test's own.
    pub(crate) fn start_on(host: &str, arguments: &[&str]) -> Self {
        Self::run(program_on(host, &[&["server", "--json"], arguments].concat()))
    }

    /// Types.
    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("the server reads");
    }

    /// Types a line.
    pub(crate) fn write_line(&mut self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    /// Types, without waiting until it is read.
    pub(crate) fn write_behind(&mut self, text: String) {
        let mut stdin = self.stdin.take().expect("open");
        thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
            // Open as long as the server lives.
            thread::sleep(LIMIT);
        });
    }

    /// Nothing more is typed.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.all.lock().unwrap().0.clone()
    }

    /// Its number, as it has said.
    pub(crate) fn id(&self) -> u64 {
        self.wait_for("started")["id"].as_u64().expect("a number")
    }

    /// The `message` lines so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with(r#"{"event":"message""#)).collect()
    }

    /// Waits until a message with these words was delivered.
    pub(crate) fn wait_for_message(&self, words: &str) {
        let said = format!(r#""payload":"{words}""#);
        self.wait_until(words, |lines| lines.iter().any(|line| line.contains(&said)));
    }

    /// What it complained about so far. Waiting for others to create the group does not count.
    pub(crate) fn complaints(&self) -> String {
        let all = self.errors();
        let complaints = all.iter().filter(|line| !line.starts_with("the group is created once"));
        complaints.cloned().collect::<Vec<_>>().join("\n")
    }

    /// The lines on its standard error so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.warnings.all.lock().unwrap().0.clone()
    }

    /// Waits until it has complained about this.
    pub(crate) fn wait_for_complaint(&self, what: &str) {
        let start = Instant::now();
        while !self.complaints().contains(what) {
            assert!(start.elapsed() < LIMIT, "not complained about: {what}; {}", self.complaints());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the lines so far are as wanted.
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&[String]) -> bool) {
        let (start, mut lines) = (Instant::now(), self.lines.all.lock().unwrap());
        while !wanted(&lines.0) {
            let left = LIMIT.checked_sub(start.elapsed()).filter(|_| !lines.1);
            let Some(left) = left else {
                let tail = &lines.0[lines.0.len().saturating_sub(5)..];
                panic!("waited in vain for {what}; {} lines, last: {tail:#?}\n{}", lines.0.len(), self.complaints());
            };
            lines = self.lines.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line with this event; returns it.
    pub(crate) fn wait_for(&self, event: &str) -> Value {
        let start = format!(r#"{{"event":"{event}""#);
        let found = |lines: &[String]| lines.iter().find(|line| line.starts_with(&start)).cloned();
        self.wait_until(event, |lines| found(lines).is_some());
        serde_json::from_str(&found(&self.lines()).unwrap()).expect("JSON")
    }

    /// Waits for a view with so many followers and no learner; returns its leader.
    pub(crate) fn wait_for_followers(&self, count: usize) -> u64 {
        let view = |lines: &[String]| {
            let line = lines.iter().rfind(|line| line.starts_with(r#"{"event":"view""#))?;
            let view: Value = serde_json::from_str(line).expect("JSON");
            let len = |key: &str| view[key].as_array().map(Vec::len);
            (len("followers") == Some(count) && len("learners") == Some(0)).then(|| view["leader"].as_u64().unwrap())
        };
        self.wait_until(&format!("a view of {count} followers"), |lines| view(lines).is_some());
        view(&self.lines()).unwrap()
    }

    /// Sends SIGTERM; returns the exit code and how long it took.
    pub(crate) fn terminate(&mut self) -> (i32, Duration) {
        let start = Instant::now();
        self.signal("-TERM");
        (self.wait(), start.elapsed())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill runs").success());
    }

    /// Whether it has not ended yet. It stays a process that can be signalled until it is waited for.
    pub(crate) fn is_running(&self) -> bool {
        !self.lines.ended()
    }

    /// Kills it, as a crash does.
    pub(crate) fn crash(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end; returns the exit code.
    pub(crate) fn wait(&mut self) -> i32 {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.lines.wait_for_end();
                self.warnings.wait_for_end();
                return status.code().unwrap_or(-1);
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    /// Keeps what is read, line by line.
    fn of(input: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let kept = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(input).lines().map_while(Result::ok) {
                kept.all.lock().unwrap().0.push(line);
                kept.more.notify_all();
            }
            kept.all.lock().unwrap().1 = true;
            kept.more.notify_all();
        });
        lines
    }

    /// Whether there will be no more.
    fn ended(&self) -> bool {
        self.all.lock().unwrap().1
    }

    fn wait_for_end(&self) {
        let guard = self.all.lock().unwrap();
        let _ended = self.more.wait_timeout_while(guard, LIMIT, |lines| !lines.1).unwrap();
    }
}

/// These traces violate nothing, given that something was done to those who wrote them.
pub(crate) fn are_sound(traces: Vec<String>, dir: &Path) {
    let fault =
        r#"{"at_us":0,"process":{"node":0,"incarnation":0},"event":"fault","kind":"killed, stopped or cut off"}"#;
    let file = dir.join("fault.jsonl");
    std::fs::write(&file, format!("{fault}\n")).expect("it can be written");
    let files = traces.into_iter().chain([file.display().to_string()]);
    let arguments: Vec<String> = ["check".to_owned()].into_iter().chain(files).collect();
    let checked = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    let order = checked.stdout.lines().find(|line| line.starts_with("P10")).expect("a line for each property");
    assert!(order.contains(" ok "), "nothing was checked: {}", checked.stdout);
}

/// Servers 0, 1 and so on in one view.
pub(crate) fn group_of(count: u64, multicast: &str, trace: Option<&Path>) -> Vec<Server> {
    group_with(count, multicast, trace, &[])
}

/// The same, all with these arguments.
pub(crate) fn group_with(count: u64, multicast: &str, trace: Option<&Path>, more: &[&str]) -> Vec<Server> {
    let start = |id: u64| {
        let (id, trace) = (id.to_string(), trace.map(|dir| dir.join(format!("{id}.jsonl"))));
        let mut arguments = vec!["--multicast", multicast, "--id", &id];
        // Only one creates the group, however long the others hear nothing of it on a busy machine.
        arguments.extend(if id == "0" { &["--bootstrap"][..] } else { &["--expect", "0"] });
        arguments.extend(more);
        if let Some(trace) = &trace {
            arguments.extend(["--trace", trace.to_str().expect("text")]);
        }
        Server::start(&arguments)
    };
    let mut servers = vec![start(0)];
    servers[0].wait_for("view");
    servers.extend((1..count).map(start));
    for server in &servers {
        server.wait_for_followers(count as usize - 1);
    }
    servers
}

/// The status that the server at this place tells a client written by hand.
pub(crate) fn told_at(place: &str) -> Value {
    let mut stream = BufReader::new(TcpStream::connect(place).expect("connects"));
    stream.get_mut().write_all(b"{\"status\":{}}\n").expect("writes");
    let mut line = String::new();
    stream.read_line(&mut line).expect("reads");
    serde_json::from_str::<Value>(&line).expect("JSON")["status"].clone()
}

/// Stops all of them. Of a process with threads the others run on until one has seen the signal, so this waits for
/// that.
pub(crate) fn stop_all(servers: &[&Server]) {
    servers.iter().for_each(|server| server.signal("-STOP"));
    for server in servers {
        let (pid, start) = (server.child.id().to_string(), Instant::now());
        let state = || Command::new("ps").args(["-o", "stat=", "-p", &pid]).output().expect("ps runs").stdout;
        while !state().starts_with(b"T") {
            assert!(start.elapsed() < LIMIT, "{pid} does not stop");
        }
    }
}

/// Waits until all of them follow one leader, one of them; returns its place among them. Who creates a group is the
/// highest of those that have found each other by then: when datagrams are lost, or a server starts late, that may be
/// any.
pub(crate) fn one_leader(servers: &[Server]) -> usize {
    let leaders: Vec<u64> = servers.iter().map(|server| server.wait_for_followers(servers.len() - 1)).collect();
    assert!(leaders.iter().all(|leader| *leader == leaders[0]), "{leaders:?}");
    servers.iter().position(|server| server.id() == leaders[0]).expect("one of them")
}

/// All of them say so many lines each; returns when all have all of them, in one order.
pub(crate) fn all_agree(servers: &mut [Server], lines: usize) {
    let count = servers.len();
    for (id, server) in servers.iter_mut().enumerate() {
        server.write_behind((0..lines).map(|number| format!("{id} says {number}\n")).collect());
    }
    for server in servers.iter() {
        server.wait_until("all messages", |seen| seen.iter().filter(|l| l.contains("says")).count() == count * lines);
    }
    let first = servers[0].messages();
    assert!(servers.iter().all(|server| server.messages() == first));
}
