//! One UDP socket under tokio, with the kernel's trains.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::buffer::ReceiveBuffer;
use super::error::BindError;
use super::obstacle::obstacle;
use super::send::Wire;

/// A socket and what is known of its kernel's abilities.
#[derive(Debug)]
pub(super) struct Port {
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

impl Port {
    /// Hands a bound socket to the runtime.
    pub(super) fn new(socket: Socket) -> Result<Self, BindError> {
        let state =
            UdpSocketState::new(UdpSockRef::from(&socket)).map_err(BindError::io("prepare a UDP socket for trains"))?;
        let socket =
            UdpSocket::from_std(socket.into()).map_err(BindError::io("register a UDP socket with the runtime"))?;
        let address = socket.local_addr().map_err(BindError::io("read back the address of a socket"))?;
        Ok(Self { socket, state, address })
    }

    /// The socket itself, for its options.
    pub(super) fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    /// What it is bound to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The size of its receive buffer, in bytes, as the kernel counts it.
    pub(super) fn receive_buffer(&self) -> Result<usize, BindError> {
        self.socket().recv_buffer_size().map_err(BindError::io("read back the size of a receive buffer"))
    }

    /// Reads one train.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReceiveBuffer,
    ) -> Poll<io::Result<(RecvMeta, Bytes)>> {
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            let mut meta = [RecvMeta::default()];
            let space = buffer.space();
            let read = self.socket.try_io(Interest::READABLE, || {
                let mut slices = [IoSliceMut::new(space)];
                self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
            });
            match read {
                Ok(_) => {
                    let bytes = buffer.take(meta[0].len);
                    return Poll::Ready(Ok((meta[0], bytes)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Wire for Port {
    fn max_segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    fn poll_write(&self, cx: &mut Context<'_>, transmit: &quinn_udp::Transmit<'_>) -> Poll<io::Result<()>> {
        if obstacle(transmit.destination, self.address.ip()).is_some() {
            return Poll::Ready(Err(io::ErrorKind::NetworkUnreachable.into()));
        }
        loop {
            ready!(self.socket.poll_send_ready(cx))?;
            let sent = self
                .socket
                .try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), transmit));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}
