//! The end of a run as a diagram: a column for each place, time downwards, an arrow for each control message.

use gms_check::{Event, Record};
use gms_sim::{Passage, Watcher};

use super::scenario_words::stamp;

/// Characters in a line, if there are not too many places.
const WIDTH: usize = 120;
/// For the words at the end of a line.
const WORDS: usize = 32;
/// For the time at its beginning.
const TIME: usize = 15;

/// What happens at one moment at one place, or between places.
#[derive(Debug, PartialEq, Eq)]
enum Row {
    /// Messages of one name that one place sends at once: to whom, and whether they arrive.
    Messages { from: usize, name: String, vid: u64, to: Vec<(usize, bool)> },
    /// Something at one place.
    Mark { place: usize, sign: char, words: String },
}

/// Takes the rows of a run down.
#[derive(Debug, Default)]
pub(super) struct Diagram {
    rows: Vec<(u64, Row)>,
    /// The node at each place: there may be none yet.
    nodes: Vec<Option<u64>>,
}

impl Watcher for Diagram {
    fn record(&mut self, record: &Record, place: Option<usize>) {
        let Some(place) = place else { return };
        self.seat(place, Some(record.process.node));
        if let Some((sign, words)) = mark(&record.event) {
            self.rows.push((record.at_us, Row::Mark { place, sign, words }));
        }
    }

    fn passage(&mut self, passage: &Passage) {
        let at = passage.sent.as_nanos() / 1000;
        let arrives = (passage.to, passage.arrives.is_some());
        self.seat(passage.from.max(passage.to), None);
        match self.rows.last_mut() {
            Some((before, Row::Messages { from, name, vid, to }))
                if (*before, *from, &*name, *vid) == (at, passage.from, &passage.name, passage.vid)
                    && to.iter().all(|(other, _)| *other != passage.to) =>
            {
                to.push(arrives);
            }
            _ => {
                let Passage { from, name, vid, .. } = passage.clone();
                self.rows.push((at, Row::Messages { from, name, vid, to: vec![arrives] }));
            }
        }
    }

    fn wants_passages(&self) -> bool {
        true
    }
}

impl Diagram {
    /// The last `last` rows up to `until` (in microseconds), the names of the places above them.
    pub(super) fn lines(&self, last: usize, until: Option<u64>) -> Vec<String> {
        let end = until.map_or(self.rows.len(), |until| self.rows.partition_point(|(at, _)| *at <= until));
        let column = ((WIDTH - TIME - WORDS) / self.nodes.len().max(1)).clamp(4, 12);
        let name = |node: &Option<u64>| format!("{:<column$}", node.map_or("-".to_owned(), |node| node.to_string()));
        let head = " ".repeat(TIME) + &self.nodes.iter().map(name).collect::<String>();
        let rows = self.rows[end.saturating_sub(last)..end].iter();
        let row = |(at, row): &(u64, Row)| format!("{}{}", stamp(*at), self.row(row, column));
        std::iter::once(head.trim_end().to_owned()).chain(rows.map(row)).collect()
    }

    fn seat(&mut self, place: usize, node: Option<u64>) {
        if self.nodes.len() <= place {
            self.nodes.resize(place + 1, None);
        }
        self.nodes[place] = node.or(self.nodes[place]);
    }

    fn row(&self, row: &Row, column: usize) -> String {
        let mut line = vec![' '; self.nodes.len() * column];
        (0..self.nodes.len()).for_each(|place| line[place * column] = '|');
        let words = match row {
            Row::Mark { place, sign, words } => {
                line[place * column] = *sign;
                words.clone()
            }
            Row::Messages { from, name, vid, to } => {
                let places = || to.iter().map(|(place, _)| *place).chain([*from]);
                let (low, high) = (places().min().unwrap_or(0), places().max().unwrap_or(0));
                line[low * column..high * column].iter_mut().filter(|c| **c == ' ').for_each(|c| *c = '-');
                for (place, arrives) in to {
                    let head = if *place > *from { '>' } else { '<' };
                    line[place * column] = if *arrives { head } else { 'x' };
                }
                line[from * column] = 'o';
                let lost = to.iter().filter(|(_, arrives)| !arrives).count();
                let lost = if lost > 0 { format!(", {lost} lost") } else { String::new() };
                format!("{name} of view {vid}{lost}")
            }
        };
        format!("  {} {words}", line.into_iter().collect::<String>())
    }
}

/// What of a record belongs into a diagram of control messages.
fn mark(event: &Event) -> Option<(char, String)> {
    Some(match event {
        Event::View { view, leader, members, .. } => {
            ('#', format!("view {view}: {} of {} leads", leader.node, members.len()))
        }
        Event::Accepted { view, round, .. } => ('+', format!("accepts view {view}, round {round}")),
        Event::Crash => ('X', "crashes".to_owned()),
        Event::Excluded => ('!', "is excluded".to_owned()),
        Event::Left => ('!', "has left".to_owned()),
        Event::Blocked { .. } => ('=', "is blocked".to_owned()),
        Event::Unblocked => ('=', "goes on".to_owned()),
        Event::CutLink { to } => ('/', format!("is cut off from {}", to.node)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use gms_core::Time;
    use gms_sim::{Scenario, run_watched};

    use super::*;

    fn passage(from: usize, to: usize, arrives: bool) -> Passage {
        let sent = Time::from_nanos(1_500_000);
        Passage { sent, arrives: arrives.then_some(sent), from, to, name: "Prepare".to_owned(), vid: 4 }
    }

    #[test]
    fn what_goes_to_several_is_one_row() {
        let mut diagram = Diagram::default();
        [passage(1, 0, true), passage(1, 2, false), passage(2, 1, true)].iter().for_each(|p| diagram.passage(p));
        let lines = diagram.lines(60, None);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert_eq!(lines[1], "   0.001500 s  <-----------o-----------x            Prepare of view 4, 1 lost");
        assert_eq!(lines[2], "   0.001500 s  |           <-----------o            Prepare of view 4");
    }

    #[test]
    fn the_last_rows_of_any_run_fit_into_a_line() {
        for seed in 1..30 {
            let mut diagram = Diagram::default();
            run_watched(&Scenario::mortal(seed), &mut diagram);
            let lines = diagram.lines(60, None);
            assert!(lines.len() > 20 && lines.len() <= 61, "seed {seed}: {} lines", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= 120), "seed {seed}: {lines:#?}");
            let until = diagram.rows[diagram.rows.len() / 2].0;
            assert!(diagram.lines(5, Some(until)).last().is_some_and(|line| line.starts_with(&stamp(until))));
        }
    }
}
