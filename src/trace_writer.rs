//! Writing a trace, in a thread of its own: wherever it goes, a place that takes nothing must not hold the member up.
//!
//! As long as the place keeps up, whatever others learn from this process is in the trace before they can, should the
//! process be killed: the loop waits for it, a moment at most. What the queue has no room for is lost, and with the
//! first record that is lost the trace ends: its last line says so, if one can still be written.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use gms_check::{Event, Record, Uid};

/// Bytes that may wait to be written.
const QUEUED: usize = 4 << 20;
/// How long the loop waits for them to be written, until it has waited in vain.
const PATIENCE: Duration = Duration::from_millis(50);

/// Takes records of a process, as JSON Lines.
pub(crate) struct TraceWriter {
    shared: Arc<Shared>,
    batch: Vec<u8>,
    records: u64,
    /// The last process that wrote, and when.
    last: Option<(u64, Uid)>,
    /// It did not keep up when it was last waited for.
    is_slow: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write, or nothing more will come.
    more: Condvar,
    /// All has been written, or nothing more will be.
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Some of them are being written.
    is_busy: bool,
    /// Something could not be written: nothing that follows is.
    has_ended: bool,
    /// Records that are not in the trace.
    lost: u64,
    /// Time and process of the last record, once no more come.
    last: Option<(u64, Uid)>,
    is_closed: bool,
    is_over: bool,
}

impl TraceWriter {
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        thread::spawn(move || theirs.run(out));
        Self { shared, batch: Vec::new(), records: 0, last: None, is_slow: false }
    }

    pub(crate) fn write(&mut self, record: &Record) {
        serde_json::to_writer(&mut self.batch, record).expect("plain data into memory");
        self.batch.push(b'\n');
        self.records += 1;
        self.last = Some((record.at_us, record.process));
    }

    /// Hands over what was written so far.
    pub(crate) fn hand_over(&mut self) {
        let (batch, records) = (mem::take(&mut self.batch), mem::take(&mut self.records));
        let mut queue = self.shared.lock();
        if queue.has_ended {
            queue.lost += records;
        } else if queue.bytes.len() + batch.len() > QUEUED {
            (queue.has_ended, queue.lost) = (true, records);
            tracing::error!("the trace ends here: its file takes nothing, or too little");
        } else {
            queue.bytes.extend_from_slice(&batch);
            self.shared.more.notify_one();
        }
        self.batch = batch;
        self.batch.clear();
    }

    /// The same, and waits until it is in the file, if that has kept up so far.
    pub(crate) fn flush(&mut self) {
        self.hand_over();
        let queue = self.shared.lock();
        if mem::replace(&mut self.is_slow, queue.is_behind()) && self.is_slow {
            return;
        }
        let waited = self.shared.written.wait_timeout_while(queue, PATIENCE, |queue| queue.is_behind());
        self.is_slow = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).1.timed_out();
    }
}

/// Nothing more will come. What is lost is said.
impl Drop for TraceWriter {
    fn drop(&mut self) {
        self.flush();
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.last = self.last;
        self.shared.more.notify_one();
        let waited = self.shared.written.wait_timeout_while(queue, PATIENCE, |queue| !queue.is_over);
        let (queue, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        if queue.has_ended {
            tracing::error!("{} records of the trace are lost", queue.lost);
        } else if !queue.is_over {
            tracing::error!("the last records of the trace may be lost: its file takes nothing");
        }
    }
}

impl Queue {
    fn is_behind(&self) -> bool {
        !self.is_over && !self.has_ended && (self.is_busy || !self.bytes.is_empty())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing here can be left half done by a panic: take the value as it is.
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes until nothing more will come.
    fn run(&self, mut out: Box<dyn Write + Send>) {
        let mut bytes = Vec::new();
        // The rest of a line that is in the file only in part.
        let mut torn = Vec::new();
        loop {
            {
                let mut queue = self.lock();
                queue.is_busy = false;
                self.written.notify_all();
                while queue.bytes.is_empty() && !queue.is_closed {
                    queue = self.more.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
                }
                if queue.bytes.is_empty() {
                    break;
                }
                mem::swap(&mut queue.bytes, &mut bytes);
                queue.is_busy = true;
            }
            if let Err((written, error)) = write(&mut out, &bytes) {
                tracing::error!(%error, "the trace ends here: it cannot be written");
                torn = rest_of_line(&bytes, written).to_vec();
                let mut queue = self.lock();
                let records = lines(&bytes[written + torn.len()..]) + lines(&queue.bytes);
                (queue.has_ended, queue.lost) = (true, queue.lost + records);
                queue.bytes.clear();
            }
            bytes.clear();
        }
        let (last, records) = {
            let queue = self.lock();
            (queue.last.filter(|_| queue.has_ended), queue.lost)
        };
        if let Some((at_us, process)) = last {
            let mut end = torn;
            let record = Record { at_us, process, event: Event::Incomplete { records } };
            serde_json::to_writer(&mut end, &record).expect("plain data into memory");
            end.push(b'\n');
            // There may be room again.
            let _ = write(&mut out, &end);
        }
        let _ = out.flush();
        self.lock().is_over = true;
        self.written.notify_all();
    }
}

/// Writes all of it, or says how much was.
fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// What is missing of the line in which writing has ended; nothing at the beginning of one.
fn rest_of_line(bytes: &[u8], written: usize) -> &[u8] {
    if written == 0 || bytes[written - 1] == b'\n' {
        return &[];
    }
    let rest = &bytes[written..];
    &rest[..rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1)]
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes so many bytes; then it waits until it is let go, or fails so often.
    struct Place {
        file: Arc<Mutex<Vec<u8>>>,
        room: usize,
        gate: Option<Receiver<()>>,
        failures: usize,
    }

