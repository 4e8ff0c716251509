//! Blocks of a disk for whoever wants the disk itself and no file of it, such as a snapshot in a cloud.
use std::fmt::Debug;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::DiskError;
use super::super::output::Finished;
use super::blocks::Deflater;
use super::map::{Plan, Range};
use super::misrouted;
use super::pipeline::{Chunk, Encode, Payload, Sink};

/// What a [`BlockSink`] gets at a time, in bytes: a block of an EBS snapshot. Half a chunk.
pub const FEED_BLOCK: usize = 512 << 10;

/// Takes a disk in blocks of [`FEED_BLOCK`], in the same pass that writes the files.
pub trait BlockSink: Send + Sync + Debug {
    /// Called once, before the first block: the size of the disk in bytes, and how many blocks of it have data in them.
    fn begin(&self, disk_bytes: u64, blocks: u64) -> Result<(), DiskError>;

    /// A block with data in it, in rising order. A block that is left out is a hole throughout: nothing was ever written there. May
    /// wait for room, and must stop waiting when the conversion is cancelled.
    fn block(&self, block: DataBlock) -> Result<(), DiskError>;

    /// Called once, after the last block, when the disk was read to its end; never when that failed.
    fn end(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// One block of a disk.
#[derive(Clone, PartialEq, Eq)]
pub struct DataBlock {
    /// Which it is, from 0.
    pub index: u32,
    /// Its bytes, always [`FEED_BLOCK`]; what is beyond the end of the disk is zeroes.
    pub bytes: Bytes,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl Debug for DataBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataBlock").field("index", &self.index).finish_non_exhaustive()
    }
}

/// The blocks of a chunk that any of its data ranges touches, as their number within the chunk, rising.
pub(super) fn touched(ranges: &[Range]) -> impl Iterator<Item = u32> + '_ {
    const BLOCK: u32 = FEED_BLOCK as u32;
    let mut next = 0;
    ranges.iter().flat_map(move |range| {
        let first = (range.start / BLOCK).max(next);
        next = range.end.div_ceil(BLOCK).max(first);
        first..next
    })
}

/// Brings the blocks to their sink.
pub(super) struct FeedSink<'a>(&'a dyn BlockSink);

impl<'a> FeedSink<'a> {
    pub(super) fn new(sink: &'a dyn BlockSink, disk_bytes: u64, plan: &Plan) -> Result<Self, DiskError> {
        sink.begin(disk_bytes, plan.blocks)?;
        Ok(Self(sink))
    }
}

impl Sink for FeedSink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(Some(Box::new(Hasher)))
    }

    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        let Payload::Digests(digests) = payload else { return Err(misrouted()) };
        for (number, sha256) in digests {
            let first = chunk.offset / FEED_BLOCK as u64 + u64::from(number);
            let index = u32::try_from(first)
                .map_err(|_| DiskError::unsupported("the disk has more blocks than can be counted"))?;
            self.0.block(DataBlock { index, bytes: padded(chunk, number), sha256 })?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        self.0.end()?;
        Ok(None)
    }
}

/// A block of a chunk, shared with it; only the last of a disk is copied to be made longer.
fn padded(chunk: &Chunk, number: u32) -> Bytes {
    let start = number as usize * FEED_BLOCK;
    let end = (start + FEED_BLOCK).min(chunk.bytes.len());
    if end - start == FEED_BLOCK {
        return chunk.bytes.slice(start..end);
    }
    let mut bytes = chunk.bytes[start..end].to_vec();
    bytes.resize(FEED_BLOCK, 0);
    bytes.into()
}

/// Hashes the blocks, in the workers.
struct Hasher;

impl Encode for Hasher {
    fn encode(&mut self, chunk: &Chunk, _deflater: &mut Deflater) -> Result<Payload, DiskError> {
        let digest = |number| (number, Sha256::digest(padded(chunk, number)).into());
        Ok(Payload::Digests(touched(&chunk.ranges).map(digest).collect()))
    }
}
