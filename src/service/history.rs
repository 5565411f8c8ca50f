//! The latest part of the order, for subscribers: as much as fits a fixed number of bytes.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use gms_core::{Gid, View};

use super::block::{Block, Place};
use super::outbox::Outbox;

/// Blocks of the order, the newest last.
#[derive(Debug)]
pub(super) struct History {
    blocks: VecDeque<Arc<Block>>,
    cost: usize,
    limit: usize,
    /// Everything from here on is in the blocks or is still to come. Unknown before the first event.
    floor: Option<Place>,
    next: Place,
    /// One after the other, as far as views have named them. One that goes on from another counts as the same.
    lineages: Vec<Option<Gid>>,
    /// What lineages were called before they went on under another name.
    former: Vec<(Gid, usize)>,
    waiting: Vec<Weak<Outbox>>,
}

/// What there is from a place on.
pub(super) enum Reading {
    /// This, and perhaps more after it.
    Block(Arc<Block>),
    /// Not known any more up to this place, where there is more.
    GapTo(Place),
    /// Nothing yet; the reader will be woken.
    Nothing,
}

impl History {
    /// Keeps about `limit` bytes, and the newest block in any case.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            cost: 0,
            limit,
            floor: None,
            next: Place::default(),
            lineages: vec![None],
            former: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// What is still to come; `None` before the first event.
    pub(super) fn next(&self) -> Option<Place> {
        self.floor.map(|_| self.next)
    }

    /// What is to come first for one who wants nothing of what was. Before the first event of a life that will be the
    /// present view of the member, if it has one.
    pub(super) fn upcoming(&self, view: Option<&View>) -> Place {
        let Some(view) = view.filter(|_| self.floor.is_none()) else { return self.next };
        let present = self.present();
        match self.gid(present) {
            Some(known) if known != view.gid => Place { lineage: present + 1, gseq: view.gseq },
            _ => Place { lineage: present, gseq: self.next.gseq.max(view.gseq) },
        }
    }

    /// The oldest place known here.
    pub(super) fn floor(&self) -> Place {
        self.floor.unwrap_or_default()
    }

    /// The last lineage, counted.
    pub(super) fn present(&self) -> usize {
        self.next.lineage
    }

    /// What a lineage is called, once a view has named it.
    pub(super) fn gid(&self, lineage: usize) -> Option<Gid> {
        self.lineages.get(lineage).copied().flatten()
    }

    /// Which lineage is called so in lines.
    pub(super) fn lineage(&self, gid: &str) -> Option<usize> {
        let present = self.lineages.iter().rposition(|known| known.is_some_and(|known| known.to_string() == gid));
        let former =
            || self.former.iter().rev().find(|(known, _)| known.to_string() == gid).map(|(_, lineage)| *lineage);
        present.or_else(former)
    }

    /// Adds blocks, and wakes those that wait for them.
    pub(super) fn extend(&mut self, blocks: Vec<Block>) {
        for mut block in blocks {
            let known = self.gid(self.present());
            if let Some(former) = known.filter(|_| block.gid != known && block.origin == known) {
                self.former.push((former, self.present()));
            } else if known.is_some() && block.gid.is_some() && block.gid != known {
                // Nobody has said that the one before is over: the server was out of it.
                self.next = Place { lineage: self.present() + 1, gseq: 0 };
                self.lineages.push(None);
            }
            block.lineage = self.next.lineage;
            if block.gid.is_some() {
                self.lineages[block.lineage] = block.gid;
            }
            self.floor.get_or_insert(block.start());
            self.next = block.next();
            self.lineages.resize(self.next.lineage + 1, None);
            self.cost += block.cost();
            self.blocks.push_back(Arc::new(block));
        }
        while self.cost > self.limit && self.blocks.len() > 1 {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.cost -= oldest.cost();
            self.floor = Some(self.blocks.front().map_or(self.next, |block| block.start().max(oldest.next())));
        }
        self.waiting.drain(..).filter_map(|reader| reader.upgrade()).for_each(|reader| reader.wake());
    }

    /// What follows the next event does not follow what is here: the server has been out of the group meanwhile.
    pub(super) fn forget(&mut self) {
        self.blocks.clear();
        (self.cost, self.floor) = (0, None);
    }

