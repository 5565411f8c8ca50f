//! One file for each property: what it means on a trace is said at the top of the file.

mod bounded_divergence;
mod bounded_memory;
mod causal_order;
mod client_sessions;
mod convergence;
mod delivery_liveness;
mod fifo;
mod honest_exile;
mod honest_outcome;
mod integrity;
mod local_monotony;
mod no_duplication;
mod no_needless_change;
mod one_history;
mod one_leader;
mod same_view_delivery;
mod self_inclusion;
mod sender_in_view;
mod sending_view;
mod total_order;
mod uniform_agreement;
mod uniform_order;
mod view_chain;
mod virtual_synchrony;

use std::fmt::Debug;

use crate::findings::Findings;
use crate::world::{Step, World};

/// How a property is checked.
pub(crate) trait Invariant: Debug + Send {
    /// Looks at a record before it is taken into the world.
    fn observe(&mut self, _step: &Step<'_>, _out: &mut Findings) {}

    /// Judges at the end what no record alone can tell.
    fn finish(&mut self, _world: &World, _out: &mut Findings) {}
}

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(view_chain::ViewChain::default()),
        Box::new(self_inclusion::SelfInclusion),
        Box::new(local_monotony::LocalMonotony),
        Box::new(one_leader::OneLeader::default()),
        Box::new(integrity::Integrity::default()),
        Box::new(no_duplication::NoDuplication),
        Box::new(sender_in_view::SenderInView),
        Box::new(same_view_delivery::SameViewDelivery),
        Box::new(virtual_synchrony::VirtualSynchrony::default()),
        Box::new(total_order::TotalOrder),
        Box::new(fifo::Fifo::default()),
        Box::new(causal_order::CausalOrder),
        Box::new(uniform_agreement::UniformAgreement::default()),
        Box::new(uniform_order::UniformOrder),
        Box::new(bounded_divergence::BoundedDivergence::default()),
        Box::new(honest_outcome::HonestOutcome::default()),
        Box::new(sending_view::SendingView),
        Box::new(bounded_memory::BoundedMemory),
        Box::new(convergence::Convergence),
        Box::new(delivery_liveness::DeliveryLiveness),
        Box::new(no_needless_change::NoNeedlessChange),
        Box::new(client_sessions::ClientSessions::default()),
        Box::new(one_history::OneHistory::default()),
        Box::new(honest_exile::HonestExile),
    ]
}
