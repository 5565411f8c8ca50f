//! What must hold in every state, and what must be reached in some: otherwise the first would say little.

use gms_core::{Event, Level, Message, Outcome, Vid, View};
use stateright::Property;

use crate::group::{Group, World};
use crate::process::{PROCESSES, uid};

type Condition = fn(&World, &Group) -> bool;

/// By number where the protocol's specification numbers them.
const ALWAYS: [(&str, Condition); 10] = [
    ("P1: views of one number are equal", |_, group| all_pairs(group, same_views)),
    ("P2, P3: own views, one after the other, nothing after the end", |_, group| all(group, orderly)),
    ("P5, P6, P7, P11: each sender's messages once, in order, unchanged", |_, group| all(group, in_order)),
    ("P9: who goes from view to view together has delivered the same", |_, group| all_pairs(group, same_in_view)),
    ("P10: deliveries in a view are prefixes of each other", |_, group| all_pairs(group, prefixes)),
    ("P13: what is delivered as uniform is in the past of every later view", |_, group| all_pairs(group, kept)),
    ("P14: one uniform message for a place", |_, group| all_pairs(group, one_order)),
    ("P16: what is said to be ordered is", honest),
    ("nobody takes an honest word for a lie", |_, group| (0..PROCESSES).all(|at| group.lies(at) == 0)),
    ("I1 to I13: nobody stops", |_, group| all(group, |_, told| !told.iter().any(|e| matches!(e, Event::Broken(_))))),
];

const SOMETIMES: [(&str, Condition); 6] = [
    ("a ballot ends the view", |_, group| any(group, |told| views(told).any(|view| view.leader != uid(0)))),
    ("an accepted value is proposed by another ballot", |_, group| proposed_again(group)),
    ("the leader is excluded, alive", |_, group| group.told(0).contains(&Event::Excluded)),
    ("a follower is excluded, alive", |_, group| (1..PROCESSES).any(|at| group.told(at).contains(&Event::Excluded))),
    ("an agreed delivery is lost with its view (P15)", |_, group| {
        !all_pairs(group, |mine, theirs| !lost(mine, theirs))
    }),
    ("a message is delivered in the view after", |_, group| {
        any(group, |told| messages(told).any(|message| Some(message.vid) > views(told).map(|view| view.vid).next()))
    }),
];

/// All of them.
pub(crate) fn all_properties() -> Vec<Property<World>> {
    let always = ALWAYS.iter().map(|(name, holds)| Property::always(name, *holds));
    let sometimes = SOMETIMES.iter().map(|(name, holds)| Property::sometimes(name, *holds));
    always.chain(sometimes).collect()
}

/// Names of what is to be reached.
pub(crate) fn to_be_reached() -> impl Iterator<Item = &'static str> {
    SOMETIMES.iter().map(|(name, _)| *name)
}

fn all(group: &Group, holds: fn(usize, &[Event]) -> bool) -> bool {
    (0..PROCESSES).all(|at| holds(at, group.told(at)))
}

fn any(group: &Group, holds: fn(&[Event]) -> bool) -> bool {
    (0..PROCESSES).any(|at| holds(group.told(at)))
}

/// Of every two different processes, both ways.
fn all_pairs(group: &Group, holds: fn(&[Event], &[Event]) -> bool) -> bool {
    let pairs = (0..PROCESSES).flat_map(|a| (0..PROCESSES).filter(move |b| *b != a).map(move |b| (a, b)));
    pairs.into_iter().all(|(a, b)| holds(group.told(a), group.told(b)))
}

fn views(told: &[Event]) -> impl Iterator<Item = &View> {
    told.iter().filter_map(|event| match event {
        Event::View(change) => Some(&*change.view),
        _ => None,
    })
}

fn messages(told: &[Event]) -> impl Iterator<Item = &Message> {
    told.iter().filter_map(|event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    })
}

fn in_view(told: &[Event], vid: Vid) -> impl Iterator<Item = &Message> {
    messages(told).filter(move |message| message.vid == vid)
}

fn installed(told: &[Event], vid: Vid) -> bool {
    views(told).any(|view| view.vid == vid)
}

fn same_views(mine: &[Event], theirs: &[Event]) -> bool {
    views(mine).all(|view| views(theirs).all(|other| other.vid != view.vid || other == view))
}

