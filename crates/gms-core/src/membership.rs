//! A process's state inside a group. The steps of a message's way each have a file of their own
//! (`send`, `sequence`, `receive`, `stability`, `repair`, `deliver`), the ends of views have
//! `change/`; all of them work on this.

use std::sync::Arc;
use std::time::Duration;

use crate::change::{
    Accepting, Blame, Candidacy, Change, Departure, Ending, Handover, Hearsay, Proposal, Settling, Suspicion,
};
use crate::chunks::Chunks;
use crate::context::Context;
use crate::deliver::Delivery;
use crate::dispatch::Early;
use crate::event::{Blocked, Event, Outcome, Trace};
use crate::id::{Ballot, Fseq, Gid, Gseq, Position, Uid};
use crate::log::{Log, Stored};
use crate::params::Params;
use crate::pending::Pending;
use crate::planted::{Bug, Planted};
use crate::random::mix;
use crate::reception::{Copies, Reception};
use crate::repair::{Gaps, Repairs};
use crate::sequence::Sequencer;
use crate::session::Sessions;
use crate::stability::Acks;
use crate::time::Time;
use crate::timers::Timer;
use crate::view::{Next, Role, Snapshot, View, ViewMember};
use crate::wire::{Envelope, Frame, FrameHeader, Kind};

/// What this process knows of another member; parallel to the view's member list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peer {
    /// Last sign of life.
    pub(crate) heard: Time,
    /// Everything up to here is stored there (leader only).
    pub(crate) have: Fseq,
    /// Charge it can store in all, since the log began (leader only).
    pub(crate) edge: u64,
    /// It has said something in this view.
    pub(crate) arrived: bool,
    /// When it last said something as one that is in this view still.
    pub(crate) here: Time,
    /// At the leader: the `have` and `edge` with which it was last found behind or without room, and since when it has
    /// them.
    pub(crate) lag: (Fseq, u64, Time),
    /// When it was last told that its view is over.
    pub(crate) told: Option<Time>,
    /// Taken to be dead.
    pub(crate) suspicion: Option<Suspicion>,
    /// When it last said that the leader is dead.
    pub(crate) accuses: Option<Time>,
    /// It has promised somebody's ballot, and stores nothing new in this view (leader only).
    pub(crate) wedged: bool,
    /// How many milliseconds late it says that it runs.
    pub(crate) late: u16,
    /// Whether it gets what is multicast (leader only).
    pub(crate) reception: Reception,
}

