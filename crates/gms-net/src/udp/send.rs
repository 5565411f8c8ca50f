//! Sending a train in as few calls as the kernel allows, without losing the place in it.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::config::Segmentation;
use super::failure::Failure;
use crate::counters::Counters;
use crate::transport::{Destination, Transmit};

/// What sends a train with one call; a socket, but for the tests.
pub(super) trait Wire {
    /// How many datagrams one call may carry now; it falls to 1 when the kernel turns out not to cut trains.
    fn max_segments(&self) -> usize;

    /// Sends one train, with one call; the error is the kernel's.
    fn poll_write(&self, cx: &mut Context<'_>, transmit: &quinn_udp::Transmit<'_>) -> Poll<io::Result<()>>;
}

/// The most datagrams the kernel takes in one train (`UDP_MAX_SEGMENTS` of older Linux kernels).
const MOST_SEGMENTS: usize = 64;

/// The most bytes of one train: a UDP packet's 65,507 with some room for options of the IP header.
const MOST_BYTES: usize = 65_000;

/// Remembers how far the train in progress has got.
#[derive(Debug)]
pub(super) struct Sender {
    segmentation: Segmentation,
    progress: Option<Progress>,
}

impl Sender {
    pub(super) fn new(segmentation: Segmentation) -> Self {
        Self { segmentation, progress: None }
    }

    /// How many datagrams may go in one call now.
    pub(super) fn max_segments(&self, wire: &impl Wire) -> usize {
        match self.segmentation {
            Segmentation::Auto => wire.max_segments().min(MOST_SEGMENTS),
            Segmentation::Off => 1,
        }
    }

    /// Forgets the train in progress.
    pub(super) fn cancel(&mut self) {
        self.progress = None;
    }

    /// Sends `transmit` to `address`, going on where the last call with the same train had to stop.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        wire: &impl Wire,
        address: SocketAddr,
        transmit: &Transmit<'_>,
        counters: &mut Counters,
    ) -> Poll<io::Result<()>> {
        let mut progress = self
            .progress
            .take()
            .filter(|progress| progress.is_of(transmit))
            .unwrap_or_else(|| Progress::start(transmit));
        while progress.sent < transmit.contents.len() {
            let most = if progress.refused_whole { 1 } else { self.max_segments(wire) };
            let piece = piece(&transmit.contents[progress.sent..], transmit.segment_size, most);
            let datagrams = piece.len().div_ceil(transmit.segment_size);
            let kernel = quinn_udp::Transmit {
                destination: address,
                ecn: None,
                contents: piece,
                segment_size: (datagrams > 1).then_some(transmit.segment_size),
                src_ip: None,
            };
            let Poll::Ready(outcome) = wire.poll_write(cx, &kernel) else {
                self.progress = Some(progress);
                return Poll::Pending;
            };
            match outcome.map_err(|error| (Failure::of(&error, datagrams), error)) {
                Ok(()) => {
                    counters.sent += datagrams as u64;
                    counters.sent_calls += 1;
                }
                Err((Failure::Lost, _)) => counters.send_lost += datagrams as u64,
                Err((Failure::TrainRefused, _)) => {
                    counters.trains_refused += 1;
                    progress.refused_whole = true;
                    continue;
                }
                Err((Failure::TooLarge, _)) => return Poll::Ready(Err(too_large(piece.len()))),
                Err((Failure::Fatal, error)) => return Poll::Ready(Err(error)),
            }
            progress.sent += piece.len();
        }
        Poll::Ready(Ok(()))
    }
}

/// Which train is in progress, and how much of it is done.
#[derive(Debug)]
struct Progress {
    destination: Destination,
    start: usize,
    length: usize,
    segment_size: usize,
    sent: usize,
    /// The kernel did not take it as a train, so the rest goes one datagram at a time.
    refused_whole: bool,
}

impl Progress {
    fn start(transmit: &Transmit<'_>) -> Self {
        Self {
            destination: transmit.destination,
            start: transmit.contents.as_ptr().addr(),
            length: transmit.contents.len(),
            segment_size: transmit.segment_size,
            sent: 0,
            refused_whole: false,
        }
    }

    fn is_of(&self, transmit: &Transmit<'_>) -> bool {
        self.destination == transmit.destination
            && self.start == transmit.contents.as_ptr().addr()
            && self.length == transmit.contents.len()
            && self.segment_size == transmit.segment_size
    }
}

/// The longest front of `rest` that may go in one call: whole datagrams, at least one.
fn piece(rest: &[u8], segment_size: usize, most_segments: usize) -> &[u8] {
    let segments = (MOST_BYTES / segment_size).min(most_segments).max(1);
    &rest[..rest.len().min(segments.saturating_mul(segment_size))]
}

