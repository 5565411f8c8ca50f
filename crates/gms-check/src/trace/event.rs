//! What a record may say.

use serde::{Deserialize, Serialize};

use super::{Uid, digest, hex};

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The process's own clock in microseconds. For readers only: no property looks at it.
    pub at_us: u64,
    /// Who did it. For `crash` and `proved`, the process that crashed.
    pub process: Uid,
    /// What it did.
    #[serde(flatten)]
    pub event: Event,
}

/// When a message may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As soon as it is in order (P15 bounds what may be lost).
    Agreed,
    /// Once a quorum has stored it (P13, P14).
    Uniform,
    /// Once all members have stored it (P13, P14).
    Stable,
}

impl Level {
    /// Whether a delivery at this level may never be lost (P13).
    pub fn is_uniform(self) -> bool {
        self != Level::Agreed
    }
}

/// What a sender was told of its message (P16).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the order, at this place.
    Ordered {
        /// Where.
        gseq: u64,
        /// In which view.
        view: u64,
    },
    /// It is not in the order and never will be.
    NotOrdered,
    /// Nobody can tell: this process was excluded or stopped with the message in flight.
    Unknown,
}

/// Why an entry was handled without a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassReason {
    /// A part of a large message that is not its last one. Uses up no sseq.
    Fragment,
    /// A message for others.
    NotAddressed,
    /// A client's message that is in the order already.
    Duplicate,
    /// Stands for a message that will not come (P17). Uses up its sseq.
    Void,
    /// A message whose time was over. Uses up its sseq.
    Expired,
    /// For the group itself: a subgroup change, a session record.
    Control,
    /// A client's message before which one of its session is missing. Uses up its sseq.
    Gap,
    /// A client's message of a session that is not known. Uses up its sseq.
    SessionExpired,
}

/// A client's number for its message (P26).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionNumber {
    /// The client's session.
    #[serde(with = "hex")]
    pub session: u128,
    /// Dense from 1 in the session; 0 opens it.
    pub number: u64,
}

/// One member of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceMember {
    /// Who.
    pub uid: Uid,
    /// Whether it counts for quorums (P1); otherwise it is a learner.
    pub voter: bool,
}

/// The history that a returned lineage begins with (P27).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The lineage it goes on from.
    #[serde(with = "hex")]
    pub gid: u128,
    /// The view of it that the creator was in.
    pub view: u64,
    /// The last place of it that the new lineage holds.
    pub upto: u64,
}

