//! Unpacks gzip (also of several members), xz and zstd files into sparse raw files.
//!
//! Blocks that are zero become holes. That is against "holes carry intent" only at first sight: a compressed file has no
//! map, so nobody knows any more which zeroes were written, and what is unpacked here is a *source*, which a guest boots
//! and writes to afterwards. It is never an output, and reading it back gives the same bytes.
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::open::open_file;
use super::output::{Pending, persist, sync};
use super::{Detected, DiskError, Progress, detect};

/// How much is unpacked between two questions whether to stop.
const STEP: usize = 1 << 20;
/// The unit of holes, a page and a block of most file systems.
const BLOCK: usize = 4096;
/// Ample for `xz -9` (65 MiB), and a bound for what a file can make us allocate.
const XZ_MEMORY: u64 = 512 << 20;
/// Ample for `zstd --ultra -22` (128 MiB).
const ZSTD_WINDOW_LOG: u32 = 27;

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
    let read = AtomicU64::new(0);
    let input = BufReader::with_capacity(STEP, Counted { file, read: &read });
    let start = |error| DiskError::io("could not start to decompress", error).in_file(from);
    let mut reader: Box<dyn Read + '_> = match kind {
        Detected::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Detected::Xz => Box::new(xz(input).map_err(start)?),
        Detected::Zstd => Box::new(zstd(input).map_err(start)?),
        Detected::Raw | Detected::Qcow2 | Detected::Vmdk | Detected::Ova | Detected::Foreign(_) => {
            return Err(DiskError::unsupported("not a gzip, xz or zstd file").in_file(from));
        }
    };
    let pending = Pending::create(to)?;
    let mut made = Decompressed { bytes: 0, data_bytes: 0 };
    let mut buffer = vec![0; STEP];
    loop {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let len = fill(&mut reader, &mut buffer).map_err(|error| {
            // What does not come from the operating system comes from a decoder: the file is at fault.
            let corrupt = error.raw_os_error().is_none();
            let what = "could not decompress";
            let error =
                if corrupt { DiskError::corrupt(what).because(error) } else { DiskError::io(what, error) };
            error.in_file(from).at(read.load(Ordering::Relaxed))
        })?;
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

fn xz<R: BufRead>(input: R) -> io::Result<impl Read> {
    let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(input, stream))
}

fn zstd<R: BufRead>(input: R) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

struct Counted<'a> {
    file: File,
    read: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buf)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

/// Reads until `buffer` is full or the input ends, so that blocks stay aligned.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// Writes the runs of blocks of `bytes` that are not zero; returns how many bytes those are.
fn write_sparse(file: &File, bytes: &[u8], offset: u64) -> io::Result<u64> {
    const ZEROES: [u8; BLOCK] = [0; BLOCK];
    let mut written = 0;
    let mut run = 0..0;
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        let start = index * BLOCK;
        if *block == ZEROES[..block.len()] {
            continue;
        }
        if run.end != start {
            file.write_all_at(&bytes[run.clone()], offset + run.start as u64)?;
            run.start = start;
        }
        run.end = start + block.len();
        written += block.len() as u64;
    }
    file.write_all_at(&bytes[run.clone()], offset + run.start as u64)?;
    Ok(written)
}
