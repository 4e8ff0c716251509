//! Looks for secrets in everything that is written, also across the borders of chunks.
//!
//! What it cannot see: a secret that the file system stored in two places of the disk, or in compressed files.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::super::{DiskError, output::Finished};
use super::pipeline::{Chunk, Payload, Sink};
use super::{Needle, NeedleHit};

/// Far above any key or token, and far below a chunk, so that a needle crosses at most one border.
const MAX_NEEDLE: usize = 64 << 10;

/// Shared by all workers.
#[derive(Debug)]
pub(super) struct Scanner {
    machines: Option<Machines>,
    /// First offset and count by index of the needle.
    hits: Mutex<HashMap<usize, (u64, u64)>>,
}

#[derive(Debug)]
struct Machines {
    /// Says quickly that nothing is there, which is the normal case.
    any: AhoCorasick,
    /// Says precisely what is there.
    every: AhoCorasick,
    /// Length of the longest needle.
    longest: usize,
}

impl Scanner {
    pub(super) fn new(needles: &[Needle]) -> Result<Self, DiskError> {
        if let Some(odd) = needles.iter().find(|needle| !(1..=MAX_NEEDLE).contains(&needle.bytes.len())) {
            return Err(DiskError::refused(format!(
                "the secret `{}` to look for is empty or longer than {MAX_NEEDLE} bytes",
                odd.name
            )));
        }
        let build = |kind| {
            AhoCorasickBuilder::new()
                .match_kind(kind)
                .build(needles.iter().map(|needle| &needle.bytes))
                .map_err(|error| {
                    DiskError::unsupported("could not prepare the search for secrets").because(error)
                })
        };
        let machines = if needles.is_empty() {
            None
        } else {
            Some(Machines {
                any: build(MatchKind::LeftmostFirst)?,
                every: build(MatchKind::Standard)?,
                longest: needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or(1),
            })
        };
        Ok(Self { machines, hits: Mutex::default() })
    }

    /// Looks within one chunk.
    pub(super) fn chunk(&self, bytes: &[u8], offset: u64) {
        self.record(bytes, offset, |_, _| true);
    }

    fn record(&self, bytes: &[u8], offset: u64, counts: impl Fn(usize, usize) -> bool) {
        let Some(machines) = &self.machines else { return };
        if !machines.any.is_match(bytes) {
            return;
        }
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        for found in machines.every.find_overlapping_iter(bytes) {
            if counts(found.start(), found.end()) {
                let at = offset + found.start() as u64;
                let hit = hits.entry(found.pattern().as_usize()).or_insert((at, 0));
                hit.0 = hit.0.min(at);
                hit.1 += 1;
            }
        }
    }

    /// The sink that looks across the borders, if there is anything to look for.
    pub(super) fn borders(&self) -> Option<Borders<'_>> {
        let keep = self.machines.as_ref()?.longest - 1;
        (keep > 0).then(|| Borders { scanner: self, keep, tail: Vec::new(), end: 0 })
    }

    /// The needles that occur, in the order in which they were given.
    pub(super) fn found(&self, needles: &[Needle]) -> Vec<NeedleHit> {
        let hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        needles
            .iter()
            .enumerate()
            .filter_map(|(index, needle)| {
                let (offset, count) = *hits.get(&index)?;
                Some(NeedleHit { name: needle.name.clone(), offset, count })
            })
            .collect()
    }
}

/// Joins the end of each chunk with the start of the next.
#[derive(Debug)]
pub(super) struct Borders<'a> {
    scanner: &'a Scanner,
    /// One byte less than the longest needle.
    keep: usize,
    /// The last bytes before `end`.
    tail: Vec<u8>,
    end: u64,
}

impl Sink for Borders<'_> {
    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        self.tail.clear();
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, _payload: Payload) -> Result<(), DiskError> {
        let bytes = &chunk.bytes;
        if !self.tail.is_empty() && self.end == chunk.offset {
            let border = self.tail.len();
            let start = chunk.offset - border as u64;
            let mut joined = std::mem::take(&mut self.tail);
            joined.extend_from_slice(&bytes[..self.keep.min(bytes.len())]);
            // What lies on one side only was found there.
            self.scanner.record(&joined, start, |from, to| from < border && to > border);
            self.tail = joined;
        }
        // Only the last chunk of a disk may be shorter, and nothing follows it.
        self.tail = bytes[bytes.len().saturating_sub(self.keep)..].to_vec();
        self.end = chunk.offset + bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        Ok(None)
    }
}
