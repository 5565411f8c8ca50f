//! Clients as processes: send, recv, chat and status, and clients written by hand.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod interrupted;
mod messages;
mod programs;
mod refusals;
mod status;
