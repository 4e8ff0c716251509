//! Huffman codes of limited length.

/// A symbol's code, lowest bit first, and its length in bits; 0 for symbols that do not occur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) bits: u16,
    pub(crate) len: u8,
}

/// Makes codes; keeps its tables.
#[derive(Default)]
pub(crate) struct Builder {
    sorted: Vec<(u32, u16)>,
    weights: Vec<u32>,
    parents: Vec<u16>,
    depths: Vec<u8>,
}

impl Builder {
    /// The code for symbols of these frequencies with at most `limit` bits.
    pub(crate) fn build(&mut self, frequencies: &[u32], limit: usize, words: &mut [Word]) {
        words.fill(Word::default());
        self.sorted.clear();
        self.sorted.extend(
            frequencies
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0)
                .map(|(symbol, count)| (*count, symbol as u16)),
        );
        if self.sorted.len() < 2 {
            // A code of one word is read by everybody only as half of a code of two.
            let first = self.sorted.first().map_or(0, |(_, symbol)| usize::from(*symbol));
            let other = usize::from(first == 0);
            words[first.min(other)] = Word { bits: 0, len: 1 };
            words[first.max(other)] = Word { bits: 1, len: 1 };
            return;
        }
        self.sorted.sort_unstable();
        let counts = self.lengths(limit);
        assign(&self.sorted, &counts, words);
    }

    /// How many words there are of each length.
    fn lengths(&mut self, limit: usize) -> [u16; 16] {
        let n = self.sorted.len();
        // Leaves in rising order, then inner nodes in the order in which they arise, which is rising too.
        self.weights.clear();
        self.weights.extend(self.sorted.iter().map(|(count, _)| *count));
        self.parents.clear();
        self.parents.resize(2 * n - 1, 0);
        let (mut leaf, mut inner) = (0, n);
        for node in n..2 * n - 1 {
            let mut weight = 0;
            for _ in 0..2 {
                let from_leaf = leaf < n && (inner >= node || self.weights[leaf] <= self.weights[inner]);
                let child = if from_leaf { &mut leaf } else { &mut inner };
                weight += self.weights[*child];
                self.parents[*child] = node as u16;
                *child += 1;
            }
            self.weights.push(weight);
        }
        self.depths.clear();
        self.depths.resize(2 * n - 1, 0);
        let mut counts = [0_u16; 16];
        for node in (0..2 * n - 2).rev() {
            let depth = self.depths[usize::from(self.parents[node])] + 1;
            self.depths[node] = depth;
            if node < n {
                counts[usize::from(depth).min(limit)] += 1;
            }
        }
        // Words that were cut to the limit claim too much: lengthen the longest that are shorter.
        let mut claimed: u32 = (1..=limit).map(|len| u32::from(counts[len]) << (limit - len)).sum();
        while claimed > 1 << limit {
            let Some(len) = (1..limit).rev().find(|len| counts[*len] > 0) else { break };
            counts[len] -= 1;
            counts[len + 1] += 2;
            counts[limit] -= 1;
            claimed -= 1;
        }
        counts
    }
}

/// Canonical codes: the rarest symbols get the longest words.
fn assign(sorted: &[(u32, u16)], counts: &[u16; 16], words: &mut [Word]) {
    let mut symbols = sorted.iter();
    for len in (1..16).rev() {
        for _ in 0..counts[len] {
            if let Some((_, symbol)) = symbols.next() {
                words[usize::from(*symbol)].len = len as u8;
            }
        }
    }
    let mut next = [0_u16; 17];
    for len in 1..16 {
        next[len + 1] = (next[len] + counts[len]) << 1;
    }
    for word in words.iter_mut().filter(|word| word.len > 0) {
        let len = usize::from(word.len);
        word.bits = next[len].reverse_bits() >> (16 - len);
        next[len] += 1;
    }
}
