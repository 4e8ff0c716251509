//! The one conversion loop: one pass over the source, any number of outputs, all cores.
//!
//! ```text
//!            ┌► worker ┐                                  ┌► sink: raw file ──► digest thread
//!  map ──────┼► worker ┼── read, scan, compress ── items ─┼► sink: raw.gz
//!  (holes)   └► worker ┘        (any order)   (in order)  ├► sink: qcow2
//!                                                         ├► sink: blocks, for an upload
//!                                                         └► sink: block borders, for the needles
//! ```
//!
//! [`map`] cuts the disk into items: a chunk of 1 MiB with data in it, or a run of chunks without. Workers take items,
//! read and compress them; every sink puts them back in order, so the files are the same whatever the number of
//! workers. [`pipeline`] bounds how far workers run ahead of the slowest sink, hence the memory.
mod blocks;
mod deflate;
mod feed;
mod gzip;
mod lz4;
mod map;
mod pipeline;
mod qcow2;
mod raw;
mod scan;
mod stitch;
mod stream;
mod vhd;
mod xz;
mod zstd;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::output;
use super::ova::OvaSink;
use super::vmdk::VmdkSink;
use super::{DiskError, DiskRead, OutputFormat, Progress, Qcow2Compression, Target, Written};
pub(crate) use blocks::{BLOCK, Deflater, level_of};
pub use feed::{BlockSink, DataBlock, FEED_BLOCK};
pub(crate) use map::Plan;
pub use map::map_digest;
pub(crate) use pipeline::{Chunk, Encode, Payload, Sink};
pub use stream::convert_stream;
#[cfg(test)]
pub(crate) use vhd::footer as vhd_footer;

/// How [`convert`] works, and who is told about it.
#[derive(Clone, Copy)]
pub struct ConvertOptions<'a> {
    /// How many threads read and compress, 1 to 32; each sink has one more that writes. The result does not depend on it.
    pub threads: usize,
    /// What must not occur anywhere on the disk.
    pub needles: &'a [Needle],
    /// Called after each chunk of data that has reached every output, in rising order.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Asked at least once per chunk; `true` stops the conversion with [`super::DiskErrorKind::Cancelled`].
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl fmt::Debug for ConvertOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConvertOptions")
            .field("threads", &self.threads)
            .field("needles", &self.needles)
            .finish_non_exhaustive()
    }
}

/// A secret of the build, looked for in every written sector.
#[derive(Clone, PartialEq, Eq)]
pub struct Needle {
    /// What to call it in reports.
    pub name: String,
    /// The secret itself; must not be empty. Secrets of a few bytes are found by chance in any disk.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Needle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needle").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A needle that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedleHit {
    /// [`Needle::name`].
    pub name: String,
    /// Where on the disk it begins for the first time, in bytes.
    pub offset: u64,
    /// How often it occurs.
    pub count: u64,
}

/// What [`convert`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// One for each target, in the same order.
    pub outputs: Vec<Written>,
    /// The needles that are on the disk, in the order in which they were given. The outputs exist nevertheless: what
    /// that means is the caller's decision.
    pub found: Vec<NeedleHit>,
    /// Bytes of the disk that are not holes.
    pub data_bytes: u64,
}

/// Writes every target from one pass over `src`, and looks for the needles on the way.
///
/// Each file is written under a temporary name, synced, and renamed when all are complete. On error and on cancel no
/// file stays, neither final nor temporary. Without targets the disk is only searched.
pub fn convert(
    src: &dyn DiskRead,
    targets: &[Target],
    options: &ConvertOptions<'_>,
) -> Result<Converted, DiskError> {
    convert_and_feed(src, targets, &[], options)
}

