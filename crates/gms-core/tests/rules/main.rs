//! One rule of the protocol at a time: a few members, of which the test loses what is said, or speaks for them itself.

mod admission;
mod blame;
mod candidate;
mod departure;
mod group;
mod install;
mod left_out;
mod lies;
mod planned;
mod suspicion;
mod unwedge;
mod voter;
mod why;
