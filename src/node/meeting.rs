//! What a process says to others about lineages, its own and those that it meets: whom it asks, what it answers, and
//! what it tells the application. What follows for its own is in `settling`, `returning` and `lives`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use gms_core::wire::VERSION;
use gms_core::{Blocked, Destination, Event, Gid, Out, ProcessIdentity, Time, Uid, View};

use super::creation::Waits;
use super::inquiry::{ASK_EVERY, Message, Place, Rumour, Standing, Voters};
use super::lineages::Stranger;
use super::lives::Exile;
use super::returning::Returning;
use super::settling::Settling;
use super::{Bootstrap, Node};
use crate::layers::{self, Layer};

/// How often a leader whose lineage has a history asks others that it hears of.
const ASK_RIVALS_EVERY: Duration = Duration::from_secs(1);
/// Addresses asked at a time, at most.
const ASKED_ADDRESSES: usize = 64;
/// Answers in any one second, at most.
const ANSWERS_PER_SECOND: u32 = 512;
const SECOND: Duration = Duration::from_secs(1);
/// Processes that others have asked about, and own former lives, remembered at most.
const REMEMBERED_PROCESSES: usize = 64;
/// Lineages that are reported, at most: anybody can make up more.
const REPORTED_LINEAGES: usize = 64;
/// How long a process is in no view before it says why.
const OUT_PATIENCE: Duration = Duration::from_secs(1);

/// What one process has under way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Meeting {
    ask_at: Duration,
    pub(super) report_at: Duration,
    /// At the leader of a lineage without history.
    pub(super) settling: Option<Settling>,
    /// While it is blocked.
    pub(super) returning: Option<Returning>,
    /// Those whose death others would have proved here.
    doubted: BTreeMap<Uid, ProcessIdentity>,
    /// Who this process was before.
    former: Vec<Uid>,
    /// Lineages that were reported.
    reported: BTreeSet<Gid>,
    /// Whether it was in a view before, in this life or an earlier one.
    entered: bool,
    /// In no view since then, and why, once it has been said.
    out_since: Option<Duration>,
    out: Option<Blocked>,
    answers: u32,
    answers_since: Duration,
    /// When to look again.
    due: Option<Duration>,
}

impl Meeting {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            ask_at: now,
            report_at: now,
            settling: None,
            returning: None,
            doubted: BTreeMap::new(),
            former: Vec::new(),
            reported: BTreeSet::new(),
            entered: false,
            out_since: None,
            out: None,
            answers: 0,
            answers_since: now,
            due: None,
        }
    }

    /// Another life begins; the process is the same.
    pub(super) fn go_on(&mut self, past: Self, before: Uid) {
        (self.doubted, self.former, self.reported) = (past.doubted, past.former, past.reported);
        (self.entered, self.out_since, self.out) = (past.entered, past.out_since, past.out);
        if self.former.len() >= REMEMBERED_PROCESSES {
            self.former.remove(0);
        }
        self.former.push(before);
    }

    /// Something could not be sent.
    pub(super) fn unsent(&mut self) {
        if let Some(settling) = &mut self.settling {
            settling.unsent();
        }
    }

    /// Why this process is in no view, once that has lasted.
    pub(super) fn out(&self) -> Option<&Blocked> {
        self.out.as_ref()
    }

    /// Those whose death others would have proved here.
    pub(super) fn doubted(&self) -> impl Iterator<Item = (Uid, ProcessIdentity)> {
        self.doubted.iter().map(|(uid, process)| (*uid, *process))
    }

    /// The death of that one is known.
    pub(super) fn answered_for(&mut self, who: Uid) {
        self.doubted.remove(&who);
    }

    pub(super) fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        let settling = self.settling.as_ref().map(|settling| settling.poll_timeout(now));
        settling.into_iter().chain(self.due).min()
    }
}

