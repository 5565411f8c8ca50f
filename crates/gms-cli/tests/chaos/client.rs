//! One client: `gms-cli send` with lines to send, and what it was told of each.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::program_on;
use crate::draw::Draw;
use crate::server::CLIENTS;
use crate::spoken::{Said, lock};
use crate::weather::address;

/// What was reported of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// At this place.
    Ordered(u64),
    /// Not in the order, or not even sent.
    Not,
    /// It may or may not be.
    Unknown,
}

/// A client; killed when dropped.
pub(crate) struct Client {
    pub(crate) number: u32,
    /// Of its messages.
    pub(crate) level: &'static str,
    child: Child,
    sent: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Told>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Client {
    /// Starts one that goes to server `number` first, then to the next.
    pub(crate) fn start(
        number: u32,
        level: &'static str,
        servers: usize,
        host: &str,
        folder: &Path,
        seed: u64,
    ) -> Self {
        let first = number as usize;
        let places = (0..servers).map(|step| format!("{}:{CLIENTS}", address((first + step) % servers)));
        let places = places.collect::<Vec<_>>().join(",");
        let mut command = program_on(host, &["send", "--json", "--level", level, "--wait", "60", "--server", &places]);
        let complaints = File::create(folder.join(format!("client-{number}.stderr"))).expect("it can be written");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints);
        let mut child = command.spawn().expect("the program starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (sent, stop, told) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default(), Arc::default());
        let feeding = {
            let (sent, stop) = (sent.clone(), stop.clone());
            thread::spawn(move || feed(number, input, Draw::new(seed), &sent, &stop))
        };
        let listening = {
            let told = Arc::clone(&told);
            thread::spawn(move || listen(BufReader::new(output), &told))
        };
        Self { number, level, child, sent, stop, told, threads: vec![feeding, listening] }
    }

    /// Messages handed to it so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Acquire)
    }

    /// What it was told of its messages so far, in the order in which they were sent.
    pub(crate) fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    /// Of how many it was told.
    pub(crate) fn answers(&self) -> usize {
        lock(&self.told).len()
    }

    /// Nothing more is sent.
    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits until it has ended, and everything of it is read. False if it takes too long.
    pub(crate) fn finish(&mut self, within: Duration) -> bool {
        let start = Instant::now();
        while self.is_running() {
            if start.elapsed() > within {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.threads.drain(..).for_each(|thread| thread.join().expect("it only reads or writes"));
        true
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends one now and then, and sometimes many; small ones, and sometimes large.
fn feed(client: u32, mut input: impl Write, mut draw: Draw, sent: &AtomicUsize, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::Acquire) {
        let burst = if draw.chance(0.004) { draw.within(50..=500) } else { 1 };
        for _ in 0..burst {
            let size = match draw.within(0..=199) {
                0 => draw.within(20_000..=200_000),
                1..=9 => draw.within(1_000..=20_000),
                _ => draw.within(10..=200),
            };
            let line = Said { client, number }.payload(size as usize) + "\n";
            // One that is killed does not read any more.
            if input.write_all(line.as_bytes()).is_err() {
                return;
            }
            number += 1;
            sent.store(number as usize, Ordering::Release);
        }
        thread::sleep(draw.millis(1..=20));
    }
}

fn listen(output: impl BufRead, told: &Mutex<Vec<Told>>) {
    for line in output.lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        lock(told).push(match line["outcome"].as_str() {
            Some("ordered") => Told::Ordered(line["gseq"].as_u64().expect("a number")),
            Some("unknown") => Told::Unknown,
            _ => Told::Not,
        });
    }
}
