//! Finds matches as fast as possible: for whoever would rather wait less than store less.
//!
//! One candidate for each position, found by a hash of four bytes, and none is given up for a better one. Of a match, only
//! four positions are remembered: all of them would make the result 0.5 % smaller, for a fifth more time.
use super::{Counts, Sequence, Symbols, Writer};

/// How far a match may reach back, in bytes; also what is looked at in one go.
const WINDOW: usize = 32 << 10;
/// What is looked at, after the window before it: positions are of 16 bits.
const BUFFER: usize = 2 * WINDOW;
const LONGEST: usize = 258;
/// 32 KiB of hashes; with twice as many, the first cache does not hold them beside the bytes.
const HASH_BITS: u32 = 14;
/// Reading a word at any position never leaves the buffer.
const PADDING: usize = 8;
/// After so many misses (as a power of two), every second byte is looked at, and so on: noise costs little.
const PATIENCE: u32 = 6;

/// Compresses; keeps its tables.
pub(crate) struct Fast {
    /// The window, and what is looked at.
    bytes: Box<[u8; BUFFER + PADDING]>,
    /// The latest position of each hash. One that was never set says 0, which is a position like any other.
    latest: Box<[u16; 1 << HASH_BITS]>,
    found: Found,
    symbols: Symbols,
    writer: Writer,
}

/// What a block consists of.
struct Found {
    sequences: Vec<Sequence>,
    literals: Box<[u8; BUFFER + PADDING]>,
    /// How many literals there are.
    count: usize,
}

impl Fast {
    // Once for each worker. Slices would lose the lengths by which the compiler knows that positions are within.
    #[allow(clippy::large_stack_arrays)]
    pub(crate) fn new() -> Self {
        Self {
            bytes: Box::new([0; BUFFER + PADDING]),
            latest: Box::new([0; 1 << HASH_BITS]),
            found: Found { sequences: Vec::new(), literals: Box::new([0; BUFFER + PADDING]), count: 0 },
            symbols: Symbols::new(),
            writer: Writer::default(),
        }
    }

    /// The deflate stream of `data`.
    pub(crate) fn compress(&mut self, data: &[u8]) -> &[u8] {
        self.latest.fill(0);
        self.writer.start();
        // As many literals as have room become a block.
        let blocks = data.len().div_ceil(BUFFER).max(1);
        for number in 0..blocks {
            let block = &data[number * BUFFER..data.len().min((number + 1) * BUFFER)];
            self.found.sequences.clear();
            self.found.count = 0;
            for (half, bytes) in block.chunks(WINDOW).enumerate() {
                self.find(bytes, number + half == 0);
            }
            let Found { sequences, literals, count } = &self.found;
            let literals = &literals[..*count];
            let counts = Counts::of_sequences(sequences, literals, &self.symbols);
            let last = number + 1 == blocks;
            self.writer.sequences(sequences, literals, &counts, &self.symbols, block, last);
        }
        self.writer.finish()
    }

    /// Finds the sequences of `next`, at most [`WINDOW`] bytes, which follow those that were looked at before.
    fn find(&mut self, next: &[u8], first: bool) {
        self.bytes.copy_within(WINDOW..BUFFER, 0);
        self.bytes[WINDOW..WINDOW + next.len()].copy_from_slice(next);
        for position in self.latest.iter_mut() {
            *position = position.saturating_sub(WINDOW as u16);
        }
        let (bytes, latest) = (&*self.bytes, &mut *self.latest);
        let oldest = if first { WINDOW } else { 0 };
        let end = WINDOW + next.len();
        let limit = end.saturating_sub(PADDING);
        // Bytes before `done` belong to sequences.
        let (mut done, mut at) = (WINDOW, WINDOW);
        'all: while at < limit {
            let mut misses = 1 << PATIENCE;
            let mut from;
            loop {
                let word = word(bytes, at);
                from = usize::from(std::mem::replace(&mut latest[hash(word)], at as u16));
                if word == self::word(bytes, from) && from >= oldest && at - from <= WINDOW {
                    break;
                }
                at += misses >> PATIENCE;
                misses += 1;
                if at >= limit {
                    break 'all;
                }
            }
            let found = at;
            // Not so far that a match from there would end before the one that was found.
            let earliest = done.max(found.saturating_sub(LONGEST / 2));
            while at > earliest && from > oldest && bytes[at - 1] == bytes[from - 1] {
                at -= 1;
                from -= 1;
            }
            let len = common(bytes, from, at, (end - at).min(LONGEST));
            self.found.add(bytes, done, at, len, at - from);
            done = at + len;
            at = done;
            for position in [found + 1, found + 2, done - 2, done - 1] {
                latest[hash(word(bytes, position))] = position as u16;
            }
        }
        if done < end {
            self.found.add(bytes, done, end, 0, 0);
        }
    }
}

