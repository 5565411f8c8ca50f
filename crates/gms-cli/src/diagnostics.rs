//! What the crates below report while they work, on standard error.

use std::io;

use tracing_subscriber::filter::LevelFilter;

/// Shows warnings, and more the more `-v` there were. What happens to processes that are only `simulated` warns nobody.
pub(crate) fn start(verbose: u8, simulated: bool) {
    let level = match verbose {
        0 if simulated => LevelFilter::OFF,
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ansi = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(ansi).init();
}
