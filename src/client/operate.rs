//! Giving a server an operator's order.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::client_protocol::{Endpoint, PROTOCOL};
use crate::operation::Operation;

/// How long a server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why an order was not taken.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The server cannot be reached, or has gone.
    #[error("cannot reach {endpoint}: {source}")]
    Io {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// It says no.
    #[error("{0}")]
    Refused(String),
}

/// Gives the server at `endpoint` an operator's order. Returns once the server has taken it; the views tell what came of
/// it. Nobody is asked who they are: a server takes orders from whoever can connect to it.
///
/// # Errors
/// [`OperateError`]. Not cancel safe: dropped, the order may have been taken or not.
pub async fn operate(endpoint: &Endpoint, operation: Operation) -> Result<(), OperateError> {
    let asking = async {
        match endpoint {
            Endpoint::Tcp(address) => ask(tokio::net::TcpStream::connect(address.as_str()).await?, operation).await,
            #[cfg(unix)]
            Endpoint::Unix(path) => ask(tokio::net::UnixStream::connect(path).await?, operation).await,
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    };
    let answer = timeout(ANSWER_WITHIN, asking).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(None) => Ok(()),
        Ok(Some(reason)) => Err(OperateError::Refused(reason)),
        Err(source) => Err(OperateError::Io { endpoint: endpoint.clone(), source }),
    }
}

/// Why not, if not.
async fn ask(stream: impl AsyncRead + AsyncWrite + Unpin, operation: Operation) -> io::Result<Option<String>> {
    let mut stream = BufReader::new(stream);
    let lines = format!("{}\n{}\n", json!({"hello": {"protocol": PROTOCOL}}), json!({"operate": operation}));
    stream.write_all(lines.as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let reply: Value = serde_json::from_str(&line)?;
        let reason = |key: &str| reply.get(key).map(|it| it["reason"].as_str().unwrap_or("no reason given").to_owned());
        if reply.get("operated").is_some() {
            return Ok(None);
        }
        if let Some(reason) = ["refused", "error", "closed"].into_iter().find_map(reason) {
            return Ok(Some(reason));
        }
        line.clear();
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
