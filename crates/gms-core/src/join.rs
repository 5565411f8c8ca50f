//! Becoming a member: asking, proving one's address, being installed (protocol 6).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use crate::context::Context;
use crate::id::Gid;
use crate::membership::Membership;
use crate::planted::Bug;
use crate::session::Sessions;
use crate::time::Time;
use crate::timers::Timer;
use crate::transmit::Destination;
use crate::wire::{Control, ENVELOPE_LEN, JoinRequest, Refusal, Successor};

/// First pause between two requests.
const REPEAT: Duration = Duration::from_millis(20);
/// Longest pause between two requests.
const SLOWEST: Duration = Duration::from_millis(250);

/// Addresses to ask at that were heard of, at most, beside those that were given.
const CONTACTS: usize = 8;

/// After so many proofs that have led to nothing, datagrams of that size do not get through.
const UNANSWERED_PROOFS: u32 = 3;

/// How a process comes to its group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Start {
    /// Creates the group at once, alone.
    Create,
    /// Joins through any of these members; when empty, through any that answers on the control group.
    /// Asks until it is let in or refused, or told to create the group itself ([`crate::Input::Create`]).
    Join(Vec<SocketAddr>),
}

/// A process on its way in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Joiner {
    contacts: Vec<SocketAddr>,
    /// So many of them, at most.
    most: usize,
    /// Where a member told us to ask.
    leader: Option<SocketAddr>,
    attempts: u32,
    /// Proofs since the last challenge of full size: if they are many, such datagrams do not get through.
    proofs: u32,
    /// Bytes of the datagrams of the group that answers, and who answers.
    pub(crate) size: Option<(u16, SocketAddr)>,
    /// When a member last answered: there is a group then.
    pub(crate) answered: Option<Time>,
}

impl Joiner {
    pub(crate) fn new(cx: &mut Context, contacts: Vec<SocketAddr>) -> Self {
        cx.timers.set(Timer::Request, cx.now);
        Self {
            most: contacts.len() + CONTACTS,
            contacts,
            leader: None,
            attempts: 0,
            proofs: 0,
            size: None,
            answered: None,
        }
    }

    /// A member was heard there.
    pub(crate) fn meet(&mut self, address: SocketAddr) {
        if self.contacts.len() < self.most && !self.contacts.contains(&address) {
            self.contacts.push(address);
        }
    }

    /// Bytes of datagrams that do not get through, between this process and whom.
    pub(crate) fn too_large(&self) -> Option<(u16, SocketAddr)> {
        self.size.filter(|_| self.proofs >= UNANSWERED_PROOFS)
    }

    fn request(&self, cx: &Context, broadcast: bool) -> JoinRequest {
        let config = &cx.config;
        JoinRequest {
            name: config.name.clone(),
            uid: config.uid,
            address: config.address,
            budget: config.budget,
            weight: config.weight,
            process: config.process,
            largest: config.largest,
            params: config.params.clone(),
            broadcast,
        }
    }

    /// Asks again.
    pub(crate) fn on_timer(&mut self, cx: &mut Context) {
        // A leader that was named once is asked every other time only: it may be gone by now.
        let round = self.attempts as usize / if self.leader.is_some() { 2 } else { 1 };
        let named = self.leader.filter(|_| self.attempts.is_multiple_of(2));
        // Contacts may be gone by now: in between, everybody is asked.
        let contact = self.contacts.get(round % (self.contacts.len() + 1)).copied();
        let to = named.or(contact).map_or(Destination::Control, Destination::Unicast);
        // A copy to each peer is a question to each: members that do not lead say who does.
        let request = self.request(cx, to == Destination::Control && cx.config.params.multicast);
        cx.send(to, Gid::NONE, 0, &Control::JoinRequest(request));
        self.attempts += 1;
        // Also a sign of life for a leader that has let us in, while its INSTALL is on its way.
        let slowest = (cx.config.timing.heartbeat * 2).clamp(REPEAT, SLOWEST);
        let pause = cx.random.stretched((REPEAT * (1 << self.attempts.min(4))).min(slowest));
        cx.timers.set(Timer::Request, cx.now + pause);
    }

