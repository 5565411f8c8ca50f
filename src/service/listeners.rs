//! Where clients come in.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::client_protocol::{Endpoint, Stream};

/// Sockets that are open, with nobody answering yet: clients that connect wait for [`super::Service::start`].
/// Dropping them closes them, and removes Unix sockets.
#[derive(Debug)]
pub struct Listeners {
    pub(super) all: Vec<Listener>,
}

/// Why a place cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else is there.
    #[error("another program serves at {endpoint}: stop it or choose another place")]
    InUse {
        /// Where.
        endpoint: Endpoint,
    },
    /// Clients are not authenticated, nor is what they say encrypted.
    #[error(
        "{address} is not loopback and clients are neither authenticated nor encrypted: stay on loopback, or allow it with `insecure`"
    )]
    Insecure {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot serve clients at {endpoint}: {source}")]
    Io {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    /// With the port that was taken.
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        socket: UnixListener,
        _file: SocketFile,
    },
}

/// Removed when nobody listens any more, unless another one is there by then: that is a successor's.
#[cfg(unix)]
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    made: Option<(u64, u64)>,
}

#[cfg(unix)]
impl SocketFile {
    fn new(path: PathBuf) -> Self {
        Self { made: Self::there(&path), path }
    }

    fn there(path: &std::path::Path) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.made.is_some() && Self::there(&self.path) == self.made {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listeners {
    /// Opens sockets at all of `endpoints`; port 0 takes any free one. The file of a Unix socket that nobody
    /// listens at any more is replaced. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// See [`ListenError`]; nothing stays open then. Addresses beyond loopback need `insecure`. Cancel safe.
    pub async fn bind(endpoints: &[Endpoint], insecure: bool) -> Result<Self, ListenError> {
        let mut all = Vec::new();
        for endpoint in endpoints {
            all.push(Listener::bind(endpoint, insecure).await?);
        }
        Ok(Self { all })
    }

    /// Where clients connect, in the order asked for, with the ports that were taken.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.all.iter().map(|listener| listener.endpoint.clone()).collect()
    }

    /// The first TCP address: the one to tell others.
    pub fn address(&self) -> Option<SocketAddr> {
        self.all.iter().find_map(|listener| match &listener.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix { .. } => None,
        })
    }
}

impl Listener {
    async fn bind(endpoint: &Endpoint, insecure: bool) -> Result<Self, ListenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { endpoint: endpoint.clone() },
            _ => ListenError::Io { endpoint: endpoint.clone(), source },
        };
        match endpoint {
            Endpoint::Tcp(text) => {
                let addresses = gms_net::resolve(text).await.map_err(failed)?;
                let outside = addresses.iter().find(|address| !address.ip().is_loopback());
                if let Some(address) = outside.filter(|_| !insecure) {
                    return Err(ListenError::Insecure { address: *address });
                }
                let socket = TcpListener::bind(&addresses[..]).await.map_err(failed)?;
                let endpoint = socket.local_addr().map_err(failed)?.into();
                Ok(Self { socket: Socket::Tcp(socket), endpoint })
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let bound = UnixListener::bind(path);
                let socket = match bound {
                    // The file outlives a server that crashed.
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path).await => {
                        std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
                    }
                    bound => bound,
                };
                let socket = Socket::Unix { socket: socket.map_err(failed)?, _file: SocketFile::new(path.clone()) };
                Ok(Self { socket, endpoint: endpoint.clone() })
            }
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(failed(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets here"))),
        }
    }

    /// The next client, and what to call it in the log. Cancel safe.
    pub(super) async fn accept(&self) -> io::Result<(Stream, String)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, address) = socket.accept().await?;
                Ok((Stream::tcp(stream), address.to_string()))
            }
            #[cfg(unix)]
            Socket::Unix { socket, .. } => Ok((Stream::Unix(socket.accept().await?.0), self.endpoint.to_string())),
        }
    }
}

#[cfg(unix)]
async fn is_abandoned(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::metadata(path).is_ok_and(|data| data.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && tokio::net::UnixStream::connect(path).await.is_err_and(|error| refused(&error))
}
