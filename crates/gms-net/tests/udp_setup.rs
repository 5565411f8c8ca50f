//! What `Udp::bind` refuses, and what it says then.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};

use gms_net::{BindError, Interface, Transport, Udp, UdpConfig};

use common::{config, unused_address};

#[tokio::test]
async fn a_port_held_by_another_program_is_named() {
    let config = config();
    let data_port = config.multicast.port() + 1;
    let holder = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, data_port)).unwrap();
    let error = Udp::bind(config.clone()).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("UDP port {data_port} (multicast)")), "{error}");
    drop(holder);

    let first = Udp::bind(config.clone()).unwrap();
    let taken = UdpConfig { unicast_port: first.local_address().port(), ..config };
    let error = Udp::bind(taken).unwrap_err();
    assert!(error.to_string().contains("(unicast)"), "{error}");
}

#[tokio::test]
async fn the_tcp_port_beside_the_unicast_port_must_be_free() {
    let taken = unused_address();
    let holder = TcpListener::bind(taken).unwrap();
    let config = UdpConfig { unicast_port: taken.port(), ..config() };
    let error = Udp::bind(config.clone()).unwrap_err();
    assert!(matches!(error, BindError::StreamPortInUse { address, .. } if address == taken), "{error:?}");
    assert!(error.to_string().contains(&format!("TCP port {}", taken.port())), "{error}");
    // No half of it is left behind, and once the port is free it will do.
    drop(holder);
    let first = Udp::bind(config.clone()).unwrap();
    assert_eq!(first.local_address(), taken);
    // So it is when any port would do.
    let any = Udp::bind(UdpConfig::with_peers([])).unwrap();
    for udp in [&first, &any] {
        TcpStream::connect(udp.local_address()).unwrap();
    }
}

#[tokio::test]
async fn impossible_settings_are_refused_with_what_would_do() {
    let with = |change: fn(&mut UdpConfig)| {
        let mut config = config();
        change(&mut config);
        Udp::bind(config).unwrap_err()
    };
    let error = with(|config| config.interface = "nothere9".parse().unwrap());
    assert!(matches!(error, BindError::UnknownInterface { .. }));
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    let error = with(|config| config.interface = Interface::Address(Ipv6Addr::LOCALHOST.into()));
    assert!(matches!(error, BindError::NoAddressOfFamily { .. } | BindError::UnknownInterface { .. }), "{error}");
    let error = with(|config| config.multicast.set_ip([10, 0, 0, 1].into()));
    assert!(matches!(error, BindError::NotMulticast { .. }));
    for port in [0, u16::MAX] {
        let mut config = config();
        config.multicast.set_port(port);
        let error = Udp::bind(config).unwrap_err();
        assert!(matches!(error, BindError::PortOutOfRange { .. }));
    }
    for limit in [0, 1023, (1 << 30) + 1] {
        let error = Udp::bind(UdpConfig { stream_limit: limit, ..config() }).unwrap_err();
        assert!(
            matches!(error, BindError::StreamLimitOutOfRange { .. }) && error.to_string().contains("KiB"),
            "{error}"
        );
    }
    let error = with(|config| config.ttl = 256);
    assert!(matches!(error, BindError::TtlOutOfRange { .. }));
    assert!(!error.to_string().contains('\n'));
}

#[test]
fn sockets_outside_a_runtime_are_refused() {
    assert!(matches!(Udp::bind(config()), Err(BindError::NoRuntime)));
}

#[tokio::test]
async fn the_receive_budget_is_what_was_granted() {
    let small = UdpConfig { receive_buffer: 64 << 10, ..config() };
    let budget = Udp::bind(small).unwrap().receive_budget();
    assert!((64 << 10..1 << 20).contains(&budget), "{budget}");
    // More than any default limit grants: whatever it is, it is read back and not what was asked for twice over.
    let huge = UdpConfig { receive_buffer: 1 << 30, ..config() };
    assert!(Udp::bind(huge).unwrap().receive_budget() >= budget);
}
