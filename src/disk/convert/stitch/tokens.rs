//! Takes a deflate stream apart (RFC 1951) into its literals and matches, without restoring the bytes.
//!
//! The streams come from libdeflate in this process, so that a malformed one is a bug; it is an error, not a panic.

use super::super::deflate::{DISTANCES, LENGTHS, ORDER, Token, match_of};

/// A deflate block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Tokens, up to this index.
    Coded(usize),
    /// This many bytes as they are.
    Stored(usize),
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    have: u32,
}

impl Bits<'_> {
    /// Makes at least 48 bits available, or what is left.
    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes.get(self.at..self.at + 8).and_then(|next| next.try_into().ok()) {
            self.buffer |= u64::from_le_bytes(next) << self.have;
            self.at += (63 - self.have as usize) >> 3;
            self.have |= 0x38; // to 56 bits or more, without a branch
        } else {
            while self.have <= 56 {
                let Some(byte) = self.bytes.get(self.at) else { break };
                self.buffer |= u64::from(*byte) << self.have;
                self.at += 1;
                self.have += 8;
            }
        }
    }

    #[inline]
    fn take(&mut self, count: u32) -> u32 {
        let bits = self.buffer & ((1 << count) - 1);
        self.buffer >>= count;
        // Running out yields zeroes; `exhausted` tells.
        self.have = self.have.wrapping_sub(count);
        bits as u32
    }

    /// Whether more was taken than there is.
    #[inline]
    fn exhausted(&self) -> bool {
        self.have > 64
    }
}

const FAST: u32 = 11;
const LITERAL: u32 = 0;
const COPY: u32 = 1;
const END: u32 = 2;
const BAD: u32 = 3;

/// What a symbol means: bits 0-3 the length of its code, 4-7 extra bits, 8-9 kind, 16-31 base value.
fn entry(kind: u32, base: u32, extra: u32) -> u32 {
    base << 16 | kind << 8 | extra << 4
}

struct Code {
    /// By the next bits of the stream; 0 where a code is longer.
    fast: Vec<u32>,
    counts: [u16; 16],
    /// Entries in the order of their codes.
    entries: Vec<u32>,
}

impl Code {
    fn new() -> Self {
        Self { fast: vec![0; 1 << FAST], counts: [0; 16], entries: Vec::new() }
    }

