//! Checks trace files: `cargo run -p gms-check --example check -- FILE...`

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match gms_check::check_files(&files, gms_check::Faults::Unknown) {
        Ok(report) => {
            for violation in &report.violations {
                println!("{violation}");
            }
            print!("{report}");
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
