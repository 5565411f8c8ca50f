//! The process above a node: it sends what the scenario says and reads at its own pace.

use std::collections::BTreeMap;

use bytes::Bytes;
use gms::Node;
use gms_core::{
    Addressing, Event, Input, Level, Outcome, QuorumMode, Refusal, SendError, SessionNumber, Time, Uid, ViewChange,
};

use crate::draw::Draw;
use crate::scenario::{Reader, Traffic};
use crate::situation::{LARGE, Situation, SituationCounts};

/// How a process ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// Killed.
    Crashed,
    /// Left, and the group confirmed it, or did not in time.
    Left {
        /// Confirmed.
        released: bool,
    },
    /// The group went on without it, and it had not asked for that.
    Excluded,
    /// It was not let in.
    Refused(Refusal),
    /// An invariant of its own failed.
    Broken(String),
}

/// One application, and what it has seen.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) traffic: Traffic,
    pub(crate) reader: Reader,
    draw: Draw,
    /// Number of the view it was last told of.
    pub(crate) vid: Option<u64>,
    /// And who led it.
    leader: Option<Uid>,
    /// Messages accepted, and what became of them.
    pub(crate) sent: u64,
    pub(crate) outcomes: u64,
    /// Those of clients among them, and whose each is that has no outcome yet.
    for_clients: u64,
    clients: BTreeMap<u64, usize>,
    /// Outcomes that the clients have not fetched.
    answers: Vec<(usize, u64, Outcome)>,
    pub(crate) delivered: u64,
    pub(crate) views: u64,
    pub(crate) situations: SituationCounts,
    /// Of the last message sent.
    level: Option<Level>,
    /// Asked to leave.
    pub(crate) leaving: bool,
    /// Told that there is no progress, and not yet that there is some again.
    pub(crate) blocked: bool,
    pub(crate) end: Option<End>,
}

impl Application {
    pub(crate) fn new(traffic: Traffic, reader: Reader, draw: Draw) -> Self {
        Self {
            traffic,
            reader,
            draw,
            vid: None,
            leader: None,
            sent: 0,
            outcomes: 0,
            for_clients: 0,
            clients: BTreeMap::new(),
            answers: Vec::new(),
            delivered: 0,
            views: 0,
            situations: SituationCounts::new(),
            level: None,
            leaving: false,
            blocked: false,
            end: None,
        }
    }

