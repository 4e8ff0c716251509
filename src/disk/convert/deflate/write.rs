//! Writes deflate blocks (RFC 1951) from tokens.
use super::counts::{Counts, END, LITLENS, NO_OFFSET, OFFSETS};
use super::huffman::{Builder, Word};
use super::symbols::{DISTANCES, LENGTHS, ORDER, Sequence, Symbols, Token};

/// Bits of a code and how many they are.
#[derive(Debug, Clone, Copy, Default)]
struct Packed(u32);

impl Packed {
    fn new(bits: u32, count: u32) -> Self {
        Self(bits | count << 24)
    }
}

/// A distance's code, lowest bit first: the code of its symbol, and what the extra bits count from.
#[derive(Debug, Clone, Copy, Default)]
struct Far {
    bits: u16,
    base: u16,
    len: u8,
    extra: u8,
}

/// The codes of a block, ready for use.
struct Codes {
    /// Of literals, then of lengths with their extra bits, by 256 plus the length.
    litlens: [Packed; 256 + 259],
    distances: [Far; NO_OFFSET + 1],
    end: Packed,
}

impl Default for Codes {
    fn default() -> Self {
        Self {
            litlens: [Packed::default(); 256 + 259],
            distances: [Far::default(); NO_OFFSET + 1],
            end: Packed::default(),
        }
    }
}

impl Codes {
    fn fill(&mut self, litlens: &[Word; LITLENS], offsets: &[Word; OFFSETS]) {
        let packed = |word: Word| Packed::new(u32::from(word.bits), u32::from(word.len));
        for (code, word) in self.litlens.iter_mut().zip(&litlens[..256]) {
            *code = packed(*word);
        }
        self.end = packed(litlens[END]);
        for ((base, extra), word) in LENGTHS.iter().zip(&litlens[257..]) {
            let len = u32::from(word.len);
            for more in 0..1_u32 << *extra {
                // The longest length has a symbol of its own, which comes last.
                if let Some(code) = self.litlens.get_mut(256 + usize::from(*base) + more as usize) {
                    *code = Packed::new(u32::from(word.bits) | more << len, len + u32::from(*extra));
                }
            }
        }
        for (code, ((base, extra), word)) in self.distances.iter_mut().zip(DISTANCES.iter().zip(offsets)) {
            *code = Far { bits: word.bits, base: *base, len: word.len, extra: *extra };
        }
    }
}

/// Writes bits: a [`Writer`] whose state the compiler can keep in registers.
struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    buffer: u64,
    have: u32,
}

impl Bits<'_> {
    #[inline]
    fn put(&mut self, code: Packed) {
        self.buffer |= u64::from(code.0 & 0x00ff_ffff) << self.have;
        self.have += code.0 >> 24;
    }

    #[inline]
    fn distance(&mut self, codes: &Codes, offset: usize, distance: u32) {
        let far = codes.distances[offset & NO_OFFSET];
        let extra = distance.wrapping_sub(u32::from(far.base)) & ((1 << far.extra) - 1);
        self.buffer |= u64::from(u32::from(far.bits) | extra << far.len) << self.have;
        self.have += u32::from(far.len) + u32::from(far.extra);
    }

    /// Leaves less than 8 bits in the buffer. There must be room for 8 bytes.
    #[inline]
    fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.buffer.to_le_bytes());
        self.at += (self.have >> 3) as usize;
        self.buffer >>= self.have & !7;
        self.have &= 7;
    }
}

/// A deflate stream in the making.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    codes: Codes,
    at: usize,
    buffer: u64,
    have: u32,
    builder: Builder,
}

impl Writer {
    pub(crate) fn start(&mut self) {
        (self.at, self.buffer, self.have) = (0, 0, 0);
    }

    /// The finished stream.
    pub(crate) fn finish(&mut self) -> &[u8] {
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

    pub(crate) fn stored(&mut self, bytes: &[u8], last: bool) {
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

    /// A block of `tokens`, of which `counts` are.
    pub(crate) fn coded(&mut self, tokens: &[Token], counts: &Counts, symbols: &Symbols, last: bool) {
        self.begin(counts, 15, last, usize::MAX);
        let Self { out, codes, .. } = self;
        let mut bits = Bits { out, at: self.at, buffer: self.buffer, have: self.have };
        for token in tokens {
            let (len, distance) = (*token >> 16, *token & 0xffff);
            if *token < 256 {
                bits.put(codes.litlens[*token as usize]);
            } else {
                bits.put(codes.litlens[256 + len as usize]);
                bits.distance(codes, symbols.offset(distance), distance);
            }
            bits.flush();
        }
        bits.put(codes.end);
        bits.flush();
        (self.at, self.buffer, self.have) = (bits.at, bits.buffer, bits.have);
    }

    /// A block of `sequences`, whose literals are `literals`, one after the other; `counts` are theirs. Stored instead if
    /// that is not longer, as `plain`.
    pub(crate) fn sequences(
        &mut self,
        sequences: &[Sequence],
        mut literals: &[u8],
        counts: &Counts,
        symbols: &Symbols,
        plain: &[u8],
        last: bool,
    ) {
        // Four literals fit into one flush.
        if !self.begin(counts, 14, last, plain.len()) {
            return self.stored(plain, last);
        }
        let Self { out, codes, .. } = self;
        let mut bits = Bits { out, at: self.at, buffer: self.buffer, have: self.have };
        for sequence in sequences {
            let (run, later) = literals.split_at(sequence.literals as usize);
            literals = later;
            let mut fours = run.chunks_exact(4);
            for four in &mut fours {
                for byte in four {
                    bits.put(codes.litlens[usize::from(*byte)]);
                }
                bits.flush();
            }
            for byte in fours.remainder() {
                bits.put(codes.litlens[usize::from(*byte)]);
            }
            bits.flush();
            if sequence.len > 0 {
                bits.put(codes.litlens[256 + usize::from(sequence.len)]);
                let distance = u32::from(sequence.distance);
                bits.distance(codes, symbols.offset(distance), distance);
                bits.flush();
            }
        }
        bits.put(codes.end);
        bits.flush();
        (self.at, self.buffer, self.have) = (bits.at, bits.buffer, bits.have);
    }

    /// Begins a block: makes its codes, of at most `limit` bits, makes room for it, and writes its header. Does nothing and
    /// says no if the block takes more than `most` bytes.
    fn begin(&mut self, counts: &Counts, limit: usize, last: bool, most: usize) -> bool {
        let mut litlens = [Word::default(); LITLENS];
        let mut offsets = [Word::default(); OFFSETS];
        self.builder.build(&counts.litlens, limit, &mut litlens);
        self.builder.build(&counts.offsets[..OFFSETS], 15, &mut offsets);
        let bits = |counts: &[u32], words: &[Word]| -> usize {
            counts.iter().zip(words).map(|(count, word)| *count as usize * usize::from(word.len)).sum()
        };
        let extra: usize = LENGTHS
            .iter()
            .zip(&counts.litlens[257..])
            .chain(DISTANCES.iter().zip(&counts.offsets))
            .map(|((_, extra), count)| usize::from(*extra) * *count as usize)
            .sum();
        let bytes = (bits(&counts.litlens, &litlens) + bits(&counts.offsets, &offsets) + extra) / 8;
        if bytes > most {
            return false;
        }
        self.reserve(bytes + 512);
        self.put(u32::from(last) | 2 << 1, 3);
        self.codes(&litlens, &offsets);
        self.codes.fill(&litlens, &offsets);
        true
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
