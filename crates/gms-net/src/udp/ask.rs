//! Asking a group without being in it.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::config::UdpConfig;
use super::error::BindError;
use super::interface::Chosen;
use super::{groups, open};

/// Room for the answers of many at once.
const RECEIVE_BUFFER: usize = 256 << 10;

/// A socket for programs that are in no group: it sends to the control group, or to the peers where there is no
/// multicast, and receives only what is sent to its own address.
#[derive(Debug)]
pub struct AskSocket {
    socket: UdpSocket,
    chosen: Chosen,
    asked: Vec<SocketAddr>,
}

impl AskSocket {
    /// Opens it, at any free port of the interface.
    ///
    /// # Errors
    /// A [`BindError`] that says which setting to change.
    pub fn bind(config: &UdpConfig) -> Result<Self, BindError> {
        let (control_group, _) = groups::addresses(config)?;
        tokio::runtime::Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        let chosen = Chosen::find(&config.interface, config.counterpart())?;
        let config = UdpConfig { unicast_port: 0, receive_buffer: RECEIVE_BUFFER, ..config.clone() };
        let socket = open::unicast_socket(&chosen, &config)?;
        let socket = UdpSocket::from_std(socket.into()).map_err(BindError::io("hand a socket to the runtime"))?;
        let mut asked = config.peers.unwrap_or_else(|| vec![control_group]);
        asked.iter_mut().for_each(|address| *address = open::scoped(*address, &chosen));
        Ok(Self { socket, chosen, asked })
    }

    /// An address from an answer, as sockets of this host want it: with the number of the interface where the address
    /// holds on one link only.
    pub fn scoped(&self, address: SocketAddr) -> SocketAddr {
        open::scoped(address, &self.chosen)
    }

    /// Sends a datagram to everybody in the group, or to all peers.
    ///
    /// # Errors
    /// What the system said first; the others have been asked all the same. Dropped, it may have been sent to some.
    pub async fn ask(&self, datagram: &[u8]) -> io::Result<()> {
        let mut result = Ok(());
        for address in &self.asked {
            result = result.and(self.socket.send_to(datagram, address).await.map(|_| ()));
        }
        result
    }

    /// The next answer: its length, and from whom. What does not fit the buffer is cut off.
    ///
    /// # Errors
    /// What the system says; of a process that was asked and is not there, that may be a refused connection. Cancel
    /// safe: nothing is lost.
    pub async fn answer(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }
}
