//! Standard input of a program that goes on in the background of its terminal.

use std::io::{self, Read};

/// Standard input. In the background of its terminal, where the system would stop a process that reads, it waits until
/// it is in the foreground: one that was stopped and goes on (`kill -STOP`, `kill -CONT`) is in the background then.
pub(crate) struct ForegroundInput;

impl Read for ForegroundInput {
    #[cfg(unix)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        if rustix::termios::isatty(&stdin) {
            wait(&stdin)?;
        }
        Ok(rustix::io::read(&stdin, buffer)?)
    }

    #[cfg(not(unix))]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::stdin().read(buffer)
    }
}

/// Waits until there is something to read and this process may. Waiting stops nobody, wherever it happens.
#[cfg(unix)]
fn wait(terminal: &io::Stdin) -> io::Result<()> {
    use std::thread::sleep;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::getpgrp;
    use rustix::termios::tcgetpgrp;

    /// Between two looks whether this process is in the foreground.
    const LOOK_EVERY: Duration = Duration::from_millis(200);

    loop {
        match poll(&mut [PollFd::new(terminal, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        match tcgetpgrp(terminal) {
            Ok(foreground) if foreground != getpgrp() => sleep(LOOK_EVERY),
            // A terminal that is none of ours, or gone: reading tells.
            _ => return Ok(()),
        }
    }
}
