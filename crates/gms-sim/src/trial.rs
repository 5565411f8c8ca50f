//! Whether those who have come to rest can still do their work: one that is wedged, has lost its credit or follows a
//! leader that says nothing looks as if at rest as long as nobody wants anything of it.

use std::time::Duration;

use gms_core::{Level, Time};

use crate::host::Host;
use crate::world::World;

/// How long the view has to last.
const LASTS: Duration = Duration::from_secs(1);

/// Each of those at rest has been given a message of each level to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    /// When.
    pub(crate) since: Time,
    /// Views told of until then, by all processes together.
    views: u64,
}

impl World<'_> {
    /// Puts `up`, who are at rest, to the trial, unless they are in it already; why they have not passed it yet.
    pub(crate) fn untried(&mut self, up: &[usize]) -> Option<String> {
        let views = self.hosts.iter().flatten().map(|host| host.app.views).sum();
        match self.trial {
            // Those at rest have handled the same and know the outcomes of what they sent.
            Some(trial) if trial.views == views => {
                (self.now - trial.since < LASTS).then(|| "the view has not lasted for a second".to_owned())
            }
            _ => {
                self.trial = Some(Trial { since: self.now, views });
                let mut why = "all have just been given something to send".to_owned();
                for index in up {
                    self.act(*index, |host, _, now| {
                        if let Some(level) = refused(host, now) {
                            why = format!("{} accepts no message at {level:?}", host.uid);
                        }
                    });
                }
                Some(why)
            }
        }
    }
}

/// Lets a process send a message of each level; returns the first that it does not accept.
fn refused(host: &mut Host, now: Time) -> Option<Level> {
    [Level::Agreed, Level::Uniform, Level::Stable]
        .into_iter()
        .find(|level| !host.app.send_at(&mut host.node, now, *level))
}
