//! What one layer finds out, carried to the others.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::wire::{Envelope, VERSION};
use gms_core::{Destination, Gid, Input, Refusal, Time, View};
use gms_discovery::{Entry, VOTER_LIMIT, Voter};

use super::creation::Creation;
use super::health::Finding;
use super::lineages::Stranger;
use super::{Bootstrap, Node};
use crate::layers::{self, Layer};

/// Datagrams of the layers beside the member that may wait to leave.
const OUTBOX: usize = 1024;

impl Node {
    /// Whatever arrives tells that its lineage is there.
    pub(super) fn hear(&mut self, from: SocketAddr, datagram: &Bytes) {
        let Some(gid) = Envelope::peek_gid(datagram) else { return };
        if let Some(version) = Envelope::peek_version(datagram).filter(|theirs| *theirs != VERSION) {
            let now = self.now.since(Time::ZERO);
            if gid.is_of(self.name) && self.lineages.hear_stranger(now, Stranger { version, from }) {
                tracing::warn!(
                    "a server of this group's name at {from} speaks wire version {version}, and this one {VERSION}: run the \
                     same gms everywhere"
                );
            }
            return;
        }
        if self.member.view().is_some_and(|view| view.gid == gid) || !gid.is_of(self.name) {
            return;
        }
        // A flipped bit makes a lineage that never was.
        if layers::view_of(datagram).is_none() {
            return;
        }
        let now = self.now.since(Time::ZERO);
        self.lineages.alive(from);
        if gid != self.name {
            self.lineages.hear(now, gid, from);
        }
    }

    /// Whether this is from a lineage that an exile does not join.
    pub(super) fn is_barred(&self, datagram: &[u8]) -> bool {
        let Some(exile) = self.exile.as_ref().filter(|_| self.member.is_joining()) else { return false };
        let Some(gid) = Envelope::peek_gid(datagram).filter(|gid| *gid != Gid::NONE) else { return false };
        !self.may_join(exile, gid)
    }

    /// A datagram of another layer than gms-core. What cannot be read is dropped there and counted there.
    pub(super) fn receive(&mut self, layer: Layer, from: SocketAddr, datagram: Bytes) {
        let (sender, body) = match layers::open(self.name, datagram.clone()) {
            Ok(Some(opened)) => opened,
            Ok(None) => return,
            // It is counted there.
            Err(_) => return self.member.handle(self.now, Input::Datagram { from, datagram }),
        };
        if sender == self.member.uid() {
            return;
        }
        let now = self.now.since(Time::ZERO);
        match layer {
            Layer::Directory => {
                if let Ok(message) = gms_discovery::Message::decode(&body) {
                    self.learn(now, &message);
                    self.directory.handle(now, gms_discovery::Input::Received { source: from, message });
                }
            }
            Layer::Detector => {
                let known = self.member.is_member_at(sender, from);
                if let Some(check) = gms_discovery::Check::decode(&body).ok().filter(|_| known) {
                    self.health.receive(now, sender, check);
                }
            }
            Layer::Election => {
                let peers = self.creation.is_some().then(|| self.peers_there(now)).flatten();
                let Ok(message) = gms_election::Message::decode(&body) else { return };
                match &mut self.creation {
                    Some(creation) => {
                        let world = (&self.directory, &self.lineages, &self.inquiries);
                        creation.receive(now, sender.node.0, message, world, peers);
                    }
                    None if !self.member.is_member_at(sender, from) => return,
                    None => self.succession.receive(now, sender.node.0, message, &self.member),
                }
            }
            Layer::Inquiry => self.on_inquiry(now, from, sender, &body),
        }
        self.due = self.now;
    }

    /// What a server says of itself to everybody is news of its lineage.
    fn learn(&mut self, now: Duration, message: &gms_discovery::Message<u64>) {
        use gms_discovery::Message::{Announce, Leave, Probe, ProbeReply};
        match message {
            Announce(entry) | ProbeReply(entry) | Probe { from: Some(entry), .. } => {
                self.lineages.learn_entry(now, entry);
            }
            Probe { from: None, .. } | Leave(_) => {}
        }
    }

    /// When much more time has passed than this process asked for, it has stood still: nobody else was silent.
    pub(super) fn notice_pause(&mut self, now: Time) {
        let patience = self.config.detector.floor / 2;
        if now <= self.now {
            return;
        }
        let late = self.poll_timeout().map_or(Duration::ZERO, |planned| now - planned);
        self.lateness.note(now.since(Time::ZERO), late);
        if now - self.now <= patience {
            return;
        }
        if late > patience {
            tracing::debug!(?late, "this process stood still");
            self.now = now;
            self.health.paused(now.since(Time::ZERO), late);
            self.member.handle(now, Input::Paused);
        }
    }

