//! What a member tells the process above it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::change::Origin;
use crate::id::{Ballot, Gid, Gseq, Uid, Vid};
use crate::view::{Next, View};
use crate::why::Why;
use crate::wire::{Level, Refusal, SessionNumber};

/// In the order in which they happened; messages and views in the one order of the group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The next message of the order.
    Message(Message),
    /// The next view.
    View(ViewChange),
    /// What became of an own message.
    Outcome {
        /// Its number, as [`crate::Member::send`] returned it.
        sseq: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// No progress at present, and why. Own messages wait. Comes again before [`Unblocked`](Self::Unblocked) if the
    /// reason becomes one of another kind.
    Blocked(Blocked),
    /// Progress again.
    Unblocked,
    /// The group refuses this process for good.
    Refused(Refusal),
    /// The leave asked for would bring the voters below `min_voters`; still a member.
    LeaveRefused {
        /// The least number of voters the group keeps.
        min_voters: u16,
    },
    /// Left, with everything up to the cut delivered. Nothing follows.
    Left {
        /// Whether the group confirmed that it stands without this process.
        released: bool,
    },
    /// The group went on without this process, which is no member any more. Own messages that had no outcome have
    /// `Unknown`. A `gms::Group` joins again by itself, as a new incarnation, unless told not to: then the next event
    /// is its first view there; otherwise nothing follows.
    Excluded,
    /// This process gives its lineage up by itself: an operator has said so, or its quorum is lost for good.
    /// [`Excluded`](Self::Excluded) follows. Told by a `gms::Group` only.
    GivenUp {
        /// The lineage.
        gid: Gid,
        /// Why.
        why: GivenUp,
    },
    /// Another lineage of the same name is heard, and neither ends by itself: both have a history, or their settings
    /// differ. Somebody has to decide which one goes on.
    Rival {
        /// Its lineage.
        gid: Gid,
        /// Where one of its members is reached.
        address: SocketAddr,
        /// Its members.
        size: u32,
    },
    /// Two lineages of one name have met, and this one gives way to the other: nothing was ordered in it yet, or an
    /// operator keeps the other one (docs/lineages.md, *Ending*). Own messages go on waiting: a `gms::Group` joins the other one by itself with
    /// them, and the next view is its first there.
    Dissolved {
        /// The lineage that has ended.
        gid: Gid,
        /// The one that goes on.
        into: Gid,
        /// Last place of its order.
        upto: Gseq,
    },
    /// At the leader: these members get nothing of what is multicast, though they are heard, and are sent copies; none
    /// if all get it again. Nothing is lost by it, but a new server finds the group by multicast only if it is told no
    /// address.
    Unreached {
        /// Which, all of them.
        members: Vec<Uid>,
    },
    /// A check of the protocol's own invariants failed: the member stops rather than go on wrong.
    Broken(String),
}

/// A delivered message.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Message {
    /// Its place in the order (of its last fragment, if it was large).
    pub gseq: Gseq,
    /// The view it is delivered in.
    pub vid: Vid,
    /// Who sent it.
    pub sender: Uid,
    /// Its number with the sender.
    pub sseq: u64,
    /// How sure this delivery is.
    pub level: Level,
    /// Its bytes.
    pub payload: Bytes,
}

/// A delivered view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ViewChange {
    /// The view.
    pub view: Arc<View>,
    /// Members that were not in the view before (all of them, in the first one a process sees).
    pub joined: Vec<Uid>,
    /// Members of the view before that are gone, each with the reason.
    pub left: Vec<(Uid, Why)>,
}

/// What became of an own message (P16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It stands in the order, and its level is reached.
    Ordered {
        /// Where.
        gseq: Gseq,
        /// In which view.
        vid: Vid,
    },
    /// It is not in the order and never will be.
    NotOrdered,
    /// It may or may not be: this process left or was excluded before it could know.
    Unknown,
    /// It belongs to a client's session, in which a copy of it stands in the order, at a place that is no longer
    /// remembered: so many messages of the session have followed it.
    PlaceForgotten,
    /// It belongs to a client's session that the group does not know any more, for others have been opened since: this
    /// copy of it is not delivered, but one that was sent before may have been.
    SessionExpired,
}

