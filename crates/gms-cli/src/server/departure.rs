//! Leaving the group, within a second whatever happens.

use std::time::Duration;

use gms::Group;

use super::signals::Signals;
use crate::failure::complain;

/// Longest time from the signal to the end.
const WITHIN: Duration = Duration::from_millis(950);

/// Leaves at the first signal. What still waits after that, the second signal or the time limit ends.
pub(super) async fn on_signal(group: Group, mut signals: Signals) {
    signals.next().await;
    let impatience = tokio::spawn(async move {
        signals.next().await;
        complain("stopped without leaving: the group will miss this member");
        std::process::exit(1);
    });
    let deadline = tokio::time::Instant::now() + WITHIN;
    leave(&group).await;
    // The events end with the leave, and the main thread with them unless nobody takes what it prints.
    tokio::time::sleep_until(deadline).await;
    impatience.abort();
    std::process::exit(0);
}

/// Leaves, or warns that the group did not confirm it in time.
pub(super) async fn leave(group: &Group) {
    match tokio::time::timeout(WITHIN * 9 / 10, group.leave()).await {
        // When the group did not confirm it, the last event says so and the one who reads it warns.
        Ok(Ok(_)) => {}
        Ok(Err(refused)) => complain(&format!("warning: left all the same: {refused}")),
        Err(_) => warn_unconfirmed(),
    }
}

/// The group may count on this member still.
pub(super) fn warn_unconfirmed() {
    complain("warning: the group has not confirmed the leave and may wait for this member");
}
