//! The steady path allocates per burst, never per message. This file has one test only, for the
//! counter counts the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use gms::{Bootstrap, Config, Event, Events, Group, Level};
use gms_net::{FaultRates, MemoryNetwork};

struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WARM_UP: usize = 30_000;
const COUNTED: usize = 300_000;

async fn read(events: &mut Events, mut count: usize) {
    while count > 0 {
        let batch = events.next_batch().await.expect("goes on");
        count -= batch.iter().filter(|event| matches!(event, Event::Message(_))).count().min(count);
    }
}

#[tokio::test]
async fn nothing_is_allocated_per_message() {
    let network = MemoryNetwork::new(1, FaultRates::NONE);
    let mut members = Vec::new();
    for id in 0..3 {
        let mut config = Config::new("steady");
        config.id = Some(id);
        config.level = Level::Agreed;
        config.bootstrap = if id == 0 { Bootstrap::Create } else { Bootstrap::Join };
        members.push(Group::join_over(config, network.attach()).await.expect("joins"));
    }
    let mut readers = Vec::new();
    for (group, mut events) in members {
        let sender = group.clone();
        tokio::spawn(async move {
            let payloads = (0..(WARM_UP + COUNTED) / 3).map(|_| Bytes::from_static(&[7; 100]));
            sender.queue_all(payloads).await.expect("accepted");
        });
        readers.push(async move {
            read(&mut events, WARM_UP).await;
            COUNTING.store(true, Ordering::Relaxed);
            read(&mut events, COUNTED - 50_000).await;
            COUNTING.store(false, Ordering::Relaxed);
            drop(group);
        });
    }
    let [a, b, c] = readers.try_into().ok().expect("three");
    tokio::join!(a, b, c);
    // Each message is delivered three times, by three members, in the counted time.
    let per_message = ALLOCATIONS.load(Ordering::Relaxed) as f64 / (COUNTED - 50_000) as f64;
    println!("{per_message:.4} allocations for each message sent to three members");
    assert!(per_message < 0.05, "{per_message} allocations per message");
}
