//! A connection, whichever kind of socket it is.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::Endpoint;

/// A peer whose host is gone is noticed after about 20 s of silence.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_secs(10));
const KEEPALIVE_EVERY: Duration = Duration::from_secs(3);
#[cfg(any(target_os = "linux", target_os = "android"))]
const GIVE_UP: Duration = Duration::from_secs(20);

/// A stream of bytes, both ways.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The same call on whichever socket it is.
macro_rules! on_socket {
    ($stream:expr, $socket:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($socket) => $call,
            #[cfg(unix)]
            Stream::Unix($socket) => $call,
        }
    };
}

impl Stream {
    pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(place) => Ok(Self::tcp(TcpStream::connect(&gms_net::resolve(place).await?[..]).await?)),
            #[cfg(unix)]
            Endpoint::Unix(path) => Ok(Self::Unix(UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system")),
        }
    }

    /// Set up so that small lines leave at once and a dead peer is noticed.
    pub(crate) fn tcp(socket: TcpStream) -> Self {
        // Neither is needed for what is said to be right.
        let _ = socket.set_nodelay(true);
        let keepalive = KEEPALIVE;
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd", windows))]
        let keepalive = keepalive.with_interval(KEEPALIVE_EVERY);
        let _ = SockRef::from(&socket).set_tcp_keepalive(&keepalive);
        // While something is under way, it is its repeats that have to end.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(&socket).set_tcp_user_timeout(Some(GIVE_UP));
        Self::Tcp(socket)
    }

    /// Appends what there is to read, as far as `buffer` has room; 0 at the end.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            ready!(on_socket!(self, socket => socket.poll_read_ready(cx)))?;
            match on_socket!(self, socket => socket.try_read_buf(buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(on_socket!(self, socket => socket.poll_write_ready(cx)))?;
            match on_socket!(self, socket => socket.try_write_vectored(slices)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Nothing more will be written; the other side reads the end.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        on_socket!(self, socket => SockRef::from(socket).shutdown(Shutdown::Write))
    }
}
