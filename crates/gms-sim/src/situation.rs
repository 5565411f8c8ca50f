//! What a run was meant to get into, and how often it did: a fault never met proves nothing.

use std::collections::BTreeMap;

use gms_core::Ranking;

use crate::scenario::{Entry, Reader, Scenario};

/// How often each situation came up.
pub type SituationCounts = BTreeMap<Situation, u64>;

/// Something that a run may get into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Situation {
    /// The whole run has no fault.
    NoFault,
    /// Several processes that may create the group start at the same time.
    Rivals,
    /// A process has a receive buffer smaller than usual.
    SmallBudget,
    /// An application reads slowly.
    SlowReader,
    /// A message is sent at another level than its sender's last one.
    MixedLevels,
    /// A message of 200 kB or more is delivered.
    LargeMessage,
    /// A message bound to a view is sent the moment the view is delivered.
    SentAtView,
    /// Several processes join in one view.
    JoinBurst,
    /// The leader is asked to leave while messages are under way.
    LeaderLeaves,
    /// A process leaves without a word that it may.
    NotReleased,
    /// A process that left, or was excluded, comes again.
    Return,
    /// A process that lives is taken to be dead, and told so.
    Excluded,
    /// A process that was excluded comes again by itself.
    Rejoined,
    /// A leader dies.
    LeaderDies,
    /// An operator wants somebody out.
    Ordered,
    /// An operator wants somebody to lead.
    Appointed,
    /// A leader hands over and stays.
    HandedOver,
    /// The group ranks by seniority.
    BySeniority,
    /// The group ranks by weight.
    ByWeight,
    /// The group is created when all who are expected are there.
    Expected,
    /// Half of the members or more are gone at once, and the others go on without them: deaths were proved.
    MinorityGoesOn,
    /// A client sends what is under way once more, through another process.
    SentTwice,
}

impl Situation {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::NoFault,
        Self::Rivals,
        Self::SmallBudget,
        Self::SlowReader,
        Self::MixedLevels,
        Self::LargeMessage,
        Self::SentAtView,
        Self::JoinBurst,
        Self::LeaderLeaves,
        Self::NotReleased,
        Self::Return,
        Self::Excluded,
        Self::Rejoined,
        Self::LeaderDies,
        Self::Ordered,
        Self::Appointed,
        Self::HandedOver,
        Self::BySeniority,
        Self::ByWeight,
        Self::Expected,
        Self::MinorityGoesOn,
        Self::SentTwice,
    ];

    /// What the closing table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFault => "no fault at all",
            Self::Rivals => "rivals start together",
            Self::SmallBudget => "small receive buffer",
            Self::SlowReader => "slow application",
            Self::MixedLevels => "levels mixed",
            Self::LargeMessage => "200 kB or more",
            Self::SentAtView => "sent at a view",
            Self::JoinBurst => "several join at once",
            Self::LeaderLeaves => "leader leaves, loaded",
            Self::NotReleased => "left unreleased",
            Self::Return => "came again",
            Self::Excluded => "excluded alive",
            Self::Rejoined => "rejoined by itself",
            Self::LeaderDies => "leader dies",
            Self::Ordered => "operator excludes",
            Self::Appointed => "operator hands over",
            Self::HandedOver => "leader steps back",
            Self::BySeniority => "rank by seniority",
            Self::ByWeight => "rank by weight",
            Self::Expected => "all expected",
            Self::MinorityGoesOn => "minority goes on",
            Self::SentTwice => "client sends twice",
        }
    }
}

/// Of one size and up, a message is large.
pub(crate) const LARGE: usize = 200_000;

/// Adds `from` to `to`.
pub(crate) fn add_situations(to: &mut SituationCounts, from: &SituationCounts) {
    for (situation, count) in from {
        *to.entry(*situation).or_default() += count;
    }
}

/// The situations that a scenario is in from the start.
pub(crate) fn given(scenario: &Scenario) -> SituationCounts {
    let rivals = scenario.births.iter().filter(|birth| birth.entry == Entry::Auto).count();
    let slow = scenario.births.iter().filter(|birth| birth.reader != Reader::Eager).count();
    let small = scenario.births.iter().filter(|birth| birth.budget < 4 << 20).count();
    let ranking = scenario.params.ranking;
    let counts = [
        (Situation::NoFault, usize::from(scenario.is_faultless())),
        (Situation::Rivals, usize::from(rivals > 1)),
        (Situation::SlowReader, slow),
        (Situation::BySeniority, usize::from(ranking == Ranking::Seniority)),
        (Situation::ByWeight, usize::from(ranking == Ranking::Priority)),
        (Situation::Expected, usize::from(!scenario.expected().is_empty())),
        (Situation::SmallBudget, small),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(situation, count)| (situation, count as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenarios_are_in_every_situation_of_theirs() {
        let mut counts = SituationCounts::new();
        (0..200).for_each(|seed| add_situations(&mut counts, &given(&Scenario::draw(seed))));
        use Situation::*;
        let given = [NoFault, Rivals, SmallBudget, SlowReader, BySeniority, ByWeight, Expected];
        assert!(given.iter().all(|situation| counts[situation] > 0) && counts.len() == given.len(), "{counts:?}");
        assert_eq!(Situation::ALL.iter().collect::<std::collections::BTreeSet<_>>().len(), Situation::ALL.len());
    }
}
