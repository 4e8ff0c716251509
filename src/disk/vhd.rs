//! Reads VHD images, fixed and dynamic, as of Microsoft's "Virtual Hard Disk Image Format Specification" 1.0.
//!
//! ```text
//!  fixed:    the disk                                    footer (512 bytes)
//!  dynamic:  copy of the footer, header, table of blocks, blocks (bitmap, data) in any order, footer
//! ```
//!
//! All numbers are big-endian. The bitmap of a block should say which of its sectors were written, but not every
//! program keeps it, so all of a block that exists is data.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::raw::RawDisk;
use super::{DiskError, DiskRead, Extent, ExtentKind, Format, Layer, SECTOR, check_range};

const FOOTER: u64 = 512;
const HEADER: usize = 1024;
const COOKIE: &[u8; 8] = b"conectix";
const HEADER_COOKIE: &[u8; 8] = b"cxsparse";
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;
/// The entry of a block that was never written.
const UNUSED: u32 = u32::MAX;
/// The format's own limit is 2040 GiB; some programs go further with larger blocks.
const MAX_BLOCKS: u64 = 16 << 20;
/// The usual size is 2 MiB.
const BLOCK_BITS: std::ops::RangeInclusive<u32> = 9..=30;

/// What reading needs from a footer.
#[derive(Debug, Clone, Copy)]
struct Footer {
    size: u64,
    kind: u32,
    /// Where the header of a dynamic disk is.
    header: u64,
}

impl Footer {
    fn read(file: &File, at: u64) -> Result<Self, DiskError> {
        let mut bytes = [0; FOOTER as usize];
        file.read_exact_at(&mut bytes, at)
            .map_err(|error| DiskError::io("could not read the footer of the VHD", error).at(at))?;
        if !bytes.starts_with(COOKIE) {
            return Err(DiskError::corrupt("not a VHD: the footer is missing").at(at));
        }
        if be32(&bytes, 64) != checksum(&bytes, 64) {
            return Err(DiskError::corrupt("the checksum of the VHD's footer does not match").at(at));
        }
        // The size in the footer counts, not the geometry, which cannot express most sizes.
        Ok(Self { size: be64(&bytes, 48), kind: be32(&bytes, 60), header: be64(&bytes, 16) })
    }
}

/// Whether a file ends in the footer of a fixed VHD that is as large as it says. The check is strict, because a guest
/// could write such a sector to the end of a raw disk.
pub(super) fn is_fixed(file: &File) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    metadata.len().checked_sub(FOOTER).is_some_and(|size| {
        Footer::read(file, size).is_ok_and(|footer| footer.kind == FIXED && footer.size == size)
    })
}

/// Opens a VHD of either kind.
pub(super) fn open(file: File, path: &Path) -> Result<Box<dyn DiskRead>, DiskError> {
    open_any(file, path).map_err(|error| error.in_file(path))
}

fn open_any(file: File, path: &Path) -> Result<Box<dyn DiskRead>, DiskError> {
    let file_bytes =
        file.metadata().map_err(|error| DiskError::io("could not look at the image", error))?.len();
    let end = file_bytes.checked_sub(FOOTER).ok_or_else(|| DiskError::corrupt("not a VHD: too short"))?;
    // A dynamic disk that was not closed has lost its last footer; the copy at the start is for that.
    let footer = Footer::read(&file, end).or_else(|error| Footer::read(&file, 0).map_err(|_| error))?;
    if !footer.size.is_multiple_of(SECTOR) || i64::try_from(footer.size).is_err() {
        return Err(DiskError::corrupt(format!("a virtual size of {} bytes", footer.size)));
    }
    match footer.kind {
        FIXED if footer.size <= end => {
            Ok(Box::new(RawDisk::part(file, path, footer.size)?.called(Format::Vhd, "fixed")))
        }
        FIXED => Err(DiskError::corrupt(format!(
            "the VHD says that it has {} bytes, and its file has {end}",
            footer.size
        ))),
        DYNAMIC => Ok(Box::new(DynamicVhd::new(file, path, file_bytes, footer)?)),
        DIFFERENCING => Err(DiskError::unsupported("differencing VHDs (with a parent) are not read")),
        other => Err(DiskError::unsupported(format!("VHDs of type {other} are not read"))),
    }
}

