//! Disks that can only be read once, from front to end: compressed files and pipes.
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::decompress::write_sparse;
use super::input::Cancelled;
use super::open::{OpenOptions, open_file_as};
use super::raw::RawDisk;
use super::{DiskError, DiskRead, Format, Packing, Progress, SECTOR, unpack};

/// How much is spooled between two questions whether to stop.
const STEP: usize = 1 << 20;

/// What zeroes mean in a raw source without a map of its holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeroes {
    /// Data: nobody knows any more whether a guest wrote them. Every output carries them.
    #[default]
    Data,
    /// Holes, in whole blocks of 4 KiB. Wrong for a disk whose zeroes matter, such as an encrypted one.
    Holes,
}

/// A source that is read once.
pub struct RawStream<'a> {
    pub(super) reader: Box<dyn Read + Send + 'a>,
    pub(super) name: PathBuf,
    pub(super) packing: Option<Packing>,
    pub(super) format: Format,
    pub(super) zeroes: Zeroes,
    pub(super) limits: OpenOptions,
    /// Bytes of the input so far, and of all of it, where that is known.
    pub(super) read: Arc<AtomicU64>,
    pub(super) total: Option<u64>,
    pub(super) cancelled: Cancelled<'a>,
    /// Bytes of the disk that were handed out.
    pub(super) at: u64,
    /// A chunk that was read before anyone wanted it.
    pub(super) early: Option<Vec<u8>>,
}

impl fmt::Debug for RawStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawStream")
            .field("name", &self.name)
            .field("packing", &self.packing)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl RawStream<'_> {
    /// The format inside. Only [`Format::Raw`] can be converted as it comes; the others are read here and there.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How the file around it is compressed.
    pub fn packing(&self) -> Option<Packing> {
        self.packing
    }

    /// What it is called.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Bytes of the input that were read so far.
    pub fn input_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(super) fn zeroes(&self) -> Zeroes {
        self.zeroes
    }

    /// Says how far the input is; a total of 0 where it is not known.
    pub(super) fn reporter(&self) -> impl Fn() -> Progress + Send + Sync + 'static {
        let (read, total) = (Arc::clone(&self.read), self.total.unwrap_or(0));
        move || {
            let done = read.load(Ordering::Relaxed);
            Progress { done: if total > 0 { done.min(total) } else { done }, total }
        }
    }

    /// Fills `buffer`; less only at the end.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let filled = unpack::fill(&mut self.reader, buffer);
        if (self.cancelled)() {
            return Err(DiskError::cancelled());
        }
        filled.map_err(|error| {
            let error = if self.packing.is_some() {
                unpack::error(error)
            } else {
                DiskError::io("could not read the input", error)
            };
            error.in_file(&self.name).at(self.input_bytes())
        })
    }

    /// Up to `len` bytes (a multiple of a sector) of the disk, in whole sectors; nothing at the end. Sectors that the
    /// input has only begun end in zeroes, as those of a raw file.
    pub(super) fn next(&mut self, len: usize) -> Result<Option<Vec<u8>>, DiskError> {
        if let Some(early) = self.early.take() {
            return Ok(Some(early));
        }
        let mut bytes = vec![0; len];
        let filled = self.fill(&mut bytes)?;
        bytes.truncate(filled.next_multiple_of(SECTOR as usize));
        self.at += bytes.len() as u64;
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Reads the first `len` bytes early; returns how many there are.
    pub(super) fn begin(&mut self, len: usize) -> Result<u64, DiskError> {
        self.early = self.next(len)?;
        Ok(self.at)
    }

    /// Puts everything into a temporary file in `folder` and opens that. The file has no name, so nothing is left
    /// however the process ends.
    pub fn spool(
        mut self,
        folder: &Path,
        limit: u64,
        progress: &dyn Fn(Progress),
    ) -> Result<Box<dyn DiskRead>, DiskError> {
        let fail = |error| DiskError::io("could not write the temporary file", error).in_file(folder);
        let file = tempfile::tempfile_in(folder).map_err(fail)?;
        let report = self.reporter();
        let mut buffer = vec![0; STEP];
        let mut at = 0;
        loop {
            let len = self.fill(&mut buffer)?;
            if len as u64 > limit.saturating_sub(at) {
                return Err(DiskError::refused(format!("the source unpacks to more than {limit} bytes"))
                    .in_file(&self.name));
            }
            write_sparse(&file, &buffer[..len], at).map_err(fail)?;
            at += len as u64;
            progress(report());
            if len < STEP {
                break;
            }
        }
        file.set_len(at).map_err(fail)?;
        if self.format == Format::Raw {
            let disk = RawDisk::new(file, &self.name)?;
            return Ok(Box::new(if self.zeroes == Zeroes::Data { disk.dense() } else { disk }));
        }
        open_file_as(file, &self.name, self.format, &self.limits)
    }
}
