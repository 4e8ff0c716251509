//! How often symbols occur, and what they will take.
use super::symbols::{Sequence, Symbols, Token};

pub(super) const LITLENS: usize = 286;
pub(super) const OFFSETS: usize = 30;
/// The symbol of a distance that is none; its code is empty.
pub(super) const NO_OFFSET: usize = 31;
pub(super) const END: usize = 256;

/// How often each symbol occurs in a block.
#[derive(Clone)]
pub(crate) struct Counts {
    pub(super) litlens: [u32; LITLENS],
    pub(super) offsets: [u32; NO_OFFSET + 1],
}

impl Counts {
    pub(crate) fn of(tokens: &[Token], symbols: &Symbols) -> Self {
        let mut counts = Self { litlens: [0; LITLENS], offsets: [0; NO_OFFSET + 1] };
        for token in tokens {
            // Without a branch, which nobody could predict: literals count as a distance that does not exist.
            let (litlen, offset) = symbols.of(*token);
            counts.litlens[litlen] += 1;
            counts.offsets[offset] += 1;
        }
        counts.offsets[NO_OFFSET] = 0;
        counts.litlens[END] = 1;
        counts
    }

    /// The same of sequences and their literals.
    pub(crate) fn of_sequences(sequences: &[Sequence], literals: &[u8], symbols: &Symbols) -> Self {
        let mut counts = Self { litlens: [0; LITLENS], offsets: [0; NO_OFFSET + 1] };
        // Four tables: an addition need not wait for the one before it if both are of the same byte.
        let mut tables = [[0_u32; 256]; 4];
        let mut fours = literals.chunks_exact(4);
        for four in &mut fours {
            for (table, byte) in tables.iter_mut().zip(four) {
                table[usize::from(*byte)] += 1;
            }
        }
        for byte in fours.remainder() {
            tables[0][usize::from(*byte)] += 1;
        }
        for table in &tables {
            for (sum, more) in counts.litlens.iter_mut().zip(table) {
                *sum += more;
            }
        }
        for sequence in sequences {
            if sequence.len > 0 {
                counts.litlens[symbols.length(u32::from(sequence.len))] += 1;
                counts.offsets[symbols.offset(u32::from(sequence.distance))] += 1;
            }
        }
        counts.litlens[END] = 1;
        counts
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.litlens.iter_mut().zip(&other.litlens) {
            *sum += more;
        }
        for (sum, more) in self.offsets.iter_mut().zip(&other.offsets) {
            *sum += more;
        }
        self.litlens[END] = 1;
    }

    /// About how many bits the symbols take, and the code before them.
    pub(crate) fn estimate(&self) -> f32 {
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

/// Within 0.01 of the logarithm; the exact one costs several times as much.
fn log2(value: u32) -> f32 {
    let bits = (value as f32).to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let fraction = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000) - 1.0;
    exponent + fraction * (1.0 + 0.344 * (1.0 - fraction))
}