#[derive(Debug)]
struct DynamicVhd {
    file: File,
    path: PathBuf,
    size: u64,
    block_bits: u32,
    /// Bytes of the bitmap before the data of each block.
    bitmap: u64,
    /// First sector of each block.
    blocks: Vec<u32>,
}

impl DynamicVhd {
    fn new(file: File, path: &Path, file_bytes: u64, footer: Footer) -> Result<Self, DiskError> {
        let at = footer.header;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, at)
            .map_err(|error| DiskError::io("could not read the header of the VHD", error).at(at))?;
        if !header.starts_with(HEADER_COOKIE) {
            return Err(DiskError::corrupt("the header of the VHD is missing").at(at));
        }
        if be32(&header, 36) != checksum(&header, 36) {
            return Err(DiskError::corrupt("the checksum of the VHD's header does not match").at(at));
        }
        let (table, entries, block) = (be64(&header, 16), be32(&header, 28), be32(&header, 32));
        let block_bits = block.trailing_zeros();
        if !block.is_power_of_two() || !BLOCK_BITS.contains(&block_bits) {
            return Err(DiskError::corrupt(format!("VHD blocks of {block} bytes do not exist")).at(at + 32));
        }
        let wanted = footer.size.div_ceil(u64::from(block));
        let fits = wanted
            .checked_mul(4)
            .and_then(|bytes| table.checked_add(bytes))
            .is_some_and(|end| end <= file_bytes);
        if wanted > u64::from(entries) || wanted > MAX_BLOCKS || !fits {
            return Err(DiskError::corrupt(format!(
                "a table of {entries} blocks for a VHD of {} bytes",
                footer.size
            ))
            .at(table));
        }
        let mut raw = vec![0; wanted as usize * 4];
        file.read_exact_at(&mut raw, table)
            .map_err(|error| DiskError::io("could not read the VHD's table of blocks", error).at(table))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            size: footer.size,
            block_bits,
            // One bit a sector, rounded up to whole sectors.
            bitmap: (u64::from(block) / SECTOR).div_ceil(8).next_multiple_of(SECTOR),
            blocks: raw.chunks_exact(4).map(|entry| be32(entry, 0)).collect(),
        })
    }

    fn block(&self) -> u64 {
        1 << self.block_bits
    }

    fn entry(&self, offset: u64) -> u32 {
        self.blocks[(offset >> self.block_bits) as usize]
    }
}

impl DiskRead for DynamicVhd {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        check_range(self.size, offset, buf.len()).map_err(|error| error.in_file(&self.path))?;
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let within = at & (self.block() - 1);
            let (now, later) = rest.split_at_mut((self.block() - within).min(rest.len() as u64) as usize);
            match self.entry(at) {
                UNUSED => now.fill(0),
                sector => {
                    let host = u64::from(sector) * SECTOR + self.bitmap + within;
                    self.file.read_exact_at(now, host).map_err(|error| {
                        DiskError::io("could not read a block", error).in_file(&self.path).at(host)
                    })?;
                }
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        check_range(self.size, offset, 1).map_err(|error| error.in_file(&self.path))?;
        let hole = self.entry(offset) == UNUSED;
        let first = (offset >> self.block_bits) as usize;
        let run = self.blocks[first..].iter().take_while(|entry| (**entry == UNUSED) == hole).count();
        let end = ((first + run) as u64 * self.block()).min(self.size);
        let kind = if hole { ExtentKind::Hole } else { ExtentKind::Data };
        Ok(Extent { len: end - offset, kind })
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn layers(&self) -> Vec<Layer> {
        vec![
            Layer::new(Format::Vhd, &self.path, self.size, &self.file)
                .with("kind", "dynamic")
                .with("block_bytes", self.block()),
        ]
    }
}

/// The ones' complement of the sum of all bytes but those of the checksum itself.
fn checksum(bytes: &[u8], at: usize) -> u32 {
    let sum = bytes
        .iter()
        .enumerate()
        .filter(|(index, _)| !(at..at + 4).contains(index))
        .fold(0_u32, |sum, (_, byte)| sum.wrapping_add(u32::from(*byte)));
    !sum
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(array)
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(array)
}
