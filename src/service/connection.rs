//! One connection: a task that reads requests while the group and the client keep up, and writes answers.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::block::Place;
use super::history::Reading;
use super::large_line::LargeLine;
use super::ledger::Asked;
use super::outbox::Outbox;
use super::output::Output;
use super::shared::Shared;
use crate::client_protocol::{Closed, LineBuffer, Reply, Stream, write_line};
use crate::submission::Submission;

/// Bytes to be written beyond which nothing more is read, nor taken from the history.
pub(super) const OUTPUT_LIMIT: usize = 256 << 10;
/// How long a client may take to read the last lines once all is written.
const LINGER: Duration = Duration::from_secs(1);
/// Rounds before other tasks have their turn.
const ROUNDS: usize = 16;

/// A connection until its end; never fails, only ends.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    /// Exclusions of the server before it.
    exclusions: u64,
    pub(super) stream: Stream,
    /// Among those that are served.
    number: Option<u64>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) output: Output,
    /// Whence it comes, and what the log calls it: that, and its own name if it has said one.
    pub(super) origin: String,
    pub(super) name: String,
    pub(super) input: LineBuffer,
    pub(super) large_line: LargeLine,
    pub(super) ended_input: bool,
    /// What the group has no room for yet.
    pub(super) waiting: VecDeque<(Asked, Submission)>,
    pub(super) in_flight: usize,
    /// The session its messages belong to, and whether that waits to be opened.
    pub(super) session: Option<u128>,
    pub(super) opening: bool,
    /// What it has heard of standstills, and whether it was told of one.
    news: u64,
    told_blocked: bool,
    /// The next place of the order to send.
    pub(super) subscription: Option<Place>,
    pub(super) phase: Phase,
    /// When something was written last, while something waits to be.
    progress: Instant,
    patience: Option<Pin<Box<Sleep>>>,
}

pub(super) enum Phase {
    Serving,
    /// Nothing more is read; what was asked is answered, then the reason is told.
    Finishing(String),
    /// The last line is on its way.
    Closing,
    /// All is written; the client has until then to read it.
    Lingering(Pin<Box<Sleep>>),
}

