//! What a process did, in the words of the property checker.

use gms_check::{Outcome, PassReason, Record, TraceMember, digest};
use gms_core::{Gid, Level, Passed, QuorumMode, Role, SessionNumber, Time, Trace, Uid, View};

/// The line for one event of protocol section 1.
pub(crate) fn record(now: Time, process: Uid, event: Trace) -> Record {
    line(now, process, checker_event(event))
}

/// A line of `process`.
pub(crate) fn line(now: Time, process: Uid, event: gms_check::Event) -> Record {
    Record { at_us: now.as_nanos() / 1000, process: uid(process), event }
}

pub(crate) fn uid(uid: Uid) -> gms_check::Uid {
    gms_check::Uid { node: uid.node.0, incarnation: uid.incarnation }
}

fn level(level: Level) -> gms_check::Level {
    match level {
        Level::Agreed => gms_check::Level::Agreed,
        Level::Uniform => gms_check::Level::Uniform,
        Level::Stable => gms_check::Level::Stable,
    }
}

fn view(view: &View) -> gms_check::Event {
    let member = |m: &gms_core::ViewMember| TraceMember { uid: uid(m.uid), voter: m.role == Role::Voter };
    let Gid(gid) = view.gid;
    gms_check::Event::View {
        gid,
        view: view.vid,
        at: view.at,
        gseq: view.gseq,
        leader: uid(view.leader),
        members: view.members.iter().map(member).collect(),
        fail_stop: view.params.quorum == QuorumMode::FailStop,
    }
}

fn checker_event(event: Trace) -> gms_check::Event {
    use gms_check::Event;
    match event {
        Trace::Send { sseq, level: l, payload, only_in_view, to, session } => {
            let client = session.map(|SessionNumber { session, number }| gms_check::SessionNumber { session, number });
            Event::Send { sseq, level: level(l), digest: digest(&payload), only_in_view, to, client }
        }
        Trace::Outcome { sseq, outcome } => {
            let result = match outcome {
                gms_core::Outcome::Ordered { gseq, vid } => Outcome::Ordered { gseq, view: vid },
                // This copy is nowhere; what is known of others, P26 tells.
                gms_core::Outcome::NotOrdered
                | gms_core::Outcome::PlaceForgotten
                | gms_core::Outcome::SessionExpired => Outcome::NotOrdered,
                gms_core::Outcome::Unknown => Outcome::Unknown,
            };
            Event::Outcome { sseq, result }
        }
        Trace::Deliver(m) => Event::Deliver {
            view: m.vid,
            gseq: m.gseq,
            sender: uid(m.sender),
            sseq: m.sseq,
            digest: digest(&m.payload),
            level: level(m.level),
        },
        Trace::Pass { vid, gseq, why, sender, sseq } => {
            let why = match why {
                Passed::Fragment => PassReason::Fragment,
                Passed::NotAddressed => PassReason::NotAddressed,
                Passed::Void => PassReason::Void,
                Passed::Expired => PassReason::Expired,
                Passed::Control => PassReason::Control,
                Passed::Repeat { .. } => PassReason::Duplicate,
                Passed::Gap => PassReason::Gap,
                Passed::SessionExpired => PassReason::SessionExpired,
            };
            Event::Pass { view: vid, gseq, why, sender: Some(uid(sender)), sseq: Some(sseq) }
        }
        Trace::Created { gid, from } => {
            let origin =
                |from: gms_core::Origin| gms_check::Origin { gid: from.gid.0, view: from.vid, upto: from.upto };
            Event::Created { gid: gid.0, from: from.map(origin) }
        }
        Trace::View(v) => view(&v),
        Trace::Stamp { gid, vid, fseq, gseq, count, sender, sseq } => {
            Event::Stamp { gid: gid.0, view: vid, fseq, gseq, count: count.into(), sender: uid(sender), sseq }
        }
        Trace::Accepted { ballot, next, unstable } => Event::Accepted {
            gid: next.view.gid.0,
            view: next.view.vid,
            round: ballot.round,
            by: ballot.node.0,
            value: view(&next.view).value(),
            unstable,
        },
        Trace::Repeated { gid, vid, sender, sseq } => {
            Event::Repeated { gid: gid.0, view: vid, sender: uid(sender), sseq }
        }
        Trace::Blocked(why) => Event::Blocked { why },
        Trace::Unblocked => Event::Unblocked,
        Trace::Left => Event::Left,
        Trace::Dissolved(into) => Event::Dissolved { into: into.0 },
        Trace::Excluded => Event::Excluded,
    }
}