/// One thing a process did, or the harness did to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The application sent a message: recorded before the message leaves the process (P5, P12).
    Send {
        /// The sender's number of it, dense from 1.
        sseq: u64,
        /// Its delivery level.
        level: Level,
        /// [`digest`](crate::digest) of the payload.
        digest: u64,
        /// Deliver in this view or not at all (P17).
        #[serde(default)]
        only_in_view: Option<u64>,
        /// The subgroups addressed; none: everyone.
        #[serde(default)]
        to: Vec<u32>,
        /// The client it comes from, if it is not the application's own (P26).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<SessionNumber>,
    },
    /// The application was told what became of its message (P16).
    Outcome {
        /// Which one.
        sseq: u64,
        /// What became of it.
        result: Outcome,
    },
    /// A message was delivered to the application (P5 to P17).
    Deliver {
        /// The view it was delivered in.
        view: u64,
        /// Its place in the order.
        gseq: u64,
        /// Its sender.
        sender: Uid,
        /// The sender's number of it.
        sseq: u64,
        /// [`digest`](crate::digest) of the payload.
        digest: u64,
        /// Its delivery level.
        level: Level,
    },
    /// An entry was handled that is not for the application (P9 to P11).
    Pass {
        /// The view it was handled in.
        view: u64,
        /// Its place in the order.
        gseq: u64,
        /// Why it is not for the application.
        why: PassReason,
        /// Whose entry it is. With `sseq`, for every entry but a fragment that takes up a number of its sender: P11
        /// sees a hole otherwise.
        #[serde(default)]
        sender: Option<Uid>,
        /// The sender's number of it.
        #[serde(default)]
        sseq: Option<u64>,
    },
    /// A view was installed, and its entry handled (P1 to P4): recorded, as `deliver` and `pass`, when it is the
    /// application's turn to see it.
    View {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// The view's number.
        view: u64,
        /// The fseq of its frame.
        at: u64,
        /// The gseq of its entry.
        gseq: u64,
        /// The leader: the only one to stamp in it (P4).
        leader: Uid,
        /// The members, in the view's order.
        members: Vec<TraceMember>,
        /// Whether a quorum of it is all its voters but those proved to be dead, rather than a majority.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fail_stop: bool,
    },
    /// This process, as leader, gave a frame its place (P4): recorded when it did, which may be views ahead of its
    /// `view` and `deliver` records if its application reads slowly.
    Stamp {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// In which view.
        view: u64,
        /// The frame's number.
        fseq: u64,
        /// The place of its first entry.
        gseq: u64,
        /// How many entries it holds.
        count: u32,
        /// Whose frame it is.
        sender: Uid,
        /// The sender's number of its first entry.
        sseq: u64,
    },
    /// This process accepted the proposal that becomes view `view`: by the proposer itself, too, and recorded
    /// before the answer leaves the process (P1). It, too, may be ahead of the `view` records, even before the first.
    Accepted {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// The view accepted.
        view: u64,
        /// Round of the ballot; 0: proposed by the leader, and nobody had to be asked before.
        #[serde(default)]
        round: u32,
        /// The node whose ballot it is.
        #[serde(default)]
        by: u64,
        /// [`Event::value`] of the view accepted; none: not told, it may be any.
        #[serde(default)]
        value: Option<u64>,
        /// How many frames before the view this process did not know to be stored by all members.
        #[serde(default)]
        unstable: u64,
    },
    /// This process, as leader, was sent something again that is in the order already, and left it out (P6).
    Repeated {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// In which view.
        view: u64,
        /// Whose it is.
        sender: Uid,
        /// The sender's number of the first message in it.
        sseq: u64,
    },
    /// This process created a lineage, whose first view follows (P27).
    Created {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// Returned, not new: it begins with a history that this process held.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Origin>,
    },
    /// For the first time since it started, in any of its lives, a datagram of a lineage that it was not in reached
    /// this process: from a member, or from one that was put out of it (P27). A datagram of the protocol names its
    /// lineage and not its group, so it counts whatever group it is of.
    Heard {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
    },
    /// This process goes on as another incarnation, and this is the first record of that one. It still knows what it
    /// heard and was in before (P27).
    Lives {
        /// Who it was.
        before: Uid,
    },
    /// This process gave its lineage up by itself, and goes on as if it had been excluded: its quorum is lost for good
    /// and another one goes on, or nothing was said in it yet and nobody is left.
    GaveUp {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
    },
    /// An operator gave a lineage up (P27).
    Discarded {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
    },
    /// This process learned that it is no longer a member (P3, P25).
    Excluded,
    /// This process left of its own will (P3, P16, P25).
    Left,
    /// The lineage of this process ended before anything was said in it, in favour of another one. What it had sent
    /// goes on in its next life (P3, P16).
    Dissolved {
        /// The one that goes on.
        #[serde(with = "hex")]
        into: u128,
    },
    /// This process cannot go on at present.
    Blocked {
        /// Why.
        why: String,
    },
    /// It goes on again.
    Unblocked,
    /// The trace of this process ends here, and the process went on: what follows could not be written.
    Incomplete {
        /// Records that are missing, at least.
        records: u64,
    },
    /// A sample of the bytes held by all queues and tables (P22).
    Memory {
        /// Bytes held.
        used: u64,
        /// Sum of the caps.
        cap: u64,
    },
    /// Harness: the process was killed.
    Crash,
    /// Harness: that the process is dead can be proved from now on (P1). A harness that says so of one death has to say
    /// it of all: without a proof, nobody may be taken for dead in a fail-stop group.
    Proved {
        /// The lineage.
        #[serde(with = "hex")]
        gid: u128,
        /// The last view of it that any process had come to before: whatever follows it may rest on the proof.
        view: u64,
    },
    /// Harness: a process was started again.
    Restart,
    /// Harness: the link from this process was cut.
    CutLink {
        /// The other end.
        to: Uid,
    },
    /// Harness: all links work again.
    Heal,
    /// Harness: the run was ended, long enough after the last fault (P23, P24).
    Rest {
        /// Processes that run and must have found together: each in one view of exactly these.
        up: Vec<Uid>,
        /// Processes that run but cannot go on: too many of their last view are dead.
        blocked: Vec<Uid>,
    },
    /// Harness: any other injected fault.
    Fault {
        /// Which.
        kind: String,
    },
}

