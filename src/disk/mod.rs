//! Disk images: readers, allocation maps, writers and the one conversion loop. Synchronous.
//!
//! ```text
//!  file ── open ──► dyn DiskRead ──► convert ──► every OutputFormat (+ .sha256) in one pass
//!   ▲   (raw, qcow2)    │   │
//!   │                   │   └──► gpt::read, look::open_root: a view without mounting
//!   │                   └──► extent_at: which parts are holes
//!   └─ decompress (gzip, xz, zstd)
//! ```
//!
//! It knows no other module of the crate, no async runtime and no configuration. Start reading at [`DiskRead`], then
//! [`convert`].
//!
//! **Holes carry intent.** A range is a hole only if the guest never wrote it or discarded it; a written zero is data.
//! Whoever skips blocks because they compare equal to zero corrupts encrypted volumes, so no reader and no writer here
//! does; a reader that is not sure says [`ExtentKind::Data`].
mod cache;
mod container;
mod convert;
mod decompress;
mod detect;
mod error;
mod format;
pub mod gpt;
mod input;
mod inspect;
mod layer;
pub mod look;
mod open;
mod output;
pub mod ova;
pub mod qcow2;
mod raw;
mod section;
mod stream;
#[cfg(test)]
mod tests;
mod unpack;
mod vhd;
mod vmdk;

use std::fmt::Debug;
use std::path::PathBuf;

pub use container::{ContainerImage, write_container};
pub use convert::{
    BlockSink, ConvertOptions, Converted, DataBlock, FEED_BLOCK, Needle, NeedleHit, convert,
    convert_and_feed, convert_stream, map_digest,
};
pub use decompress::{Decompressed, decompress};
pub use detect::{Detected, Format, Packing, Stated, detect};
pub use error::{DiskError, DiskErrorKind};
pub use format::OutputFormat;
pub use input::{Cancelled, Input, InputOptions};
pub use inspect::{Inspection, Os, PartitionFacts, inspect};
pub use layer::Layer;
pub use open::{BackingPolicy, OpenOptions, open};
pub use output::{Qcow2Compression, Target, Written};
pub use stream::{RawStream, Zeroes};

/// The unit in which partition tables and disk sizes count, in bytes.
pub(crate) const SECTOR: u64 = 512;

/// A virtual disk that can be read from several threads at once.
pub trait DiskRead: Send + Sync + Debug {
    /// The size of the virtual disk in bytes, a multiple of 512.
    fn size(&self) -> u64;

    /// Fills `buf` from `offset`. Holes read as zeroes; reading beyond [`DiskRead::size`] is an error.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError>;

    /// What lies at `offset` (which must be below the size) and how far it goes. The extent never reaches beyond the
    /// disk, is never empty, and need not be as long as possible.
    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError>;

    /// Every file that reading needs, the image itself first. Writers refuse to replace one of them.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What the image and its backing files say about themselves, the image first. For people; nothing depends on it.
    fn layers(&self) -> Vec<Layer> {
        Vec::new()
    }
}

/// A range of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Length in bytes.
    pub len: u64,
    /// What it holds.
    pub kind: ExtentKind,
}

/// Whether the guest wrote a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// Written, or not known to be unwritten. May well read as zeroes.
    Data,
    /// Never written, or discarded. Reads as zeroes.
    Hole,
}

/// How far a conversion or decompression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes dealt with: of allocated data when converting (holes do not count), of input when decompressing.
    pub done: u64,
    /// What `done` will be at the end.
    pub total: u64,
}

/// Refuses ranges outside a disk of `size` bytes, so that every reader says it in the same words.
pub(crate) fn check_range(size: u64, offset: u64, len: usize) -> Result<(), DiskError> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size => Ok(()),
        _ => Err(DiskError::corrupt(format!(
            "tried to read {len} bytes beyond the end of a disk of {size} bytes"
        ))
        .at(offset)),
    }
}