/// Why this process is about to be no member any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    Member,
    /// The application wants to leave; own messages are being finished.
    Leaving,
    /// The next view stands without this process.
    Gone,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Membership {
    pub(crate) view: Arc<View>,
    pub(crate) stage: Stage,
    /// How often the application has wished to leave.
    pub(crate) leave_attempt: u32,
    pub(crate) log: Log,
    /// `next[Uid]`, a fold over the stored prefix; parallel to the view's member list. At the leader,
    /// whose prefix is all there is, this is the stamping counter.
    pub(crate) next: Vec<Position>,
    /// Place of the first entry after the stored prefix.
    pub(crate) next_gseq: Gseq,
    /// Digest of the stored prefix.
    pub(crate) digest: u64,
    /// Another fold over it.
    pub(crate) sessions: Sessions,
    pub(crate) delivery: Delivery,
    pub(crate) pending: Pending,
    /// Up to here a quorum, and all members, have stored everything.
    pub(crate) safe: Fseq,
    pub(crate) stable: Fseq,
    /// What the leader of this view says of `safe`, which may be beyond what is stored here.
    pub(crate) told_safe: Fseq,
    /// Up to here a view change has decided: deliverable at any level.
    pub(crate) settled: Fseq,
    pub(crate) peers: Vec<Peer>,
    /// Only at the leader.
    pub(crate) sequencer: Option<Sequencer>,
    pub(crate) acks: Acks,
    pub(crate) gaps: Gaps,
    pub(crate) repairs: Repairs,
    /// At the leader: the last train, for those whom multicast does not reach, and of whom that was last said.
    pub(crate) copies: Option<Copies>,
    pub(crate) unreached: Vec<Uid>,
    /// At a follower: when multicast of its leader last came, and how many others its leader says it does not reach.
    pub(crate) multicast_at: Time,
    pub(crate) unreached_elsewhere: u16,
    /// Datagrams of the next view that came before its INSTALL.
    pub(crate) early: Vec<Early>,
    pub(crate) promised: Ballot,
    pub(crate) accepted: Option<(Ballot, Next)>,
    /// An ACCEPT whose cut is not reached yet.
    pub(crate) accepting: Option<Accepting>,
    /// When the ballot promised last showed life.
    pub(crate) attempt_at: Time,
    /// The highest round heard of in this view.
    pub(crate) round_seen: u32,
    /// My own attempt to end the view, until it has a value to propose.
    pub(crate) candidacy: Option<Candidacy>,
    /// No further attempt before this; and how many have failed in this view.
    pub(crate) stand_at: Time,
    pub(crate) attempts_failed: u32,
    /// Those proved to be dead.
    pub(crate) dead: Vec<Uid>,
    /// When others last said that the leader is dead.
    pub(crate) accused: Option<Time>,
    /// When the leader of this view last said, as such, anything at all.
    pub(crate) served: Time,
    /// When the leader last said that it may order nothing at present.
    pub(crate) excused: Time,
    /// The leader orders nothing of mine and does not say why.
    pub(crate) gray: bool,
    /// What ends this view, while its cut is not reached yet.
    pub(crate) ending: Option<Ending>,
    /// What is said of that, and not believed yet.
    pub(crate) hearsay: Hearsay,
    /// What ended the last views, for those who lag behind.
    pub(crate) decided: Vec<(Next, Snapshot)>,
    /// Changes the leader is asked for, and the one it proposes.
    pub(crate) change: Change,
    pub(crate) blame: Blame,
    pub(crate) proposal: Option<Proposal>,
    /// At the leader: who has left and is not released, and the repeats of INSTALL.
    pub(crate) handover: Handover,
    /// At one who is gone: its last steps.
    pub(crate) departure: Option<Departure>,
    pub(crate) blocked: Option<Blocked>,
    /// At the leader of a lineage without history: whether anything may be stamped, and if not, why and since when.
    pub(crate) settling: Settling,
    /// When this leader last stood still, until it has heard a quorum since.
    pub(crate) paused: Option<Time>,
    /// When an own message was last ordered, or began to wait.
    pub(crate) progress: Time,
    /// The event that must follow the last delivery.
    pub(crate) finale: Option<Event>,
    /// It has been reported: nothing follows any more.
    pub(crate) over: bool,
    /// When somebody was last asked, in this view, for the one that follows it. A leader asks only who is in a later
    /// one.
    pub(crate) sought: Time,
    /// When somebody outside of this view was last told what ended an older one.
    pub(crate) told_outside: Time,
    /// Memory for frames of others, and for what comes early.
    pub(crate) kept: Chunks,
    pub(crate) planted: Planted,
}

impl Membership {
    /// That of a group just created: the first view has only this process.
    pub(crate) fn create(cx: &mut Context) -> Self {
        let drawn = u128::from(cx.random.next()) << 64 | u128::from(cx.random.next());
        let gid = Gid::draw(&cx.config.name, drawn);
        cx.trace(|| Trace::Created { gid, from: None });
        let config = &cx.config;
        let me = ViewMember {
            uid: config.uid,
            address: config.address,
            role: Role::Voter,
            budget: config.budget,
            weight: config.weight,
            process: config.process,
        };
        let params = Params { origin: None, ..config.params.clone() };
        let view = View { gid, vid: 1, at: 1, gseq: 1, leader: config.uid, members: vec![me], params };
        let sessions = Sessions::new(view.params.sessions);
        let (next, digest, sessions_digest) = (vec![Position::START], 0, sessions.digest());
        Self::enter(cx, view, Snapshot { next, digest, sessions_digest, sessions: None }, sessions)
    }

