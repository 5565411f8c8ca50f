//! What one layer finds out, carried to the others.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use gms_core::{Destination, Event, Gid, Input, Refusal, Time};
use gms_discovery::Entry;

use super::Node;
use super::founding::Founding;
use super::health::Finding;
use super::rivals::gives_way;
use crate::layers::{self, Layer};

/// Datagrams of the layers beside the member that may wait to leave.
const OUTBOX: usize = 1024;

impl Node {
    /// A datagram of another layer than gms-core. What cannot be read is dropped there and counted there.
    pub(super) fn receive(&mut self, layer: Layer, from: SocketAddr, datagram: Bytes) {
        let Ok(Some((sender, body))) = layers::open(self.name, datagram) else { return };
        if sender == self.member.uid() {
            return;
        }
        let now = self.now.since(Time::ZERO);
        match layer {
            Layer::Directory => {
                if let Ok(message) = gms_discovery::Message::decode(&body) {
                    self.directory.handle(now, gms_discovery::Input::Received { source: from, message });
                }
            }
            Layer::Detector => {
                let known = self.member.view().is_some_and(|view| view.contains(sender));
                if let Some(check) = gms_discovery::Check::decode(&body).ok().filter(|_| known) {
                    self.health.receive(now, sender, check);
                }
            }
            Layer::Election => {
                let Ok(message) = gms_election::Message::decode(&body) else { return };
                match &mut self.founding {
                    Some(founding) => founding.receive(now, sender.node.0, message, &self.directory),
                    None => self.succession.receive(now, sender.node.0, message, &self.member),
                }
            }
        }
        self.due = self.now;
    }

    /// When much more time has passed than this process asked for, it has stood still: nobody else was silent.
    pub(super) fn notice_pause(&mut self, now: Time) {
        let patience = self.config.detector.floor / 2;
        if now - self.now <= patience {
            return;
        }
        let late = self.poll_timeout().map_or(Duration::ZERO, |planned| now - planned);
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
        self.look_for_successors(now);
        self.health.tick(now, &self.member);
        while let Some(finding) = self.health.poll_finding(now) {
            let input = match finding {
                Finding::Dead(who) => Input::Suspect(who),
                Finding::Alive(who) => Input::Trust(who),
            };
            self.member.handle(self.now, input);
        }
        if let Some(founding) = &mut self.founding {
            let answered = self.member.answered().map(|at| at.since(Time::ZERO));
            if founding.step(now, &mut self.directory, answered) {
                self.member.handle(self.now, Input::Found);
            }
        }
        self.find_proposer(now);
        self.meet_rivals(now);
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
            self.health.poll_timeout(),
            self.exclusions.rests_until().map(|at| at.since(Time::ZERO)),
            self.founding.as_ref().map(Founding::poll_timeout),
            self.succession.poll_timeout(now, &self.member),
            Some(self.sought).filter(|_| self.seeks_successor()),
            self.member
                .view()
                .filter(|_| self.member.is_leader())
                .and_then(|view| self.rivals.poll_timeout(view, &self.directory)),
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
        self.vid = vid;
        self.place = view.as_ref().map(|view| (view.gid, view.vid)).or(self.place);
        self.accused = None;
        self.founding = None;
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
                self.health.doubt(now, &self.member, leader);
            }
        }
        if self.succession.step(now, &self.member) {
            self.member.handle(self.now, Input::Stand);
        }
    }

    /// What the server says of itself. It names a leader only if that one can lead, as far as is known here: a
    /// leader without a quorum does not, nor a follower that hears its leader no more, nor who is in no view.
    fn describe(&mut self, now: Duration) {
        let me = self.directory.me();
        let entry = match self.member.view() {
            Some(view) => {
                let patience = self.config.core.timing.quorum;
                let hears = self.member.leader_heard().is_none_or(|at| self.now - at <= patience);
                let leader = Some(view.leader.node.0).filter(|_| hears && self.member.has_quorum());
                let size = view.members.len() as u32;
                let settings = layers::settings_digest(&view.params);
                Entry { gid: view.gid.0, vid: view.vid, leader, size, settings, ..me.clone() }
            }
            None => Entry { leader: None, size: 0, ..me.clone() },
        };
        if entry != *me {
            self.directory.update(now, entry).expect("the id and the address are the same");
        }
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

    /// A leader that sees another group of its name gives way to the larger one, where groups may found
    /// themselves; where somebody has chosen who founds, that somebody has to decide.
    fn meet_rivals(&mut self, now: Duration) {
        let Some(view) = self.member.view().filter(|_| self.member.is_leader()).cloned() else { return };
        let Some(rival) = self.rivals.look(now, &view, &mut self.directory) else { return };
        let into = Gid(rival.gid);
        // Those whose settings differ would not be let in there.
        if !view.params.absorb || rival.settings != layers::settings_digest(&view.params) {
            if self.rivals.is_news(into) {
                self.alarms.push(Event::Rival { gid: into, address: rival.address, size: rival.size });
            }
        } else if gives_way(&view, &rival) {
            self.member.handle(self.now, Input::Dissolve(into));
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
                self.outbox.push_back((address.map_or(Destination::Control, Destination::Unicast), datagram));
            }
        }
        if let Some(founding) = &mut self.founding {
            while let Some((address, message)) = founding.poll_transmit(&self.directory) {
                let datagram = layers::enclose(Layer::Election, name, me, &message.encode());
                self.outbox.push_back((address.map_or(Destination::Control, Destination::Unicast), datagram));
            }
        }
        // Whatever is beyond is repeated by its timer.
        self.outbox.truncate(OUTBOX);
    }
}
