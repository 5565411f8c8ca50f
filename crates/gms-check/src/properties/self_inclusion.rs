//! **P2 Self-inclusion.** A process installs only views that contain its own Uid.
//!
//! Looked at in every `view` record alone. Exercised: views installed.

use super::Invariant;
use crate::findings::{Findings, Place};
use crate::world::Step;
use crate::{Event, Property};

#[derive(Debug)]
pub(crate) struct SelfInclusion;

impl Invariant for SelfInclusion {
    fn observe(&mut self, step: &Step<'_>, out: &mut Findings) {
        let Event::View { view, gseq, members, .. } = step.event else {
            return;
        };
        out.exercised(Property::P2, 1);
        if !members.iter().any(|member| member.uid == step.uid()) {
            let place = Place::View { view: *view, gseq: *gseq };
            out.violated(Property::P2, &[step.uid()], place, "installed by a process that is not in it".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Property;
    use crate::testing::{good, three};

    #[test]
    fn good_trace() {
        good().passes(Property::P2);
    }

    #[test]
    fn a_view_of_others() {
        let mut story = three();
        story.accept(&[1, 2, 3], 2).view(&[1, 2, 3], 2, 2, 3, &[2, 3]);
        story.caught(Property::P2, &[1], "view 2");
    }
}