    /// Starts at the frame of `view`, knowing what `snapshot` and its table of `sessions` say of all before it.
    pub(crate) fn enter(cx: &mut Context, view: View, snapshot: Snapshot, sessions: Sessions) -> Self {
        let view = Arc::new(view);
        cx.datagram = view.params.datagram;
        let mut log = Log::new(view.at);
        log.push_view(view.clone(), Vec::new());
        let mut membership = Self {
            stage: Stage::Member,
            leave_attempt: 0,
            log,
            next: snapshot.next,
            next_gseq: view.gseq + 1,
            digest: snapshot.digest,
            sessions,
            delivery: Delivery::new(view.at),
            pending: Pending::new(),
            safe: view.at,
            stable: 0,
            told_safe: 0,
            settled: view.at,
            peers: Vec::new(),
            sequencer: None,
            acks: Acks::default(),
            gaps: Gaps::new(view.at),
            repairs: Repairs::default(),
            copies: None,
            unreached: Vec::new(),
            multicast_at: cx.now,
            unreached_elsewhere: 0,
            early: Vec::new(),
            promised: Ballot { round: 0, node: view.leader.node },
            accepted: None,
            accepting: None,
            attempt_at: Time::ZERO,
            round_seen: 0,
            candidacy: None,
            stand_at: Time::ZERO,
            attempts_failed: 0,
            dead: Vec::new(),
            accused: None,
            served: cx.now,
            excused: Time::ZERO,
            gray: false,
            ending: None,
            hearsay: Hearsay::default(),
            decided: Vec::new(),
            change: Change::default(),
            blame: Blame::default(),
            proposal: None,
            handover: Handover::default(),
            departure: None,
            blocked: None,
            settling: Settling::new(cx.config.settles, cx.now),
            paused: None,
            progress: cx.now,
            finale: None,
            over: false,
            sought: Time::ZERO,
            told_outside: Time::ZERO,
            kept: Chunks::default(),
            planted: cx.config.planted,
            view,
        };
        membership.pending.planted = membership.planted;
        membership.sessions.planted = membership.planted;
        membership.take_seats(cx, &[], true);
        membership
    }

    /// Sets up everything that is parallel to the member list, or belongs to the role in this view.
    /// `before` is what was known of the members of the view before; with a new leader everybody has to be
    /// heard anew, for followers do not hear each other.
    pub(crate) fn take_seats(&mut self, cx: &mut Context, before: &[(Uid, Peer)], new_leader: bool) {
        let charge = self.log.charge();
        let fresh = charge + self.window_charge();
        // Only the log of the leader counts charge: what a new leader knows of room elsewhere is nothing.
        let led = self.sequencer.is_some();
        let peer = |m: &ViewMember| {
            let known = before.iter().find(|(uid, _)| *uid == m.uid);
            let reception = known.map_or_else(|| Reception::new(m, cx.now), |(_, peer)| peer.reception.clone());
            let (heard, suspicion, edge) = match known {
                Some((_, peer)) if new_leader => (cx.now, None, if led { peer.edge } else { charge }),
                Some((_, peer)) => (peer.heard, peer.suspicion, if led { peer.edge } else { charge }),
                None => (cx.now, None, fresh),
            };
            let lag = (0, 0, cx.now);
            let here = Time::ZERO;
            Peer {
                heard,
                have: 0,
                edge,
                arrived: false,
                here,
                lag,
                told: None,
                suspicion,
                accuses: None,
                wedged: false,
                late: known.map_or(0, |(_, peer)| peer.late),
                reception,
            }
        };
        self.peers = self.view.members.iter().map(peer).collect();
        let leads = self.view.leader == cx.config.uid;
        let former = self.sequencer.take().filter(|_| self.planted.is(Bug::HoldKeptOverAView));
        self.sequencer = leads.then(|| Sequencer::new(self.view.at, self.view.members.len()));
        if let (Some(sequencer), Some(former)) = (&mut self.sequencer, former) {
            sequencer.keep_hold(former);
        }
        self.acks = Acks::default();
        self.acks.due = !leads;
        self.copies = None;
        self.blame_anew();
        self.multicast_at = cx.now;
        if new_leader {
            self.unreached.clear();
        }
        self.gaps = Gaps::new(self.log.have());
        self.paused = None;
        if new_leader {
            self.settling = Settling::new(cx.config.settles, cx.now);
        }
        let still_too_few = matches!(self.blocked, Some(Blocked::TooFew { .. })) && self.too_few_vote();
        if !still_too_few && self.blocked.take().is_some() {
            cx.trace(|| Trace::Unblocked);
            cx.events.push_back(Event::Unblocked);
        }
        (self.progress, self.served, self.sought, self.told_safe) = (cx.now, cx.now, Time::ZERO, 0);
        if leads {
            self.recount(cx);
        }
        let hb = cx.config.timing.heartbeat;
        cx.timers.set(Timer::Heartbeat, cx.now + hb);
        cx.timers.set(Timer::Watch, cx.now + hb);
        (self.accused, self.gray, self.hearsay) = (None, false, Hearsay::default());
        for timer in [Timer::Suspicion, Timer::Candidacy] {
            cx.timers.stop(timer);
        }
    }