/// Why a process gives its lineage up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum GivenUp {
    /// An operator has forced a view.
    #[error("an operator has given it up for this server, which joins the group that goes on instead")]
    Ordered,
    /// Its quorum is lost for good, and another one goes on with its history, or beside it.
    #[error("its quorum is lost for good, and lineage {0} goes on: this server joins that")]
    GoesOnAs(Gid),
    /// Its quorum is lost for good, and nothing was said in it yet.
    #[error("its quorum is lost for good, and nothing was said in it yet: this server begins again")]
    Empty,
}

/// Why there is no progress.
#[derive(Clone, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Blocked {
    /// The leader is silent.
    #[error("leader {leader} has not been heard for {millis} ms")]
    Leader {
        /// Which node.
        leader: u64,
        /// For how long.
        millis: u64,
    },
    /// This leader hears too few voters to order anything safely.
    #[error("no quorum: only {heard} of {voters} voters are heard")]
    Quorum {
        /// Voters heard lately, this one included.
        heard: usize,
        /// All of them.
        voters: usize,
    },
    /// The group orders nothing while it is so small.
    #[error("only {voters} of at least {min_voters} voters are in the group")]
    TooFew {
        /// Voters of the view.
        voters: usize,
        /// How many there have to be.
        min_voters: u16,
    },
    /// A member is silent, so that nothing it may need can be freed and the window is full.
    #[error("the window is full: member {member} has not confirmed anything for {millis} ms")]
    Window {
        /// Which node.
        member: u64,
        /// For how long.
        millis: u64,
    },
    /// This process is in no view.
    #[error(transparent)]
    Out(#[from] Out),
    /// The lineage is new, and orders nothing before it is certain that no other one can be heard.
    #[error("nothing is ordered yet in this new group: {why}")]
    Unsettled {
        /// What is in the way.
        why: Unsettled,
    },
    /// The leader is heard, but own messages are not ordered.
    #[error("leader {leader} is heard but has ordered none of the waiting messages for {millis} ms")]
    Progress {
        /// Which node.
        leader: u64,
        /// For how long.
        millis: u64,
    },
}

/// Why a process is in no view.
#[derive(Clone, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Out {
    /// It was put out of a lineage that has a history, and is not back yet.
    #[error(
        "the group went on without this server after view {vid}, and has not taken it back yet: it goes on asking; restarted, it would forget what it knows of lineage {gid}"
    )]
    Exile {
        /// The lineage.
        gid: Gid,
        /// The last view of it that this process knows.
        vid: Vid,
    },
    /// The leader of the group answers, but datagrams as long as the group's do not get through between the two.
    #[error(
        "datagrams of {bytes} bytes do not get through to {from} or back, though smaller ones do: is the MTU on the way smaller? Raise it, or create the group with a smaller --datagram"
    )]
    Datagram {
        /// Bytes of the group's datagrams.
        bytes: u16,
        /// Where its leader is reached.
        from: SocketAddr,
    },
    /// It gave its lineage up, and is not in another one yet.
    #[error("lineage {gid}: {why}; no group has taken this server in yet, and it goes on asking")]
    GivenUp {
        /// The lineage.
        gid: Gid,
        /// Why.
        why: GivenUp,
    },
    /// It hears of a lineage that does not let it in, and creates none beside it.
    #[error(
        "group lineage {gid} was heard at {from} but does not let this server in: is UDP or TCP between the two blocked, or is it dead? None is created beside it; where it is dead for certain, restart this server"
    )]
    Heard {
        /// The lineage.
        gid: Gid,
        /// Where it was heard last.
        from: SocketAddr,
    },
    /// Servers of this group's name that it cannot understand. None is created beside them.
    #[error("a server at {from} speaks wire version {theirs} of gms, and this one {ours}: run the same gms everywhere")]
    OtherVersion {
        /// What they speak.
        theirs: u8,
        /// What this process speaks.
        ours: u8,
        /// Where one of them is.
        from: SocketAddr,
    },
    /// More lineages were heard than it can remember.
    #[error("more than 64 groups of this name were heard lately: somebody sends what is none")]
    Crowded,
    /// The group is created once these are there and look for it, too.
    #[error("servers {0:?} are expected and do not look for the group yet: start them")]
    Missing(Vec<u64>),
    /// The group is created once a majority of the servers that were named looks for it.
    #[error(
        "{there} of the {of} servers named as peers look for the group yet, this one included: start {missing} more"
    )]
    Few {
        /// So many do.
        there: u16,
        /// So many were named.
        of: u16,
        /// So many more create it.
        missing: u16,
    },
    /// The group has no place for it at present.
    #[error("the group does not take this server back at present: {0}; it goes on asking")]
    Refused(Refusal),
}

