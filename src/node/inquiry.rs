//! Questions among the servers of a name, by unicast, each with a nonce. Announcements and whatever else is heard are
//! hints: they may keep a process from doing something. To create, end or leave a lineage takes an answer to a question
//! of the last moments.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Gid, ProcessIdentity, Uid, View, ViewMember};
use serde::{Deserialize, Serialize};

/// An answer counts for so long after its question was asked.
pub(super) const FRESH: Duration = Duration::from_secs(2);
/// How often a question is asked again, as long as its answers matter.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of one body, at most; a question has as many, so that no answer is larger.
const BODY_LIMIT: usize = 1100;
/// Seats named, at most; more voters are only counted.
const SEATS: usize = 16;
/// Doubted processes named in one question, at most.
const DOUBTED: usize = 16;
/// Rival lineages named in one report, at most.
const RIVALS: usize = 4;
/// Answers kept, at most.
const KEPT_ANSWERS: usize = 512;

/// Somebody who votes, and where it is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Seat {
    pub(super) uid: Uid,
    pub(super) address: SocketAddr,
}

impl From<&ViewMember> for Seat {
    fn from(member: &ViewMember) -> Self {
        Self { uid: member.uid, address: member.address }
    }
}

/// Those who vote in a view, as far as they are named.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(super) struct Voters {
    pub(super) vid: u64,
    seats: Vec<Seat>,
    count: u32,
}

impl Voters {
    pub(super) fn of(view: &View) -> Self {
        let count = view.voters().count() as u32;
        Self { vid: view.vid, seats: view.voters().take(SEATS).map(Seat::from).collect(), count }
    }

    pub(super) fn named(vid: u64, seats: Vec<Seat>) -> Self {
        Self { vid, count: seats.len() as u32, seats }
    }

    /// All of them; `None` when some are only counted.
    pub(super) fn all(&self) -> Option<&[Seat]> {
        (self.count > 0 && self.seats.len() == self.count as usize).then_some(&self.seats[..])
    }

    /// Those who are named.
    pub(super) fn named_seats(&self) -> &[Seat] {
        &self.seats
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

/// What a process says of itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) enum Standing {
    /// In no view, and put out of no lineage that has a history.
    Fresh,
    /// In no view, and put out of this one.
    Exile { gid: Gid, voters: Voters },
    /// In a view.
    In(Place),
}

/// The view that a process is in.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) gid: Gid,
    /// The lineage whose history it began with.
    pub(super) origin: Option<Gid>,
    pub(super) history: bool,
    /// It leads, and hears a quorum; or it follows a leader that it hears.
    pub(super) serves: bool,
    pub(super) leads: bool,
    /// Last frame stored.
    pub(super) have: u64,
    pub(super) settings: u64,
    /// Bytes of its datagrams.
    pub(super) datagram: u16,
    pub(super) has_room: bool,
    pub(super) voters: Voters,
    /// Of the view that it has accepted to follow, if it has.
    pub(super) next: Option<Voters>,
}

/// What one process says to another.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it arrives, and never kept")]
pub(super) enum Message {
    /// Who are you, which of these are dead, as far as your kernel can tell, or were yourself in a former life, and who
    /// votes in the lineage `about`?
    Ask { nonce: u64, doubted: Vec<(Uid, Option<ProcessIdentity>)>, about: Option<Gid> },
    /// The answer.
    Tell { nonce: u64, standing: Standing, gone: Vec<Uid>, known: Option<Rumour> },
    /// A member of a lineage without history tells its leader which other ones it has heard of.
    Report { gid: Gid, rivals: Vec<Rumour> },
}

/// Another lineage that was heard.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) struct Rumour {
    pub(super) gid: Gid,
    pub(super) from: SocketAddr,
    pub(super) voters: Option<Voters>,
}

impl Message {
    pub(super) fn ask(
        nonce: u64,
        doubted: impl Iterator<Item = (Uid, Option<ProcessIdentity>)>,
        about: Option<Gid>,
    ) -> Self {
        Self::Ask { nonce, doubted: doubted.take(DOUBTED).collect(), about }
    }

    pub(super) fn report(gid: Gid, rivals: impl Iterator<Item = Rumour>) -> Self {
        Self::Report { gid, rivals: rivals.take(RIVALS).collect() }
    }

