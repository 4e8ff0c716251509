//! Writes deflate blocks (RFC 1951) from tokens.
use super::huffman::{Builder, Word};
use super::tokens::{DISTANCES, LENGTHS, ORDER, Token};

pub(super) const LITLENS: usize = 286;
pub(super) const OFFSETS: usize = 30;
const END: usize = 256;

/// How often each symbol occurs in a block.
#[derive(Clone)]
pub(super) struct Counts {
    litlens: [u32; LITLENS],
    offsets: [u32; OFFSETS],
}

impl Counts {
    pub(super) fn of(tokens: &[Token], symbols: &Symbols) -> Self {
        let mut counts = Self { litlens: [0; LITLENS], offsets: [0; OFFSETS] };
        for token in tokens {
            if *token < 256 {
                counts.litlens[*token as usize] += 1;
            } else {
                counts.litlens[symbols.length(*token >> 16)] += 1;
                counts.offsets[symbols.offset(*token & 0xffff)] += 1;
            }
        }
        counts.litlens[END] = 1;
        counts
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.litlens.iter_mut().zip(&other.litlens) {
            *sum += more;
        }
        for (sum, more) in self.offsets.iter_mut().zip(&other.offsets) {
            *sum += more;
        }
        self.litlens[END] = 1;
    }

    /// About how many bits the symbols take, and the code before them.
    pub(super) fn estimate(&self) -> f32 {
        let entropy = |counts: &[u32]| {
            let mut total = 0;
            let mut bits = 0.0;
            for count in counts.iter().filter(|count| **count > 0) {
                total += count;
                // Besides its occurrences, a symbol costs some bits in the header.
                bits += 3.0 - *count as f32 * log2(*count);
            }
            bits + total as f32 * log2(total.max(1))
        };
        entropy(&self.litlens) + entropy(&self.offsets) + 120.0
    }
}

/// Which symbol a length or a distance has.
pub(super) struct Symbols {
    lengths: [u16; 259],
    /// Of distances up to 256, then of steps of 128.
    offsets: [u8; 512],
}

impl Symbols {
    pub(super) fn new() -> Self {
        let mut lengths = [0; 259];
        for (symbol, (base, _)) in LENGTHS.iter().enumerate() {
            lengths[usize::from(*base)..].fill(257 + symbol as u16);
        }
        let mut offsets = [0; 512];
        for (symbol, (base, _)) in DISTANCES.iter().enumerate() {
            let first = usize::from(*base) - 1;
            let at = if first < 256 { first } else { 256 + (first >> 7) };
            offsets[at..if first < 256 { 256 } else { 512 }].fill(symbol as u8);
            if first < 256 {
                // Steps of 128 that begin in the table of the small ones stay unused.
                offsets[256..].fill(symbol as u8);
            }
        }
        Self { lengths, offsets }
    }

    #[inline]
    fn length(&self, length: u32) -> usize {
        usize::from(self.lengths[length as usize])
    }

    #[inline]
    fn offset(&self, distance: u32) -> usize {
        let at = distance as usize - 1;
        usize::from(self.offsets[if at < 256 { at } else { 256 + (at >> 7) }])
    }
}

/// A deflate stream in the making.
#[derive(Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    at: usize,
    buffer: u64,
    have: u32,
    builder: Builder,
}

impl Writer {
    pub(super) fn start(&mut self) {
        (self.at, self.buffer, self.have) = (0, 0, 0);
    }

