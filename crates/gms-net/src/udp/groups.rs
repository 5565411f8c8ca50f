//! The two multicast groups and the sockets that hear them.

use std::io;
use std::net::SocketAddr;

use super::config::UdpConfig;
use super::error::BindError;
use super::fan_out::Targets;
use super::interface::Chosen;
use super::open;
use super::port::Port;
use crate::transport::Channel;

/// One group: its address, and the socket bound to it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) address: SocketAddr,
    pub(super) port: Port,
}

impl Group {
    /// Where a train to the group is to be sent.
    pub(super) fn target(&self, chosen: &Chosen) -> Targets {
        Targets::One(open::scoped(self.address, chosen))
    }
}

/// The control group and the data group.
#[derive(Debug)]
pub(super) struct Groups {
    pub(super) control: Group,
    pub(super) data: Group,
}

impl Groups {
    /// Opens both sockets and joins both groups.
    pub(super) fn join(config: &UdpConfig, chosen: &Chosen) -> Result<Self, BindError> {
        let (control, data) = addresses(config)?;
        let join = |address| {
            let socket = open::multicast_socket(address, chosen, config)?;
            open::join(&socket, address, chosen)?;
            Ok(Group { address, port: Port::new(socket)? })
        };
        Ok(Self { control: join(control)?, data: join(data)? })
    }

    /// The group that is heard on this channel.
    pub(super) fn heard_on(&self, channel: Channel) -> Option<&Group> {
        match channel {
            Channel::Control => Some(&self.control),
            Channel::Data => Some(&self.data),
            Channel::Unicast | Channel::Stream => None,
        }
    }

    /// Joins the data group again (`member`) or leaves it.
    pub(super) fn set_data_member(&self, chosen: &Chosen, member: bool) -> io::Result<()> {
        open::change_membership(&self.data.port.socket(), self.data.address, chosen, member)
    }

    /// Leaves the groups and joins them again, the data group only where this process takes part in it (`follows`): the
    /// kernel then reports its membership to the network anew.
    pub(super) fn rejoin(&self, chosen: &Chosen, follows: bool) -> io::Result<()> {
        for group in [Some(&self.control), Some(&self.data).filter(|_| follows)].into_iter().flatten() {
            let socket = group.port.socket();
            // One that it was not in is what joining mends.
            let _ = open::change_membership(&socket, group.address, chosen, false);
            open::change_membership(&socket, group.address, chosen, true)?;
        }
        Ok(())
    }
}

/// Checks what was asked for and derives both groups from it.
pub(super) fn addresses(config: &UdpConfig) -> Result<(SocketAddr, SocketAddr), BindError> {
    let multicast = open::unscoped(config.multicast);
    if !multicast.ip().is_multicast() {
        return Err(BindError::NotMulticast { multicast });
    }
    let port = multicast.port();
    let (1.., Some(next)) = (port, port.checked_add(1)) else {
        return Err(BindError::PortOutOfRange { port });
    };
    if config.ttl > u32::from(u8::MAX) {
        return Err(BindError::TtlOutOfRange { ttl: config.ttl });
    }
    Ok((multicast, SocketAddr::new(multicast.ip(), next)))
}
