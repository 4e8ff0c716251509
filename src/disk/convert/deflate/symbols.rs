//! What the symbols of deflate mean (RFC 1951, 3.2.5).
use super::counts::NO_OFFSET;

/// A literal byte, or the length of a match times 65536 plus its distance.
pub(crate) type Token = u32;

pub(crate) const fn match_of(len: usize, distance: usize) -> Token {
    (len as Token) << 16 | distance as Token
}

/// How many bytes a token stands for.
pub(crate) const fn length(token: Token) -> usize {
    if token < 256 { 1 } else { token as usize >> 16 }
}

/// Some literals, and a match after them; the last of a block may have none, and says length 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    pub(crate) literals: u32,
    pub(crate) len: u16,
    pub(crate) distance: u16,
}

/// Base value and number of extra bits of the symbols 257 to 285.
pub(crate) const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];
/// The same for distances.
pub(crate) const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];
/// In which order the lengths of the code for code lengths are sent.
pub(crate) const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Which symbol a length or a distance has.
pub(crate) struct Symbols {
    lengths: [u16; 512],
    /// Of distances up to 256, then of steps of 128.
    offsets: [u8; 512],
}

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut lengths = [0; 512];
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

    /// The symbols of a token; that of the distance of a literal is `NO_OFFSET`.
    #[inline]
    pub(crate) fn of(&self, token: Token) -> (usize, usize) {
        let (length, offset) = (self.length(token >> 16 & 511), self.offset(token & 0xffff));
        if token < 256 { (token as usize, NO_OFFSET) } else { (length, offset) }
    }

    #[inline]
    pub(crate) fn length(&self, length: u32) -> usize {
        usize::from(self.lengths[length as usize])
    }

    #[inline]
    pub(crate) fn offset(&self, distance: u32) -> usize {
        // Any number has a symbol here, so that no check is needed.
        let at = (distance as usize).wrapping_sub(1) & 0x7fff;
        usize::from(self.offsets[if at < 256 { at } else { 256 + (at >> 7) } & 511])
    }
}
