//! Places where nobody else meets, for groups that live only as long as one command.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;

use anyhow::{Result, anyhow};

/// Below what systems hand out by themselves.
const PORTS: Range<u16> = 20_000..32_000;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// A multicast address with a port that is free, as are those after it: `needed` in all. Where to look first depends
/// on the process, so that two commands started at once do not look at the same ports.
pub(crate) fn find(needed: u16) -> Result<SocketAddr> {
    let places = (PORTS.end - PORTS.start) / needed;
    let start = (std::process::id().wrapping_mul(37) % u32::from(places)) as u16;
    let mut candidates = (0..places).map(|step| PORTS.start + (start + step) % places * needed);
    let free = candidates.find(|first| (*first..first + needed).all(is_free));
    let port =
        free.ok_or_else(|| anyhow!("no {needed} free UDP ports in {PORTS:?}: stop a program that holds some"))?;
    Ok(SocketAddr::from((ADDRESS, port)))
}

/// A name that no other group has.
pub(crate) fn group(kind: &str) -> String {
    format!("{kind}-{:08x}", random() as u32)
}

/// A random number. The standard library draws the keys of its hash maps at random.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// Whether nobody has bound the port: not even those who would share it, as members of a group do.
fn is_free(port: u16) -> bool {
    UdpSocket::bind((ADDRESS, port)).is_ok() && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}