impl Node {
    /// What this process says of itself.
    fn standing(&self) -> Standing {
        match (self.member.view(), &self.exile) {
            (Some(view), _) => Standing::In(self.standing_in(view)),
            (None, Some(exile)) => Standing::Exile { gid: exile.gid, voters: exile.voters.clone() },
            (None, None) => Standing::Fresh,
        }
    }

    pub(super) fn standing_in(&self, view: &View) -> Place {
        let (have, ..) = self.member.progress();
        Place {
            gid: view.gid,
            origin: view.params.origin,
            history: self.member.has_history(),
            serves: self.member.serves(),
            leads: self.member.is_leader(),
            have,
            settings: layers::settings_digest(&view.params),
            datagram: view.params.datagram,
            has_room: view.members.len() < self.config.core.limits.members,
            voters: Voters::of(view),
            next: self.member.next_view().filter(|next| next.gid == view.gid).map(Voters::of),
        }
    }

    /// A question, an answer, or what a member has heard.
    pub(super) fn on_inquiry(&mut self, now: Duration, from: SocketAddr, sender: Uid, body: &[u8]) {
        match Message::decode(body) {
            None => {}
            Some(Message::Ask { nonce, doubted, about }) => self.answer(now, from, nonce, &doubted, about),
            Some(Message::Tell { nonce, standing, gone, known }) => {
                let own = self.member.view().map(|view| view.gid);
                if self.inquiries.answered(now, from, (sender, nonce), standing.clone(), gone) {
                    self.lineages.learn_answer(now, from, sender, &standing, own);
                    known.into_iter().for_each(|rumour| self.lineages.learn_voters(rumour));
                } else if let Some(gid) = standing.lineage().filter(|gid| Some(*gid) != own) {
                    // No answer to a question of the last moments, and still a hint that it is there.
                    self.lineages.hear(now, gid, from);
                }
            }
            Some(Message::Report { gid, rivals }) => {
                let is_mine = self.member.view().is_some_and(|view| view.gid == gid && view.contains(sender));
                if is_mine && let Some(settling) = &mut self.meeting.settling {
                    settling.reported(now, sender);
                    rivals.into_iter().for_each(|rumour| self.lineages.learn_rumour(now, rumour));
                } else if !is_mine && self.member.view().is_none_or(|view| view.gid != gid) {
                    self.lineages.hear(now, gid, from);
                }
            }
        }
    }

    fn answer(
        &mut self,
        now: Duration,
        to: SocketAddr,
        nonce: u64,
        doubted: &[(Uid, Option<ProcessIdentity>)],
        about: Option<Gid>,
    ) {
        let meeting = &mut self.meeting;
        if now.saturating_sub(meeting.answers_since) >= SECOND {
            (meeting.answers, meeting.answers_since) = (0, now);
        }
        if meeting.answers >= ANSWERS_PER_SECOND {
            return;
        }
        meeting.answers += 1;
        let is_gone = |uid: Uid| meeting.former.contains(&uid) || self.lineages.is_proved_dead(uid);
        let gone: Vec<Uid> = doubted.iter().map(|(uid, _)| *uid).filter(|uid| is_gone(*uid)).collect();
        for (uid, process) in doubted.iter().filter(|(uid, _)| !gone.contains(uid)) {
            if let Some(process) = process.filter(|_| meeting.doubted.len() < REMEMBERED_PROCESSES) {
                meeting.doubted.insert(*uid, process);
            }
        }
        let known = about.and_then(|gid| self.rumour(gid));
        let tell = Message::Tell { nonce, standing: self.standing(), gone, known };
        self.say(to, &tell);
    }

    /// What is known here of another lineage.
    pub(super) fn rumour(&self, gid: Gid) -> Option<Rumour> {
        let sighting = self.lineages.get(gid)?;
        Some(Rumour { gid, from: sighting.from, voters: sighting.voters.clone() })
    }

    pub(super) fn say(&mut self, to: SocketAddr, message: &Message) {
        let datagram = layers::enclose(Layer::Inquiry, self.name, self.member.uid(), &message.encode());
        self.outbox.push_back((Destination::Unicast(to), datagram));
    }