    /// Whether this process has promised a candidate's ballot: then it stores, acknowledges, delivers and stamps
    /// nothing new in this view.
    pub(crate) fn is_wedged(&self) -> bool {
        self.promised.round > 0
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.sequencer.is_some()
    }

    pub(crate) fn me(&self, cx: &Context) -> usize {
        self.view.index_of(cx.config.uid).expect("a process installs only views it is in")
    }

    pub(crate) fn leader(&self) -> &ViewMember {
        self.view.member(self.view.leader).expect("checked when decoded")
    }

    /// An envelope of mine in this view.
    pub(crate) fn envelope(&self, cx: &Context, kind: Kind, status: [u64; 3]) -> Envelope {
        Envelope { kind: kind as u8, gid: self.view.gid, vid: self.view.vid, sender: cx.config.uid, status }
    }

    /// Charge that may be in flight towards any one member: the window, or three quarters of the
    /// smallest granted receive buffer (the rest is for control messages).
    pub(crate) fn window_charge(&self) -> u64 {
        let granted = self.view.members.iter().map(|m| u64::from(m.budget)).min().unwrap_or(0);
        (2 * u64::from(self.view.params.window)).min(granted * 3 / 4).max(64 << 10)
    }

    /// Charge of frames this member keeps before it asks the leader to wait: what is in flight, and
    /// as much again that the application has not taken yet.
    pub(crate) fn store_cap(&self) -> u64 {
        2 * self.window_charge()
    }

    /// Stores what has become dense into the folds. Called after every insertion into the log. One that is
    /// wedged keeps what it obtains for a cut beside them: another cut may be decided.
    pub(crate) fn fold(&mut self, cx: &mut Context) {
        if !self.is_wedged() || self.planted.is(Bug::PromiseWithoutWedge) {
            self.fold_stored(cx);
        }
    }

    pub(crate) fn fold_stored(&mut self, cx: &mut Context) {
        let me = cx.config.uid;
        while let Some(frame) = self.log.frame(self.log.have() + 1) {
            let header = frame.header;
            let index = self.view.index_of(header.origin);
            let is_of_view = header.vid == self.view.vid || self.planted.is(Bug::FrameWithoutItsView);
            let fits = |index: &usize| is_of_view && header.gseq == self.next_gseq && header.first == self.next[*index];
            let Some(index) = index.filter(fits) else { return self.misplaced(cx, header) };
            let frame = self.log.advance().expect("just seen");
            self.next[index] = frame.end;
            self.next_gseq += Gseq::from(header.count);
            self.digest = chain(self.digest, header.fseq, header.gseq, header.origin, frame.end);
            self.acks.stored(frame);
            if header.flags.has_sessions() {
                self.sessions.take_in(frame, &self.view);
            }
            if header.origin == me && self.pending.ordered(cx.now, frame.end) {
                self.progress = cx.now;
            }
        }
    }

