//! **P22 Bounded memory.** Queues, buffers and tables are within their caps at all times.
//!
//! Every `memory` record: what is used must not exceed the cap. Exercised: samples.

use super::Invariant;
use crate::findings::Findings;
use crate::world::Step;
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct BoundedMemory;

impl Invariant for BoundedMemory {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let Event::Memory { used, cap } = step.event else {
            return;
        };
        out.exercised(Property::P22, 1);
        if used > cap {
            let what = format!("{used} bytes are held, the cap is {cap}");
            out.violated(Property::P22, &[step.uid()], step.here(), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, three};
    use crate::{Event, Property};

    #[test]
    fn good_trace() {
        good().passes(Property::P22);
    }

    #[test]
    fn over_the_cap() {
        let mut story = three();
        story.add(2, Event::Memory { used: 11, cap: 10 }).caught_alone(Property::P22, &[2], "after gseq 1");
    }
}
