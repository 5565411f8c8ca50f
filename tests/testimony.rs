//! What a trace tells of lineages: who creates one, who hears of one, which life goes on as which.

mod world;

use std::time::Duration;

use gms::{Bootstrap, Node};
use gms_check::{Event, Record, Uid};
use world::World;

fn uid(node: &Node) -> Uid {
    Uid { node: node.uid().node.0, incarnation: node.uid().incarnation }
}

/// Who recorded something of the kind, and what.
fn said<T>(world: &World, what: impl Fn(&Event) -> Option<T>) -> Vec<(Uid, T)> {
    world.records.iter().filter_map(|record| Some((record.process, what(&record.event)?))).collect()
}

fn heard(world: &World) -> Vec<(Uid, u128)> {
    said(world, |event| if let Event::Heard { gid } = event { Some(*gid) } else { None })
}

#[test]
fn one_creates_and_the_others_hear_of_it_once() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(2));
    let gid = world.nodes[0].view().expect("a member").gid.0;
    let created =
        said(&world, |event| if let Event::Created { gid, from } = event { Some((*gid, *from)) } else { None });
    let uids: Vec<Uid> = world.nodes.iter().map(uid).collect();
    assert_eq!(created, [(uids[2], (gid, None))]);
    let mut others = heard(&world);
    others.sort_unstable();
    assert_eq!(others, [(uids[0], gid), (uids[1], gid)]);
    // One that has created another hears of this one, once in all its lives.
    world.start(7, Bootstrap::Create, false);
    world.pass(Duration::from_secs(1));
    world.nodes[3].force_view(world.now, true);
    world.pass(Duration::from_secs(2));
    let by_newcomer = heard(&world).into_iter().filter(|(who, heard)| who.node == 7 && *heard == gid);
    assert_eq!(by_newcomer.count(), 1);
}

#[test]
fn a_new_life_says_who_it_was_before_anything_else() {
    let mut world = World::of(3, &Bootstrap::Auto);
    world.pass(Duration::from_secs(2));
    let (before, gid) = (uid(&world.nodes[0]), world.nodes[0].view().expect("a member").gid.0);
    world.trouble("cut");
    world.cuts = vec![1];
    world.pass(Duration::from_secs(4));
    world.cuts.clear();
    world.pass(Duration::from_secs(1));
    let now = uid(&world.nodes[0]);
    assert_ne!(now, before);
    let first = world.records.iter().find(|Record { process, .. }| *process == now);
    assert_eq!(first.map(|record| &record.event), Some(&Event::Lives { before }));
    // Its lineage, and the one that it was in last when it is in none.
    world.nodes[0].force_view(world.now, false);
    world.step();
    world.nodes[0].force_view(world.now, true);
    world.step();
    let discarded = said(&world, |event| if let Event::Discarded { gid } = event { Some(*gid) } else { None });
    assert_eq!(discarded.iter().map(|(_, gid)| *gid).collect::<Vec<_>>(), [gid, gid]);
}
