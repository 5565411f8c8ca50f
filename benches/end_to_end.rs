//! Three members, all sending, `Agreed`: from `queue_all` to the events of each, in memory and over
//! loopback sockets. Time per message, which every member delivers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gms::{Bootstrap, Config, Event, Events, Group, Level};
use gms_net::{FaultRates, MemoryNetwork};
use tokio::runtime::Runtime;

const MEMBERS: u64 = 3;
/// Messages that each member sends in one iteration.
const EACH: usize = 10_000;

fn config(id: u64, port: u16) -> Config {
    let mut config = Config::new("bench");
    config.id = Some(id);
    config.level = Level::Agreed;
    config.network.multicast = ([239, 1, 1, 7], port).into();
    config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
    config
}

async fn in_memory() -> Vec<(Group, Events)> {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let mut members = Vec::new();
    for id in 0..MEMBERS {
        members.push(Group::join_over(config(id, 1000), network.attach()).await.expect("joins"));
    }
    members
}

async fn on_loopback() -> Vec<(Group, Events)> {
    let port = 20_000 + (std::process::id() % 10_000) as u16 * 2;
    let mut members = Vec::new();
    for id in 0..MEMBERS {
        members.push(Group::join(config(id, port)).await.expect("joins"));
    }
    members
}

/// Everybody sends, everybody reads all of it; checks that the order never goes back.
async fn burst(members: &mut [(Group, Events)], payload: &Bytes) {
    for (group, _) in members.iter() {
        let (group, payload) = (group.clone(), payload.clone());
        tokio::spawn(async move { group.queue_all((0..EACH).map(|_| payload.clone())).await.expect("accepted") });
    }
    let readers = members.iter_mut().map(|(_, events)| async move {
        let (mut left, mut last) = (EACH * MEMBERS as usize, 0);
        while left > 0 {
            for event in events.next_batch().await.expect("goes on") {
                let Event::Message(message) = event else { continue };
                assert!(message.gseq > last);
                (last, left) = (message.gseq, left - 1);
            }
        }
    });
    let [a, b, c] = readers.collect::<Vec<_>>().try_into().ok().expect("three members");
    tokio::join!(a, b, c);
}

fn end_to_end(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let mut group = criterion.benchmark_group("end_to_end");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(EACH as u64 * MEMBERS));
    for size in [100, 1024] {
        let payload = Bytes::from(vec![7; size]);
        let mut run = |name: &str, runtime: &Runtime, mut members: Vec<(Group, Events)>| {
            group.bench_function(BenchmarkId::new(name, format!("{size}B")), |bencher| {
                bencher.iter_custom(|iterations| {
                    runtime.block_on(async {
                        let start = Instant::now();
                        for _ in 0..iterations {
                            burst(&mut members, &payload).await;
                        }
                        start.elapsed()
                    })
                });
            });
        };
        run("memory", &runtime, runtime.block_on(in_memory()));
        run("loopback", &runtime, runtime.block_on(on_loopback()));
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
