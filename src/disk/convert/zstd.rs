//! zstd: raw.zst as independent frames of one chunk each (RFC 8878), and the compressed clusters of qcow2.
//!
//! Frames state their content's size and hold a checksum. Readers of streams take any number of frames one after the
//! other, as `pzstd` writes them.
use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::super::output::{Finished, Stream};
use super::super::{DiskError, Target};
use super::blocks::{BLOCK, Deflater};
use super::map::{CHUNK, clusters};
use super::pipeline::{Chunk, Encode, Payload, Sink};

/// zstd's own default.
const LEVEL: u32 = 3;

/// The level that `target` wants. Above 19 a reader needs more memory than it may have.
pub(super) fn level_of(target: &Target) -> Result<i32, DiskError> {
    let level = target.level.unwrap_or(LEVEL);
    if (1..=19).contains(&level) {
        return Ok(level as i32);
    }
    Err(DiskError::unsupported(format!("zstd level {level} does not exist (1 to 19)")).in_file(&target.path))
}

fn compressor(level: i32, checksum: bool) -> Result<Compressor<'static>, DiskError> {
    let prepared = Compressor::new(level).and_then(|mut compressor| {
        compressor.set_parameter(CParameter::ChecksumFlag(checksum))?;
        Ok(compressor)
    });
    prepared.map_err(|error| DiskError::io("could not prepare the compression", error))
}

pub(super) struct ZstdSink<'a> {
    out: Stream<'a>,
    level: i32,
    /// A chunk of zeroes, compressed.
    zeroes: Vec<u8>,
}

impl<'a> ZstdSink<'a> {
    pub(super) fn new(
        target: &Target,
        size: u64,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let level = level_of(target)?;
        let mut frames = Frames::new(level)?;
        let zeroes = frames.frame(&vec![0; CHUNK as usize])?;
        let mut out = Stream::create(target, cancelled)?;
        if size == 0 {
            // An empty file is not zstd; an empty frame is.
            out.append(&frames.frame(&[])?)?;
        }
        Ok(Self { out, level, zeroes })
    }
}

impl Sink for ZstdSink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(Some(Box::new(Frames::new(self.level)?)))
    }

    fn hole(&mut self, _offset: u64, len: u64) -> Result<(), DiskError> {
        self.out.repeat(&self.zeroes, len / CHUNK)?;
        let rest = (len % CHUNK) as usize;
        if rest > 0 {
            self.out.append(&Frames::new(self.level)?.frame(&vec![0; rest])?)?;
        }
        Ok(())
    }

    fn chunk(&mut self, _chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        let Payload::Bytes(bytes) = payload else { return Err(super::misrouted()) };
        self.out.append(&bytes)
    }

    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        Ok(Some(self.out.finish()))
    }
}

struct Frames(Compressor<'static>);

impl Frames {
    fn new(level: i32) -> Result<Self, DiskError> {
        compressor(level, true).map(Self)
    }

    fn frame(&mut self, bytes: &[u8]) -> Result<Vec<u8>, DiskError> {
        self.0.compress(bytes).map_err(|error| DiskError::io("could not compress a block", error))
    }
}

impl Encode for Frames {
    fn encode(&mut self, chunk: &Chunk, _deflater: &mut Deflater) -> Result<Payload, DiskError> {
        self.frame(&chunk.bytes).map(|mut bytes| {
            bytes.shrink_to_fit();
            Payload::Bytes(bytes)
        })
    }
}

/// Compresses the clusters of qcow2. They have no checksum: QEMU writes none either.
pub(super) struct Clusters {
    compressor: Compressor<'static>,
    out: Vec<u8>,
}

impl Clusters {
    pub(super) fn new(level: i32) -> Result<Self, DiskError> {
        Ok(Self { compressor: compressor(level, false)?, out: vec![0; compress_bound(BLOCK as usize)] })
    }
}

impl Encode for Clusters {
    fn encode(&mut self, chunk: &Chunk, _deflater: &mut Deflater) -> Result<Payload, DiskError> {
        let mut bytes = Vec::new();
        let mut lengths = Vec::new();
        for cluster in clusters(&chunk.ranges) {
            let len = self
                .compressor
                .compress_to_buffer(&chunk.block(cluster), &mut self.out)
                .map_err(|error| DiskError::io("could not compress a cluster", error))?;
            // What does not shrink is stored as it is.
            let len = if len < BLOCK as usize { len } else { 0 };
            bytes.extend_from_slice(&self.out[..len]);
            lengths.push((cluster, len as u32));
        }
        Ok(Payload::Clusters { bytes, lengths })
    }
}