    /// Asks those who have to be asked, and does what follows from what is known.
    pub(super) fn meet(&mut self, now: Duration) {
        self.meeting.due = None;
        self.settle(now);
        self.go_on_without_a_quorum(now);
        self.report(now);
        self.look_at_exile(now);
        self.tell_of_rivals();
        self.say_why_out(now);
        self.merge_if_told(now);
        let targets = self.whom_to_ask(now);
        let quiet = self.meeting.settling.is_none() && !self.merges();
        let every = match quiet && self.member.serves() && self.member.has_history() {
            true => ASK_RIVALS_EVERY,
            false => ASK_EVERY,
        };

        if targets.is_empty() {
            return;
        }
        if now >= self.meeting.ask_at {
            self.meeting.ask_at = now + every;
            let nonce = self.random.next_u64();
            self.inquiries.ask(now, nonce);
            let voters = self.member.view().map(|view| &**view).into_iter().chain(self.member.next_view());
            let doubted: BTreeMap<Uid, _> = voters.flat_map(|view| view.voters()).map(|m| (m.uid, m.process)).collect();
            let me = self.member.uid();
            let unknown = self.lineages.all().find(|(_, sighting)| sighting.voters.is_none()).map(|(gid, _)| gid);
            let ask = Message::ask(nonce, doubted.into_iter().filter(|(uid, _)| *uid != me), unknown);
            targets.into_iter().for_each(|to| self.say(to, &ask));
        }
        self.wake_at(self.meeting.ask_at.min(now + every));
    }

    pub(super) fn wake_at(&mut self, at: Duration) {
        self.meeting.due = Some(self.meeting.due.map_or(at, |due| due.min(at)));
    }

    /// Those that may know what this process has to know now.
    fn whom_to_ask(&self, now: Duration) -> Vec<SocketAddr> {
        let mut targets: BTreeSet<SocketAddr> = self.asks_to_merge();
        let servers = || self.directory.servers().map(|known| known.entry.address);
        let lost = self.meeting.returning.is_some();
        if lost || self.exile.is_some() && self.member.is_joining() {
            targets.extend(servers());
            targets.extend(self.member.view().into_iter().flat_map(|view| &view.members).map(|m| m.address));
        }
        if let Some(exile) = self.exile.as_ref().filter(|_| self.member.is_joining()) {
            targets.extend(exile.contacts.iter().map(|seat| seat.address));
        }
        if self.creation.is_some() && matches!(self.config.bootstrap, Bootstrap::Expect(_)) {
            targets.extend(servers());
        }
        if self.creation.is_some() {
            targets.extend(self.config.peers.iter().flatten().flatten());
        }
        // Others here may know who votes in a lineage although this process has heard only a word of it.
        if self.meeting.settling.is_some() || self.creation.is_some() {
            let unknown = self.lineages.all().any(|(_, sighting)| sighting.voters.is_none());
            targets.extend(servers().filter(|_| unknown));
        }
        let own = self.member.view().map_or(Gid::NONE, |view| view.gid);
        let quiet = !lost && self.member.serves() && self.member.has_history();
        if !quiet || self.member.is_leader() {
            for (gid, sighting) in self.lineages.all().filter(|(gid, _)| *gid != own) {
                let known = quiet && (self.meeting.reported.contains(&gid) || sighting.is_old(now));
                if !known {
                    targets.insert(sighting.from);
                    let seats = sighting.voters.iter().flat_map(Voters::named_seats);
                    targets.extend(seats.map(|seat| seat.address));
                }
            }
        }
        targets.remove(&self.config.core.address);
        targets.into_iter().take(ASKED_ADDRESSES).collect()
    }

