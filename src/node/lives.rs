//! One process, several lives: another id, another lineage, the end.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Gid, Member, Time, Uid};

use super::{Bootstrap, Node};
use crate::layers;

/// How long a former life keeps answering those who were in its last view and are behind.
const LINGER: Duration = Duration::from_secs(10);

/// The life a process had in a lineage that has dissolved, or that has excluded it: it answers for it a while
/// (protocol 5.3).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Former {
    pub(super) member: Member,
    gid: Gid,
    vid: u64,
    pub(super) until: Time,
}

impl Former {
    pub(super) fn new(member: Member, (gid, vid): (Gid, u64), now: Time) -> Self {
        Self { member, gid, vid, until: now + LINGER }
    }

    pub(super) fn poll_timeout(&self) -> Time {
        self.member.poll_timeout().map_or(self.until, |at| at.min(self.until))
    }
}

/// Exclusions longer ago than this are forgotten.
const LATELY: Duration = Duration::from_secs(60);
/// After so many exclusions within that time, a process still returns at once;
const FORGIVEN: u32 = 2;
/// after the next it rests so long, and twice as long after each further one,
const REST: Duration = Duration::from_secs(1);
/// up to this.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// How often a process has been excluded lately although it lived. Each return costs the group two views, so one that
/// flaps returns less and less often.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Exclusions {
    at: VecDeque<Time>,
    rest: Option<Time>,
}

impl Exclusions {
    /// It has been excluded: true if it rests now.
    fn count(&mut self, now: Time) -> bool {
        self.at.retain(|at| now - *at < LATELY);
        self.at.push_back(now);
        let beyond = (self.at.len() as u32).saturating_sub(FORGIVEN);
        self.rest = (beyond > 0).then(|| now + (REST * (1 << (beyond - 1).min(16))).min(LONGEST_REST));
        self.rest.is_some()
    }

    /// Until when it keeps away from the group, if it does.
    pub(super) fn rests_until(&self) -> Option<Time> {
        self.rest
    }

    /// It rests no longer; false if it did not.
    pub(super) fn end_rest(&mut self) -> bool {
        self.rest.take().is_some()
    }
}

impl Node {
    /// The group has gone on without this process: it joins again, at once or when it has rested.
    pub(super) fn rejoin(&mut self) {
        if !self.exclusions.count(self.now) {
            self.begin_anew();
        }
    }

    /// Which life of this process a datagram of gms-core is for. Those who want to join are in no view yet, and what they
    /// say is for the present.
    pub(super) fn life_of(&mut self, datagram: &Bytes) -> &mut Member {
        let of_the_past = |former: &Former| {
            layers::view_of(datagram).is_some_and(|(gid, vid)| gid == former.gid && (1..=former.vid).contains(&vid))
        };
        match &mut self.former {
            Some(former) if of_the_past(former) => &mut former.member,
            _ => &mut self.member,
        }
    }

    /// Takes another id and starts over.
    pub(super) fn draw_another_id(&mut self) {
        let mut config = self.config.clone();
        config.core.uid = Uid::new(self.random.next_u64() >> 32, self.random.next_u64());
        config.core.seed = self.random.next_u64();
        let anew = Self::new(config, self.now).expect("nothing but the id has changed");
        let Self { before, former, exclusions, outbox, .. } = std::mem::replace(self, anew);
        (self.before, self.former, self.exclusions) = (before, former, exclusions);
        self.outbox.extend(outbox);
    }

    /// The lineage of this process has dissolved, or excluded it: joins as a new life.
    pub(super) fn begin_anew(&mut self) {
        let place = self.place;
        let mut config = self.config.clone();
        config.core.uid = Uid { incarnation: self.random.next_u64(), ..config.core.uid };
        config.core.seed = self.random.next_u64();
        let original = config.bootstrap.clone();
        if let Some(forced) = self.forced.take() {
            config.bootstrap = forced;
        } else if config.bootstrap == Bootstrap::Found {
            config.bootstrap = Bootstrap::Join;
        }
        let mut anew = Self::new(config, self.now).expect("nothing but the life has changed");
        anew.config.bootstrap = original;
        (anew.before, anew.random) = (self.before + self.sent, self.random.clone());
        anew.exclusions = self.exclusions.clone();
        let Self { member, outbox, .. } = std::mem::replace(self, anew);
        self.outbox.extend(outbox);
        self.former = place.map(|place| Box::new(Former::new(member, place, self.now)));
    }

    /// Tells the others that this server is gone; not if the id they would forget is another one's.
    pub(super) fn say_goodbye(&mut self, id_is_taken: bool) {
        if id_is_taken {
            self.gone = true;
            return;
        }
        self.directory.handle(self.now.since(Time::ZERO), gms_discovery::Input::Leave);
        self.gather();
        self.gone = true;
    }
}
