//! Where the messages come from.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::lines;

/// Messages handed over at once.
const BATCH: u64 = 256;
/// Bytes of a line, at most: no group takes larger messages.
const LINE_LIMIT: usize = 64 << 20;

/// Messages, in batches.
pub(super) enum Source {
    Arguments(Option<Vec<Bytes>>),
    Lines(mpsc::Receiver<Vec<Bytes>>),
    MadeUp { next: u64, count: u64, size: usize },
}

impl Source {
    pub(super) fn open(
        messages: Vec<String>,
        file: Option<PathBuf>,
        made_up: Option<(u64, usize)>,
        incomplete: &Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        if let Some((count, size)) = made_up {
            return Ok(Self::MadeUp { next: 0, count, size });
        }
        if !messages.is_empty() {
            return Ok(Self::Arguments(Some(messages.into_iter().map(Bytes::from).collect())));
        }
        Ok(Self::Lines(match file {
            None => lines::read_all("standard input".to_owned(), std::io::stdin(), LINE_LIMIT, incomplete.clone()),
            Some(path) => {
                let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()));
                let name = path.display().to_string();
                lines::read_all(name, file.map_err(Failure::usage)?, LINE_LIMIT, incomplete.clone())
            }
        }))
    }

    /// The next messages, at least one. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Vec<Bytes>> {
        match self {
            Self::Arguments(messages) => messages.take(),
            Self::Lines(lines) => lines.recv().await,
            Self::MadeUp { next, count, size } => {
                let batch = *next..(*next + BATCH).min(*count);
                *next = batch.end;
                (!batch.is_empty()).then(|| batch.map(|number| made_up(number, *size)).collect())
            }
        }
    }
}

/// The number, and as many dots as are missing.
fn made_up(number: u64, size: usize) -> Bytes {
    let mut text = number.to_string().into_bytes();
    text.resize(size, b'.');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_as_asked_for_are_made_up() {
        let mut source = Source::open(Vec::new(), None, Some((600, 5)), &Arc::default()).expect("opens");
        let mut all = Vec::new();
        while let Some(batch) = source.next().await {
            all.extend(batch);
        }
        assert_eq!((all.len(), &all[7], &all[599]), (600, &Bytes::from("7...."), &Bytes::from("599..")));
        let mut none = Source::open(Vec::new(), None, Some((0, 5)), &Arc::default()).expect("opens");
        assert!(none.next().await.is_none());
    }
}
