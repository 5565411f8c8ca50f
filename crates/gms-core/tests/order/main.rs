//! A handful of members in one thread: what any user of gms-core can rely on without a network.

mod contradictions;
mod joining;
mod messages;
mod sessions;
mod silence;
mod world;