    /// Lets each layer do what is due, and carries what one has found out to the others.
    pub(super) fn tend(&mut self) {
        if self.gone {
            return;
        }
        if self.exclusions.rests_until().is_some_and(|until| self.now >= until) {
            self.exclusions.end_rest();
            self.begin_anew();
        }
        let now = self.now.since(Time::ZERO);
        self.follow_view(now);
        self.directory.handle(now, gms_discovery::Input::Tick);
        while let Some(event) = self.directory.poll_event() {
            if let gms_discovery::Event::Conflict(twin) = event {
                self.on_conflict(&twin);
            }
        }
        self.ask_those_heard();
        self.announce_one_by_one(now);
        self.look_for_successors(now);
        self.member.handle(self.now, Input::Late(self.lateness.worst()));
        self.health.tick(now, &self.member);
        while let Some(finding) = self.health.poll_finding(now) {
            let input = match finding {
                Finding::Silent(who, checks) => {
                    tracing::info!(member = %who.node, checks, "it is silent and did not answer: taken to be dead");
                    Input::Suspect { who, checks }
                }
                Finding::Alive(who) => {
                    tracing::info!(member = %who.node, "it answers: it lives");
                    Input::Trust(who)
                }
            };
            self.member.handle(self.now, input);
        }
        let peers = self.peers_there(now);
        if let Some(creation) = &mut self.creation
            && creation.step(now, &mut self.directory, &self.lineages, &self.inquiries, peers)
        {
            tracing::info!(id = %self.member.uid().node, "no group is heard: creating it");
            // Who is told to create it does so without them.
            let keeps = self.config.keeps_majority && self.config.bootstrap == Bootstrap::Auto;
            let min_voters = peers.filter(|_| keeps).map_or(1, |peers| peers.majority());
            self.member.handle(self.now, Input::Create { min_voters });
            self.follow_view(now);
        }
        self.find_proposer(now);
        self.meet(now);
        self.send_carried();
        if let Some(former) = &mut self.former {
            former.member.handle(self.now, Input::Tick);
            former.member.poll_events(&mut Vec::new(), usize::MAX);
        }
        self.former.take_if(|former| self.now >= former.until);
        self.follow_view(now);
        self.describe(now);
        self.gather();
        let timeouts = [
            self.directory.poll_timeout(),
            self.announce_due(),
            self.health.poll_timeout(),
            self.exclusions.rests_until().map(|at| at.since(Time::ZERO)),
            self.creation.as_ref().map(|creation| Creation::poll_timeout(creation, now)),
            self.succession.poll_timeout(now, &self.member),
            Some(self.sought).filter(|_| self.seeks_successor()),
            self.meeting.poll_timeout(now),
            self.former.as_ref().map(|former| former.poll_timeout().since(Time::ZERO)),
        ];
        let next = timeouts.into_iter().flatten().min().unwrap_or(Duration::MAX / 2);
        self.due = Time::ZERO + next.min(Duration::from_secs(1 << 30));
    }

    /// A new view changes what the server says of itself and whom it watches.
    fn follow_view(&mut self, now: Duration) {
        let view = self.member.view().cloned();
        let vid = view.as_ref().map(|view| view.vid);
        if self.vid == vid {
            return;
        }
        match &view {
            Some(view) => tracing::info!(
                view = view.vid,
                leader = %view.leader.node,
                members = view.members.len(),
                lineage = %view.gid,
                "{}",
                if self.vid.is_some() { "the next view" } else { "in the group from this view on" }
            ),
            None => tracing::info!("in no view any more"),
        }
        self.vid = vid;
        for member in view.iter().flat_map(|view| &view.members) {
            self.acquaintances.meet(now, member.address);
        }
        self.gave_way &= view.is_none();
        self.place = view.clone().or(self.place.take());
        self.accused = None;
        self.creation = None;
        self.health.follow(now, self.member.uid(), view.as_deref());
    }

    /// When others take the leader to be dead, finds out whether it is; when enough do, elects one who proposes
    /// what ends the view.
    fn find_proposer(&mut self, now: Duration) {
        let accused = self.member.accused();
        if accused.is_some() && accused != self.accused {
            self.accused = accused;
            let leader = self.member.view().map(|view| view.leader);
            if let Some(leader) = leader.filter(|leader| !self.member.is_leader() && !self.member.suspects(*leader)) {
                tracing::info!(leader = %leader.node, "others take the leader to be dead: asking it");
                self.health.doubt(now, &self.member, leader);
            }
        }
        if self.succession.step(now, &self.member) {
            tracing::info!(view = self.vid, "elected: this server proposes the next view, for the leader is gone");
            self.member.handle(self.now, Input::Stand);
        }
    }

