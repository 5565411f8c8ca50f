//! Whether anybody still reads what is printed: in a quiet group, writing would tell only much later.

/// Ready when nobody will read standard output any more. Cancel safe.
#[cfg(unix)]
pub(super) async fn gone() {
    use rustix::event::{PollFd, PollFlags, poll};

    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    // It ends with the process, if not before.
    std::thread::spawn(move || {
        let stdout = std::io::stdout();
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        while let Err(rustix::io::Errno::INTR) = poll(&mut watched, None) {}
        let _ = tell.send(());
    });
    let _ = told.await;
}

/// Elsewhere, writing tells.
#[cfg(not(unix))]
pub(super) async fn gone() {
    std::future::pending().await
}
