//! Bugs planted on purpose, so that the simulator and the checker can be shown to find them (reliability 3).
//!
//! They exist only where the feature `planted` is on and debug assertions are: never in a release build.

/// A known way to get the protocol wrong. Each names what is left out or done wrongly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bug {
    /// Any two voters count as a quorum.
    AnyTwoAreAQuorum,
    /// Exactly half of the voters is a quorum, whichever half.
    BothHalvesOfATie,
    /// Learners count in quorums.
    LearnersVote,
    /// A frame is safe once the leader has it.
    SafeByTheLeaderAlone,
    /// An ack names the highest frame seen, over gaps.
    AckOverAGap,
    /// Frames are freed once the voters have them, whatever the learners lack.
    FreedAtTheVoters,
    /// Frames are freed once delivered here.
    FreedEarly,
    /// A frame is known by its place alone, whichever view it was stamped in.
    FrameWithoutItsView,
    /// Forwarded frames are packed anew when they are repeated.
    RepackedInTheView,
    /// The leader orders what is forwarded without looking for duplicates.
    NoDuplicateCheck,
    /// The leader orders a sender's frames as they come.
    ForwardsOutOfOrder,
    /// A frame on hold is ordered, and stays on hold.
    HoldStampedTwice,
    /// Frames on hold are kept over a view.
    HoldKeptOverAView,
    /// The leader goes on stamping after it has proposed what ends the view.
    StampsAfterProposing,
    /// The value somebody has accepted is ignored by a candidate.
    AcceptedValueIgnored,
    /// The cut is the least that somebody who promised has.
    CutByTheMinimum,
    /// The cut is what the candidate has itself.
    CutByMyOwnLog,
    /// The cut is the highest frame that anybody has, over holes.
    CutAboveAHole,
    /// Who has promised goes on storing and delivering.
    PromiseWithoutWedge,
    /// The next view has all that are not suspected, whether they promised or not.
    SurvivorsWithoutPromise,
    /// A value is decided by a quorum of the old view alone.
    DecidedByTheOldViewAlone,
    /// A candidate needs no pre-vote, and nobody who hears the leader refuses it.
    NoPreVote,
    /// One who has promised says nothing any more.
    WedgedAndSilent,
    /// A leader that has promised waits for others to end the view.
    WedgedLeaderWaits,
    /// A leader frees those bound to a failed ballot by plan only, never by a ballot of its own.
    UnwedgedByPlanOnly,
    /// Unfinished large messages are kept over a view.
    PartialsKept,
    /// The state told to joiners has unfinished messages.
    FragmentsInTheSnapshot,
    /// Joiners are not told of the client sessions.
    SessionsNotInTheSnapshot,
    /// A client's message is delivered although one of its session before it is missing.
    DeliveredOverAGap,
    /// A message bound to a view is delivered in later ones.
    LateForItsView,
    /// Who is out answers nobody.
    NoLinger,
    /// One who is told that its frames are freed goes on asking.
    GoneNotUnderstood,
    /// A member that is many views behind is told that it is out.
    LaggardsAreOut,
    /// What is heard of the dead after their death counts as life.
    NewLifeRefused,
    /// A closed connection is taken for a proof of death.
    ClosedIsProof,
    /// A new lineage orders at once, whatever else may be there.
    NeverSettles,
    /// The end of a lineage has to be accepted by a quorum of the view after it, which has nobody.
    EndNeedsTheNextView,
    /// One that was put out of a lineage with history is taken for one that has just started.
    ExileCreates,
    /// Lineages that were heard of are taken to be over.
    HeardIsOver,
    /// A member that is blocked returns although others of its view may have gone on.
    ReturnsUnaccounted,
    /// A leader gives up all who store nothing, however many they are.
    BlamesAnybody,
    /// Nobody gets copies of what is multicast.
    MulticastOrNothing,
    /// A status is believed, whatever it says.
    AnyStatus,
    /// Frames are taken that the leader cannot send.
    FramesOfAnySize,
    /// Anybody speaks for a member, from anywhere.
    AnyAddress,
    /// A ballot may be of any round.
    AnyRound,
    /// A view may end anywhere.
    AnyEnd,
    /// Anybody is believed who says that a view is over, or that a process is out.
    HearsayBelieved,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::AnyTwoAreAQuorum,
        Self::BothHalvesOfATie,
        Self::LearnersVote,
        Self::SafeByTheLeaderAlone,
        Self::AckOverAGap,
        Self::FreedAtTheVoters,
        Self::FreedEarly,
        Self::FrameWithoutItsView,
        Self::RepackedInTheView,
        Self::NoDuplicateCheck,
        Self::ForwardsOutOfOrder,
        Self::HoldStampedTwice,
        Self::HoldKeptOverAView,
        Self::StampsAfterProposing,
        Self::AcceptedValueIgnored,
        Self::CutByTheMinimum,
        Self::CutByMyOwnLog,
        Self::CutAboveAHole,
        Self::PromiseWithoutWedge,
        Self::SurvivorsWithoutPromise,
        Self::DecidedByTheOldViewAlone,
        Self::NoPreVote,
        Self::WedgedAndSilent,
        Self::WedgedLeaderWaits,
        Self::UnwedgedByPlanOnly,
        Self::PartialsKept,
        Self::FragmentsInTheSnapshot,
        Self::SessionsNotInTheSnapshot,
        Self::DeliveredOverAGap,
        Self::LateForItsView,
        Self::NoLinger,
        Self::GoneNotUnderstood,
        Self::LaggardsAreOut,
        Self::NewLifeRefused,
        Self::ClosedIsProof,
    ];

    /// Those that make more histories than one of a name.
    pub const OF_LINEAGES: [Self; 5] = [
        Self::NeverSettles,
        Self::EndNeedsTheNextView,
        Self::ExileCreates,
        Self::HeardIsOver,
        Self::ReturnsUnaccounted,
    ];

    /// Those that take a fault for another one's.
    pub const OF_BLAME: [Self; 2] = [Self::BlamesAnybody, Self::MulticastOrNothing];

    /// Those that break it only where somebody lies.
    pub const BY_LIES: [Self; 6] =
        [Self::AnyStatus, Self::FramesOfAnySize, Self::AnyAddress, Self::AnyRound, Self::AnyEnd, Self::HearsayBelieved];
}

/// The bug planted in one member, if any; nothing at all in a release build.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Planted {
    #[cfg(all(feature = "planted", debug_assertions))]
    bug: Option<Bug>,
}

impl Planted {
    /// One bug.
    #[cfg(all(feature = "planted", debug_assertions))]
    pub fn bug(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether this is the one.
    #[inline]
    pub fn is(self, bug: Bug) -> bool {
        #[cfg(all(feature = "planted", debug_assertions))]
        let is = self.bug == Some(bug);
        #[cfg(not(all(feature = "planted", debug_assertions)))]
        let is = {
            let _ = bug;
            false
        };
        is
    }
}
