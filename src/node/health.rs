//! Who is alive: the failure detector, fed with what gms-core has heard (reliability 4). The leader
//! watches everybody, the others watch the leader.

use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Member, Time, Uid, View, ViewMember};
use gms_discovery::{Check, Detector, DetectorConfig, DetectorError, DetectorEvent, DetectorInput};

/// Longest silence of a member that answers through others only; at least twice the usual.
const SLOW: Duration = Duration::from_secs(5);

/// So many of those who would lead next are watched by connection.
const NEXT_RANKS: usize = 2;

/// The members whose death process `me` has to notice: the leader all, the others the leader.
pub(super) fn watched_by(me: Uid, view: &View) -> impl Iterator<Item = &ViewMember> {
    view.members.iter().filter(move |m| m.uid != me && (view.leader == me || view.leader == m.uid))
}

/// The members that process `me` stays connected with, so that a death is noticed at once: those it watches, and
/// the highest ranks, of whom one leads next.
pub(super) fn connected_by(me: Uid, view: &View) -> impl Iterator<Item = &ViewMember> {
    let next: Vec<Uid> =
        view.ranked().iter().map(|m| m.uid).filter(|uid| *uid != view.leader).take(NEXT_RANKS).collect();
    let watched = move |m: &&ViewMember| view.leader == me || view.leader == m.uid || next.contains(&m.uid);
    view.members.iter().filter(move |m| m.uid != me && watched(m))
}

/// The detector of one process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Health {
    detector: Detector<Uid>,
    /// How often signs of life are handed on. Any datagram is one, and there are too many of them to
    /// count each.
    every: Duration,
    /// How many times one that is silent is asked.
    checks: u8,
    slow: Duration,
    next: Duration,
    /// What was handed on, by member.
    heard: Vec<(Uid, Time)>,
}

/// What the detector has found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// Not heard, and asked so many times; never where it answers others.
    Silent(Uid, u8),
    Alive(Uid),
}

impl Health {
    pub(super) fn new(config: DetectorConfig, me: Uid) -> Result<Self, DetectorError> {
        let (every, slow) = (config.interval / 2, SLOW.max(config.floor * 2));
        let checks = u8::try_from(config.probes).unwrap_or(u8::MAX);
        let detector = Detector::new(config, me)?;
        Ok(Self { detector, every, checks, slow, next: Duration::ZERO, heard: Vec::new() })
    }

    /// Watches whom this process has to watch in `view`.
    pub(super) fn follow(&mut self, now: Duration, me: Uid, view: Option<&View>) {
        let watched: Vec<Uid> = view.into_iter().flat_map(|view| watched_by(me, view)).map(|m| m.uid).collect();
        let former: Vec<Uid> = self.detector.peers().map(|(uid, _)| uid).filter(|uid| !watched.contains(uid)).collect();
        former.into_iter().for_each(|uid| self.detector.unwatch(now, uid));
        watched.iter().for_each(|uid| self.detector.watch(now, *uid));
        self.heard.retain(|(uid, _)| watched.contains(uid));
        self.next = now;
    }

    /// Hands on who has been heard, then lets the detector judge.
    pub(super) fn tick(&mut self, now: Duration, member: &Member) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        self.hand_on(now, member);
        self.detector.tick(now);
        self.next = now + self.every;
    }

    /// There is a hint that this member is dead: find out now. Only what is heard of it from here on counts.
    pub(super) fn doubt(&mut self, now: Duration, member: &Member, who: Uid) {
        self.hand_on(now, member);
        self.detector.handle(now, DetectorInput::Doubt(who));
    }

    /// This process has stood still.
    pub(super) fn paused(&mut self, now: Duration, late: Duration) {
        self.detector.handle(now, DetectorInput::Paused { late });
    }

    /// A check of another member's detector.
    pub(super) fn receive(&mut self, now: Duration, from: Uid, check: Check<Uid>) {
        self.detector.handle(now, DetectorInput::Received { from, check });
    }

    pub(super) fn poll_finding(&mut self, now: Duration) -> Option<Finding> {
        loop {
            match self.detector.poll_event()? {
                DetectorEvent::Suspected { id, .. } => return Some(Finding::Silent(id, self.checks)),
                // One that only others hear cannot do its part: nobody waits for it for ever.
                DetectorEvent::Trusted { id, through: Some(_) } if self.is_long_unheard(now, id) => {
                    return Some(Finding::Silent(id, 0));
                }
                DetectorEvent::Trusted { id, .. } => return Some(Finding::Alive(id)),
                DetectorEvent::Verify { .. } | DetectorEvent::Paused { .. } => {}
            }
        }
    }

    /// Checks to send, to members of `view`.
    pub(super) fn poll_transmit(&mut self, view: &View) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            let transmit = self.detector.poll_transmit()?;
            if let Some(member) = view.member(transmit.to)
                && let Ok(body) = transmit.check.encode()
            {
                return Some((member.address, body));
            }
        }
    }

    /// When [`Self::tick`] is due; `None` while nobody is watched.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let watches = self.detector.peers().len() > 0;
        watches.then(|| self.detector.poll_timeout().map_or(self.next, |at| at.min(self.next)))
    }

    fn is_long_unheard(&self, now: Duration, who: Uid) -> bool {
        let heard = self.heard.iter().find(|(uid, _)| *uid == who);
        heard.is_some_and(|(_, at)| now.saturating_sub(at.since(Time::ZERO)) > self.slow)
    }

    fn hand_on(&mut self, now: Duration, member: &Member) {
        for (id, millis) in member.late() {
            self.detector.handle(now, DetectorInput::Late { id, late: Duration::from_millis(millis.into()) });
        }
        for (uid, at) in member.heard() {
            match self.heard.iter_mut().find(|(of, _)| *of == uid) {
                Some((_, before)) if *before >= at => continue,
                Some((_, before)) => *before = at,
                None => self.heard.push((uid, at)),
            }
            self.detector.heard(now, uid);
        }
    }
}
