//! raw.lz4: one frame of independent blocks of 1 MiB, each with a checksum, as `lz4` and Bottlerocket's tools read it.
//!
//! A frame cannot be cut between threads, but its blocks can: each worker encodes a frame of one block, of which only the
//! block is kept. A checksum of the whole content would tie the blocks together again, so there is none.
use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::super::output::{Finished, Stream};
use super::super::{DiskError, Target};
use super::blocks::Deflater;
use super::map::CHUNK;
use super::pipeline::{Chunk, Encode, Payload, Sink};

/// Magic number, two bytes of flags and their checksum.
const HEADER: usize = 7;
/// A block of length 0.
const END: usize = 4;

pub(super) struct Lz4Sink<'a> {
    out: Stream<'a>,
    /// A chunk of zeroes, compressed.
    zeroes: Vec<u8>,
}

impl<'a> Lz4Sink<'a> {
    pub(super) fn new(target: &Target, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Result<Self, DiskError> {
        if target.level.is_some() {
            return Err(DiskError::unsupported("raw.lz4 has no compression level").in_file(&target.path));
        }
        let zeroes = block(&vec![0; CHUNK as usize])?;
        let mut out = Stream::create(target, cancelled)?;
        out.append(&frame(&[])?[..HEADER])?;
        Ok(Self { out, zeroes })
    }
}

impl Sink for Lz4Sink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(Some(Box::new(Blocks)))
    }

    fn hole(&mut self, _offset: u64, len: u64) -> Result<(), DiskError> {
        self.out.repeat(&self.zeroes, len / CHUNK)?;
        let rest = (len % CHUNK) as usize;
        if rest > 0 { self.out.append(&block(&vec![0; rest])?) } else { Ok(()) }
    }

    fn chunk(&mut self, _chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        let Payload::Bytes(bytes) = payload else { return Err(super::misrouted()) };
        self.out.append(&bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        self.out.append(&[0; END])?;
        Ok(Some(self.out.finish()))
    }
}

struct Blocks;

impl Encode for Blocks {
    fn encode(&mut self, chunk: &Chunk, _deflater: &mut Deflater) -> Result<Payload, DiskError> {
        block(&chunk.bytes).map(Payload::Bytes)
    }
}

/// A block with its length and checksum.
fn block(bytes: &[u8]) -> Result<Vec<u8>, DiskError> {
    let mut frame = frame(bytes)?;
    frame.truncate(frame.len() - END);
    frame.drain(..HEADER);
    frame.shrink_to_fit();
    Ok(frame)
}

fn frame(bytes: &[u8]) -> Result<Vec<u8>, DiskError> {
    let info = FrameInfo::new()
        .block_mode(BlockMode::Independent)
        .block_size(BlockSize::Max1MB)
        .block_checksums(true);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).map_err(|error| DiskError::io("could not compress a block", error))?;
    encoder.finish().map_err(|error| {
        DiskError::new(super::super::DiskErrorKind::Io, "could not compress a block").because(error)
    })
}
