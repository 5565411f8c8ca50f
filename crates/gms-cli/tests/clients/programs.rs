//! The client commands as processes, and what is asked of a server beside them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::common::{Server, program};

/// Where a server takes clients.
pub(crate) fn place(server: &Server) -> String {
    server.wait_for("started")["clients"][0].as_str().expect("an address").to_owned()
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Runs it with this input to its end.
pub(crate) fn fed(arguments: &[&str], input: &str) -> Output {
    let mut child = spawn(program(arguments));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Runs it with this input until it has complained like this.
pub(crate) fn fed_for(arguments: &[&str], input: &str, complained: impl Fn(&str) -> bool) {
    let mut child = spawn(program(arguments));
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert!(complained(&line), "{line}");
}

pub(crate) fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// `recv` that has subscribed; it ends after `count` messages.
pub(crate) fn recv(arguments: &[&str], count: usize, place: &str) -> Child {
    let child = spawn(program(&[&["recv", "--json", "--count", &count.to_string()], arguments].concat()));
    wait_for_clients(TcpStream::connect(place).expect("connects"), 2);
    child
}

/// Asks the server at the other end until it has so many connections beside this one. `recv` has two: the second is
/// that of its subscription.
pub(crate) fn wait_for_clients(stream: impl Read + Write, count: u64) {
    let mut stream = BufReader::new(stream);
    loop {
        stream.get_mut().write_all(b"{\"status\":{}}\n").expect("writes");
        let mut status = String::new();
        stream.read_line(&mut status).expect("reads");
        if json(&status)["status"]["clients"] == count {
            return;
        }
    }
}

pub(crate) fn lines_of(child: Child) -> Vec<String> {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}
