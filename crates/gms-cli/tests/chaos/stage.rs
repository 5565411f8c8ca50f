//! The servers on their network, what happens to them, and when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::draw::Draw;
use crate::fault::{self, Cut, Fault, Victim};
use crate::server::Server;
use crate::story::Story;
use crate::tally::Tally;
use crate::weather::Weather;

/// Longest time a leave takes.
pub(crate) const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// How often the condition that is waited for is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// Everything there is, and what is going to happen.
pub(crate) struct Stage {
    // Before the network they live on, for they are dropped in this order.
    pub(crate) clients: Vec<Client>,
    pub(crate) servers: Vec<Server>,
    pub(crate) weather: Weather,
    pub(crate) draw: Draw,
    pub(crate) tally: Tally,
    pub(crate) story: Story,
    agenda: BTreeMap<(Instant, usize), Action>,
    /// Those to whom something happens in this round.
    hit: BTreeSet<usize>,
    /// Those that were told to leave.
    leaving: BTreeSet<usize>,
}

enum Action {
    Begin(Fault),
    Start(usize),
    Thaw(usize),
    Plug(usize),
    Mend(Vec<(usize, usize)>),
    Cut(Vec<(usize, usize)>, Duration),
    /// Multicast arrives again.
    Unfilter(Vec<usize>),
    /// Nothing is lost any more.
    Clear,
}

impl Stage {
    pub(crate) fn new(weather: Weather, servers: Vec<Server>, draw: Draw, story: Story) -> Self {
        Self {
            clients: Vec::new(),
            servers,
            weather,
            draw,
            tally: Tally::default(),
            story,
            agenda: BTreeMap::new(),
            hit: BTreeSet::new(),
            leaving: BTreeSet::new(),
        }
    }

    /// Starts a server. Some lose a part of what they receive all their life.
    pub(crate) fn start(&mut self, server: usize) {
        let loss = self.draw.pick(&[0.0, 0.0, 0.01, 0.05]);
        let seed = self.draw.bits();
        self.servers[server].start(self.weather.host(server), loss, seed);
    }

    /// Faults, until the last of them is over.
    pub(crate) fn round(&mut self) {
        self.tally.rounds += 1;
        self.story.tell(&format!("── round {}", self.tally.rounds));
        self.hit.clear();
        for (begin, fault) in fault::round(&mut self.draw, self.servers.len()) {
            self.plan(begin, Action::Begin(fault));
        }
        while let Some(entry) = self.agenda.first_entry() {
            let (at, _) = *entry.key();
            if at > Instant::now() {
                self.look_after_servers();
                thread::sleep(at.saturating_duration_since(Instant::now()).min(LOOK));
                continue;
            }
            match entry.remove() {
                Action::Begin(fault) => self.begin(fault),
                Action::Start(server) => self.start_again(server),
                Action::Thaw(server) => {
                    self.story.tell(&format!("thaw server {server}"));
                    self.servers[server].thaw();
                }
                Action::Plug(server) => {
                    self.story.tell(&format!("plug in server {server}"));
                    self.weather.plug(server, true);
                }
                Action::Mend(links) => {
                    self.story.tell(&format!("mend {links:?}"));
                    self.weather.mend(&links);
                }
                Action::Cut(links, lasts) => self.cut(links, lasts),
                Action::Unfilter(servers) => {
                    self.story.tell(&format!("multicast reaches {servers:?} again"));
                    self.weather.filter_multicast(&servers, false);
                }
                Action::Clear => {
                    self.story.tell("nothing is lost any more");
                    self.weather.lose(0);
                }
            }
        }
    }

    fn plan(&mut self, after: Duration, action: Action) {
        let mut key = (Instant::now() + after, 0);
        while self.agenda.contains_key(&key) {
            key.1 += 1;
        }
        self.agenda.insert(key, action);
    }

    fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::Kill { victim, back_after } => {
                let Some(server) = self.victim(victim) else { return };
                self.tally.kills += 1;
                self.tally.leader_kills += u64::from(self.leader() == Some(server));
                self.story.tell(&format!("kill server {server}"));
                self.servers[server].kill();
                self.plan(back_after, Action::Start(server));
            }
            Fault::Leave { victim, back_after } => {
                let Some(server) = self.victim(victim) else { return };
                self.tally.leaves += 1;
                self.story.tell(&format!("tell server {server} to leave"));
                self.leaving.insert(server);
                self.servers[server].leave();
                self.plan(back_after, Action::Start(server));
            }
            Fault::Freeze { victim, lasts } => {
                let Some(server) = self.victim(victim) else { return };
                self.tally.stops += 1;
                self.story.tell(&format!("freeze server {server}"));
                self.servers[server].freeze();
                self.plan(lasts, Action::Thaw(server));
            }
            Fault::Unplug { victim, lasts } => {
                let Some(server) = self.victim(victim) else { return };
                self.tally.unplugs += 1;
                self.story.tell(&format!("pull the cable of server {server}"));
                self.weather.plug(server, false);
                self.plan(lasts, Action::Plug(server));
            }
            Fault::Cut { victims, cut, lasts, heals } => {
                let side: Vec<usize> = victims.into_iter().filter_map(|victim| self.victim(victim)).collect();
                let others: Vec<usize> = (0..self.servers.len()).filter(|server| !side.contains(server)).collect();
                let across = side.iter().flat_map(|one| others.iter().map(move |other| (*one, *other)));
                let links = match cut {
                    Cut::Apart => across.flat_map(|(one, other)| [(one, other), (other, one)]).collect(),
                    Cut::Deaf => across.map(|(one, other)| (other, one)).collect(),
                    Cut::Mute => across.collect(),
                };
                *if cut == Cut::Apart { &mut self.tally.partitions } else { &mut self.tally.one_way } += 1;
                if let Some(heals) = heals {
                    self.tally.flaps += 1;
                    self.plan(lasts / 2 + heals, Action::Cut(Vec::clone(&links), lasts / 2));
                    self.cut(links, lasts / 2);
                } else {
                    self.cut(links, lasts);
                }
            }
            Fault::Pair { victims, both_ways, lasts } => {
                let [one, other] = victims.map(|victim| self.victim(victim));
                let (Some(one), Some(other)) = (one, other) else { return };
                *if both_ways { &mut self.tally.partitions } else { &mut self.tally.one_way } += 1;
                self.cut(if both_ways { vec![(one, other), (other, one)] } else { vec![(one, other)] }, lasts);
            }
            Fault::Filter { victim, lasts } => {
                let all = || (0..self.servers.len()).collect();
                let victims: Vec<usize> = match victim {
                    None => all(),
                    Some(victim) => self.victim(victim).into_iter().collect(),
                };
                self.tally.filters += 1;
                self.story.tell(&format!("multicast does not reach {victims:?}"));
                self.weather.filter_multicast(&victims, true);
                self.plan(lasts, Action::Unfilter(victims));
            }
            Fault::Lose { percent, lasts } => {
                self.tally.losses += 1;
                self.story.tell(&format!("lose {percent} %"));
                self.weather.lose(percent);
                self.plan(lasts, Action::Clear);
            }
        }
    }

    fn cut(&mut self, links: Vec<(usize, usize)>, lasts: Duration) {
        self.story.tell(&format!("cut {links:?}"));
        self.weather.cut(&links);
        self.plan(lasts, Action::Mend(links));
    }

    /// One to whom nothing happens yet in this round.
    fn victim(&mut self, victim: Victim) -> Option<usize> {
        let leader = self.leader();
        let spared = |server: &usize| self.hit.contains(server) || !self.servers[*server].is_running();
        let server = match victim {
            Victim::Leader => leader.filter(|leader| !spared(leader))?,
            Victim::Follower => {
                let all = (0..self.servers.len()).filter(|server| !spared(server) && Some(*server) != leader);
                let all: Vec<usize> = all.collect();
                if all.is_empty() {
                    return None;
                }
                self.draw.pick(&all)
            }
        };
        self.hit.insert(server);
        Some(server)
    }

    /// Of the newest view that anybody has.
    fn leader(&self) -> Option<usize> {
        let views = self.servers.iter().filter_map(|server| Some(server.spoken()?.view.as_ref()?.clone()));
        views.max_by_key(|view| view.number).map(|view| view.leader)
    }

    fn start_again(&mut self, server: usize) {
        if self.leaving.contains(&server) && self.servers[server].wait(LEAVES_WITHIN).is_some() {
            self.leaving.remove(&server);
        }
        self.tally.restarts += 1;
        self.start(server);
    }

    /// Reports servers that ended without being told to.
    pub(crate) fn look_after_servers(&mut self) {
        for server in 0..self.servers.len() {
            let Some(end) = self.servers[server].ended() else { continue };
            assert!(self.leaving.remove(&server), "server {server} ended by itself: {end}, see its standard error");
        }
    }
}
