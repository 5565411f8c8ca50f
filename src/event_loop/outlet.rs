//! Whether what this process sends leaves its host. One that cannot send, for a reason of its own, accuses nobody for
//! it, does not stand, and does not lead.

use std::time::Duration;

use gms_core::{Input, Time};
use gms_net::Transport;

use crate::node::Node;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// So long after it could not send it is not trusted to.
const MISTRUSTED_FOR: Duration = Duration::from_secs(10);

/// What was last seen of it.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    next: Option<Time>,
    largest: Option<u16>,
    /// Datagrams handed to the network, and refused by it, so far.
    passed: (u64, u64),
    /// When everything was last refused.
    failed: Option<Time>,
    /// What the user has been told.
    told: Trouble,
}

/// Why nothing leaves, or not all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Trouble {
    #[default]
    None,
    /// The group's datagrams do not fit.
    TooSmall { group: u16, here: u16 },
    /// Nothing that is sent is taken.
    Refused,
}

impl Outlet {
    /// Looks at the interface, and tells the node of what has changed.
    pub(super) fn look(&mut self, now: Time, node: &mut Node, transport: &impl Transport) {
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now + EVERY);
        let largest = transport.largest_datagram();
        if self.largest.replace(largest) != Some(largest) {
            node.handle(now, Input::Carries(largest));
        }
        let counters = transport.counters();
        let (sent, lost) = (counters.sent - self.passed.0, counters.send_lost - self.passed.1);
        self.passed = (counters.sent, counters.send_lost);
        if sent == 0 && lost > 0 {
            self.failed = Some(now);
        }
        let can = self.failed.is_none_or(|failed| now - failed > MISTRUSTED_FOR);
        // Said again as long as it lasts, for another life may have begun.
        if !can || self.told == Trouble::Refused {
            node.handle(now, Input::CannotSend(!can));
        }
        let group = node.view().map_or(0, |view| view.params.datagram);
        let trouble = match (can, largest < group) {
            (false, _) => Trouble::Refused,
            (true, true) => Trouble::TooSmall { group, here: largest },
            (true, false) => Trouble::None,
        };
        if trouble != self.told {
            self.told = trouble;
            trouble.tell();
        }
    }
}

impl Trouble {
    fn tell(self) {
        match self {
            Self::None => tracing::warn!("what this server sends leaves its host again"),
            Self::TooSmall { group, here } => tracing::warn!(
                "the group's datagrams have {group} bytes, and the interface of this server carries {here} at most by now: \
                 raise its MTU again; until then it does not lead, and messages of its own wait"
            ),
            Self::Refused => tracing::warn!(
                "nothing that this server sends leaves its host: is its address gone, its link down, or does a firewall \
                 forbid it? Until then it does not lead"
            ),
        }
    }
}
