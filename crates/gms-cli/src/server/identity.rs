//! The number of a server that was given none.

use std::net::IpAddr;

/// A hash of what tells this server from others, 32 bits: short enough to be read, and the same at each start. Of
/// several on one host that are given no name, the second draws another one.
pub(super) fn default_id(host: &str, address: IpAddr, name: &str) -> u64 {
    let hash = gms_check::digest(format!("{host}\n{address}\n{name}").as_bytes());
    (hash >> 32) ^ (hash & 0xffff_ffff)
}

/// What this host calls itself.
pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_address_and_name_all_count() {
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let id = default_id("a", here, "x");
        assert_eq!(id, default_id("a", here, "x"));
        assert!(id <= u64::from(u32::MAX));
        for other in [default_id("b", here, "x"), default_id("a", there, "x"), default_id("a", here, "y")] {
            assert_ne!(id, other);
        }
    }
}
