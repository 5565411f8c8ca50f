//! Who proposes what ends a view whose leader is gone (protocol 5.2): those who may elect one of them, by rank.

use std::net::SocketAddr;
use std::time::Duration;

use gms_core::{Member, NodeId, Ranking, View};
use gms_election::{Destination, Election, ElectionConfig, Electorate, Event, Input, Message, Rank};

/// One process's part in the election of a proposer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Succession {
    config: ElectionConfig,
    seed: u64,
    /// Of the present view, once there was reason for one.
    election: Option<Election<u64>>,
    vid: Option<u64>,
    /// Since when somebody is elected.
    elected_at: Duration,
}

impl Succession {
    pub(super) fn new(config: ElectionConfig, seed: u64) -> Self {
        Self { config, seed, election: None, vid: None, elected_at: Duration::ZERO }
    }

    /// Takes the state of the world in. True: this process proposes, now.
    pub(super) fn step(&mut self, now: Duration, member: &Member) -> bool {
        let vid = member.view().map(|view| view.vid);
        if self.vid != vid {
            (self.vid, self.election) = (vid, None);
        }
        let (true, Some(view)) = (member.needs_proposer(), member.view()) else {
            if let Some(election) = &mut self.election {
                // It answers those above and below; what it may win meanwhile does not count.
                election.handle(now, Input::Tick);
                self.is_won(now);
            }
            return false;
        };
        // Somebody may have been elected since.
        self.is_won(now);
        let me = member.uid().node.0;
        let election = self.election.get_or_insert_with(|| election(&self.config, me, view, self.seed));
        let dead = view.members.iter().filter(|m| member.suspects(m.uid));
        dead.for_each(|m| election.handle(now, Input::Suspect(m.uid.node.0)));
        let patience = patience(&self.config);
        let failed = |leader: u64| leader == me || now.saturating_sub(self.elected_at) >= patience;
        match election.leader() {
            Some((leader, _)) if failed(leader) => election.handle(now, Input::Depose),
            Some(_) => election.handle(now, Input::Tick),
            None => election.handle(now, Input::Start),
        }
        self.is_won(now)
    }

    /// Takes in what the election has to tell: whether this process has just won it.
    fn is_won(&mut self, now: Duration) -> bool {
        let mut won = false;
        while let Some(event) = self.election.as_mut().and_then(Election::poll_event) {
            match event {
                Event::Won { .. } => (won, self.elected_at) = (true, now),
                Event::Elected { .. } => (won, self.elected_at) = (false, now),
                Event::GaveUp { .. } => {}
            }
        }
        won
    }

    /// A message of another member's election. One that hears the leader has no part in it.
    pub(super) fn receive(&mut self, now: Duration, from: u64, message: Message, member: &Member) {
        let Some(view) = member.view().filter(|_| member.suspects_leader()) else { return };
        if self.vid == Some(view.vid) {
            let me = member.uid().node.0;
            let election = self.election.get_or_insert_with(|| election(&self.config, me, view, self.seed));
            election.handle(now, Input::Received { from, message });
        }
    }

    /// The next message to send; to all when without an address.
    pub(super) fn poll_transmit(&mut self, view: &View) -> Option<(Option<SocketAddr>, Message)> {
        loop {
            let transmit = self.election.as_mut()?.poll_transmit()?;
            let Destination::One(to) = transmit.to else { return Some((None, transmit.message)) };
            if let Some(member) = view.members.iter().find(|m| m.uid.node == NodeId(to)) {
                return Some((Some(member.address), transmit.message));
            }
        }
    }

    /// When [`Self::step`] is due; `None` while there is no election.
    pub(super) fn poll_timeout(&self, now: Duration, member: &Member) -> Option<Duration> {
        let election = self.election.as_ref()?;
        let waits =
            election.leader().map(|_| (self.elected_at + patience(&self.config)).max(now + Duration::from_millis(5)));
        election.poll_timeout().into_iter().chain(waits.filter(|_| member.needs_proposer())).min()
    }
}

/// How long the elected has for its first PREPARE; gms-core waits for all that follows.
fn patience(config: &ElectionConfig) -> Duration {
    config.coordinate * 3 / 2
}

fn election(config: &ElectionConfig, me: u64, view: &View, seed: u64) -> Election<u64> {
    let ids: Vec<u64> = view.voters().map(|m| m.uid.node.0).collect();
    let rank = match view.params.ranking {
        Ranking::Bully => Rank::Bully,
        Ranking::Seniority => Rank::Seniority,
        Ranking::Priority => Rank::Priority(view.voters().map(|m| (m.uid.node.0, m.weight)).collect()),
    };
    Election::new(config.clone(), me, &Electorate::new(view.vid, ids), rank, seed)
        .expect("checked when the node was made")
}
