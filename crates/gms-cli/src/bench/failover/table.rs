//! The rows for people.

use std::fmt::Write;

use super::flags::Fault;
use super::row::Row;

/// All of them under one heading, which says what they have in common.
pub(super) fn table(rows: &[Row]) -> String {
    let Some(Row { level, trials, .. }) = rows.first() else { return String::new() };
    let mut text = format!(
        "the leader ends while all members send, level {}; {trials} trials each, of each the member that waited longest\n\n",
        level.as_str()
    );
    text +=
        "                                  no delivery for, ms       new view, ms       again, ms          out of\n";
    text += " members  fault    rate   bytes   usual    p50   worst       p50   worst     p50   worst   lost  twice  order\n";
    for row in rows {
        let again = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}"));
        let _ = writeln!(
            text,
            "{:>8}  {:<5} {:>7} {:>7} {:>7.1} {:>6.1} {:>7.1}   {:>7.1} {:>7.1} {:>7} {:>7} {:>6} {:>6} {:>6}",
            row.members,
            name(row.fault),
            row.rate,
            row.size,
            row.usual_pause_ms,
            row.pause_p50_ms,
            row.pause_worst_ms,
            row.view_p50_ms,
            row.view_worst_ms,
            again(row.rejoin_p50_ms),
            again(row.rejoin_worst_ms),
            row.lost,
            row.duplicates,
            row.out_of_order,
        );
    }
    for Row { members, fault, rate, size, why, .. } in rows {
        if let Some(why) = why {
            let _ = writeln!(text, "wrong with {members} members, {}, {size} B at {rate}/s: {why}", name(*fault));
        }
    }
    text
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Kill => "kill",
        Fault::Stop => "stop",
        Fault::Leave => "leave",
    }
}
