//! Whether a run has come to its end, and what stands in the way (P23, P24).

use std::collections::BTreeSet;
use std::time::Duration;

use gms_check::Event;
use gms_core::{Blocked, Gid, Out, Time, Unsettled, View};

use crate::ballots::Ballots;
use crate::blockade::{Blockade, blockade};
use crate::clients;
use crate::host::Host;
use crate::network::LONGEST_ECHO;
use crate::report::Ending;
use crate::scenario::Entry;
use crate::world::World;

/// How long those who cannot go on are watched before they are believed.
const PATIENCE: Duration = Duration::from_secs(3);
/// What was safe before may still be delivered for this long.
const GRACE: Duration = Duration::from_millis(1500);

/// What the processes have come to.
pub(crate) enum State {
    /// All that can go on are at rest: see [`unsettled`].
    Rest {
        /// Those that live on, by their place among the hosts.
        up: Vec<usize>,
        /// Those whose group cannot go on: too many of it have died.
        blocked: Vec<usize>,
    },
    /// Those of several lineages are at rest, each of them.
    Apart {
        /// The members of each.
        each: Vec<Vec<usize>>,
    },
    /// Not yet.
    Open {
        /// Why.
        why: String,
        /// Those that have to get there.
        up: Vec<usize>,
    },
}

impl World<'_> {
    /// Takes samples of memory; says how the run has ended, if it has.
    pub(crate) fn look(&mut self, is_late: bool) -> Result<Option<Ending>, String> {
        for host in self.hosts.iter().flatten().filter(|host| !host.gone) {
            self.witness.take(&host.node.memory_trace(self.now), Some(host.place));
        }
        if let Some(host) = self.hosts.iter().flatten().find(|host| host.node.stats().lies() > 0) {
            let why = format!("{} took an honest word for a lie: {:?}", host.uid, host.node.stats());
            return Err(dump(&self.hosts, self.now, &why));
        }
        if !self.calm {
            return Ok(None);
        }
        let expected = self.scenario.expected();
        let state = match self.scenario.lineages {
            Some(_) => self.come_to(),
            None => state(&self.hosts, &self.ballots, &expected, |index| &self.births[index].entry),
        };
        let (up, blocked) = match state {
            State::Apart { each } => return self.look_at_all(each, is_late),
            State::Rest { up, blocked } => (up, blocked),
            State::Open { .. } if !is_late => {
                self.blocked_since = None;
                return Ok(None);
            }
            State::Open { why, up } => {
                self.rest(&up, &[]);
                return Err(dump(&self.hosts, self.now, &why));
            }
        };
        let too_few = self.too_few_vote(&up);
        if !up.is_empty() && !too_few {
            let open = clients::unanswered(&self.clients).filter(|_| blocked.is_empty());
            match open.or_else(|| self.untried(&up)) {
                Some(_) if !is_late => return Ok(None),
                Some(why) => return Err(dump(&self.hosts, self.now, &why)),
                None if blocked.is_empty() => {
                    self.rest(&up, &blocked);
                    return Ok(Some(Ending::Converged));
                }
                None => {}
            }
        }
        // Whatever the dead have said may come again, and lift for a while what others say of being blocked.
        let echoes = if self.scenario.network.echoes > 0.0 { LONGEST_ECHO } else { Duration::ZERO };
        if self.now < Time::ZERO + self.scenario.chaos + echoes {
            return Ok(None);
        }
        let since = *self.blocked_since.get_or_insert(self.now);
        if self.now - since < PATIENCE {
            return Ok(None);
        }
        let waiting: Vec<usize> = if too_few { up.iter().chain(&blocked).copied().collect() } else { blocked };
        self.rest(if too_few { &[] } else { &up }, &waiting);
        self.blockade = Some(if too_few { Blockade::MinVoters } else { self.blockade_of(&waiting) });
        let host = |index: &usize| self.hosts[*index].as_ref().expect("it lives");
        let goes_on = |index: &&usize| host(index).uniform_at > since + GRACE;
        // Who is bound to a view may have nothing that waits for it, and hear its leader.
        let has_to_say = !matches!(self.blockade, Some(Blockade::Bound | Blockade::Heard));
        let is_silent = |index: &&usize| host(index).node.view().is_some() && !host(index).app.blocked;
        if waiting.iter().any(|index| goes_on(&index)) {
            return Err(dump(&self.hosts, self.now, "delivered at a uniform level without a quorum"));
        }
        match waiting.iter().find(|index| has_to_say && is_silent(index)) {
            Some(index) => {
                let why = format!("{} does not say that it is blocked", host(index).uid);
                Err(dump(&self.hosts, self.now, &why))
            }
            None => Ok(Some(Ending::Blocked)),
        }
    }

    /// Of several lineages that are at rest: whether each passes its trial.
    fn look_at_all(&mut self, mut each: Vec<Vec<usize>>, is_late: bool) -> Result<Option<Ending>, String> {
        let open = clients::unanswered(&self.clients).or_else(|| self.untried(&each.concat()));
        match open {
            Some(_) if !is_late => Ok(None),
            Some(why) => Err(dump(&self.hosts, self.now, &why)),
            None => {
                // That they converge is said of one; the others do by themselves.
                each.sort_by_key(Vec::len);
                self.rest(each.last().map_or(&[], Vec::as_slice), &[]);
                Ok(Some(Ending::Apart))
            }
        }
    }

    /// Whether those who are at rest are fewer than their group wants when it orders anything.
    fn too_few_vote(&self, up: &[usize]) -> bool {
        let view = up.first().and_then(|index| self.hosts[*index].as_ref()?.node.view());
        view.is_some_and(|view| waits(view))
    }

    /// Writes down who lives at the end, and could go on.
    fn rest(&mut self, up: &[usize], blocked: &[usize]) {
        let uids = |of: &[usize]| of.iter().filter_map(|index| Some(self.hosts[*index].as_ref()?.uid)).collect();
        let event = Event::Rest { up: uids(up), blocked: uids(blocked) };
        self.note(event);
    }
}

