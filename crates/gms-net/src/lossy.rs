//! Loss on top of any transport, datagram by datagram.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use crate::counters::Counters;
use crate::random::SplitMix64;
use crate::transport::{Channel, Received, Transmit, Transport};

/// A transport that drops received datagrams, each for itself; messages of streams are not.
///
/// Loss made below the socket drops whole trains, as the kernel passes them on in one piece; a real network drops
/// single datagrams of one. So this drops after the train is cut. What remains is passed on without copying: each run
/// of surviving datagrams is a (shorter) train.
#[derive(Debug)]
pub struct Lossy<T> {
    inner: T,
    probability: f64,
    random: SplitMix64,
    rest: Option<Received>,
    dropped: u64,
}

impl<T: Transport> Lossy<T> {
    /// Drops each datagram that `inner` receives with `probability` (0 to 1), drawn from `seed`.
    pub fn new(inner: T, probability: f64, seed: u64) -> Self {
        Self { inner, probability, random: SplitMix64::new(seed), rest: None, dropped: 0 }
    }

    /// Changes the probability (0 to 1) for the datagrams not looked at yet.
    pub fn set_probability(&mut self, probability: f64) {
        self.probability = probability;
    }

    /// How many datagrams were dropped here.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The transport below.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The transport below. What it receives directly is not lossy.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The next run of survivors of the train in progress.
    fn next_run(&mut self) -> Option<Received> {
        let mut rest = self.rest.take()?;
        let stride = rest.stride.max(1);
        while !rest.contents.is_empty() {
            let run = self.draw_run(rest.contents.len(), stride);
            let survivors = rest.contents.split_to(run);
            // What ended the run is a dropped datagram, or the end of the train.
            let gone = rest.contents.split_to(stride.min(rest.contents.len()));
            self.dropped += u64::from(!gone.is_empty());
            if !survivors.is_empty() {
                let received = Received { from: rest.from, channel: rest.channel, contents: survivors, stride };
                self.rest = (!rest.contents.is_empty()).then_some(rest);
                return Some(received);
            }
        }
        None
    }

    /// How many of the next `length` bytes come before the first dropped datagram.
    fn draw_run(&mut self, length: usize, stride: usize) -> usize {
        let datagrams = length.div_ceil(stride);
        let survivors = (0..datagrams).take_while(|_| !self.random.chance(self.probability)).count();
        length.min(survivors.saturating_mul(stride))
    }
}

impl<T: Transport> Transport for Lossy<T> {
    fn local_address(&self) -> SocketAddr {
        self.inner.local_address()
    }

    fn receive_budget(&self) -> usize {
        self.inner.receive_budget()
    }

    fn largest_datagram(&self) -> u16 {
        self.inner.largest_datagram()
    }

    fn max_segments(&self) -> usize {
        self.inner.max_segments()
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        for _ in 0..MOST_DROPPED_TRAINS {
            if let Some(received) = self.next_run() {
                return Poll::Ready(Ok(received));
            }
            let received = ready!(self.inner.poll_receive(cx))?;
            if received.channel == Channel::Stream {
                return Poll::Ready(Ok(received));
            }
            self.rest = Some(received);
        }
        // Everything is being dropped: let the other tasks run, then go on.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_send(cx, transmit)
    }

    fn cancel_send(&mut self) {
        self.inner.cancel_send();
    }

    fn set_leading(&mut self, leading: bool) -> io::Result<()> {
        self.inner.set_leading(leading)
    }

    fn rejoin_groups(&mut self) -> io::Result<()> {
        self.inner.rejoin_groups()
    }

    fn set_members(&mut self, members: &[SocketAddr]) {
        self.inner.set_members(members);
    }

    fn set_peers(&mut self, peers: &[SocketAddr]) -> io::Result<()> {
        self.inner.set_peers(peers)
    }

    fn set_watched(&mut self, peers: &[SocketAddr]) {
        self.inner.set_watched(peers);
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.inner.poll_lost(cx)
    }

    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<SocketAddr> {
        self.inner.poll_refused(cx)
    }