    fn build(&mut self, lengths: &[u8], meaning: impl Fn(usize) -> u32) {
        self.counts = [0; 16];
        for len in lengths {
            self.counts[usize::from(*len)] += 1;
        }
        self.counts[0] = 0;
        let mut next_index = [0_u16; 17];
        let mut next_code = [0_u32; 17];
        for len in 1..16 {
            next_index[len + 1] = next_index[len] + self.counts[len];
            next_code[len + 1] = (next_code[len] + u32::from(self.counts[len])) << 1;
        }
        self.entries.clear();
        self.entries.resize(usize::from(next_index[16]), 0);
        self.fast.fill(0);
        for (symbol, len) in lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
            let bits = usize::from(*len);
            let meaning = meaning(symbol) | u32::from(*len);
            self.entries[usize::from(next_index[bits])] = meaning;
            next_index[bits] += 1;
            let code = next_code[bits];
            next_code[bits] += 1;
            if u32::from(*len) <= FAST {
                let mut at = (code.reverse_bits() >> (32 - u32::from(*len))) as usize;
                while at < self.fast.len() {
                    self.fast[at] = meaning;
                    at += 1 << *len;
                }
            }
        }
    }

    #[inline]
    fn next(&self, bits: &mut Bits<'_>) -> u32 {
        let mut entry = self.fast[(bits.buffer & ((1 << FAST) - 1)) as usize];
        if entry == 0 {
            entry = self.slow(bits.buffer);
        }
        bits.take(entry & 15);
        entry
    }

    #[cold]
    fn slow(&self, mut buffer: u64) -> u32 {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for len in 1..16 {
            code |= (buffer & 1) as u32;
            buffer >>= 1;
            let count = u32::from(self.counts[len]);
            if code < first + count {
                return self
                    .entries
                    .get((index + code - first) as usize)
                    .copied()
                    .unwrap_or(entry(BAD, 0, 0));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        entry(BAD, 0, 0)
    }
}

/// Reads streams; keeps its tables.
pub(super) struct Reader {
    litlen: Code,
    distance: Code,
    small: Code,
}

fn litlen_meaning(symbol: usize) -> u32 {
    match symbol {
        0..256 => entry(LITERAL, symbol as u32, 0),
        256 => entry(END, 0, 0),
        257..286 => {
            let (base, extra) = LENGTHS[symbol - 257];
            entry(COPY, u32::from(base), u32::from(extra))
        }
        _ => entry(BAD, 0, 0),
    }
}

fn distance_meaning(symbol: usize) -> u32 {
    DISTANCES
        .get(symbol)
        .map_or(entry(BAD, 0, 0), |(base, extra)| entry(COPY, u32::from(*base), u32::from(*extra)))
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { litlen: Code::new(), distance: Code::new(), small: Code::new() }
    }

    /// Appends what `stream` consists of; `None` if it is malformed.
    pub(super) fn read(
        &mut self,
        stream: &[u8],
        tokens: &mut Vec<Token>,
        groups: &mut Vec<Group>,
    ) -> Option<()> {
        let mut bits = Bits { bytes: stream, at: 0, buffer: 0, have: 0 };
        loop {
            bits.refill();
            let last = bits.take(1) == 1;
            let kind = bits.take(2);
            if bits.exhausted() {
                return None;
            }
            match kind {
                0 => {
                    // The length begins at the next byte; whole bytes in the buffer go back.
                    let start = bits.at - (bits.have / 8) as usize;
                    let len = usize::from(u16::from_le_bytes(stream.get(start..start + 2)?.try_into().ok()?));
                    groups.push(Group::Stored(len));
                    bits = Bits { bytes: stream, at: start + 4 + len, buffer: 0, have: 0 };
                    if bits.at > stream.len() {
                        return None;
                    }
                }
                1 => {
                    let mut lengths = [8_u8; 288];
                    lengths[144..256].fill(9);
                    lengths[256..280].fill(7);
                    self.litlen.build(&lengths, litlen_meaning);
                    self.distance.build(&[5; 30], distance_meaning);
                    self.body(&mut bits, tokens)?;
                    groups.push(Group::Coded(tokens.len()));
                }
                2 => {
                    self.codes(&mut bits)?;
                    self.body(&mut bits, tokens)?;
                    groups.push(Group::Coded(tokens.len()));
                }
                _ => return None,
            }
            if last {
                return Some(());
            }
        }
    }

    fn codes(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let litlens = bits.take(5) as usize + 257;
        let distances = bits.take(5) as usize + 1;
        let smalls = bits.take(4) as usize + 4;
        let mut small = [0_u8; 19];
        for symbol in &ORDER[..smalls] {
            bits.refill();
            small[*symbol] = bits.take(3) as u8;
        }
        self.small.build(&small, |symbol| entry(LITERAL, symbol as u32, 0));
        let mut lengths = [0_u8; 320];
        let total = litlens + distances;
        let mut at = 0;
        while at < total {
            bits.refill();
            let found = self.small.next(bits);
            if found >> 8 & 3 == BAD || bits.exhausted() {
                return None;
            }
            let (value, times) = match found >> 16 {
                16 => (*lengths.get(at.checked_sub(1)?)?, 3 + bits.take(2)),
                17 => (0, 3 + bits.take(3)),
                18 => (0, 11 + bits.take(7)),
                len => (len as u8, 1),
            };
            lengths.get_mut(at..at + times as usize)?.fill(value);
            at += times as usize;
        }
        self.litlen.build(&lengths[..litlens], litlen_meaning);
        self.distance.build(&lengths[litlens..total], distance_meaning);
        Some(())
    }

    fn body(&self, bits: &mut Bits<'_>, tokens: &mut Vec<Token>) -> Option<()> {
        loop {
            bits.refill();
            let mut found = self.litlen.next(bits);
            // Three literals fit into one refill.
            if found >> 8 & 3 == LITERAL {
                tokens.push(found >> 16);
                found = self.litlen.next(bits);
                if found >> 8 & 3 == LITERAL {
                    tokens.push(found >> 16);
                    found = self.litlen.next(bits);
                    if found >> 8 & 3 == LITERAL {
                        tokens.push(found >> 16);
                        if bits.exhausted() {
                            return None;
                        }
                        continue;
                    }
                }
                bits.refill();
            }
            if found >> 8 & 3 != COPY {
                return (found >> 8 & 3 == END && !bits.exhausted()).then_some(());
            }
            let len = (found >> 16) + bits.take(found >> 4 & 15);
            let found = self.distance.next(bits);
            if found >> 8 & 3 != COPY || bits.exhausted() {
                return None;
            }
            let distance = (found >> 16) + bits.take(found >> 4 & 15);
            tokens.push(match_of(len as usize, distance as usize));
        }
    }
}
