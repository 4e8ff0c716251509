//! Blocks of 64 KiB, deflated once for every output that wants them: raw.gz, the grains of a VMDK and the clusters of
//! a qcow2 are the same raw deflate streams (RFC 1951) in different wrappings.
//!
//! Each worker has a [`Deflater`]. The first encoder that asks for a chunk at a level pays; the others of that level get
//! the same bytes. A block depends on nothing but its bytes and the level, so no output depends on the others.
use std::borrow::Cow;

use libdeflater::{CompressionLvl, Compressor};

use super::super::{DiskError, Target};
use super::map::clusters;
use super::pipeline::Chunk;

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 64 << 10;

/// The level of every deflated output that names none: the fastest at which raw.gz is smaller than that of `pigz -6`.
pub(crate) const LEVEL: u32 = 6;

/// Compresses the blocks of chunks, each level once.
#[derive(Default)]
pub(crate) struct Deflater {
    levels: Vec<Level>,
}

struct Level {
    number: u32,
    compressor: Compressor,
    /// Which chunk `blocks` are of, by its offset.
    chunk: Option<u64>,
    blocks: Blocks,
}

/// The deflated blocks of a chunk: those with any data in them, in order.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    /// Index of the block within the chunk, and where its bytes end.
    ends: Vec<(u64, usize)>,
}

impl Blocks {
    /// Index of each block within the chunk, and its raw deflate stream. One that does not shrink is longer than
    /// [`BLOCK`] by a few bytes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |(index, end)| (*index, &self.bytes[std::mem::replace(&mut start, *end)..*end]))
    }
}

impl Deflater {
    /// The blocks of `chunk` at `level`; a short last block of the disk is padded with zeroes.
    pub(crate) fn blocks(&mut self, chunk: &Chunk, level: u32) -> Result<&Blocks, DiskError> {
        let at = if let Some(at) = self.levels.iter().position(|known| known.number == level) {
            at
        } else {
            let compressor = Compressor::new(checked_level(level)?);
            self.levels.push(Level { number: level, compressor, chunk: None, blocks: Blocks::default() });
            self.levels.len() - 1
        };
        let known = &mut self.levels[at];
        if known.chunk != Some(chunk.offset) {
            known.chunk = None;
            known.fill(chunk)?;
            known.chunk = Some(chunk.offset);
        }
        Ok(&known.blocks)
    }
}

impl Level {
    fn fill(&mut self, chunk: &Chunk) -> Result<(), DiskError> {
        let Blocks { bytes, ends } = &mut self.blocks;
        ends.clear();
        let bound = self.compressor.deflate_compress_bound(BLOCK as usize);
        let mut len = 0;
        for index in clusters(&chunk.ranges) {
            bytes.resize(len + bound, 0);
            len += self
                .compressor
                .deflate_compress(&chunk.block(index), &mut bytes[len..])
                .map_err(|error| DiskError::corrupt("could not compress a block").because(error))?;
            ends.push((index, len));
        }
        Ok(())
    }
}

impl Chunk {
    /// One block of it, padded with zeroes at the end of the disk.
    pub(crate) fn block(&self, index: u64) -> Cow<'_, [u8]> {
        let start = (index * BLOCK) as usize;
        let end = start + BLOCK as usize;
        if end <= self.bytes.len() {
            return Cow::Borrowed(&self.bytes[start..end]);
        }
        let mut padded = self.bytes[start..].to_vec();
        padded.resize(BLOCK as usize, 0);
        Cow::Owned(padded)
    }
}

/// The deflate level that `target` wants.
pub(crate) fn level_of(target: &Target) -> Result<u32, DiskError> {
    let level = target.level.unwrap_or(LEVEL);
    checked_level(level).map_err(|error| error.in_file(&target.path))?;
    Ok(level)
}

pub(crate) fn checked_level(level: u32) -> Result<CompressionLvl, DiskError> {
    i32::try_from(level)
        .ok()
        .filter(|level| *level > 0)
        .and_then(|level| CompressionLvl::new(level).ok())
        .ok_or_else(|| DiskError::unsupported(format!("compression level {level} does not exist (1 to 12)")))
}
