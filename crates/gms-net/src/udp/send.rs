//! Sending a train in as few calls as the kernel allows, without losing the place in it.

use std::io;
use std::task::{Context, Poll};

use super::config::Segmentation;
use super::failure::Failure;
use super::fan_out::Targets;
use super::progress::Progress;
use crate::counters::Counters;
use crate::transport::Transmit;

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

    /// Sends `transmit` to each of `targets`, going on where the last call with the same train had to stop; it then
    /// keeps to the targets that it began with. What fails for one target is no matter to the others.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        wire: &impl Wire,
        targets: Targets,
        transmit: &Transmit<'_>,
        counters: &mut Counters,
    ) -> Poll<io::Result<()>> {
        let mut progress = self
            .progress
            .take()
            .filter(|progress| progress.is_of(transmit))
            .unwrap_or_else(|| Progress::start(transmit, targets));
        while let Some(address) = progress.target() {
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
                Err((Failure::TooLarge, _)) => {
                    if progress.too_large_for_all() {
                        return Poll::Ready(Err(too_large(piece.len())));
                    }
                    counters.send_lost += progress.datagrams_left();
                    progress.skip_target();
                    continue;
                }
                Err((Failure::Fatal, error)) => return Poll::Ready(Err(error)),
            }
            progress.advance(piece.len());
        }
        Poll::Ready(Ok(()))
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
    use crate::transport::Destination;
    use crate::udp::failure::IO_ERROR;

    /// Answers as scripted, then takes everything; keeps the datagrams it took, and the port each call went to.
    #[derive(Default)]
    struct Script {
        answers: RefCell<VecDeque<Poll<io::Result<()>>>>,
        taken: RefCell<Vec<Vec<u8>>>,
        ports: RefCell<Vec<u16>>,
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
                self.ports.borrow_mut().push(transmit.destination.port());
            }
            answer
        }
    }

    fn to_ports(ports: &[u16]) -> Targets {
        Targets::Each(ports.iter().map(|&port| ([127, 0, 0, 1], port).into()).collect())
    }

    fn one() -> Targets {
        Targets::One(([127, 0, 0, 1], 1).into())
    }

    /// Polls until the train is sent, and returns the result, the counters and how often it had to wait.
    fn send(sender: &mut Sender, script: &Script, transmit: &Transmit<'_>) -> (io::Result<()>, Counters, usize) {
        send_to(&one(), sender, script, transmit)
    }

    fn send_to(
        targets: &Targets,
        sender: &mut Sender,
        script: &Script,
        transmit: &Transmit<'_>,
    ) -> (io::Result<()>, Counters, usize) {
        let (mut counters, mut waits) = (Counters::default(), 0);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match sender.poll_send(&mut cx, script, targets.clone(), transmit, &mut counters) {
                Poll::Ready(result) => return (result, counters, waits),
                Poll::Pending => waits += 1,
            }
        }
    }

    fn scripted(answers: impl IntoIterator<Item = Poll<io::Result<()>>>) -> Script {
        Script { answers: RefCell::new(answers.into_iter().collect()), ..Script::default() }
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
        let other = Transmit { destination: Destination::Control, ..TEN };
        for (next, cancel) in [(other, false), (TEN, true)] {
            let script = blocked();
            let mut sender = Sender::new(Segmentation::Auto);
            let first = sender.poll_send(&mut cx, &script, one(), &TEN, &mut counters);
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
    fn waiting_in_the_middle_of_a_fan_out_skips_and_repeats_nobody() {
        // Three calls a target; it waits before, within and between targets.
        let go = || Poll::Ready(Ok(()));
        let waits = [0, 1, 3, 6, 8, 9];
        let mut answers = Vec::new();
        for call in 0..9 {
            answers.extend(waits.iter().filter(|&&at| at == call).map(|_| Poll::Pending));
            answers.push(go());
        }
        let script = scripted(answers);
        let mut sender = Sender::new(Segmentation::Auto);
        let (result, counters, waited) = send_to(&to_ports(&[1, 2, 3]), &mut sender, &script, &TEN);
        assert!(result.is_ok());
        assert_eq!(waited, 5);
        assert_eq!(*script.ports.borrow(), [1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(*script.taken.borrow(), [ten(), ten(), ten()].concat());
        assert_eq!((counters.sent, counters.sent_calls), (30, 9));
    }

    #[test]
    fn a_train_in_progress_keeps_to_the_targets_it_began_with() {
        let script = scripted([Poll::Ready(Ok(())), Poll::Pending]);
        let mut sender = Sender::new(Segmentation::Auto);
        let mut cx = Context::from_waker(Waker::noop());
        let first = sender.poll_send(&mut cx, &script, to_ports(&[1, 2]), &TEN, &mut Counters::default());
        assert!(first.is_pending());
        assert!(send_to(&to_ports(&[3]), &mut sender, &script, &TEN).0.is_ok());
        assert_eq!(*script.ports.borrow(), [1, 1, 1, 2, 2, 2]);
        assert!(send_to(&to_ports(&[3]), &mut sender, &script, &TEN).0.is_ok());
        assert_eq!(script.ports.borrow()[6..], [3, 3, 3]);
    }

    #[test]
    fn what_fails_for_one_target_is_no_matter_to_the_others() {
        let failures = [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::NetworkUnreachable,
            io::ErrorKind::PermissionDenied,
        ];
        for failure in failures {
            let script = scripted([Poll::Ready(Err(failure.into()))]);
            let mut sender = Sender::new(Segmentation::Auto);
            let (result, counters, _) = send_to(&to_ports(&[1, 2]), &mut sender, &script, &TEN);
            assert!(result.is_ok());
            assert_eq!(*script.ports.borrow(), [1, 1, 2, 2, 2]);
            assert_eq!((counters.sent, counters.send_lost), (16, 4));
        }
        assert!(send_to(&to_ports(&[]), &mut Sender::new(Segmentation::Auto), &scripted([]), &TEN).0.is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_datagram_too_large_for_one_target_is_lost_and_for_all_an_error() {
        const MESSAGE_TOO_LONG: i32 = 90;
        let refusal = || Poll::Ready(Err(io::Error::from_raw_os_error(MESSAGE_TOO_LONG)));
        let single = Transmit::single(Destination::Data, b"0123456789");
        let mut sender = Sender::new(Segmentation::Auto);
        let script = scripted([refusal()]);
        let (result, counters, _) = send_to(&to_ports(&[1, 2]), &mut sender, &script, &single);
        assert!(result.is_ok());
        assert_eq!((&script.ports.borrow()[..], counters.sent, counters.send_lost), (&[2][..], 1, 1));
        let script = scripted([refusal(), refusal()]);
        let (result, ..) = send_to(&to_ports(&[1, 2]), &mut sender, &script, &single);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidInput);
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