    /// Those of the transport below; what was dropped here is in `injected_loss` and no longer in `received`.
    fn counters(&self) -> Counters {
        let mut counters = self.inner.counters();
        counters.received = counters.received.saturating_sub(self.dropped);
        counters.injected_loss += self.dropped;
        counters
    }
}

/// How many trains may be dropped whole before other tasks get their turn.
const MOST_DROPPED_TRAINS: usize = 32;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::transport::TransportExt;

    /// Gives the same train again and again, a set number of times.
    struct Repeat {
        train: Received,
        left: usize,
    }

    impl Transport for Repeat {
        fn local_address(&self) -> SocketAddr {
            self.train.from
        }

        fn receive_budget(&self) -> usize {
            0
        }

        fn max_segments(&self) -> usize {
            1
        }

        fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Received>> {
            let Some(left) = self.left.checked_sub(1) else {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            };
            self.left = left;
            Poll::Ready(Ok(self.train.clone()))
        }

        fn poll_send(&mut self, _: &mut Context<'_>, _: &Transmit<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn set_leading(&mut self, _: bool) -> io::Result<()> {
            Ok(())
        }
    }

    fn repeat(left: usize) -> Repeat {
        let contents: Vec<u8> = (0..46u8).flat_map(|index| [index; 10]).chain([46]).collect();
        Repeat {
            train: Received {
                from: ([10, 0, 0, 1], 1).into(),
                channel: Channel::Data,
                contents: Bytes::from(contents),
                stride: 10,
            },
            left,
        }
    }

    async fn survivors(lossy: &mut Lossy<Repeat>) -> Vec<Bytes> {
        let mut datagrams = Vec::new();
        while let Ok(train) = lossy.receive().await {
            assert!(!train.contents.is_empty());
            datagrams.extend(train.datagrams());
        }
        datagrams
    }

    #[tokio::test]
    async fn a_train_loses_single_datagrams_and_nothing_is_copied() {
        let source = repeat(1000);
        let memory = source.train.contents.as_ptr_range();
        let mut lossy = Lossy::new(source, 0.1, 42);
        let datagrams = survivors(&mut lossy).await;
        assert_eq!(datagrams.len() as u64 + lossy.dropped(), 47_000);
        let rate = lossy.dropped() as f64 / 47_000.0;
        assert!((0.09..0.11).contains(&rate), "{rate}");
        for datagram in &datagrams {
            assert!(memory.contains(&datagram.as_ptr()));
            let whole = if datagram[0] == 46 { 1 } else { 10 };
            assert_eq!(datagram.len(), whole);
            assert!(datagram.iter().all(|byte| *byte == datagram[0]));
        }
        // Every place in the train is hit, the short last datagram too, and the runs between losses vary.
        for index in 0..=46u8 {
            let arrived = datagrams.iter().filter(|one| one[0] == index).count();
            assert!((820..980).contains(&arrived), "{index}: {arrived}");
        }
    }

    #[tokio::test]
    async fn streams_lose_nothing() {
        let mut source = repeat(3);
        source.train.channel = Channel::Stream;
        let mut hopeless = Lossy::new(source, 1.0, 1);
        assert_eq!(survivors(&mut hopeless).await.len(), 3 * 47);
        assert_eq!(hopeless.dropped(), 0);
    }

    #[tokio::test]
    async fn the_seed_decides() {
        let mut same = [Lossy::new(repeat(20), 0.3, 7), Lossy::new(repeat(20), 0.3, 7)];
        let mut other = Lossy::new(repeat(20), 0.3, 8);
        let first = survivors(&mut same[0]).await;
        assert_eq!(first, survivors(&mut same[1]).await);
        assert_ne!(first, survivors(&mut other).await);
    }

    #[tokio::test]
    async fn without_loss_trains_stay_whole_and_with_all_of_it_nothing_comes() {
        let mut perfect = Lossy::new(repeat(1), 0.0, 1);
        assert_eq!(perfect.receive().await.unwrap(), perfect.get_ref().train);
        let mut hopeless = Lossy::new(repeat(100), 1.0, 1);
        assert!(survivors(&mut hopeless).await.is_empty());
        assert_eq!(hopeless.dropped(), 4700);
        assert_eq!(hopeless.counters().injected_loss, 4700);
    }
}