    /// The bytes. `None` for a report of lineages too large to be named together: then fewer are.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut message = self.clone();
        loop {
            let mut body = postcard::to_stdvec(&message).expect("plain data");
            if body.len() <= BODY_LIMIT {
                if matches!(message, Self::Ask { .. }) {
                    body.resize(BODY_LIMIT, 0);
                }
                return body;
            }
            match &mut message {
                Self::Report { rivals, .. } => _ = rivals.pop(),
                Self::Ask { doubted, .. } => _ = doubted.pop(),
                Self::Tell { known: known @ Some(_), .. } => *known = None,
                Self::Tell { standing: Standing::In(Place { next: next @ Some(_), .. }), .. } => {
                    // A voter that is not named cannot be accounted for: the asker goes on waiting.
                    next.as_mut().expect("just seen").seats.pop();
                }
                Self::Tell { gone, .. } => _ = gone.pop(),
            }
        }
    }

    /// Reads exactly one message within the limits.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        if body.len() > BODY_LIMIT {
            return None;
        }
        let (message, rest) = postcard::take_from_bytes::<Self>(body).ok()?;
        let seats = |voters: &Voters| voters.seats.len() <= SEATS && voters.seats.len() <= voters.count as usize;
        let sound = match &message {
            Self::Ask { doubted, .. } => body.len() == BODY_LIMIT && doubted.len() <= DOUBTED,
            Self::Tell { standing, gone, known, .. } => {
                let known = known.as_ref().and_then(|rumour| rumour.voters.as_ref());
                rest.is_empty()
                    && gone.len() <= DOUBTED
                    && known.is_none_or(seats)
                    && match standing {
                        Standing::Fresh => true,
                        Standing::Exile { voters, .. } => seats(voters),
                        Standing::In(place) => seats(&place.voters) && place.next.as_ref().is_none_or(seats),
                    }
            }
            Self::Report { rivals, .. } => {
                rest.is_empty()
                    && rivals.len() <= RIVALS
                    && rivals.iter().all(|rival| rival.voters.as_ref().is_none_or(seats))
            }
        };
        sound.then_some(message)
    }
}

impl Message {
    /// The lineage that its sender is in, or was put out of.
    pub(super) fn lineage(&self) -> Option<Gid> {
        match self {
            Self::Tell { standing, .. } => standing.lineage(),
            Self::Report { gid, .. } => Some(*gid),
            Self::Ask { .. } => None,
        }
    }
}

impl Standing {
    /// The lineage that it is in, or was put out of.
    pub(super) fn lineage(&self) -> Option<Gid> {
        match self {
            Self::In(Place { gid, .. }) | Self::Exile { gid, .. } => Some(*gid),
            Self::Fresh => None,
        }
    }
}

/// What a process has answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Answer {
    pub(super) who: Uid,
    /// When it was asked.
    pub(super) asked: Duration,
    pub(super) standing: Standing,
    pub(super) gone: Vec<Uid>,
}

impl Answer {
    /// The view it is in.
    pub(super) fn place(&self) -> Option<&Place> {
        match &self.standing {
            Standing::In(place) => Some(place),
            _ => None,
        }
    }
}

/// The questions of the last moments, and who has answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Inquiries {
    /// The last ones: when, and with which nonce.
    asked: VecDeque<(Duration, u64)>,
    answers: BTreeMap<SocketAddr, Answer>,
}

impl Inquiries {
    /// Questions with this nonce are asked now.
    pub(super) fn ask(&mut self, now: Duration, nonce: u64) {
        self.asked.retain(|(at, _)| now.saturating_sub(*at) <= FRESH);
        self.asked.push_back((now, nonce));
        self.answers.retain(|_, answer| now.saturating_sub(answer.asked) <= FRESH);
    }

    /// Takes an answer in, if it is one.
    pub(super) fn answered(
        &mut self,
        now: Duration,
        from: SocketAddr,
        (who, nonce): (Uid, u64),
        standing: Standing,
        gone: Vec<Uid>,
    ) -> bool {
        let asked = self.asked.iter().find(|(at, of)| *of == nonce && now.saturating_sub(*at) <= FRESH);
        let Some(&(asked, _)) = asked else { return false };
        let known = self.answers.get(&from).is_some_and(|known| known.asked > asked);
        if known || (self.answers.len() >= KEPT_ANSWERS && !self.answers.contains_key(&from)) {
            return false;
        }
        self.answers.insert(from, Answer { who, asked, standing, gone });
        true
    }

    /// What those say who were asked no longer ago than this, by where they are.
    pub(super) fn since(&self, asked: Duration) -> impl Iterator<Item = (SocketAddr, &Answer)> {
        self.answers.iter().filter(move |(_, answer)| answer.asked >= asked).map(|(address, answer)| (*address, answer))
    }

    /// What those say who were asked lately.
    pub(super) fn fresh(&self, now: Duration) -> impl Iterator<Item = (SocketAddr, &Answer)> {
        self.since(now.saturating_sub(FRESH))
    }

    /// What the process at this address has said lately.
    pub(super) fn of(&self, now: Duration, address: SocketAddr) -> Option<&Answer> {
        self.answers.get(&address).filter(|answer| now.saturating_sub(answer.asked) <= FRESH)
    }
}
