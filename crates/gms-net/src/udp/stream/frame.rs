//! What lies on a connection: a hello, then messages, each after its length.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};

/// The bytes of a hello: eight that name the protocol and its version, then the unicast address of the sender, IPv4 as
/// IPv6, and its port, both in network order.
pub(super) const HELLO_LENGTH: usize = MAGIC.len() + 16 + 2;

const MAGIC: [u8; 8] = *b"gms-net\x01";

/// The bytes before a message: its length, little-endian.
pub(super) const LENGTH: usize = 4;

/// The least to ask the kernel for.
const SMALL_READ: usize = 4 << 10;

/// What this process says first on every connection.
pub(super) fn hello(address: SocketAddr) -> Bytes {
    let ip = match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    [&MAGIC[..], &ip.octets(), &address.port().to_be_bytes()].concat().into()
}

/// The address in a hello, or `None` when it is not one.
fn read_hello(mut bytes: BytesMut) -> Option<SocketAddr> {
    if bytes.split_to(MAGIC.len()) != MAGIC[..] {
        return None;
    }
    let ip = Ipv6Addr::from(bytes.get_u128());
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    Some(SocketAddr::new(ip, bytes.get_u16()))
}

/// A whole thing that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Hello(SocketAddr),
    Message(Bytes),
}

/// What came in follows no rule of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// How many bytes of messages may be half received, over all connections.
///
/// A message is received only once there is room for the whole of it, so those that are being received can always be
/// finished.
#[derive(Debug)]
pub(super) struct Room {
    free: usize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self { free: bytes }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let left = self.free.checked_sub(bytes);
        self.free = left.unwrap_or(self.free);
        left.is_some()
    }

    fn give_back(&mut self, bytes: usize) {
        self.free += bytes;
    }
}

/// Puts together what comes in on one connection.
#[derive(Debug)]
pub(super) struct Incoming {
    bytes: BytesMut,
    expects: Expects,
    /// The longest message accepted, in bytes.
    limit: usize,
}

#[derive(Debug, Clone, Copy)]
enum Expects {
    Hello,
    Length,
    /// A message of this length, which there is no room for yet.
    Room(usize),
    /// The same, and its room is taken.
    Message(usize),
}

impl Incoming {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::new(), expects: Expects::Hello, limit }
    }

    /// The next whole thing, if it is there.
    pub(super) fn next(&mut self, room: &mut Room) -> Result<Option<Heard>, Garbage> {
        loop {
            match self.expects {
                Expects::Hello if self.bytes.len() >= HELLO_LENGTH => {
                    self.expects = Expects::Length;
                    let said = read_hello(self.bytes.split_to(HELLO_LENGTH));
                    return said.map(|address| Some(Heard::Hello(address))).ok_or(Garbage);
                }
                Expects::Length if self.bytes.len() >= LENGTH => {
                    let length = self.bytes.get_u32_le() as usize;
                    if length == 0 || length > self.limit {
                        return Err(Garbage);
                    }
                    self.expects = Expects::Room(length);
                }
                Expects::Room(length) if room.take(length) => self.expects = Expects::Message(length),
                Expects::Message(length) if self.bytes.len() >= length => {
                    room.give_back(length);
                    self.expects = Expects::Length;
                    return Ok(Some(Heard::Message(self.bytes.split_to(length).freeze())));
                }
                Expects::Length if self.bytes.is_empty() => {
                    // An idle connection holds no memory, nor what is left of that of the last message.
                    self.bytes = BytesMut::new();
                    return Ok(None);
                }
                _ => return Ok(None),
            }
        }
    }

    /// Where to read to: room for what is missing of the next thing, and for a little more. It is never filled without
    /// [`next`](Self::next) being asked after it, so it stays below the length of one message and one read.
    pub(super) fn space(&mut self) -> &mut BytesMut {
        let whole = match self.expects {
            Expects::Hello | Expects::Length | Expects::Room(_) => SMALL_READ,
            Expects::Message(length) => length,
        };
        self.bytes.reserve(whole.saturating_sub(self.bytes.len()).max(1));
        &mut self.bytes
    }

    /// Whether the next message has to wait for others to be finished.
    pub(super) fn waits_for_room(&self) -> bool {
        matches!(self.expects, Expects::Room(_))
    }

    /// Whether something has begun that is not whole.
    pub(super) fn is_midway(&self) -> bool {
        !self.bytes.is_empty() || matches!(self.expects, Expects::Message(_))
    }

    /// Gives up what is not whole.
    pub(super) fn abandon(self, room: &mut Room) {
        if let Expects::Message(length) = self.expects {
            room.give_back(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1 << 20;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_le_bytes()[..], message].concat()
    }

    /// Everything that comes of these bytes, fed in pieces of `size`.
    fn hear(bytes: &[u8], size: usize, limit: usize) -> Result<Vec<Heard>, Garbage> {
        let (mut incoming, mut room) = (Incoming::new(limit), Room::new(PLENTY));
        let mut heard = Vec::new();
        for piece in bytes.chunks(size) {
            incoming.space().extend_from_slice(piece);
            while let Some(one) = incoming.next(&mut room)? {
                heard.push(one);
            }
        }
        assert_eq!(room.free, PLENTY, "what was received keeps no room");
        Ok(heard)
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        for address in ["10.0.0.7:7000", "[2001:db8::7]:7001"].map(|text| text.parse().unwrap()) {
            let bytes = [&hello(address)[..], &framed(b"first"), &framed(&[7; 300]), &framed(b"x")].concat();
            for size in [1, 2, 3, 29, 31, 1000] {
                let [said, first, second, third] = &hear(&bytes, size, 300).unwrap()[..] else { panic!("not four") };
                assert_eq!(*said, Heard::Hello(address));
                assert_eq!(*first, Heard::Message(Bytes::from_static(b"first")));
                assert_eq!(*second, Heard::Message(Bytes::from_static(&[7; 300])));
                assert_eq!(*third, Heard::Message(Bytes::from_static(b"x")));
            }
        }
    }

    #[test]
    fn garbage_is_told() {
        let hello = hello(([10, 0, 0, 7], 7000).into());
        let oversize = framed(&[0; 301]);
        let cases: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
            b"gms-net\x02 of another version.....",
            &[&hello[..], &oversize].concat(),
            &[&hello[..], &framed(b"")].concat(),
        ];
        for bytes in cases {
            assert_eq!(hear(bytes, 1000, 300), Err(Garbage));
            assert_eq!(hear(bytes, 1, 300), Err(Garbage));
        }
    }

    #[test]
    fn a_message_waits_until_there_is_room_for_all_of_it() {
        let mut room = Room::new(400);
        let mut both = [Incoming::new(300), Incoming::new(300)];
        for incoming in &mut both {
            incoming.space().extend_from_slice(&hello(([10, 0, 0, 7], 7000).into()));
            assert!(matches!(incoming.next(&mut room), Ok(Some(Heard::Hello(_)))));
            incoming.space().extend_from_slice(&framed(&[7; 300])[..100]);
            assert_eq!(incoming.next(&mut room), Ok(None));
        }
        let [mut first, mut second] = both;
        assert!(!first.waits_for_room() && second.waits_for_room());
        first.space().extend_from_slice(&[7; 204]);
        assert!(matches!(first.next(&mut room), Ok(Some(Heard::Message(_)))));
        assert_eq!(second.next(&mut room), Ok(None));
        assert!(!second.waits_for_room());
        assert_eq!(room.free, 100);
        second.abandon(&mut room);
        assert_eq!(room.free, 400);
    }
}
