//! The rows for people.

use std::fmt::Write;

use super::flags::{BenchFlags, Senders};
use super::row::Row;

/// All of them under one heading, which says what they have in common.
pub(super) fn table(flags: &BenchFlags, rows: &[Row]) -> String {
    let BenchFlags { seconds, repeats, .. } = flags;
    let members = flags.members();
    let senders = match flags.senders {
        Senders::One => "one follower sends",
        Senders::Leader => "the leader sends",
        Senders::All => "all send",
    };
    let mut text = format!(
        "{members} members in {members} processes, {senders}, level {}; medians of {repeats} × {seconds} s\n\n",
        flags.level().as_str()
    );
    text += "           delivered at each member              % of    under load, ms          idle, µs\n";
    text += "    bytes   messages/s  spread      MB/s   ceiling    p50     p99   p99.9     p50      p99  order\n";
    for row in rows {
        let _ = writeln!(
            text,
            "{:>9} {:>12} {:>5.1} % {:>9.1} {:>9.1} {:>6} {:>7} {:>7} {:>7} {:>8}  {}",
            row.size,
            row.messages_per_second,
            row.spread_percent(),
            row.megabytes_per_second,
            row.ceiling_percent,
            milliseconds(row.p50_us),
            milliseconds(row.p99_us),
            milliseconds(row.p999_us),
            microseconds(row.idle_p50_us),
            microseconds(row.idle_p99_us),
            if row.order_verified { "verified" } else { "NOT VERIFIED" },
        );
    }
    for Row { size, why, .. } in rows {
        if let Some(why) = why {
            let _ = writeln!(text, "not verified at {size} B: {why}");
        }
    }
    text
}

fn milliseconds(microseconds: Option<f64>) -> String {
    microseconds.map_or_else(|| "-".to_owned(), |microseconds| format!("{:.1}", microseconds / 1e3))
}

fn microseconds(microseconds: Option<f64>) -> String {
    microseconds.map_or_else(|| "-".to_owned(), |microseconds| format!("{microseconds:.1}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::measure::Samples;
    use super::super::member::histogram;
    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        flags: BenchFlags,
    }

    fn samples(why: Option<&str>) -> Samples {
        let mut timed = histogram();
        timed.record(5_000_000).expect("in range");
        Samples {
            per_second: vec![900.0, 1100.0, 1000.0],
            ceiling: vec![4000.0; 3],
            loaded: vec![timed; 3],
            idle: vec![histogram(); 3],
            why: why.map(str::to_owned),
        }
    }

    #[test]
    fn what_was_not_right_is_said_and_what_was_not_timed_is_left_out() {
        let flags = Typed::parse_from(["bench", "--senders", "leader"]).flags;
        let rows = [Row::new(&flags, 100, samples(None)), Row::new(&flags, 2000, samples(Some("member 1 is odd")))];
        assert_eq!((rows[0].order_verified, rows[1].order_verified), (true, false));
        let text = table(&flags, &rows);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[0], "3 members in 3 processes, the leader sends, level agreed; medians of 3 × 3 s");
        assert_eq!(lines[4], "100 1000 20.0 % 0.1 25.0 5.0 5.0 5.0 - - verified");
        assert_eq!(lines[5], "2000 1000 20.0 % 2.0 25.0 5.0 5.0 5.0 - - NOT VERIFIED");
        assert_eq!(lines[6], "not verified at 2000 B: member 1 is odd");
    }
}
