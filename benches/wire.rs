//! The wire format: one full datagram of 100-byte messages, encoded and decoded.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gms_core::wire::{Entries, Envelope, Frame, FrameFlags, FrameHeader, Kind, Limits};
use gms_core::{Gid, Position, Uid};

/// Messages in the frame.
const COUNT: u16 = 12;

fn frame() -> Frame {
    // Flags and length of a plain message at level Agreed, then its bytes.
    let entry = [&[0, 100, 0][..], &[7; 100]].concat();
    let body = Bytes::from(entry.repeat(COUNT.into()));
    let header = FrameHeader {
        flags: FrameFlags::default(),
        count: COUNT,
        vid: 1,
        fseq: 1,
        gseq: 1,
        origin: Uid::new(1, 2),
        first: Position::START,
    };
    Frame::check(header, body, &Limits::default()).expect("a sound frame")
}

fn encode(frame: &Frame, out: &mut Vec<u8>) {
    out.clear();
    let envelope =
        Envelope { kind: Kind::Ordered as u8, gid: Gid(1), vid: 1, sender: Uid::new(0, 1), status: [1, 1, 1] };
    envelope.encode(out, |out| frame.encode(out));
}

fn wire(criterion: &mut Criterion) {
    let (frame, limits) = (frame(), Limits::default());
    let mut out = Vec::new();
    encode(&frame, &mut out);
    let datagram = Bytes::from(out.clone());
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(COUNT.into()));
    group.bench_function("encode", |bencher| bencher.iter(|| encode(black_box(&frame), &mut out)));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let (_, mut body) = Envelope::decode(black_box(datagram.clone()), &limits).expect("sound");
            let frame = Frame::decode(&mut body, &limits).expect("sound").expect("one frame");
            Entries::new(&frame.body, 0).map(|entry| entry.expect("sound").payload.len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, wire);
criterion_main!(benches);
