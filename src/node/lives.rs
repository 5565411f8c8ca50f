//! One process, several lives: another id, another lineage, the end.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Gid, Input, Member, Time, Uid};

use super::{Bootstrap, Node, NodeConfig};
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

    /// Takes another id and starts over: comes to the group as it did with the one that was taken.
    pub(super) fn draw_another_id(&mut self) {
        let uid = Uid::new(self.random.next_u64() >> 32, self.random.next_u64());
        let leaving = self.leaving;
        self.start_over(uid, self.bootstrap.clone());
        if leaving {
            self.handle(self.now, Input::Leave);
        }
    }

    /// The lineage of this process has dissolved, or excluded it: joins as a new life.
    pub(super) fn begin_anew(&mut self) {
        let uid = Uid { incarnation: self.random.next_u64(), ..self.member.uid() };
        let bootstrap = match (self.forced.take(), &self.config.bootstrap) {
            (Some(forced), _) => forced,
            (None, Bootstrap::Found) => Bootstrap::Join,
            (None, other) => other.clone(),
        };
        let place = self.place;
        let member = self.start_over(uid, bootstrap);
        if let Some(place) = place {
            self.former = Some(Box::new(Former::new(member, place, self.now)));
        }
    }

    /// Puts another life in the place of this one, and returns what was the member in it. What is of the process and
    /// not of its life goes on.
    fn start_over(&mut self, uid: Uid, bootstrap: Bootstrap) -> Member {
        let mut config = NodeConfig { bootstrap, ..self.config.clone() };
        config.core.uid = uid;
        config.core.seed = self.random.next_u64();
        let anew = Self::new(config, self.now).expect("nothing but the life has changed");
        let past = mem::replace(self, anew);
        self.config.bootstrap = past.config.bootstrap;
        self.before = past.before + past.sent;
        (self.random, self.exclusions, self.former) = (past.random, past.exclusions, past.former);
        self.outbox.extend(past.outbox);
        self.go_on_from(past.testimony, past.member.uid(), past.place.map(|(gid, _)| gid));
        past.member
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
