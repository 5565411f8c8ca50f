//! One rule of the protocol at a time: what a member says to a message, with the test in the place of all the others.

mod admission;
mod candidate;
mod departure;
mod group;
mod install;
mod planned;
mod suspicion;
mod unwedge;
mod voter;
