//! The outputs of a conversion that are a VMDK, or hold one.
use std::path::Path;

use super::super::convert::{BLOCK, Chunk, Deflater, Encode, Payload, Plan, Sink, level_of, misrouted};
use super::super::output::{Finished, Stream};
use super::super::{DiskError, Target};
use super::stream::{GrainStream, record};

// The blocks that are deflated once for all outputs are this format's grains.
const _: () = assert!(BLOCK == super::GRAIN);

/// What turns chunks into the bytes of a streamOptimized VMDK.
#[derive(Debug)]
pub(crate) struct GrainSink {
    stream: GrainStream,
    level: u32,
}

impl GrainSink {
    /// For a disk of `size` bytes; also returns the bytes that the VMDK begins with. `name` is the file's.
    pub(crate) fn new(
        target: &Target,
        name: &str,
        size: u64,
        plan: &Plan,
    ) -> Result<(Self, Vec<u8>), DiskError> {
        let level = level_of(target)?;
        let identity: Vec<u8> =
            [size, plan.data_bytes, plan.clusters].into_iter().flat_map(u64::to_le_bytes).collect();
        let (stream, head) =
            GrainStream::new(size, name, &identity).map_err(|error| error.in_file(&target.path))?;
        Ok((Self { stream, level }, head))
    }

    pub(crate) fn encoder(&self) -> Box<dyn Encode> {
        Box::new(Records { level: self.level })
    }

    /// The bytes for the grains of a chunk.
    pub(crate) fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<Vec<u8>, DiskError> {
        let Payload::Clusters { bytes, lengths } = payload else { return Err(misrouted()) };
        let mut out = Vec::with_capacity(bytes.len() + 4096);
        let mut rest = bytes.as_slice();
        for (index, len) in lengths {
            let (now, later) = rest.split_at(len as usize);
            rest = later;
            self.stream.grain(chunk.offset + index * BLOCK, now, &mut out)?;
        }
        Ok(out)
    }

    /// The bytes that the VMDK ends with, and the number of its grains.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, u64), DiskError> {
        let mut out = Vec::new();
        let grains = self.stream.finish(&mut out)?;
        Ok((out, grains))
    }
}

/// Makes the records of the grains, in the workers.
struct Records {
    level: u32,
}

impl Encode for Records {
    fn encode(&mut self, chunk: &Chunk, deflater: &mut Deflater) -> Result<Payload, DiskError> {
        let mut bytes = Vec::new();
        let mut lengths = Vec::new();
        for (index, deflated) in deflater.blocks(chunk, self.level)?.iter() {
            let start = bytes.len();
            let adler32 = libdeflater::adler32(&chunk.block(index));
            record(chunk.offset + index * BLOCK, deflated, adler32, &mut bytes);
            lengths.push((index, (bytes.len() - start) as u32));
        }
        Ok(Payload::Clusters { bytes, lengths })
    }
}

/// A streamOptimized VMDK, to a file or a pipe. Holes are not in it; written zeroes are.
pub(crate) struct VmdkSink<'a> {
    out: Stream<'a>,
    grains: GrainSink,
}

impl<'a> VmdkSink<'a> {
    pub(crate) fn new(
        target: &Target,
        size: u64,
        plan: &Plan,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let (grains, head) = GrainSink::new(target, &file_name(&target.path), size, plan)?;
        let mut out = Stream::create(target, cancelled)?;
        out.append(&head)?;
        Ok(Self { out, grains })
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Sink for VmdkSink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(Some(self.grains.encoder()))
    }

    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        self.out.append(&self.grains.chunk(chunk, payload)?)
    }

    fn finish(self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        let Self { mut out, grains } = *self;
        out.append(&grains.finish()?.0)?;
        Ok(Some(out.finish()))
    }
}