fn too_large(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "a datagram of {length} bytes does not fit the network interface, and is never fragmented: \
             send smaller datagrams or raise the interface's MTU"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;
    use crate::udp::failure::IO_ERROR;

    /// Answers as scripted, then takes everything; keeps the datagrams it took.
    #[derive(Default)]
    struct Script {
        answers: RefCell<VecDeque<Poll<io::Result<()>>>>,
        taken: RefCell<Vec<Vec<u8>>>,
    }

    impl Wire for Script {
        fn max_segments(&self) -> usize {
            4
        }

        fn poll_write(&self, _: &mut Context<'_>, transmit: &quinn_udp::Transmit<'_>) -> Poll<io::Result<()>> {
            let answer = self.answers.borrow_mut().pop_front();
            let answer = answer.unwrap_or(Poll::Ready(Ok(())));
            if let Poll::Ready(Ok(())) = answer {
                let size = transmit.segment_size.unwrap_or(transmit.contents.len());
                let datagrams = transmit.contents.chunks(size).map(<[u8]>::to_vec);
                self.taken.borrow_mut().extend(datagrams);
            }
            answer
        }
    }

    /// Polls until the train is sent, and returns the result, the counters and how often it had to wait.
    fn send(sender: &mut Sender, script: &Script, transmit: &Transmit<'_>) -> (io::Result<()>, Counters, usize) {
        let (mut counters, mut waits) = (Counters::default(), 0);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let address = ([127, 0, 0, 1], 1).into();
            match sender.poll_send(&mut cx, script, address, transmit, &mut counters) {
                Poll::Ready(result) => return (result, counters, waits),
                Poll::Pending => waits += 1,
            }
        }
    }

    fn scripted(answers: impl IntoIterator<Item = Poll<io::Result<()>>>) -> Script {
        Script { answers: RefCell::new(answers.into_iter().collect()), taken: RefCell::default() }
    }

    /// Ten datagrams, 00 to 99; the last is short.
    const TEN: Transmit<'_> =
        Transmit { destination: Destination::Data, contents: b"0011223344556677889", segment_size: 2 };

    fn ten() -> Vec<Vec<u8>> {
        TEN.datagrams().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn waiting_in_the_middle_of_a_train_loses_and_repeats_nothing() {
        let go = || Poll::Ready(Ok(()));
        let script = scripted([Poll::Pending, go(), Poll::Pending, Poll::Pending, go()]);
        let mut sender = Sender::new(Segmentation::Auto);
        let (result, counters, waits) = send(&mut sender, &script, &TEN);
        assert!(result.is_ok());
        assert_eq!(waits, 3);
        assert_eq!(*script.taken.borrow(), ten());
        assert_eq!((counters.sent, counters.sent_calls), (10, 3));
    }

    #[test]
    fn a_train_that_is_not_taken_whole_goes_one_by_one() {
        for refusal in [io::Error::from_raw_os_error(IO_ERROR), io::ErrorKind::InvalidInput.into()] {
            let script = scripted([Poll::Ready(Ok(())), Poll::Ready(Err(refusal)), Poll::Pending]);
            let mut sender = Sender::new(Segmentation::Auto);
            let (result, counters, _) = send(&mut sender, &script, &TEN);
            assert!(result.is_ok());
            assert_eq!(*script.taken.borrow(), ten());
            // The first four at once, the other six singly.
            assert_eq!((counters.sent_calls, counters.trains_refused), (7, 1));
        }
    }

    #[test]
    fn passing_failures_cost_only_their_datagrams() {
        let script = scripted([Poll::Ready(Err(io::ErrorKind::NetworkUnreachable.into()))]);
        let mut sender = Sender::new(Segmentation::Auto);
        let (result, counters, _) = send(&mut sender, &script, &TEN);
        assert!(result.is_ok());
        assert_eq!(*script.taken.borrow(), ten()[4..]);
        assert_eq!((counters.sent, counters.send_lost), (6, 4));
    }

    #[test]
    fn another_train_or_a_cancelled_one_starts_afresh() {
        let blocked = || scripted([Poll::Ready(Ok(())), Poll::Pending]);
        let mut cx = Context::from_waker(Waker::noop());
        let mut counters = Counters::default();
        let address = ([127, 0, 0, 1], 1).into();
        let other = Transmit { destination: Destination::Control, ..TEN };
        for (next, cancel) in [(other, false), (TEN, true)] {
            let script = blocked();
            let mut sender = Sender::new(Segmentation::Auto);
            let first = sender.poll_send(&mut cx, &script, address, &TEN, &mut counters);
            assert!(first.is_pending());
            if cancel {
                sender.cancel();
            }
            script.taken.borrow_mut().clear();
            assert!(send(&mut sender, &script, &next).0.is_ok());
            assert_eq!(*script.taken.borrow(), ten());
        }
    }

    #[test]
    fn a_lasting_failure_ends_the_train_and_not_the_next() {
        let script = scripted([Poll::Ready(Err(io::ErrorKind::NotConnected.into()))]);
        let mut sender = Sender::new(Segmentation::Off);
        assert!(send(&mut sender, &script, &TEN).0.is_err());
        assert!(send(&mut sender, &script, &TEN).0.is_ok());
        assert_eq!(*script.taken.borrow(), ten());
    }

    #[test]
    fn pieces_are_whole_datagrams_within_both_limits() {
        let bytes = vec![0; 300_000];
        assert_eq!(piece(&bytes, 1400, 64).len(), 46 * 1400);
        assert_eq!(piece(&bytes, 100, 64).len(), 6400);
        assert_eq!(piece(&bytes, 100, 1).len(), 100);
        assert_eq!(piece(&bytes[..150], 100, 64).len(), 150);
        assert_eq!(piece(&bytes, 70_000, 64).len(), 70_000);
        assert_eq!(piece(&bytes[..5], usize::MAX, 64).len(), 5);
    }
}
