//! What a server prints: its views, and what it delivers.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::Value;

use crate::story::Story;

/// A message of the load: which of which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Said {
    pub(crate) client: u32,
    /// From 0.
    pub(crate) number: u32,
}

impl Said {
    /// The payload for it, of at least so many bytes.
    pub(crate) fn payload(self, size: usize) -> String {
        let mut text = format!("{} {} ", self.client, self.number);
        text.extend(std::iter::repeat_n('.', size.saturating_sub(text.len())));
        text
    }

    fn of(payload: &str) -> Option<Self> {
        let mut words = payload.split(' ');
        Some(Self { client: words.next()?.parse().ok()?, number: words.next()?.parse().ok()? })
    }
}

/// A view, as one server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) gid: String,
    pub(crate) number: u64,
    pub(crate) leader: usize,
    /// The leader among them; in order.
    pub(crate) voters: Vec<usize>,
    pub(crate) has_learners: bool,
}

/// What one incarnation of a server did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    /// The place of its first view.
    pub(crate) from: u64,
    /// Places and messages, in the order of delivery.
    pub(crate) delivered: Vec<(u64, Said)>,
}

/// What a server has printed, from one start of its process to the next.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// One after the other; a server that was excluded joins again as another.
    pub(crate) lives: Vec<Life>,
    /// The present one, if it is in any.
    pub(crate) view: Option<View>,
    pub(crate) views: u64,
    pub(crate) blocked: bool,
    /// Name of the last event that was neither a view nor a message.
    pub(crate) last: String,
    /// Nothing follows.
    pub(crate) ended: bool,
}

impl Spoken {
    /// Listens to `output` of a server in a thread of its own.
    pub(crate) fn listen(server: usize, output: impl Read + Send + 'static, story: Story) -> Arc<Mutex<Self>> {
        let spoken = Arc::new(Mutex::new(Self::default()));
        let heard = spoken.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                if !matches!(value["event"].as_str(), Some("message" | "outcome_unknown" | "not_ordered")) {
                    story.tell(&format!("server {server}: {line}"));
                }
                lock(&heard).take(&value);
            }
            lock(&heard).ended = true;
        });
        spoken
    }

    fn take(&mut self, line: &Value) {
        match line["event"].as_str().unwrap_or_default() {
            "message" => {
                let said = line["payload"].as_str().and_then(Said::of).expect("nobody else sends");
                let gseq = line["gseq"].as_u64().expect("a number");
                self.lives.last_mut().expect("a view comes first").delivered.push((gseq, said));
            }
            "view" => {
                if self.view.is_none() {
                    let from = line["gseq"].as_u64().expect("a number");
                    self.lives.push(Life { from, ..Life::default() });
                }
                self.views += 1;
                self.view = Some(View::of(line));
            }
            event => {
                self.last = event.to_owned();
                match event {
                    "blocked" => self.blocked = true,
                    "unblocked" => self.blocked = false,
                    // What follows, if anything, is another life.
                    "excluded" | "dissolved" | "left" | "broken" => (self.view, self.blocked) = (None, false),
                    _ => {}
                }
            }
        }
    }
}

impl View {
    fn of(line: &Value) -> Self {
        let numbers = |key: &str| -> Vec<usize> {
            let list = line[key].as_array().expect("a list");
            list.iter().map(|number| number.as_u64().expect("a number") as usize).collect()
        };
        let leader = line["leader"].as_u64().expect("a number") as usize;
        let mut voters = numbers("followers");
        voters.push(leader);
        voters.sort_unstable();
        Self {
            gid: line["gid"].as_str().expect("text").to_owned(),
            number: line["view"].as_u64().expect("a number"),
            leader,
            voters,
            has_learners: !numbers("learners").is_empty(),
        }
    }
}

/// A thread that panicked while it held the lock has said so.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