/// What one round of a connection came to.
enum Round {
    Progress,
    Idle,
    Ended,
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: Stream,
        outbox: Arc<Outbox>,
        name: String,
        number: Option<u64>,
    ) -> Self {
        let input = LineBuffer::new(shared.line_limit);
        Self {
            exclusions: shared.exclusions.load(Ordering::Relaxed),
            shared,
            stream,
            number,
            outbox,
            output: Output::default(),
            origin: name.clone(),
            name,
            input,
            large_line: LargeLine::None,
            ended_input: false,
            waiting: VecDeque::new(),
            in_flight: 0,
            session: None,
            opening: false,
            news: 0,
            told_blocked: false,
            subscription: None,
            phase: Phase::Serving,
            progress: Instant::now(),
            patience: None,
        }
    }

    /// Answers what was asked so far, says why it ends, and ends.
    pub(super) fn finish(&mut self, reason: impl Into<String>) {
        if let Phase::Serving = self.phase {
            self.phase = Phase::Finishing(reason.into());
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply<'_>) {
        self.output.append(|out| write_line(reply, out));
    }

    /// Tells a client whose messages wait that they do, and why, and when they no longer do.
    fn tell_standstill(&mut self) {
        let waits = self.in_flight > 0 || !self.waiting.is_empty();
        if !waits && !self.told_blocked {
            return;
        }
        let Some(why) = self.shared.standstill.news(&mut self.news) else { return };
        let told = std::mem::replace(&mut self.told_blocked, why.is_some());
        if let Some(reason) = why {
            self.reply(&Reply::Blocked(Closed { reason }));
        } else if told {
            self.reply(&Reply::Unblocked {});
        }
    }

    fn round(&mut self, cx: &mut Context<'_>) -> io::Result<Round> {
        let (answers, settled) = self.outbox.take();
        self.in_flight -= settled;
        let mut progress = !answers.is_empty();
        self.output.push(answers);
        self.settle_opening();
        if self.outbox.is_superseded() {
            self.finish("the session goes on in another connection");
        }
        if self.shared.exclusions.load(Ordering::Relaxed) != self.exclusions {
            if let Some(place) = self.subscription.take() {
                self.tell_doubt(place);
            }
            self.finish("this server is out of its group for now: go to another");
        }
        if let Some(reason) = self.shared.ended().map(str::to_owned) {
            self.finish(reason);
        }
        match &mut self.phase {
            Phase::Serving => {
                progress |= self.read(cx)?;
                progress |= self.submit(cx);
                progress |= self.follow();
                self.tell_standstill();
            }
            Phase::Finishing(reason) => {
                let reason = reason.clone();
                progress |= self.submit(cx);
                if self.in_flight == 0 && self.waiting.is_empty() {
                    self.reply(&Reply::Closed(Closed { reason }));
                    self.phase = Phase::Closing;
                }
            }
            Phase::Closing if self.output.is_empty() => {
                self.stream.end_writing()?;
                self.input.clear();
                self.phase = Phase::Lingering(Box::pin(sleep(LINGER)));
                return Ok(Round::Progress);
            }
            Phase::Closing => {}
            Phase::Lingering(deadline) => return linger(&self.stream, deadline.as_mut(), cx),
        }
        progress |= self.write(cx)?;
        let all_done = self.ended_input && self.in_flight == 0 && self.waiting.is_empty() && self.output.is_empty();
        match self.phase {
            Phase::Serving if all_done => return Ok(Round::Ended),
            Phase::Closing if self.output.is_empty() => progress = true,
            _ => {}
        }
        if progress {
            return Ok(Round::Progress);
        }
        Ok(if self.is_cut_off(cx) { Round::Ended } else { Round::Idle })
    }

    /// Takes what follows in the order. True when there was something.
    fn follow(&mut self) -> bool {
        let mut progress = false;
        while self.output.len() < OUTPUT_LIMIT
            && let Some(from) = self.subscription
        {
            // Formatting is done without the lock.
            let reading = self.shared.history().read(from, &self.outbox);
            match reading {
                Reading::Block(block) => {
                    self.output.share(block.lines(from));
                    self.subscription = Some(block.next());
                }
                Reading::GapTo(place) => self.skip(from, place),
                Reading::Nothing => break,
            }
            progress = true;
        }
        progress
    }

    /// Writes as much as the client takes. True when it took something.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = false;
        while !self.output.is_empty() {
            let (slices, count) = self.output.slices();
            let Poll::Ready(written) = self.stream.poll_write(cx, &slices[..count]) else { break };
            match written? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.output.advance(written),
            }
            progress = true;
        }
        if progress {
            self.progress = Instant::now();
        }
        if self.output.is_empty() {
            self.patience = None;
        }
        Ok(progress)
    }

    /// Whether the client has not read for too long.
    fn is_cut_off(&mut self, cx: &mut Context<'_>) -> bool {
        if self.output.is_empty() {
            return false;
        }
        let grace = self.shared.grace;
        let patience = self.patience.get_or_insert_with(|| {
            self.progress = Instant::now();
            Box::pin(sleep_until(self.progress + grace))
        });
        while patience.as_mut().poll(cx).is_ready() {
            if self.progress.elapsed() >= grace {
                let reason = format!("cut off: it has not read for {} ms", grace.as_millis());
                tracing::warn!(client = self.name, unread = self.output.len(), "{reason}");
                if self.output.is_between_lines() {
                    let mut line = Vec::new();
                    write_line(&Reply::Closed(Closed { reason }), &mut line);
                    let _ = self.stream.poll_write(cx, &[io::IoSlice::new(&line)]);
                }
                return true;
            }
            patience.as_mut().reset(self.progress + grace);
        }
        false
    }
}

/// Waits until the client has read the end: closing before could tear away what it has not read.
fn linger(stream: &Stream, mut deadline: Pin<&mut Sleep>, cx: &mut Context<'_>) -> io::Result<Round> {
    if deadline.as_mut().poll(cx).is_ready() {
        return Ok(Round::Ended);
    }
    let mut unwanted = BytesMut::with_capacity(8 << 10);
    match stream.poll_read(cx, &mut unwanted) {
        Poll::Ready(read) => Ok(if read? == 0 { Round::Ended } else { Round::Progress }),
        Poll::Pending => Ok(Round::Idle),
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.outbox.register(cx.waker());
        for _ in 0..ROUNDS {
            match this.round(cx) {
                Ok(Round::Progress) => {}
                Ok(Round::Idle) => return Poll::Pending,
                Ok(Round::Ended) => return Poll::Ready(()),
                Err(error) => {
                    tracing::debug!(client = this.name, %error, "the connection ended");
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.close();
        self.leave_session();
        self.shared.forget(self.number);
    }
}