    /// Voters whose end this process waits for: it stays connected with them, so as to be refused when nobody listens
    /// there.
    pub(super) fn awaited(&self) -> impl Iterator<Item = SocketAddr> {
        let own = self.member.view().map_or(Gid::NONE, |view| view.gid);
        let waits = self.member.is_joining() || !self.member.serves() || !self.member.has_history();
        let sightings = self.lineages.all().filter(move |(gid, _)| waits && *gid != own);
        let seats = sightings.flat_map(|(_, sighting)| &sighting.voters).flat_map(Voters::named_seats);
        let empty = self.meeting.returning.is_some() && !self.member.has_history();
        let fellows = self.member.view().into_iter().flat_map(|view| view.voters()).filter(move |_| empty);
        seats.map(|seat| seat.address).chain(fellows.map(|m| m.address)).take(ASKED_ADDRESSES)
    }

    /// Two lineages with history do not end by themselves: somebody has to choose.
    fn tell_of_rivals(&mut self) {
        let Some(view) = self.member.view().filter(|_| self.member.is_leader()).cloned() else { return };
        let now = self.now.since(Time::ZERO);
        let settings = layers::settings_digest(&view.params);
        let history = self.member.has_history();
        let places = self.inquiries.fresh(now).filter_map(|(address, answer)| Some((address, answer.place()?)));
        let rivals = places.filter(|(_, place)| {
            place.gid != view.gid
                && place.leads
                && place.serves
                && (history && place.history || place.settings != settings)
        });
        let news: Vec<(Gid, SocketAddr, u32)> = rivals
            .map(|(address, place)| (place.gid, address, place.voters.count()))
            .filter(|(gid, ..)| !self.meeting.reported.contains(gid))
            .collect();
        for (gid, address, size) in news {
            if self.meeting.reported.len() < REPORTED_LINEAGES {
                self.meeting.reported.insert(gid);
                self.alarms.push(Event::Rival { gid, address, size });
            }
        }
    }

    /// A process that is in no view says why, once that has lasted.
    fn say_why_out(&mut self, now: Duration) {
        if self.member.view().is_some() || self.gone {
            self.meeting.out_since = None;
            if self.meeting.out.take().is_some() {
                self.tell(Event::Unblocked);
            }
            self.meeting.entered = true;
            return;
        }
        let since = *self.meeting.out_since.get_or_insert(now);
        if now < since + OUT_PATIENCE {
            return self.wake_at(since + OUT_PATIENCE);
        }
        let too_large = self.member.too_large().map(|(bytes, from)| Out::Datagram { bytes, from });
        let heard = |gid: Gid| self.lineages.get(gid).map(|sighting| Out::Heard { gid, from: sighting.from });
        let why = match (&self.exile, self.creation.as_ref().map(|creation| creation.waits())) {
            (Some(Exile { gid, given_up: Some(why), .. }), _) => Some(Out::GivenUp { gid: *gid, why: *why }),
            (Some(exile), _) => Some(Out::Exile { gid: exile.gid, vid: exile.voters.vid }),
            (None, Some(Waits::Heard(gid))) => heard(*gid),
            (None, Some(Waits::Stranger(Stranger { version, from }))) => {
                Some(Out::OtherVersion { theirs: *version, ours: VERSION, from: *from })
            }
            (None, Some(Waits::Crowded)) => Some(Out::Crowded),
            (None, Some(Waits::Missing(missing))) => Some(Out::Missing(missing.clone())),
            (None, Some(Waits::Few(peers))) => {
                Some(Out::Few { there: peers.there, of: peers.of, missing: peers.missing() })
            }
            (None, Some(Waits::Looking) | None) => None,
        };
        // While it merely looks again, the last reason stands: it is unblocked when it is in a view.
        let why = too_large.or(why).map(Blocked::Out).filter(|why| Some(why) != self.meeting.out.as_ref());
        if let Some(why) = why {
            self.tell(Event::Blocked(why.clone()));
            self.meeting.out = Some(why);
        }
    }

    /// Before its first view, an application is told nothing: the error of its attempt to join says why.
    fn tell(&mut self, event: Event) {
        if self.meeting.entered {
            self.alarms.push(event);
        }
    }
}