fn orderly(at: usize, told: &[Event]) -> bool {
    let mut vids = views(told).map(|view| view.vid);
    let first = vids.next().expect("it was in a view when all began");
    let end = told.iter().position(|event| matches!(event, Event::Excluded | Event::Left { .. } | Event::Broken(_)));
    views(told).all(|view| view.contains(uid(at)))
        && vids.zip(first + 1..).all(|(vid, expected)| vid == expected)
        && end.is_none_or(|end| end + 1 == told.len())
}

fn in_order(_: usize, told: &[Event]) -> bool {
    let mut view = None;
    let mut next = [1; PROCESSES];
    told.iter().all(|event| match event {
        Event::View(change) => {
            view = Some(&change.view);
            true
        }
        Event::Message(message) => {
            let from = message.sender.node.0 as usize;
            let expected = std::mem::replace(&mut next[from], message.sseq + 1);
            message.sseq == expected
                && message.payload[..] == [from as u8]
                && view.is_some_and(|view| view.vid == message.vid && view.contains(message.sender))
        }
        _ => true,
    })
}

fn same_in_view(mine: &[Event], theirs: &[Event]) -> bool {
    let both = |vid| installed(mine, vid) && installed(theirs, vid);
    views(mine)
        .map(|view| view.vid)
        .all(|vid| !both(vid) || !both(vid + 1) || in_view(mine, vid).eq(in_view(theirs, vid)))
}

fn prefixes(mine: &[Event], theirs: &[Event]) -> bool {
    views(mine).all(|view| in_view(mine, view.vid).zip(in_view(theirs, view.vid)).all(|(a, b)| a == b))
}

/// `theirs` has `message` before each view after it.
fn in_the_past(message: &Message, theirs: &[Event]) -> bool {
    let place = theirs.iter().position(|event| matches!(event, Event::Message(other) if same(other, message)));
    let later = |event: &Event| matches!(event, Event::View(change) if change.view.vid > message.vid);
    theirs.iter().position(later).is_none_or(|view| place.is_some_and(|place| place < view))
}

/// In the same place of the order.
fn same(a: &Message, b: &Message) -> bool {
    (a.gseq, a.vid, a.sender, a.sseq) == (b.gseq, b.vid, b.sender, b.sseq)
}

fn kept(mine: &[Event], theirs: &[Event]) -> bool {
    messages(mine).filter(|message| message.level != Level::Agreed).all(|message| in_the_past(message, theirs))
}

fn one_order(mine: &[Event], theirs: &[Event]) -> bool {
    let uniform = |told| messages(told).filter(|message: &&Message| message.level != Level::Agreed);
    uniform(mine).all(|a| uniform(theirs).all(|b| a.gseq != b.gseq || same(a, b)))
}

/// The last view of `mine` holds a delivery that those who go on from it do not have.
fn lost(mine: &[Event], theirs: &[Event]) -> bool {
    messages(mine).any(|message| !in_the_past(message, theirs))
}

fn honest(world: &World, group: &Group) -> bool {
    (0..PROCESSES).all(|at| {
        let told = group.told(at);
        let levels: Vec<Level> =
            world.bounds.sends.iter().filter(|(by, _)| *by == at).map(|(_, level)| *level).collect();
        let is_it = |message: &Message, sseq| (message.sender, message.sseq) == (uid(at), sseq);
        told.iter().all(|event| match event {
            Event::Outcome { sseq, outcome: Outcome::Ordered { gseq, vid } } => {
                let there = |m: &Message| !is_it(m, *sseq) || (m.gseq, m.vid) == (*gseq, *vid);
                let uniform = levels[*sseq as usize - 1] != Level::Agreed;
                let elsewhere = |told: &[Event]| {
                    !uniform || views(told).all(|view| view.vid <= *vid) || messages(told).any(|m| is_it(m, *sseq))
                };
                (0..PROCESSES).all(|other| {
                    elsewhere(group.told(other)) && (!uniform && other != at || messages(group.told(other)).all(there))
                })
            }
            Event::Outcome { outcome: Outcome::Unknown, .. } => {
                matches!(told.last(), Some(Event::Excluded | Event::Broken(_)))
            }
            Event::Outcome { .. } => false,
            _ => true,
        })
    })
}

/// Two ballots have proposed one value.
fn proposed_again(group: &Group) -> bool {
    let proposals: Vec<_> = group.network.iter().filter_map(|datagram| datagram.proposes.as_ref()).collect();
    proposals.iter().any(|(ballot, next)| proposals.iter().any(|(other, same)| other > ballot && same == next))
}
