//! What happened, in a file that a reader can follow: what the driver did and what the servers said, but for messages.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The file; clones write to the same one.
#[derive(Clone)]
pub(crate) struct Story {
    start: Instant,
    file: Arc<Mutex<File>>,
}

impl Story {
    pub(crate) fn new(path: &Path) -> Self {
        Self { start: Instant::now(), file: Arc::new(Mutex::new(File::create(path).expect("it can be written"))) }
    }

    /// One line, with the seconds since the beginning.
    pub(crate) fn tell(&self, line: &str) {
        let mut file = self.file.lock().unwrap();
        writeln!(file, "{:9.3}  {line}", self.start.elapsed().as_secs_f64()).expect("it can be written");
    }
}