    /// What the server says of itself. It names a leader only if that one can lead, as far as is known here: a
    /// leader without a quorum does not, nor a follower that hears its leader no more, nor who is in no view.
    fn describe(&mut self, now: Duration) {
        let me = self.directory.me();
        let entry = match (self.member.view(), &self.exile) {
            (Some(view), _) => {
                let patience = self.config.core.timing.quorum;
                let hears = self.member.leader_heard().is_none_or(|at| self.now - at <= patience);
                let leader = Some(view.leader.node.0).filter(|_| hears && self.member.has_quorum());
                Entry {
                    gid: view.gid.0,
                    vid: view.vid,
                    leader,
                    size: view.members.len() as u32,
                    settings: layers::settings_digest(&view.params),
                    history: self.member.has_history(),
                    origin: view.params.origin.unwrap_or(Gid::NONE).0,
                    former: 0,
                    voters: voters(view),
                    votes: view.voters().count() as u32,
                    ..me.clone()
                }
            }
            (None, Some(exile)) => {
                let seats = exile.voters.named_seats().iter();
                let voter = |seat: &super::inquiry::Seat| Voter {
                    id: seat.uid.node.0,
                    life: seat.uid.incarnation,
                    address: seat.address,
                };
                let (former, vid, votes) = (exile.gid.0, exile.voters.vid, exile.voters.count());
                Entry { former, vid, voters: seats.map(voter).collect(), votes, ..self.nowhere() }
            }
            (None, None) => self.nowhere(),
        };
        if entry != *me {
            self.directory.update(now, entry).expect("the id and the address are the same");
        }
    }

    /// What it says while it is in no view.
    fn nowhere(&self) -> Entry<u64> {
        let Entry { id, life, address, name, clients, .. } = self.directory.me().clone();
        Entry { clients, ..Entry::new(id, life, address, name) }
    }

    fn seeks_successor(&self) -> bool {
        self.member.view().is_some() && (self.member.leader_heard().is_some() || !self.member.has_quorum())
    }

    /// Who hears its leader no more, or leads without a quorum, asks all servers how far they are: the group may
    /// have gone on, with none left in it that this process knows (5.2).
    fn look_for_successors(&mut self, now: Duration) {
        let Some(view) = self.member.view().cloned() else { return };
        let patience = self.config.core.timing.quorum;
        let lost_at = match self.member.leader_heard() {
            Some(heard) => heard.since(Time::ZERO) + patience,
            None if self.member.has_quorum() => return,
            None => Duration::ZERO,
        };
        if now < lost_at {
            self.sought = self.sought.max(lost_at);
            return;
        }
        if now >= self.sought {
            self.sought = now + patience;
            self.directory.handle(now, gms_discovery::Input::Probe);
            let later =
                self.directory.servers().filter(|known| known.entry.gid == view.gid.0 && known.entry.vid > view.vid);
            for address in later.map(|known| known.entry.address).collect::<Vec<_>>() {
                self.member.handle(self.now, Input::Overtaken(address));
            }
        }
    }

    /// Another server has this one's id. If both are looking for the group, the one with the lower
    /// address keeps it; if one is in the group, the leader finds out whether it lives.
    fn on_conflict(&mut self, twin: &Entry<u64>) {
        let address = self.config.core.address;
        if self.member.is_joining() && twin.gid == 0 && twin.address < address {
            self.refused = Some(Refusal::NodeTaken { node: twin.id, address: twin.address });
        }
    }

    /// Puts what the layers want to send into envelopes.
    pub(super) fn gather(&mut self) {
        let (name, me) = (self.name, self.member.uid());
        while let Some(transmit) = self.directory.poll_transmit() {
            let to = match transmit.destination {
                gms_discovery::Destination::All => Destination::Control,
                gms_discovery::Destination::One(address) => Destination::Unicast(address),
            };
            if let Ok(body) = transmit.message.encode() {
                self.outbox.push_back((to, layers::enclose(Layer::Directory, name, me, &body)));
            }
        }
        if let Some(view) = self.member.view().cloned() {
            while let Some((address, body)) = self.health.poll_transmit(&view) {
                let datagram = layers::enclose(Layer::Detector, name, me, &body);
                self.outbox.push_back((Destination::Unicast(address), datagram));
            }
        }
        if let Some(view) = self.member.view() {
            while let Some((address, message)) = self.succession.poll_transmit(view) {
                let datagram = layers::enclose(Layer::Election, name, me, &message.encode());
                if address.is_none() && self.member.multicast_may_be_dead() {
                    let voters = view.voters().filter(|m| m.uid != me).map(|m| Destination::Unicast(m.address));
                    self.outbox.extend(voters.map(|to| (to, datagram.clone())));
                }
                self.outbox.push_back((address.map_or(Destination::Control, Destination::Unicast), datagram));
            }
        }
        if let Some(creation) = &mut self.creation {
            while let Some((address, message)) = creation.poll_transmit(&self.directory) {
                let datagram = layers::enclose(Layer::Election, name, me, &message.encode());
                self.outbox.push_back((address.map_or(Destination::Control, Destination::Unicast), datagram));
            }
        }
        // Whatever is beyond is repeated by its timer.
        self.outbox.truncate(OUTBOX);
    }
}

/// Those who vote in `view`, as many as an entry names.
fn voters(view: &View) -> Vec<Voter<u64>> {
    let voter = |m: &gms_core::ViewMember| Voter { id: m.uid.node.0, life: m.uid.incarnation, address: m.address };
    view.voters().take(VOTER_LIMIT).map(voter).collect()
}
