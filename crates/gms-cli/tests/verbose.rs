//! `-v`: what a server says on standard error while it works, a line for each thing that happens.
#![cfg(unix)]

mod common;

use common::{Server, multicast};

#[test]
fn a_server_tells_of_creating_joining_suspicion_election_and_repair() {
    let meeting = multicast();
    let start = |id: &str, more: &[&str]| {
        let arguments = [&["--multicast", &meeting, "--id", id, "--election", "seniority", "-v"], more].concat();
        Server::start(&arguments)
    };
    let mut servers = vec![start("0", &["--bootstrap"])];
    servers[0].wait_for_complaint("creating");
    servers[0].wait_for_followers(0);
    for count in [1, 2] {
        servers.push(start(&count.to_string(), &["--expect", "0", "--loss", "0.3"]));
        servers[count].wait_for_followers(count);
    }
    for server in &servers[1..] {
        server.wait_for_complaint("looking for the group");
        server.wait_for_complaint("in the group from this view on");
    }
    // A third of it is lost at each of the others.
    servers[0].write(&(0..5000).map(|number| format!("line {number} of many\n")).collect::<String>());
    for server in &servers {
        server.wait_for_message("line 4999 of many");
        server.wait_for_complaint("repair: ");
    }
    let lines = |server: &Server| server.complaints().lines().count();
    assert!(servers.iter().all(|server| lines(server) < 500), "never a line for each message");
    servers.remove(0).crash();
    for server in &servers {
        server.wait_for_followers(1);
        server.wait_for_complaint("taken to be dead");
    }
    assert!(servers.iter().any(|server| server.complaints().contains("elected: this server proposes the next view")));
}
