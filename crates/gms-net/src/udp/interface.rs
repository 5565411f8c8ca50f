//! Finding the network interface that was asked for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::config::Interface;
use super::error::BindError;

/// The interface to use, with the address of ours on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) name: String,
    /// The number of the interface; some systems do not tell it.
    pub(super) index: Option<u32>,
    pub(super) address: IpAddr,
}

impl Chosen {
    /// Looks up what was asked for among the interfaces of this host; the address is of the family of `counterpart`.
    pub(super) fn find(asked: &Interface, counterpart: Option<SocketAddr>) -> Result<Self, BindError> {
        let all = if_addrs::get_if_addrs().map_err(BindError::io("list the network interfaces"))?;
        let all: Vec<Self> = all
            .into_iter()
            .map(|interface| Self { address: interface.ip(), index: interface.index, name: interface.name })
            .collect();
        Self::select(&all, asked, counterpart, exists)
    }

    /// `exists`: whether there is an interface of that name, with an address or without.
    fn select(
        all: &[Self],
        asked: &Interface,
        counterpart: Option<SocketAddr>,
        exists: impl Fn(&str) -> bool,
    ) -> Result<Self, BindError> {
        let mut matching: Vec<Self> = all
            .iter()
            .filter(|one| match asked {
                Interface::Loopback => one.address.is_loopback(),
                Interface::Name(name) => one.name == *name,
                Interface::Address(address) => one.address == *address,
            })
            .cloned()
            .collect();
        if let (Interface::Address(address), true) = (asked, matching.is_empty()) {
            matching.extend(loopback_alias(all, *address));
        }
        if matching.is_empty() {
            return Err(match asked {
                Interface::Name(name) if exists(name) => {
                    BindError::NoAddress { interface: name.clone(), local: "", known: describe(all) }
                }
                _ => BindError::UnknownInterface { asked: asked.clone(), known: describe(all) },
            });
        }
        let best = |one: &&Self| (is_link_local(&one.address), one.address.is_ipv6());
        let Some(counterpart) = counterpart else {
            let chosen = matching.iter().min_by_key(best).expect("there are some");
            return match asked {
                // The peers are not known yet, and interfaces get their other addresses later than these.
                Interface::Name(name) if is_link_local(&chosen.address) => {
                    Err(BindError::NoAddress { interface: name.clone(), local: LINK_LOCAL, known: describe(all) })
                }
                _ => Ok(chosen.clone()),
            };
        };
        let fits = |one: &&Self| one.address.is_ipv4() == counterpart.is_ipv4();
        matching.iter().filter(fits).min_by_key(best).cloned().ok_or_else(|| BindError::NoAddressOfFamily {
            asked: asked.clone(),
            family: if counterpart.is_ipv4() { "IPv4" } else { "IPv6" },
            counterpart,
            known: describe(all),
        })
    }
}

/// What an interface lacks that has addresses, but only such as hold on its own link.
const LINK_LOCAL: &str = " beyond its own link (to use a link-local one, name the address)";

/// Whether this host has such an interface. Where the system does not say, one without an address is none.
fn exists(name: &str) -> bool {
    #[cfg(target_os = "linux")]
    {
        let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0));
        socket.is_ok_and(|socket| rustix::net::netdevice::name_to_index(socket, name).is_ok())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = name;
        false
    }
}

/// Whether an address holds on one link only, so that using it needs the interface's number.
pub(super) fn needs_scope(address: &Ipv6Addr) -> bool {
    const LINK: u16 = 2;
    let first = address.segments()[0];
    first & 0xffc0 == 0xfe80 || (first & 0xff00 == 0xff00 && first & 0x000f <= LINK)
}

/// All of 127.0.0.0/8 is ours, though only one address of it is listed.
fn loopback_alias(all: &[Chosen], address: IpAddr) -> Option<Chosen> {
    let same_family = |one: &&Chosen| one.address.is_ipv4() == address.is_ipv4();
    let loopback = all.iter().filter(same_family).find(|one| one.address.is_loopback())?;
    address.is_loopback().then(|| Chosen { address, ..loopback.clone() })
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => needs_scope(v6),
    }
}