    /// A control message for one who is not a member yet.
    pub(crate) fn on_control(&mut self, cx: &mut Context, gid: Gid, from: SocketAddr, control: Control) -> Joining {
        match control {
            Control::JoinChallenge { to, cookie, datagram, padding } if to == cx.config.uid.incarnation => {
                self.proofs = if padding.is_empty() { self.proofs.saturating_add(1) } else { 0 };
                self.size = Some((datagram, from));
                let request = self.request(cx, false);
                let proof = |padding| Control::JoinProof { cookie, request: request.clone(), padding };
                cx.datagram = datagram;
                cx.tell(from, gid, 0, &padded(datagram, proof));
                self.answered = Some(cx.now);
            }
            Control::JoinRedirect { to, leader } if to == cx.config.uid.incarnation => {
                self.answered = Some(cx.now);
                if self.leader != Some(leader) {
                    self.leader = Some(leader);
                    let request = self.request(cx, false);
                    cx.tell(leader, gid, 0, &Control::JoinRequest(request));
                }
            }
            Control::JoinReject { to, refusal } if to == cx.config.uid.incarnation => return Joining::Refused(refusal),
            Control::Install { next: Successor::Whole(next), snapshot } if next.view.contains(cx.config.uid) => {
                // One for those who have been members already says too little.
                let most = next.view.params.sessions;
                let Some(mut sessions) = snapshot.load_sessions(most) else { return Joining::Waiting };
                if cx.config.planted.is(Bug::SessionsNotInTheSnapshot) {
                    sessions = Sessions::new(most);
                }
                let mut membership = Membership::enter(cx, next.view.clone(), snapshot.clone(), sessions);
                membership.decided.push((next, snapshot));
                let vid = membership.view.vid;
                cx.tell(membership.leader().address, membership.view.gid, vid, &Control::InstallAck { vid });
                return Joining::In(Box::new(membership));
            }
            _ => {}
        }
        Joining::Waiting
    }
}

/// Where a joiner stands after a message.
pub(crate) enum Joining {
    Waiting,
    In(Box<Membership>),
    Refused(Refusal),
}

/// Of what size a datagram was that got through to a joiner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Size {
    Any,
    Full,
}

/// What `control` makes of as many bytes of padding as fill a datagram of this size.
pub(crate) fn padded(datagram: u16, control: impl Fn(Vec<u8>) -> Control) -> Control {
    let len = |padding: usize| ENVELOPE_LEN + control(vec![0; padding]).len();
    let mut padding = usize::from(datagram).saturating_sub(len(0));
    // The length of the padding takes bytes, too.
    while padding > 0 && len(padding) > usize::from(datagram) {
        padding -= 1;
    }
    control(vec![0; padding.max(1)])
}

impl Membership {
    /// A request to join: the leader asks for proof of the address, others name the leader. Nothing
    /// is kept for it until the proof is here.
    pub(crate) fn on_join_request(&mut self, cx: &mut Context, from: SocketAddr, request: &JoinRequest) {
        let to = request.uid.incarnation;
        if request.name != cx.config.name {
            if !request.broadcast {
                let refusal = Refusal::Group(cx.config.name.clone());
                cx.tell(from, self.view.gid, self.view.vid, &Control::JoinReject { to, refusal });
            }
        } else if self.is_leader() {
            let datagram = self.view.params.datagram;
            let answer = match request.largest < datagram {
                true => {
                    let refusal = Refusal::Datagram { group: datagram, here: request.largest };
                    Control::JoinReject { to, refusal }
                }
                false => {
                    let cookie = self.cookie(cx, request, Size::Any);
                    Control::JoinChallenge { to, cookie, datagram, padding: vec![] }
                }
            };
            cx.tell(request.address, self.view.gid, self.view.vid, &answer);
        } else if !request.broadcast {
            let redirect = Control::JoinRedirect { to, leader: self.leader().address };
            cx.tell(from, self.view.gid, self.view.vid, &redirect);
        }
    }

    /// The request again, by one who has received at the address it gave. Once it has received a datagram as long as
    /// the group's there, and sent one, it may come in.
    pub(crate) fn on_join_proof(&mut self, cx: &mut Context, from: SocketAddr, given: u64, request: JoinRequest) {
        if !self.is_leader() {
            self.on_join_request(cx, from, &request);
        } else if request.name == cx.config.name && given == self.cookie(cx, &request, Size::Full) {
            self.on_join(cx, request);
        } else if request.name == cx.config.name && given == self.cookie(cx, &request, Size::Any) {
            let (datagram, cookie) = (self.view.params.datagram, self.cookie(cx, &request, Size::Full));
            let to = request.uid.incarnation;
            let challenge = |padding| Control::JoinChallenge { to, cookie, datagram, padding };
            cx.tell(from, self.view.gid, self.view.vid, &padded(datagram, challenge));
        } else {
            cx.stats.strangers += 1;
        }
    }

    /// Keyed digest of who asks from where, and of what it proves. Good for this view only: a proof that arrives after
    /// its owner has come in, died and come back must not bring the dead in again.
    fn cookie(&self, cx: &Context, request: &JoinRequest, size: Size) -> u64 {
        let mut hasher = DefaultHasher::new();
        (cx.config.seed, self.view.gid, self.view.vid, request.uid, request.address, size).hash(&mut hasher);
        hasher.finish()
    }
}