    /// The finished stream.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.reserve(8);
        self.flush();
        let end = self.at + usize::from(self.have > 0);
        &self.out[..end]
    }

    fn reserve(&mut self, bytes: usize) {
        let need = self.at + bytes + 16;
        if self.out.len() < need {
            self.out.resize(need, 0);
        }
    }

    #[inline]
    fn put(&mut self, bits: u32, count: u32) {
        self.buffer |= u64::from(bits) << self.have;
        self.have += count;
    }

    /// Leaves less than 8 bits in the buffer. There must be room for 8 bytes.
    #[inline]
    fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.buffer.to_le_bytes());
        self.at += (self.have >> 3) as usize;
        self.buffer >>= self.have & !7;
        self.have &= 7;
    }

    pub(super) fn stored(&mut self, bytes: &[u8], last: bool) {
        let mut rest = bytes;
        loop {
            let (now, later) = rest.split_at(rest.len().min(0xffff));
            self.reserve(now.len() + 16);
            self.put(u32::from(last && later.is_empty()), 3);
            self.flush();
            if self.have > 0 {
                self.at += 1;
                (self.buffer, self.have) = (0, 0);
            }
            let len = now.len() as u16;
            self.out[self.at..self.at + 2].copy_from_slice(&len.to_le_bytes());
            self.out[self.at + 2..self.at + 4].copy_from_slice(&(!len).to_le_bytes());
            self.out[self.at + 4..self.at + 4 + now.len()].copy_from_slice(now);
            self.at += 4 + now.len();
            rest = later;
            if rest.is_empty() {
                return;
            }
        }
    }

    pub(super) fn coded(&mut self, tokens: &[Token], counts: &Counts, symbols: &Symbols, last: bool) {
        let mut litlens = [Word::default(); LITLENS];
        let mut offsets = [Word::default(); OFFSETS];
        self.builder.build(&counts.litlens, 15, &mut litlens);
        self.builder.build(&counts.offsets, 15, &mut offsets);
        let bits = |counts: &[u32], words: &[Word]| -> usize {
            counts.iter().zip(words).map(|(count, word)| *count as usize * usize::from(word.len)).sum()
        };
        let extra: usize = LENGTHS
            .iter()
            .zip(&counts.litlens[257..])
            .chain(DISTANCES.iter().zip(&counts.offsets))
            .map(|((_, extra), count)| usize::from(*extra) * *count as usize)
            .sum();
        self.reserve((bits(&counts.litlens, &litlens) + bits(&counts.offsets, &offsets) + extra) / 8 + 512);
        self.put(u32::from(last) | 2 << 1, 3);
        self.codes(&litlens, &offsets);
        for token in tokens {
            if *token < 256 {
                let word = litlens[*token as usize];
                self.put(u32::from(word.bits), u32::from(word.len));
            } else {
                let (length, distance) = (*token >> 16, *token & 0xffff);
                let symbol = symbols.length(length);
                let word = litlens[symbol];
                let (base, extra) = LENGTHS[symbol - 257];
                self.put(u32::from(word.bits), u32::from(word.len));
                self.put(length - u32::from(base), u32::from(extra));
                let symbol = symbols.offset(distance);
                let word = offsets[symbol];
                let (base, extra) = DISTANCES[symbol];
                self.put(u32::from(word.bits), u32::from(word.len));
                self.put(distance - u32::from(base), u32::from(extra));
            }
            self.flush();
        }
        let word = litlens[END];
        self.put(u32::from(word.bits), u32::from(word.len));
        self.flush();
    }

    /// The lengths of both codes, run-length encoded and Huffman coded themselves.
    fn codes(&mut self, litlens: &[Word; LITLENS], offsets: &[Word; OFFSETS]) {
        let used = |words: &[Word], least: usize| {
            words.iter().rposition(|word| word.len > 0).map_or(least, |last| (last + 1).max(least))
        };
        let (litlen_count, offset_count) = (used(litlens, 257), used(offsets, 1));
        let lengths: Vec<u8> =
            litlens[..litlen_count].iter().chain(&offsets[..offset_count]).map(|word| word.len).collect();
        // Symbol and the value of its extra bits.
        let mut items: Vec<(u8, u8)> = Vec::with_capacity(lengths.len());
        let mut at = 0;
        while at < lengths.len() {
            let value = lengths[at];
            let mut run = lengths[at..].iter().take_while(|len| **len == value).count();
            at += run;
            if value == 0 {
                while run >= 3 {
                    let now = run.min(138);
                    items.push(if now <= 10 { (17, now as u8 - 3) } else { (18, now as u8 - 11) });
                    run -= now;
                }
            } else if run > 3 {
                items.push((value, 0));
                run -= 1;
                while run >= 3 {
                    let now = run.min(6);
                    items.push((16, now as u8 - 3));
                    run -= now;
                }
            }
            items.extend(std::iter::repeat_n((value, 0), run));
        }
        let mut counts = [0_u32; 19];
        for (symbol, _) in &items {
            counts[usize::from(*symbol)] += 1;
        }
        let mut words = [Word::default(); 19];
        self.builder.build(&counts, 7, &mut words);
        let sent =
            ORDER.iter().rposition(|symbol| words[*symbol].len > 0).map_or(4, |last| (last + 1).max(4));
        self.put(litlen_count as u32 - 257, 5);
        self.put(offset_count as u32 - 1, 5);
        self.put(sent as u32 - 4, 4);
        self.flush();
        for symbol in &ORDER[..sent] {
            self.put(u32::from(words[*symbol].len), 3);
            self.flush();
        }
        for (symbol, extra) in items {
            let word = words[usize::from(symbol)];
            self.put(u32::from(word.bits), u32::from(word.len));
            self.put(
                u32::from(extra),
                match symbol {
                    16 => 2,
                    17 => 3,
                    18 => 7,
                    _ => 0,
                },
            );
            self.flush();
        }
    }
}

/// Within 0.01 of the logarithm; the exact one costs several times as much.
fn log2(value: u32) -> f32 {
    let bits = (value as f32).to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let fraction = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
    exponent + fraction * (1.0 + 0.344 * (1.0 - fraction))
}
