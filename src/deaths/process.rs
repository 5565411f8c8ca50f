//! The end of another process on this host, by its pidfd: from the kernel, for any user's process, and for certain.

use std::fs;
use std::future::pending;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits until the process with this id, started then, is dead: it has ended, it was gone already, or its id is
/// another process's. Waits for ever where the system does not tell.
pub(super) async fn end_of(id: u32, start: u64) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return pending().await };
    let opened = pidfd_open(pid, PidfdFlags::empty());
    // If the process that has this id now started at another time, the one we mean is gone.
    if started(id).is_some_and(|at| at != start) {
        return;
    }
    match opened {
        Err(Errno::SRCH) => {}
        Ok(process) => has_ended(process).await,
        Err(error) => {
            tracing::warn!(%error, pid = id, "a member on this host cannot be watched: its death will be no proof");
            pending().await
        }
    }
}

/// Whether the end of the process with this id, which runs, can be waited for.
pub(super) fn is_watchable(id: u32) -> bool {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| pidfd_open(pid, PidfdFlags::empty()).is_ok())
}

/// When a process started, in clock ticks after the boot; `None` when it is not there or may not be looked at.
pub(super) fn started(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the name in parentheses, and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

async fn has_ended(process: OwnedFd) {
    #[allow(deprecated, reason = "what its successor asks for, at the price of unsafe, holds for every OwnedFd")]
    let process = match AsyncFd::with_interest(process, Interest::READABLE) {
        Ok(process) => process,
        Err(error) => {
            tracing::warn!(%error, "a member on this host cannot be watched: its death will be no proof");
            return pending().await;
        }
    };
    loop {
        let Ok(mut ready) = process.readable().await else { return pending().await };
        // To be woken is a hint; only the kernel's answer is a proof.
        let mut asked = [PollFd::new(process.get_ref(), PollFlags::IN)];
        if poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ended| ended > 0) {
            return;
        }
        ready.clear_ready();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().expect("sleep is there")
    }

    /// Whether the end is known, without waiting for it.
    async fn is_known(end: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = end => true,
            () = tokio::task::yield_now() => false,
        }
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_noticed_also_before_anybody_has_waited_for_it() {
        let mut child = sleeper();
        let start = started(child.id()).expect("it runs");
        let end = tokio::spawn(end_of(child.id(), start));
        assert!(!is_known(end_of(child.id(), start)).await);
        child.kill().expect("it runs");
        // It stays a zombie until here.
        end.await.expect("no panic");
        end_of(child.id(), start).await;
        child.wait().expect("it ends");
        end_of(child.id(), start).await;
    }

    #[tokio::test]
    async fn another_process_with_the_same_id_is_not_the_one_that_is_meant() {
        let start = started(std::process::id()).expect("this one runs");
        assert!(is_known(end_of(std::process::id(), start - 1)).await);
        assert!(!is_known(end_of(std::process::id(), start)).await);
        assert!(!is_known(end_of(0, start)).await, "no id at all");
        assert!(is_watchable(std::process::id()) && !is_watchable(0));
    }
}