/// As [`convert`], and hands the disk to `feeds` in the same pass. They have all of it when this returns well; what they made of it
/// is theirs to remove otherwise.
pub fn convert_and_feed(
    src: &dyn DiskRead,
    targets: &[Target],
    feeds: &[&dyn BlockSink],
    options: &ConvertOptions<'_>,
) -> Result<Converted, DiskError> {
    refuse_clashes(src, targets)?;
    let scanner = scan::Scanner::new(options.needles)?;
    let plan = map::Plan::of(src, options.cancelled)?;
    let mut sinks: Vec<Box<dyn Sink + '_>> = Vec::new();
    for target in targets {
        sinks.push(sink(target, src, &plan, options.cancelled)?);
    }
    for feed in feeds {
        sinks.push(Box::new(feed::FeedSink::new(*feed, src.size(), &plan)?));
    }
    if let Some(borders) = scanner.borders() {
        sinks.push(Box::new(borders));
    }
    let finished = pipeline::run(src, None, targets, sinks, &scanner, &plan, options)?;
    if (options.cancelled)() {
        return Err(DiskError::cancelled());
    }
    let outputs = output::commit(finished, targets, src.size())?;
    Ok(Converted { outputs, found: scanner.found(options.needles), data_bytes: plan.data_bytes })
}

/// Two targets of one name, or a target that is a file of the source, would destroy each other.
fn refuse_clashes(src: &dyn DiskRead, targets: &[Target]) -> Result<(), DiskError> {
    let mut taken: HashSet<PathBuf> = src.files().iter().map(|path| resolved(path)).collect();
    for target in targets {
        for path in output::paths_of(target) {
            if !taken.insert(resolved(&path)) {
                return Err(
                    DiskError::refused("the output is also the input or another output").in_file(&path)
                );
            }
        }
    }
    Ok(())
}

/// The path without symbolic links, also if the file does not exist yet.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let folder = output::folder_of(path);
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
        folder.join(path.file_name().unwrap_or_default())
    })
}

fn sink<'a>(
    target: &Target,
    src: &'a dyn DiskRead,
    plan: &Plan,
    cancelled: &'a (dyn Fn() -> bool + Sync),
) -> Result<Box<dyn Sink + 'a>, DiskError> {
    let refused = |why: String| Err(DiskError::unsupported(why).in_file(&target.path));
    if target.stream.is_some() && !target.format.is_sequential() {
        return refused(format!("{} cannot be written to a stream", target.format));
    }
    if target.qcow2 != Qcow2Compression::None && target.format != OutputFormat::Qcow2 {
        return refused(format!("{} has no compressed clusters", target.format));
    }
    if target.ova.is_some() && target.format != OutputFormat::Ova {
        return refused(format!("{} has no description of a machine", target.format));
    }
    Ok(match target.format {
        OutputFormat::Raw => raw::sink(target, src.size(), Vec::new(), cancelled)?,
        OutputFormat::Vhd => vhd::sink(target, src.size(), cancelled)?,
        OutputFormat::RawZst => Box::new(zstd::ZstdSink::new(target, src.size(), cancelled)?),
        OutputFormat::RawGz => Box::new(gzip::GzipSink::new(target, src.size(), cancelled)?),
        OutputFormat::RawXz => Box::new(xz::XzSink::new(target, cancelled)?),
        OutputFormat::RawLz4 => Box::new(lz4::Lz4Sink::new(target, cancelled)?),
        OutputFormat::Qcow2 => match target.qcow2 {
            Qcow2Compression::None => Box::new(qcow2::PlainSink::new(target, src, plan, cancelled)?),
            _ => Box::new(qcow2::CompressedSink::new(target, src.size(), plan)?),
        },
        OutputFormat::Vmdk => Box::new(VmdkSink::new(target, src.size(), plan, cancelled)?),
        OutputFormat::Ova => Box::new(OvaSink::new(target, src.size(), plan, cancelled)?),
    })
}

/// A payload of the wrong kind: encoders and sinks come from the same place, so this is a bug of this module.
pub(crate) fn misrouted() -> DiskError {
    DiskError::new(super::DiskErrorKind::Io, "a block was prepared for another output")
}