    impl Write for Place {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                if self.failures > 0 {
                    self.failures -= 1;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.gate.take().map(|gate| gate.recv());
                self.room = usize::MAX;
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.file.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn place(room: usize, failures: usize) -> (TraceWriter, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = channel();
        let file = Arc::default();
        let place = Place { file: Arc::clone(&file), room, gate: (failures == 0).then_some(gate), failures };
        (TraceWriter::new(Box::new(place)), open, file)
    }

    fn record(at_us: u64) -> Record {
        let event = Event::Blocked { why: "x".repeat(1000) };
        Record { at_us, process: Uid { node: 1, incarnation: 2 }, event }
    }

    fn write_all(writer: &mut TraceWriter, numbers: std::ops::Range<u64>) {
        for number in numbers {
            writer.write(&record(number));
            writer.flush();
        }
    }

    /// The numbers of the records in it, and how many are said to be missing at the end.
    fn content(file: &Mutex<Vec<u8>>) -> (Vec<u64>, Option<u64>) {
        let text = file.lock().unwrap().clone();
        let (mut numbers, mut missing) = (Vec::new(), None);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Record = serde_json::from_slice(line).expect("a record");
            assert_eq!(missing, None, "nothing follows the end");
            match record.event {
                Event::Incomplete { records } => missing = Some(records),
                _ => numbers.push(record.at_us),
            }
        }
        (numbers, missing)
    }

    #[test]
    fn what_is_flushed_is_in_the_file() {
        let (mut writer, _open, file) = place(usize::MAX, 0);
        for number in 0..100 {
            write_all(&mut writer, number..number + 1);
            assert_eq!(content(&file), ((0..=number).collect(), None));
        }
    }

    #[test]
    fn a_place_that_takes_nothing_holds_nobody_up_and_the_end_says_what_is_missing() {
        let (mut writer, open, file) = place(2500, 0);
        write_all(&mut writer, 0..10_000);
        open.send(()).expect("it waits");
        // What was queued comes to the file before the end.
        let behind = || {
            let queue = writer.shared.lock();
            queue.is_busy || !queue.bytes.is_empty()
        };
        while behind() {
            thread::yield_now();
        }
        drop(writer);
        let (numbers, missing) = content(&file);
        assert!(numbers.len() > 3000 && numbers.iter().copied().eq(0..numbers.len() as u64));
        assert_eq!(missing, Some(10_000 - numbers.len() as u64));
    }

    #[test]
    fn a_full_disk_ends_the_trace_and_if_there_is_room_again_it_says_so() {
        let (mut writer, _open, file) = place(2500, 1);
        write_all(&mut writer, 0..50);
        drop(writer);
        assert_eq!(content(&file), (vec![0, 1, 2], Some(47)), "the line that was torn is completed");
        let (mut writer, _open, file) = place(2500, usize::MAX);
        write_all(&mut writer, 0..50);
        drop(writer);
        assert_eq!(file.lock().unwrap().len(), 2500);
    }
}