/// What the processes have come to.
fn state<'a>(
    hosts: &[Option<Host>],
    ballots: &Ballots,
    expected: &BTreeSet<u64>,
    entry: impl Fn(usize) -> &'a Entry,
) -> State {
    if hosts.iter().any(Option::is_none) {
        return State::Open { why: "not all have started".to_owned(), up: Vec::new() };
    }
    let host = |index: &usize| hosts[*index].as_ref().expect("all have started");
    let living: Vec<usize> = (0..hosts.len()).filter(|index| host(index).app.end.is_none()).collect();
    let gid = |index: &usize| host(index).node.view().map(|view| view.gid);
    let able: Vec<(usize, bool)> = living
        .iter()
        .map(|index| {
            (
                *index,
                gid(index).is_some_and(|gid| blockade(hosts, ballots, gid).is_none() && !waits_for_another(hosts, gid)),
            )
        })
        .collect();
    let blocked: Vec<usize> =
        able.iter().filter(|(index, able)| !able && gid(index).is_some()).map(|(index, _)| *index).collect();
    let up: Vec<usize> = living.iter().copied().filter(|index| !blocked.contains(index)).collect();
    let lives = |node: &u64| living.iter().any(|index| host(index).uid.node == *node);
    let may_create = |index: &usize| match entry(*index) {
        Entry::Auto => true,
        // Of those who are expected only the highest creates the group, and it may have come again to join only.
        Entry::Expected => expected.iter().all(lives) && expected.last() == Some(&host(index).uid.node),
        _ => false,
    };
    let nobody_leads = !able.iter().any(|(_, able)| *able);
    let creates = |index: &usize| may_create(index) && !waits_for_the_dead(hosts, host(index));
    if nobody_leads && (!blocked.is_empty() || !up.iter().any(creates)) {
        // Who is in no view waits for a group that will never let anybody in.
        return State::Rest { up: Vec::new(), blocked: living };
    }
    let members: Vec<&Host> = up.iter().map(host).collect();
    match unsettled(&members) {
        Some(why) => State::Open { why, up },
        None => State::Rest { up, blocked },
    }
}

