//! What a failed send means: cut smaller, go on or give up.

use std::io;

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Send the same datagrams one at a time.
    TrainRefused,
    /// Count them as lost and go on: the network may do so at any time anyway.
    Lost,
    /// A single datagram does not fit the interface; it never will.
    TooLarge,
    /// Give the socket up.
    Fatal,
}

impl Failure {
    /// Tells what became of a call that carried this many datagrams.
    pub(super) fn of(error: &io::Error, datagrams: usize) -> Self {
        let too_large = quinn_udp::is_msg_size_err(error);
        let not_cut = error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(IO_ERROR);
        match error.kind() {
            _ if datagrams > 1 && (too_large || not_cut) => Self::TrainRefused,
            _ if too_large => Self::TooLarge,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::OutOfMemory => Self::Lost,
            _ if error.raw_os_error() == Some(NO_BUFFERS) => Self::Lost,
            // An address nobody can have, or a card in trouble: neither is a reason to give the socket up.
            _ if not_cut => Self::Lost,
            _ => Self::Fatal,
        }
    }
}

/// `EIO`, which has no kind of its own.
pub(super) const IO_ERROR: i32 = 5;

/// `ENOBUFS`, which has no kind of its own.
const NO_BUFFERS: i32 = if cfg!(windows) {
    10_055
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    105
} else {
    55
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let of = |kind: io::ErrorKind, datagrams| Failure::of(&kind.into(), datagrams);
        assert_eq!(of(io::ErrorKind::InvalidInput, 46), Failure::TrainRefused);
        assert_eq!(of(io::ErrorKind::InvalidInput, 1), Failure::Lost);
        assert_eq!(of(io::ErrorKind::ConnectionRefused, 46), Failure::Lost);
        assert_eq!(of(io::ErrorKind::PermissionDenied, 1), Failure::Lost);
        assert_eq!(of(io::ErrorKind::NotConnected, 1), Failure::Fatal);
        let raw = |number, datagrams| Failure::of(&io::Error::from_raw_os_error(number), datagrams);
        assert_eq!(raw(IO_ERROR, 2), Failure::TrainRefused);
        assert_eq!(raw(NO_BUFFERS, 2), Failure::Lost);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_datagram_over_the_mtu_is_an_error_but_a_train_over_it_is_tried_singly() {
        const MESSAGE_TOO_LONG: i32 = 90;
        let raw = |datagrams| Failure::of(&io::Error::from_raw_os_error(MESSAGE_TOO_LONG), datagrams);
        assert_eq!(raw(2), Failure::TrainRefused);
        assert_eq!(raw(1), Failure::TooLarge);
    }
}