impl Found {
    /// Adds the literals between two positions and the match after them.
    #[inline]
    fn add(&mut self, bytes: &[u8; BUFFER + PADDING], from: usize, to: usize, len: usize, distance: usize) {
        let literals = to - from;
        self.sequences.push(Sequence {
            literals: literals as u32,
            len: len as u16,
            distance: distance as u16,
        });
        // Few, as a rule: then it is one move of as many as fit into a register.
        let (to_at, from_at) = (self.count & (BUFFER - 1), from & (BUFFER - 1));
        self.literals[to_at..to_at + PADDING].copy_from_slice(&bytes[from_at..from_at + PADDING]);
        if literals > PADDING {
            self.literals[self.count..self.count + literals].copy_from_slice(&bytes[from..to]);
        }
        self.count += literals;
    }
}

#[inline]
fn word(bytes: &[u8; BUFFER + PADDING], at: usize) -> u32 {
    let at = at & (BUFFER - 1);
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn long_word(bytes: &[u8; BUFFER + PADDING], at: usize) -> u64 {
    let at = at & (BUFFER - 1);
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
fn hash(word: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes at `from` and at `at` are the same, at most `most`.
#[inline]
fn common(bytes: &[u8; BUFFER + PADDING], from: usize, at: usize, most: usize) -> usize {
    let mut len = 0;
    while len < most {
        let differ = long_word(bytes, from + len) ^ long_word(bytes, at + len);
        if differ != 0 {
            return most.min(len + (differ.trailing_zeros() / 8) as usize);
        }
        len += 8;
    }
    most
}

#[cfg(test)]
mod tests {
    use libdeflater::Decompressor;
    use proptest::prelude::*;

    use super::*;
    use crate::disk::tests::{noise, prose};

    fn inflated(stream: &[u8], len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        assert_eq!(Decompressor::new().deflate_decompress(stream, &mut out).unwrap(), len);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_compressed_inflates_to_the_same_bytes(
            pieces in prop::collection::vec((0..4_u8, 1..70_000_usize, any::<u64>()), 0..12),
        ) {
            // Text, noise, zeroes and copies of what came before, in any order.
            let mut data = Vec::new();
            for (kind, len, seed) in pieces {
                match kind {
                    0 => data.extend(prose(seed, len)),
                    1 => data.extend(noise(seed, len)),
                    2 => data.resize(data.len() + len, 0),
                    _ => {
                        let from = seed as usize % (data.len() + 1);
                        let to = data.len().min(from + len);
                        data.extend_from_within(from..to);
                    }
                }
            }
            let mut fast = Fast::new();
            let stream = fast.compress(&data).to_vec();
            prop_assert!(inflated(&stream, data.len()) == data);
            // Tables of the data before must not show.
            prop_assert!(fast.compress(&data) == stream);
        }
    }

    #[test]
    fn a_match_that_is_found_late_is_not_followed_back_too_far() {
        // Noise makes the search skip ahead, so that the copy behind it is met in its middle.
        let mut data = noise(1, 20_000);
        data.extend_from_within(..1_000);
        data.extend(noise(2, 9_000));
        data.extend(vec![7; 3_000]);
        data.extend(noise(3, 31_000));
        data.extend_from_within(21_000..34_000);
        let mut fast = Fast::new();
        let stream = fast.compress(&data).to_vec();
        assert!(inflated(&stream, data.len()) == data);
    }

    #[test]
    fn noise_is_stored_and_grows_by_some_bytes_only() {
        let data = noise(5, 1 << 20);
        let mut fast = Fast::new();
        let stream = fast.compress(&data);
        assert!(stream.len() < data.len() + 256, "{}", stream.len());
    }

    #[test]
    fn what_two_blocks_share_is_found() {
        let mut data = prose(3, BUFFER - 20_000);
        let noise = noise(1, 20_000);
        data.extend_from_slice(&noise);
        let mut fast = Fast::new();
        let once = fast.compress(&data).len();
        data.extend_from_slice(&noise);
        assert!(fast.compress(&data).len() < once + 500);
    }
}