/// Whether a new lineage orders nothing because another one was heard that nobody is in any more: in these runs, no
/// host refuses a connection for its dead.
fn waits_for_another(hosts: &[Option<Host>], gid: Gid) -> bool {
    let living = || hosts.iter().flatten().filter(|host| host.app.end.is_none());
    let is_in = |host: &Host, gid: Gid| host.node.view().is_some_and(|view| view.gid == gid);
    let rival = living().filter(|host| is_in(host, gid)).find_map(|host| match host.node.blocked() {
        Some(Blocked::Unsettled { why: Unsettled::Rival(rival) }) => Some(*rival),
        _ => None,
    });
    rival.is_some_and(|rival| !living().any(|host| is_in(host, rival)))
}

/// Whether that process creates no group because it has heard of one that nobody can know to be over: nobody is in it,
/// and nobody has taken the place of one of its dead voters.
fn waits_for_the_dead(hosts: &[Option<Host>], host: &Host) -> bool {
    let Some(Blocked::Out(Out::Heard { gid, .. } | Out::Exile { gid, .. })) = host.node.blocked() else { return false };
    let living = || hosts.iter().flatten().filter(|host| host.app.end.is_none());
    if living().any(|host| host.node.view().is_some_and(|view| view.gid == *gid)) {
        return false;
    }
    let views = hosts.iter().flatten().filter_map(|host| host.last_view.as_ref());
    let last = views.filter(|view| view.gid == *gid).max_by_key(|view| view.vid);
    let mut voters = last.into_iter().flat_map(|view| view.voters());
    let told = living().any(|host| host.node.known_voters(*gid).is_some());
    !told || voters.any(|voter| !living().any(|host| host.address == voter.address))
}

/// Why `members` have not come to rest; `None` when they have: all are voters of one view that holds nobody else,
/// have handled the same order to its end, say that nothing blocks them, and know the outcome of every message they
/// sent; or they are so few that nothing is ordered.
pub(crate) fn unsettled(members: &[&Host]) -> Option<String> {
    if let Some(host) = members.iter().find(|host| host.app.leaving) {
        return Some(format!("{} has not left", host.uid));
    }
    let Some(first) = members.first() else { return Some("nobody is left".to_owned()) };
    let Some(view) = first.node.view() else { return Some(format!("{} is in no view", first.uid)) };
    for host in members {
        let uid = host.uid;
        if host.node.view().is_none_or(|v| (v.gid, v.vid) != (view.gid, view.vid)) {
            return Some(format!("{uid} and {} are not in one view", first.uid));
        }
        if host.app.vid != Some(view.vid) || host.reached != first.reached {
            return Some(format!("{uid} has handled {} and {} has handled {}", host.reached, first.uid, first.reached));
        }
        if host.app.outcomes != host.app.sent && !waits(view) {
            return Some(format!("{uid} knows the outcome of {} of {} messages", host.app.outcomes, host.app.sent));
        }
    }
    if let Some(host) = members.iter().find(|host| host.app.blocked && !waits(view)) {
        return Some(format!("{} says that it is blocked", host.uid));
    }
    (view.voters().count() != members.len() || view.members.len() != members.len())
        .then(|| format!("view {view} is not of the {} who stay", members.len()))
}

/// Whether the group orders nothing because it is so small.
fn waits(view: &View) -> bool {
    view.voters().count() < usize::from(view.params.min_voters)
}

/// The state of all processes, for a run that stalled.
pub(crate) fn dump(hosts: &[Option<Host>], now: Time, why: &str) -> String {
    let mut text = format!("{why}, at {:.6} s", Duration::from_nanos(now.as_nanos()).as_secs_f64());
    for host in hosts.iter().flatten() {
        let view = host.node.view().map_or("none".to_owned(), |view| view.to_string());
        let (app, memory) = (&host.app, host.node.memory());
        text += &format!(
            "\n    {} at {}: view {view}{}{}{}{}, (have, safe, stable) {:?}, handled up to {}, {} sent, {} outcomes, {} of {} bytes, {:?}",
            host.uid,
            host.address,
            if host.node.is_leader() { ", leader" } else { "" },
            if app.leaving { ", leaving" } else { "" },
            app.end.as_ref().map_or(String::new(), |end| format!(", {end:?}")),
            host.node.blocked().map_or(String::new(), |why| format!(", blocked: {why}")),
            host.node.progress(),
            host.reached,
            app.sent,
            app.outcomes,
            memory.used,
            memory.cap,
            host.node.stats(),
        );
    }
    text
}