    /// What follows, from `from` on, for `reader`.
    pub(super) fn read(&mut self, from: Place, reader: &Arc<Outbox>) -> Reading {
        if let Some(floor) = self.floor.filter(|floor| from < *floor) {
            return Reading::GapTo(floor);
        }
        let index = self.blocks.partition_point(|block| block.next() <= from);
        match self.blocks.get(index) {
            Some(block) => Reading::Block(block.clone()),
            None => {
                if !reader.awaits_history.swap(true, Ordering::Relaxed) {
                    // Those that have gone meanwhile, lest a quiet group collects them.
                    if self.waiting.len() == self.waiting.capacity() {
                        self.waiting.retain(|reader| reader.strong_count() > 0);
                    }
                    self.waiting.push(Arc::downgrade(reader));
                }
                Reading::Nothing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gms_core::{Event, Gseq, Params, Uid, ViewChange};

    use super::super::block::tests::messages;
    use super::*;

    /// All there is from `from` on: the places of messages, gaps as the place they end before, negative.
    fn read_all(history: &mut History, from: u64) -> Vec<i64> {
        let (reader, mut seen) = (Arc::<Outbox>::default(), Vec::new());
        let mut from = Place { lineage: 0, gseq: from };
        loop {
            match history.read(from, &reader) {
                Reading::Block(block) => {
                    let lines = block.lines(from);
                    let text = std::str::from_utf8(&lines).expect("text");
                    for line in text.lines() {
                        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                        seen.push(line["gseq"].as_i64().unwrap_or(0));
                    }
                    from = block.next();
                }
                Reading::GapTo(place) => {
                    seen.push(-(place.gseq as i64));
                    from = place;
                }
                Reading::Nothing => return seen,
            }
        }
    }

    #[test]
    fn reading_starts_anywhere_and_misses_nothing() {
        let mut history = History::new(1 << 20);
        assert!(read_all(&mut history, 1).is_empty());
        history.extend(Block::cut(&messages([5, 6, 9], 10)));
        history.extend(Block::cut(&messages([10, 12], 10)));
        assert_eq!(read_all(&mut history, 5), [5, 6, 9, 10, 12]);
        assert_eq!(read_all(&mut history, 7), [9, 10, 12]);
        assert_eq!(read_all(&mut history, 12), [12]);
        assert!(read_all(&mut history, 13).is_empty());
        assert_eq!(read_all(&mut history, 2), [-5, 5, 6, 9, 10, 12]);
    }

    #[test]
    fn the_oldest_goes_and_leaves_a_gap() {
        let mut history = History::new(1000);
        for gseq in 1..=20 {
            history.extend(Block::cut(&messages([gseq], 100)));
            assert!(history.cost <= 1000);
        }
        let seen = read_all(&mut history, 1);
        let kept = seen[1];
        assert_eq!(seen[0], -kept);
        assert_eq!(seen[1..], (kept..=20).collect::<Vec<_>>());
    }

    #[test]
    fn readers_follow_from_one_lineage_to_the_next() {
        let mut history = History::new(1 << 20);
        history.extend(Block::cut(&messages([7, 8], 10)));
        history.extend(Block::cut(&[Event::Dissolved { gid: Gid(1), into: Gid(2), upto: 8 }]));
        history.extend(Block::cut(&messages([3, 4], 10)));
        assert_eq!(read_all(&mut history, 7), [7, 8, 0, 3, 4]);
        assert_eq!(read_all(&mut history, 9), [0, 3, 4]);
        assert_eq!(history.next(), Some(Place { lineage: 1, gseq: 5 }));
    }

    fn view(gid: u128, gseq: Gseq) -> View {
        let leader = Uid::new(1, 9);
        View { gid: Gid(gid), vid: 1, at: 1, gseq, leader, members: vec![], params: Params::default() }
    }

    fn installed(view: View) -> Vec<Block> {
        Block::cut(&[Event::View(ViewChange { view: view.into(), joined: vec![], left: vec![] })])
    }

    /// A history that knows lineage 1 up to place 8, and that the server was out of it then.
    fn forgetful() -> History {
        let mut history = History::new(1 << 20);
        history.extend(installed(view(1, 6)));
        history.extend(Block::cut(&messages([7, 8], 10)));
        history.forget();
        history
    }

    #[test]
    fn the_places_of_a_lineage_say_nothing_in_the_one_a_server_comes_back_in() {
        let mut history = forgetful();
        let known = Gid(1).to_string();
        let from = Place { lineage: history.lineage(&known).expect("the last one"), gseq: 55 };
        assert!(matches!(history.read(from, &Arc::default()), Reading::Nothing));
        history.extend(installed(view(2, 1)));
        history.extend(Block::cut(&messages([2, 3], 10)));
        assert_eq!(read_all(&mut history, 55), [-1, 1, 2, 3]);
        assert_eq!((history.gid(0), history.gid(1)), (Some(Gid(1)), Some(Gid(2))));

        let mut history = forgetful();
        history.extend(installed(view(1, 60)));
        assert_eq!(read_all(&mut history, 55), [-60, 60]);
    }

    #[test]
    fn a_lineage_that_goes_on_under_another_name_goes_on_in_place() {
        let mut history = History::new(1 << 20);
        history.extend(installed(view(1, 6)));
        history.extend(Block::cut(&messages([7, 8], 10)));
        let params = Params { origin: Some(Gid(1)), ..Params::default() };
        history.extend(installed(View { params, ..view(2, 9) }));
        history.extend(Block::cut(&messages([10], 10)));
        assert_eq!(read_all(&mut history, 7), [7, 8, 9, 10]);
        assert_eq!(history.next(), Some(Place { lineage: 0, gseq: 11 }));
        for gid in [1, 2] {
            assert_eq!(history.lineage(&Gid(gid).to_string()), Some(0));
        }
        assert_eq!(history.gid(0), Some(Gid(2)));
    }

    #[test]
    fn from_now_on_begins_between_two_lives_without_a_gap() {
        for (gid, gseq, lineage) in [(1, 60, 0), (2, 1, 1)] {
            let mut history = forgetful();
            let upcoming = history.upcoming(Some(&view(gid, gseq)));
            assert_eq!(upcoming, Place { lineage, gseq });
            history.extend(installed(view(gid, gseq)));
            assert!(matches!(history.read(upcoming, &Arc::default()), Reading::Block(_)));
        }
        assert_eq!(forgetful().upcoming(None), Place { lineage: 0, gseq: 9 });
    }

    #[test]
    fn a_waiting_reader_is_woken_once_per_wait() {
        let (mut history, reader) = (History::new(1 << 20), Arc::<Outbox>::default());
        for _ in 0..3 {
            assert!(matches!(history.read(Place::default(), &reader), Reading::Nothing));
        }
        assert_eq!(history.waiting.len(), 1);
        history.extend(Block::cut(&messages([1], 1)));
        assert!(history.waiting.is_empty() && !reader.awaits_history.load(Ordering::Relaxed));
    }
}