    /// A frame that does not continue the order here (I11). At its leader that is a fault of its own; anybody else was
    /// sent something wrong, and asks for it again.
    fn misplaced(&mut self, cx: &mut Context, header: FrameHeader) {
        let FrameHeader { fseq, vid, gseq, origin, first, .. } = header;
        if self.is_leader() && !self.is_wedged() {
            let (view, next) = (self.view.vid, self.next_gseq);
            let mine = self.view.index_of(origin).map(|index| self.next[index]);
            let what = format!("frame {fseq} of {origin} in view {vid} is stamped {gseq} at {first:?}");
            return self.stop(cx, format!("{what}, expected {next} at {mine:?} in view {view}"));
        }
        cx.stats.misplaced_frames += 1;
        self.log.take_back(fseq);
    }

    /// Place of the first entry after `cut`, and the digest there, if everything up to it is stored.
    pub(crate) fn order_at(&self, cut: Fseq) -> Option<(Gseq, u64)> {
        let (mut gseq, mut digest) = (self.next_gseq, self.digest);
        for fseq in self.log.have() + 1..=cut {
            let frame = self.log.frame(fseq)?;
            let header = frame.header;
            gseq += Gseq::from(header.count);
            digest = chain(digest, header.fseq, header.gseq, header.origin, frame.end);
        }
        (self.log.have() <= cut).then_some((gseq, digest))
    }

    /// An invariant does not hold: go no further.
    pub(crate) fn stop(&mut self, cx: &mut Context, what: String) {
        self.stage = Stage::Gone;
        self.sequencer = None;
        cx.timers.stop_all();
        let (view, have) = (&self.view, self.log.have());
        let (safe, stable, promised) = (self.safe, self.stable, self.promised);
        self.finale = Some(Event::Broken(format!(
            "{what}\n  in view {view}; have {have}, safe {safe}, stable {stable}, promised {promised:?}; its last steps:{}",
            cx.steps
        )));
    }

    /// Nothing more will happen to own messages that have no outcome: they get this one.
    pub(crate) fn abandon_pending(&mut self, cx: &mut Context, outcome: Outcome) {
        for sseq in self.pending.abandon() {
            cx.trace(|| Trace::Outcome { sseq, outcome });
            cx.events.push_back(Event::Outcome { sseq, outcome });
        }
    }

    /// Frees what all members have stored and the application here has been told.
    pub(crate) fn free(&mut self) {
        if self.stage != Stage::Gone {
            let sent = self.sequencer.as_ref().map_or(Fseq::MAX, |s| s.sent);
            let stable = if self.planted.is(Bug::FreedEarly) { Fseq::MAX } else { self.stable };
            self.log.free(stable.min(self.delivery.upto()).min(sent));
        }
    }

    /// The frame at `fseq` if it was stamped in view `vid`.
    pub(crate) fn held(&self, vid: u64, fseq: Fseq) -> Option<&Frame> {
        match self.log.get(fseq)? {
            Stored::Frame(frame) if frame.header.vid == vid || self.planted.is(Bug::FrameWithoutItsView) => Some(frame),
            _ => None,
        }
    }

    /// How long it takes to hear back from the leader, for repeats.
    pub(crate) fn repeat_after(&self, cx: &Context) -> Duration {
        (self.pending.round_trip() * 2).max(cx.config.timing.repeat)
    }
}

/// One step of the digest of the order: which frame, of whom, up to where.
pub(crate) fn chain(digest: u64, fseq: Fseq, gseq: Gseq, origin: Uid, end: Position) -> u64 {
    [fseq, gseq, origin.node.0, origin.incarnation, end.sseq, end.offset.into()]
        .into_iter()
        .fold(digest, |d, word| mix(d ^ word))
}
