//! The follower's step: ORDERED datagrams in, messages out. Time per message.

#[allow(dead_code)]
mod lockstep;

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lockstep::{Pair, deliver, receive, transmit};

/// Messages ordered at once.
const BURST: usize = 480;

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

criterion_group!(benches, delivery);
criterion_main!(benches);
