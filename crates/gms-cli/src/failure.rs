//! How a command ends: the exit code, and one line of reason on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Error, anyhow};
use gms_net::BindError;

/// What a command comes to.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: Error,
}

impl Failure {
    /// The flags, the environment or the file ask for what cannot be.
    pub(crate) fn usage(error: impl Into<Error>) -> Self {
        Self { code: 2, error: error.into() }
    }

    /// The sockets cannot be made: most often because of what was asked for.
    pub(crate) fn sockets(error: BindError) -> Self {
        match error {
            BindError::UnknownInterface { .. }
            | BindError::NoAddress { .. }
            | BindError::NoAddressOfFamily { .. }
            | BindError::NotMulticast { .. }
            | BindError::PortOutOfRange { .. }
            | BindError::UnreachablePeer { .. } => Self::usage(error),
            other => other.into(),
        }
    }

    /// Nothing is authenticated or encrypted: what leaves this host must be wanted.
    pub(crate) fn insecure(interface: &str) -> Self {
        Self::usage(anyhow!(
            "{interface} is not loopback and nothing is encrypted or authenticated: stay on loopback, or allow it with \
             --insecure"
        ))
    }

    /// The same, after what has to be said first.
    pub(crate) fn after(self, what: String) -> Self {
        Self { error: self.error.context(what), ..self }
    }

    /// Whether it is only that nobody reads our output any more.
    pub(crate) fn is_unread(&self) -> bool {
        is_broken_pipe(&self.error)
    }

    /// What went wrong, for one who has a code for it.
    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// No member of the group answers.
    pub(crate) fn no_server(error: impl Into<Error>) -> Self {
        Self { code: 3, error: error.into() }
    }

    /// A message is not in the order and never will be.
    pub(crate) fn not_ordered(error: impl Into<Error>) -> Self {
        Self { code: 4, error: error.into() }
    }

    /// A message may or may not be in the order.
    pub(crate) fn unknown(error: impl Into<Error>) -> Self {
        Self { code: 5, error: error.into() }
    }
}

/// Anything without a code of its own just failed.
impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: 1, error: error.into() }
    }
}

/// The exit code; what went wrong is printed.
pub(crate) fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(failure) if is_broken_pipe(&failure.error) => {
            complain("error: standard output was closed before everything was printed");
            ExitCode::FAILURE
        }
        Err(failure) => {
            complain(&format!("error: {}", one_line(&failure.error)));
            ExitCode::from(failure.code)
        }
    }
}

/// A line on standard error, even if nobody reads it.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether the reader of our output has gone.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

/// The error and its causes, but for causes that it quotes already.
fn one_line(error: &Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.contains(&cause) {
            line += if line.is_empty() { "" } else { ": " };
            line += &cause;
        }
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_nothing_twice() {
        let error = Error::msg("port 7 is taken").context("port 7 is taken: choose another").context("cannot\nstart");
        assert_eq!(one_line(&error), "cannot start: port 7 is taken: choose another");
    }

    #[test]
    fn a_reader_that_has_gone_is_found_below_other_errors() {
        let error = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&Error::msg("other")));
    }
}