/// What keeps a new lineage from ordering its first message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Unsettled {
    /// It looks for others, which takes a moment.
    #[error("it still looks for other servers of its name")]
    Looking,
    /// What it sends does not leave this host.
    #[error("nothing that it sends to other servers leaves this host: check the interface and the firewall")]
    Unsent,
    /// A member has not said yet whether it hears another lineage.
    #[error("server {0} has not said yet whether it hears another group of this name")]
    Silent(u64),
    /// Another lineage is heard, and they have not come together.
    #[error(
        "another group of this name is heard (lineage {0}), and does not take this one in: end one of the two, or see that they hear each other"
    )]
    Rival(Gid),
    /// Too few of those in the list of servers vote.
    #[error("only {voters} of at least {wanted} servers of the list vote: start the others")]
    List {
        /// Voters.
        voters: usize,
        /// How many it takes.
        wanted: usize,
    },
}

/// Why an entry was not handed to the application.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Passed {
    /// Part of a large message.
    Fragment,
    /// For subgroups this member is not in.
    NotAddressed,
    /// A void place.
    Void,
    /// Bound to another view.
    Expired,
    /// Opens, holds or releases a client's session.
    Control,
    /// A client's message that is in the order already.
    Repeat {
        /// Place and view, if they are remembered.
        first: Option<(Gseq, Vid)>,
    },
    /// A client's message before which one of its session is missing.
    Gap,
    /// A client's message of a session that is not known, or not any more; or it would open one for which there is no
    /// room.
    SessionExpired,
}

/// The events of protocol section 1, for the property checker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Trace {
    /// This process created a lineage: its first view follows.
    Created {
        /// The lineage.
        gid: Gid,
        /// The one whose history it begins with, if it is not a new one.
        from: Option<Origin>,
    },
    /// A message was accepted from the application.
    Send {
        /// Its number.
        sseq: u64,
        /// Its level.
        level: Level,
        /// Its bytes.
        payload: Bytes,
        /// The only view it may be delivered in.
        only_in_view: Option<Vid>,
        /// Subgroups it is for.
        to: Vec<u32>,
        /// The client it comes from, when it is not from this process itself.
        session: Option<SessionNumber>,
    },
    /// An outcome was reported.
    Outcome {
        /// Of which message.
        sseq: u64,
        /// What.
        outcome: Outcome,
    },
    /// A message was delivered.
    Deliver(Message),
    /// An entry was handled without the application.
    Pass {
        /// In which view.
        vid: Vid,
        /// Where.
        gseq: Gseq,
        /// Why.
        why: Passed,
        /// Whose.
        sender: Uid,
        /// Its number with the sender.
        sseq: u64,
    },
    /// A view was delivered.
    View(Arc<View>),
    /// The leader gave a frame its place.
    Stamp {
        /// In which lineage.
        gid: Gid,
        /// In which view.
        vid: Vid,
        /// The frame's place.
        fseq: u64,
        /// Its first entry's place.
        gseq: Gseq,
        /// Entries.
        count: u16,
        /// Whose.
        sender: Uid,
        /// Number of its first message.
        sseq: u64,
    },
    /// Bound to a value that may end the view.
    Accepted {
        /// By which ballot; of round 0: proposed by the leader.
        ballot: Ballot,
        /// The value.
        next: Box<Next>,
        /// Frames up to the cut that are not known, here, to be stored by all members.
        unstable: u64,
    },
    /// The leader left out a forwarded frame whose messages are in the order already.
    Repeated {
        /// In which lineage.
        gid: Gid,
        /// In which view.
        vid: Vid,
        /// Whose.
        sender: Uid,
        /// Number of its first message.
        sseq: u64,
    },
    /// No progress.
    Blocked(String),
    /// Progress again.
    Unblocked,
    /// Left.
    Left,
    /// Its lineage ended in favour of this one.
    Dissolved(Gid),
    /// Removed by the group.
    Excluded,
}
