//! Unpacks compressed files into sparse ones.
//!
//! Blocks that are zero become holes. That is against "holes carry intent" only at first sight: a compressed file has no
//! map, so nobody knows any more which zeroes were written, and what is unpacked here is a *source*, which a guest boots
//! and writes to afterwards. It is never an output, and reading it back gives the same bytes.
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::input::Counted;
use super::open::open_file;
use super::output::{Pending, persist, sync};
use super::unpack::{self, fill};
use super::{Detected, DiskError, Progress, detect};

/// How much is unpacked between two questions whether to stop.
const STEP: usize = 1 << 20;
/// The unit of holes, a page and a block of most file systems.
const BLOCK: usize = 4096;

/// What [`decompress`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decompressed {
    /// Length of the unpacked file in bytes.
    pub bytes: u64,
    /// Bytes of it that are not holes.
    pub data_bytes: u64,
}

/// Unpacks `from` (by its magic) to `to`, which appears when it is complete and synced; on error and on cancel nothing
/// stays. Progress counts bytes of `from`. Data after the end of a gzip file, other than members, is an error.
pub fn decompress(
    from: &Path,
    to: &Path,
    progress: &dyn Fn(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Decompressed, DiskError> {
    let kind = detect(from)?;
    let file = open_file(from)?;
    let total = file
        .metadata()
        .map_err(|error| DiskError::io("could not look at the file", error).in_file(from))?
        .len();
    let read = Arc::new(AtomicU64::new(0));
    let input = BufReader::with_capacity(STEP, Counted { inner: file, read: Arc::clone(&read) });
    let Detected::Packed(packing) = kind else {
        return Err(DiskError::unsupported("not a compressed file").in_file(from));
    };
    let mut reader = unpack::reader(packing, input)
        .map_err(|error| DiskError::io("could not start to decompress", error).in_file(from))?;
    let pending = Pending::create(to)?;
    let mut made = Decompressed { bytes: 0, data_bytes: 0 };
    let mut buffer = vec![0; STEP];
    loop {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let len = fill(&mut reader, &mut buffer)
            .map_err(|error| unpack::error(error).in_file(from).at(read.load(Ordering::Relaxed)))?;
        made.data_bytes += write_sparse(pending.file(), &buffer[..len], made.bytes)
            .map_err(|error| pending.error(error).at(made.bytes))?;
        made.bytes += len as u64;
        progress(Progress { done: read.load(Ordering::Relaxed).min(total), total });
        if len < STEP {
            break;
        }
    }
    pending.file().set_len(made.bytes).map_err(|error| pending.error(error))?;
    sync(&pending)?;
    persist(vec![pending])?;
    Ok(made)
}

/// Writes the runs of blocks of `bytes` that are not zero; returns how many bytes those are.
pub(super) fn write_sparse(file: &File, bytes: &[u8], offset: u64) -> io::Result<u64> {
    let mut written = 0;
    for run in written_runs(bytes) {
        file.write_all_at(&bytes[run.clone()], offset + run.start as u64)?;
        written += run.len() as u64;
    }
    Ok(written)
}

/// The runs of blocks of `bytes` that are not zero.
pub(super) fn written_runs(bytes: &[u8]) -> Vec<Range<usize>> {
    const ZEROES: [u8; BLOCK] = [0; BLOCK];
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        if *block == ZEROES[..block.len()] {
            continue;
        }
        let start = index * BLOCK;
        let end = start + block.len();
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}
