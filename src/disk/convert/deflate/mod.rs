//! The parts of a deflate compressor (RFC 1951): symbols, Huffman codes, the bits; and the fastest way to find matches.
mod counts;
mod fast;
mod huffman;
mod symbols;
mod write;

pub(crate) use counts::Counts;
pub(crate) use fast::Fast;
pub(crate) use symbols::{DISTANCES, LENGTHS, ORDER, Sequence, Symbols, Token, length, match_of};
pub(crate) use write::Writer;
