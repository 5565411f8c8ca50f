//! The two steps of the core that every message takes, timed apart: the leader's (`sequencing`: FORWARD
//! datagrams in, ORDERED trains out) and the follower's (`delivery`: ORDERED datagrams in, messages out).
//! Time per message.

mod lockstep;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lockstep::{Pair, deliver, receive, transmit};

/// Messages on their way at once.
const BURST: usize = 480;

fn sequencing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequencing");
    for size in [16, 100, 1024] {
        let payload = Bytes::from(vec![7; size]);
        let mut pair = Pair::new();
        group.throughput(Throughput::Elements(BURST as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{size}B")), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    let forwards = pair.forwards(BURST, &payload);
                    let start = Instant::now();
                    receive(&mut pair.leader, pair.now, 1, &forwards);
                    let ordered = black_box(transmit(&mut pair.leader, pair.now));
                    spent += start.elapsed();
                    receive(&mut pair.follower, pair.now, 0, &ordered);
                    pair.exchange(Duration::from_millis(10));
                }
                spent
            });
        });
    }
    group.finish();
}

fn delivery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("delivery");
    for size in [16, 100, 1024] {
        let payload = Bytes::from(vec![7; size]);
        let mut pair = Pair::new();
        let mut events = Vec::with_capacity(2 * BURST);
        group.throughput(Throughput::Elements(BURST as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{size}B")), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    let forwards = pair.forwards(BURST, &payload);
                    receive(&mut pair.leader, pair.now, 1, &forwards);
                    let ordered = transmit(&mut pair.leader, pair.now);
                    let start = Instant::now();
                    receive(&mut pair.follower, pair.now, 0, &ordered);
                    let delivered = deliver(&mut pair.follower, &mut events);
                    spent += start.elapsed();
                    assert_eq!(delivered, BURST);
                    pair.exchange(Duration::from_millis(10));
                }
                spent
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sequencing, delivery);
criterion_main!(benches);