    /// Whether it has something left to send.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.sent - self.for_clients < self.traffic.count && !self.leaving && self.end.is_none()
    }

    /// Sends the next burst, as far as there is room; returns when the one after it is due.
    pub(crate) fn burst(&mut self, node: &mut Node, now: Time) -> Time {
        for _ in 0..self.traffic.burst {
            let only = self.draw.chance(self.traffic.bound).then(|| self.aim());
            if !self.wants_to_send() || !self.send(node, now, only.flatten()) {
                break;
            }
        }
        now + self.draw.around(self.traffic.gap)
    }

    /// Takes events in. Returns whether it sent something in answer, as it may if `sends`; the node `lives_on`
    /// with a new name after the last of them.
    pub(crate) fn take(
        &mut self,
        node: &mut Node,
        now: Time,
        events: &mut Vec<Event>,
        (sends, lives_on): (bool, bool),
    ) -> bool {
        let (mut answered, mut again) = (false, false);
        for event in events.drain(..) {
            match event {
                Event::Message(message) => {
                    self.delivered += 1;
                    if message.payload.len() >= LARGE {
                        self.met(Situation::LargeMessage);
                    }
                }
                Event::View(change) => {
                    self.views += 1;
                    if self.vid.is_some() && change.joined.len() > 1 && node.is_leader() {
                        self.met(Situation::JoinBurst);
                    }
                    self.vid = Some(change.view.vid);
                    self.compare(&change, node.is_leader());
                    if sends && self.traffic.at_views && self.traffic.count > 0 && !self.leaving {
                        let before = self.sent;
                        (0..3).for_each(|_| answered |= self.send(node, now, self.vid));
                        if self.sent > before {
                            self.met(Situation::SentAtView);
                        }
                    }
                }
                Event::Outcome { sseq, outcome } => {
                    self.outcomes += 1;
                    self.answers.extend(self.clients.remove(&sseq).map(|client| (client, sseq, outcome)));
                }
                Event::LeaveRefused { .. } => self.leaving = false,
                Event::Left { released } => {
                    self.end = Some(End::Left { released });
                    if !released {
                        self.met(Situation::NotReleased);
                    }
                }
                Event::Excluded => {
                    self.met(Situation::Excluded);
                    self.excluded(lives_on);
                    again = lives_on;
                }
                Event::Refused(refusal) => self.end = Some(End::Refused(refusal)),
                Event::Broken(what) => self.end = Some(End::Broken(what)),
                // It joins the other lineage by itself.
                Event::Dissolved { .. } => {
                    (self.vid, self.leader, self.blocked) = (None, None, false);
                    again = true;
                }
                Event::Blocked(_) => self.blocked = true,
                Event::Unblocked => self.blocked = false,
                Event::Rival { .. } | Event::Unreached { .. } | Event::GivenUp { .. } => {}
            }
        }
        if again && self.leaving {
            // A process that wanted to leave wants to leave in its next life, too.
            node.handle(now, Input::Leave);
            answered = true;
        }
        answered
    }

    /// What a view change was about, as its next leader sees it.
    fn compare(&mut self, change: &ViewChange, leads: bool) {
        let ViewChange { view, joined, left } = change;
        let before = self.leader.replace(view.leader).filter(|_| leads);
        if before.is_some_and(|before| before != view.leader && view.contains(before)) {
            self.met(Situation::HandedOver);
        }
        let stayed = view.members.len() - joined.len();
        if before.is_some() && view.params.quorum == QuorumMode::FailStop && left.len() > stayed {
            self.met(Situation::MinorityGoesOn);
        }
    }

    /// The group went on without this process, which may come again by itself.
    fn excluded(&mut self, lives_on: bool) {
        (self.vid, self.leader, self.blocked) = (None, None, false);
        if self.outcomes != self.sent {
            let what = format!("excluded with the outcomes of {} of {} messages", self.outcomes, self.sent);
            self.end = Some(End::Broken(what));
        } else if lives_on {
            self.met(Situation::Rejoined);
        } else {
            self.end = Some(End::Excluded);
        }
    }

    pub(crate) fn met(&mut self, situation: Situation) {
        *self.situations.entry(situation).or_default() += 1;
    }

    /// A view to bind a message to: mostly the present one, sometimes one that is over or to come.
    fn aim(&mut self) -> Option<u64> {
        let vid = self.vid?;
        Some(match self.draw.within(0..=19) {
            0 => vid + 1,
            1 => vid - 1,
            _ => vid,
        })
    }

    fn send(&mut self, node: &mut Node, now: Time, only_in_view: Option<u64>) -> bool {
        if !node.has_room() {
            return false;
        }
        let size = self.traffic.size(&mut self.draw, self.sent) as usize;
        let level = self.traffic.level(&mut self.draw);
        let (payload, addressing) = (self.payload(size), Addressing { only_in_view, ..Addressing::default() });
        self.hand_over(node, now, payload, level, addressing).is_some()
    }

    /// Sends a short message at `level`, whatever the scenario says; false when it is not accepted.
    pub(crate) fn send_at(&mut self, node: &mut Node, now: Time, level: Level) -> bool {
        let payload = self.payload(8);
        self.hand_over(node, now, payload, level, Addressing::default()).is_some()
    }

    /// Sends a client's message; returns its number here if it was accepted.
    pub(crate) fn send_for(
        &mut self,
        client: usize,
        node: &mut Node,
        now: Time,
        payload: Bytes,
        level: Level,
        session: SessionNumber,
    ) -> Option<u64> {
        let addressing = Addressing { session: Some(session), ..Addressing::default() };
        let sseq = self.hand_over(node, now, payload, level, addressing)?;
        self.for_clients += 1;
        self.clients.insert(sseq, client);
        Some(sseq)
    }

    /// What has become of a client's messages since it last asked.
    pub(crate) fn answers_for(&mut self, client: usize) -> Vec<(u64, Outcome)> {
        let known = self.answers.extract_if(.., |(of, ..)| *of == client);
        known.map(|(_, sseq, outcome)| (sseq, outcome)).collect()
    }

    fn hand_over(
        &mut self,
        node: &mut Node,
        now: Time,
        payload: Bytes,
        level: Level,
        addressing: Addressing,
    ) -> Option<u64> {
        match node.send(now, payload, level, addressing) {
            Ok(sseq) => {
                self.sent += 1;
                if self.level.replace(level).is_some_and(|before| before != level) {
                    self.met(Situation::MixedLevels);
                }
                assert_eq!(sseq, self.sent, "numbers of messages are dense");
                Some(sseq)
            }
            Err(SendError::Full | SendError::NotMember) => None,
            Err(error) => panic!("a message within the limits was refused: {error}"),
        }
    }

    /// No two payloads of a word or more are alike.
    fn payload(&mut self, size: usize) -> Bytes {
        let mut payload = Vec::with_capacity(size + 8);
        let mut word = self.draw.bits();
        while payload.len() < size {
            payload.extend_from_slice(&word.to_le_bytes());
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        }
        payload.truncate(size);
        payload.into()
    }
}
