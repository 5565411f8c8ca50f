//! When the faults are over: all servers find each other, clients get their answers, everybody goes.

use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;
use crate::spoken::View;
use crate::stage::{LEAVES_WITHIN, LOOK, Stage};

/// Longest time from the end of the faults to one view of all: one that was excluded again and again rests in between.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
/// Longest time from there to an answer for each message that was sent by then.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

impl Stage {
    /// Waits until all servers are in one view.
    pub(crate) fn settle(&mut self) {
        let start = Instant::now();
        while let Err(why) = self.agreement() {
            assert!(start.elapsed() < SETTLES_WITHIN, "no agreement after {SETTLES_WITHIN:?}: {why}");
            self.look_after_servers();
            thread::sleep(LOOK);
        }
        self.tally.settled_within = self.tally.settled_within.max(start.elapsed());
        self.story.tell(&format!("── settled after {:?}", start.elapsed()));
        self.wait_for_answers();
    }

    /// The view of all; or who does not share it.
    fn agreement(&self) -> Result<View, String> {
        let all: Vec<usize> = (0..self.servers.len()).collect();
        let mut agreed: Option<View> = None;
        for (number, server) in self.servers.iter().enumerate() {
            let view = server.view().ok_or_else(|| format!("server {number} is in no view"))?;
            if view.voters != all || view.has_learners {
                return Err(format!("server {number} is in view {view:?}"));
            }
            if server.spoken().is_some_and(|spoken| spoken.blocked) {
                return Err(format!("server {number} is blocked"));
            }
            match &agreed {
                Some(other) if *other != view => {
                    return Err(format!("server {number} is in view {view:?}, not {other:?}"));
                }
                _ => agreed = Some(view),
            }
        }
        agreed.ok_or_else(|| "there is no server".to_owned())
    }

    fn wait_for_answers(&mut self) {
        let start = Instant::now();
        let sent: Vec<usize> = self.clients.iter().map(Client::sent).collect();
        for (client, sent) in self.clients.iter_mut().zip(sent) {
            while client.answers() < sent {
                let (number, answers) = (client.number, client.answers());
                assert!(client.is_running(), "client {number} ended by itself");
                assert!(start.elapsed() < ANSWERED_WITHIN, "client {number}: {sent} sent, {answers} answered");
                thread::sleep(LOOK);
            }
        }
        self.tally.answered_within = self.tally.answered_within.max(start.elapsed());
    }

    /// Lets the clients end, and waits until all servers have delivered everything that was ordered; the last life of
    /// each server is one that went on to the end.
    pub(crate) fn answer_all(&mut self) {
        self.clients.iter_mut().for_each(Client::stop);
        for client in &mut self.clients {
            assert!(client.finish(ANSWERED_WITHIN), "client {} does not end", client.number);
        }
        let start = Instant::now();
        let last = |server: &Server| server.spoken()?.lives.last()?.delivered.last().map(|(gseq, _)| *gseq);
        while self.servers.iter().any(|server| last(server) != last(&self.servers[0])) {
            assert!(start.elapsed() < SETTLES_WITHIN, "not all servers deliver everything");
            thread::sleep(LOOK);
        }
        let view = self.agreement().expect("nothing has happened since all agreed");
        self.tally.last_view = view.number;
    }

    /// All of them die at once.
    pub(crate) fn kill_all(&mut self) {
        self.story.tell("kill all servers");
        self.tally.kills += self.servers.len() as u64;
        self.servers.iter_mut().for_each(Server::kill);
    }

    /// All of them leave as they should.
    pub(crate) fn leave_all(&mut self) {
        self.servers.iter_mut().for_each(Server::leave);
        for (number, server) in self.servers.iter_mut().enumerate() {
            let status = server.wait(LEAVES_WITHIN).unwrap_or_else(|| panic!("server {number} does not leave"));
            assert!(status.success(), "server {number} did not leave well: {status}");
        }
    }
}