impl Event {
    /// What tells a view from all others of its number: a digest of what a `view` record says. `None` for other
    /// records.
    pub fn value(&self) -> Option<u64> {
        matches!(self, Event::View { .. }).then(|| digest(&serde_json::to_vec(self).expect("plain data")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(event: Event) -> String {
        let record = Record { at_us: 7, process: Uid { node: 1, incarnation: u64::MAX }, event };
        let line = serde_json::to_string(&record).expect("serialises");
        assert_eq!(serde_json::from_str::<Record>(&line).expect("parses"), record);
        line
    }

    #[test]
    fn lines_come_back_as_they_were() {
        let uid = Uid { node: u64::MAX, incarnation: u64::MAX - 1 };
        let members = vec![TraceMember { uid, voter: true }];
        let line = back(Event::View { gid: u128::MAX, view: 1, at: 2, gseq: 3, leader: uid, members, fail_stop: true });
        assert!(
            line.contains(r#""event":"view""#) && line.contains(r#""gid":"ffffffffffffffffffffffffffffffff""#),
            "{line}"
        );
        for event in [
            Event::Stamp { gid: u128::MAX, view: 1, fseq: 2, gseq: 3, count: 4, sender: uid, sseq: 5 },
            Event::Accepted { gid: u128::MAX, view: 2, round: 3, by: 5, value: Some(6), unstable: 4 },
            Event::Repeated { gid: u128::MAX, view: 1, sender: uid, sseq: 2 },
            Event::Proved { gid: u128::MAX, view: 1 },
            Event::Created { gid: u128::MAX, from: Some(Origin { gid: 1, view: 2, upto: 3 }) },
            Event::Heard { gid: u128::MAX },
            Event::Discarded { gid: u128::MAX },
        ] {
            let line = back(event);
            assert!(line.contains(r#""gid":"ffffffffffffffffffffffffffffffff""#), "{line}");
        }
        back(Event::Excluded);
        back(Event::Lives { before: uid });
        back(Event::Dissolved { into: u128::MAX });
        back(Event::GaveUp { gid: u128::MAX });
        back(Event::Incomplete { records: 7 });
        back(Event::Rest { up: vec![uid], blocked: vec![] });
        back(Event::Outcome { sseq: 1, result: Outcome::Unknown });
        let line = back(Event::Outcome { sseq: 1, result: Outcome::Ordered { gseq: 4, view: 2 } });
        assert!(line.contains(r#""result":{"ordered":{"gseq":4,"view":2}}"#), "{line}");
        back(Event::Pass { view: 1, gseq: 2, why: PassReason::NotAddressed, sender: None, sseq: None });
        let line = back(Event::Send {
            sseq: 1,
            level: Level::Stable,
            digest: u64::MAX,
            only_in_view: Some(1),
            to: vec![3],
            client: None,
        });
        assert!(line.contains(r#""level":"stable""#) && !line.contains("client"), "{line}");
        let client = Some(SessionNumber { session: 0xab, number: 7 });
        let line =
            back(Event::Send { sseq: 1, level: Level::Stable, digest: 2, only_in_view: None, to: vec![], client });
        assert!(line.contains(r#""client":{"session":"000000000000000000000000000000ab","number":7}"#), "{line}");
    }

    #[test]
    fn optional_fields_may_be_missing() {
        let line = r#"{"at_us":0,"process":{"node":1,"incarnation":2},"event":"pass","view":1,"gseq":2,"why":"not_addressed"}"#;
        let record: Record = serde_json::from_str(line).expect("parses");
        assert!(matches!(record.event, Event::Pass { sender: None, sseq: None, .. }));
        let line =
            r#"{"at_us":0,"process":{"node":1,"incarnation":2},"event":"send","sseq":1,"level":"agreed","digest":9}"#;
        let record: Record = serde_json::from_str(line).expect("parses");
        assert!(matches!(record.event, Event::Send { only_in_view: None, .. }));
        let line = r#"{"at_us":0,"process":{"node":1,"incarnation":2},"event":"accepted","gid":"7","view":2}"#;
        let record: Record = serde_json::from_str(line).expect("parses");
        assert!(matches!(record.event, Event::Accepted { round: 0, by: 0, value: None, unstable: 0, .. }));
        let line = r#"{"at_us":0,"process":{"node":1,"incarnation":2},"event":"created","gid":"7"}"#;
        let record: Record = serde_json::from_str(line).expect("parses");
        assert_eq!(record.event, Event::Created { gid: 7, from: None });
    }
}