/// One line for error texts: `lo (127.0.0.1, ::1), eth0 (192.0.2.7)`.
fn describe(all: &[Chosen]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for one in all {
        if !names.contains(&one.name.as_str()) {
            names.push(&one.name);
        }
    }
    let parts: Vec<String> = names
        .iter()
        .map(|name| {
            let addresses: Vec<String> =
                all.iter().filter(|one| one.name == *name).map(|one| one.address.to_string()).collect();
            format!("{name} ({})", addresses.join(", "))
        })
        .collect();
    if parts.is_empty() {
        return "none, as none has an address".to_owned();
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<Chosen> {
        [
            ("lo", 1, "127.0.0.1"),
            ("eth0", 2, "192.0.2.7"),
            ("lo", 1, "::1"),
            ("eth0", 2, "fe80::7"),
            ("eth0", 2, "2001:db8::7"),
            ("tun0", 3, "10.1.1.1"),
            ("eth1", 4, "fe80::7"),
        ]
        .map(|(name, index, address)| Chosen {
            name: name.to_owned(),
            index: Some(index),
            address: address.parse().unwrap(),
        })
        .to_vec()
    }

    fn select(asked: &str, multicast: &str) -> Result<Chosen, BindError> {
        Chosen::select(&host(), &asked.parse().unwrap(), Some(multicast.parse().unwrap()), exists)
    }

    /// Those of [`host`], and one that has no address.
    fn exists(name: &str) -> bool {
        name == "eth2" || host().iter().any(|one| one.name == name)
    }

    #[test]
    fn the_family_follows_the_group() {
        let cases = [
            ("loopback", "239.1.1.1:1", "127.0.0.1"),
            ("loopback", "[ff02::1]:1", "::1"),
            ("eth0", "239.1.1.1:1", "192.0.2.7"),
            ("eth0", "[ff02::1]:1", "2001:db8::7"),
            ("fe80::7", "[ff02::1]:1", "fe80::7"),
            ("eth1", "[ff02::1]:1", "fe80::7"),
            ("127.0.0.5", "239.1.1.1:1", "127.0.0.5"),
        ];
        for (asked, multicast, address) in cases {
            let chosen = select(asked, multicast).unwrap();
            assert_eq!(chosen.address, address.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn without_a_group_or_peer_ipv4_comes_first() {
        for (asked, address) in [("eth0", "192.0.2.7"), ("loopback", "127.0.0.1"), ("::1", "::1")] {
            let chosen = Chosen::select(&host(), &asked.parse().unwrap(), None, exists).unwrap();
            assert_eq!(chosen.address, address.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn an_unknown_interface_is_told_the_known_ones() {
        let error = select("eth7", "239.1.1.1:1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "this host has no interface eth7: choose one of lo (127.0.0.1, ::1), \
             eth0 (192.0.2.7, fe80::7, 2001:db8::7), tun0 (10.1.1.1), eth1 (fe80::7)"
        );
        assert!(matches!(select("192.0.2.8", "239.1.1.1:1"), Err(BindError::UnknownInterface { .. })));
    }

    #[test]
    fn an_interface_of_the_other_family_is_refused() {
        for asked in ["tun0", "10.1.1.1"] {
            assert!(matches!(select(asked, "[ff02::1]:1"), Err(BindError::NoAddressOfFamily { family: "IPv6", .. })));
        }
    }

    #[test]
    fn an_interface_without_an_address_may_get_one() {
        let no_address = select("eth2", "239.1.1.1:1").unwrap_err();
        assert!(no_address.to_string().starts_with("interface eth2 has no address: give it one"), "{no_address}");
        // It is not known which of its addresses those can reach whose names are found later.
        let only_local = Chosen::select(&host(), &"eth1".parse().unwrap(), None, exists).unwrap_err();
        assert!(only_local.to_string().contains("no address beyond its own link"), "{only_local}");
        let other_family = select("tun0", "[ff02::1]:1").unwrap_err();
        assert!([no_address, only_local, other_family].iter().all(BindError::may_pass));
        assert!(!select("eth7", "239.1.1.1:1").unwrap_err().may_pass());
        assert!(!select("10.1.1.1", "[ff02::1]:1").unwrap_err().may_pass());
        assert_eq!(select("fe80::7", "[fe80::1]:1").unwrap().index, Some(2), "named, it is used");
    }

    #[test]
    fn link_scopes_are_known() {
        for (text, expected) in [
            ("fe80::1", true),
            ("ff01::1", true),
            ("ff12::1", true),
            ("ff05::1", false),
            ("::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(needs_scope(&text.parse().unwrap()), expected, "{text}");
        }
    }
}
