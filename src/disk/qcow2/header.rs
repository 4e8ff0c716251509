//! The first cluster: header, extensions and the name of the backing file.
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::DiskError;

const MAGIC: &[u8; 4] = b"QFI\xfb";
const V2_BYTES: usize = 72;
/// Version 3 with the compression type, which QEMU writes since 5.1.
const V3_BYTES: usize = 112;
/// QEMU's limits: between 512 bytes and 2 MiB.
const CLUSTER_BITS_ALLOWED: std::ops::RangeInclusive<u32> = 9..=21;
/// Subclusters are a 32nd of a cluster, and at least a sector.
const EXTENDED_CLUSTER_BITS: u32 = 14;
/// QEMU's limit for the L1 table, 32 MiB; it describes 2 EiB with the default cluster size.
pub(super) const MAX_L1_ENTRIES: u64 = 32 * 1024 * 1024 / 8;
/// From the format's description.
pub(super) const MAX_BACKING_NAME: usize = 1023;

const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

const EXTENSION_END: u32 = 0;
const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Raw deflate, without zlib header.
    Deflate,
    Zstd,
}

/// The name and format of a backing file, as the image states them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backing {
    pub(crate) name: PathBuf,
    pub(crate) format: Option<String>,
}

/// An image's first cluster as it was found: the header, and what only reading has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) version: u32,
    /// L2 entries of 128 bits, which describe 32 subclusters each.
    pub(crate) extended_l2: bool,
    /// Internal snapshots, of which none is read.
    pub(crate) snapshots: u32,
    /// It was not closed: the refcounts may be wrong, which matters only to who writes.
    pub(crate) dirty: bool,
}

/// The first cluster, as far as it is read or written here. Features that are not read are errors of [`Header::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) cluster_bits: u32,
    /// Virtual size in bytes.
    pub(crate) size: u64,
    pub(crate) l1_offset: u64,
    pub(crate) l1_entries: u64,
    pub(crate) refcount_table_offset: u64,
    pub(crate) refcount_table_clusters: u32,
    pub(crate) compression: Compression,
    pub(crate) backing: Option<Backing>,
}

impl Header {
    pub(crate) fn read(file: &File, path: &Path) -> Result<Found, DiskError> {
        Self::parse_file(file).map_err(|error| error.in_file(path))
    }

    fn parse_file(file: &File) -> Result<Found, DiskError> {
        let read = |len: usize, offset: u64| {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset)
                .map(|()| bytes)
                .map_err(|error| DiskError::io("could not read the qcow2 header", error).at(offset))
        };
        let base = read(V2_BYTES, 0)?;
        if &base[..4] != MAGIC {
            return Err(DiskError::corrupt("not a qcow2 image: the magic number is missing"));
        }
        let version = be32(&base, 4);
        let cluster_bits = be32(&base, 20);
        let size = be64(&base, 24);
        let l1_entries = u64::from(be32(&base, 36));
        if !CLUSTER_BITS_ALLOWED.contains(&cluster_bits) {
            return Err(
                DiskError::corrupt(format!("qcow2 clusters of 2^{cluster_bits} bytes do not exist")).at(20)
            );
        }
        if be32(&base, 32) != 0 {
            return Err(DiskError::unsupported(
                "encrypted qcow2 images are not read; `qemu-img convert` with the key makes one that is not encrypted",
            )
            .at(32));
        }
        let mut header = Self {
            cluster_bits,
            size,
            l1_offset: be64(&base, 40),
            l1_entries,
            refcount_table_offset: be64(&base, 48),
            refcount_table_clusters: be32(&base, 56),
            compression: Compression::Deflate,
            backing: None,
        };
        let (header_bytes, incompatible) = match version {
            2 => (V2_BYTES, 0),
            3 => header.parse_version_3(&read)?,
            other => return Err(DiskError::unsupported(format!("qcow2 version {other} is not read")).at(4)),
        };
        let extended_l2 = incompatible & EXTENDED_L2 != 0;
        header.check_sizes(extended_l2)?;
        let cluster = 1_usize << cluster_bits;
        let backing_offset = be64(&base, 8);
        let backing_len = be32(&base, 16) as usize;
        if backing_offset != 0 {
            let fits = usize::try_from(backing_offset).ok().and_then(|at| at.checked_add(backing_len));
            if backing_len == 0 || backing_len > MAX_BACKING_NAME || fits.is_none_or(|end| end > cluster) {
                return Err(DiskError::corrupt("the name of the backing file lies outside the header").at(8));
            }
        }
        // Extensions end at their end marker, at the backing file's name or with the cluster.
        let end = if backing_offset == 0 { cluster } else { backing_offset as usize };
        let format = backing_format(&read, header_bytes, end)?;
        if backing_offset != 0 {
            let name = read(backing_len, backing_offset)?;
            header.backing = Some(Backing { name: backing_name(&name)?, format });
        }
        let (snapshots, dirty) = (be32(&base, 60), incompatible & DIRTY != 0);
        Ok(Found { header, version, extended_l2, snapshots, dirty })
    }

    /// Returns the header's length and the incompatible features.
    fn parse_version_3(
        &mut self,
        read: &dyn Fn(usize, u64) -> Result<Vec<u8>, DiskError>,
    ) -> Result<(usize, u64), DiskError> {
        let more = read(104 - V2_BYTES, V2_BYTES as u64)?;
        let incompatible = be64(&more, 0);
        let header_bytes = be32(&more, 28) as usize;
        if incompatible & CORRUPT != 0 {
            return Err(DiskError::corrupt("the qcow2 image is marked as corrupt").at(72));
        }
        for (bit, name) in [
            (EXTERNAL_DATA, "an external data file"),
            (
                !(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2),
                "features newer than this program",
            ),
        ] {
            if incompatible & bit != 0 {
                return Err(DiskError::unsupported(format!("qcow2 images with {name} are not read")).at(72));
            }
        }
        if header_bytes < 104 || !header_bytes.is_multiple_of(8) || header_bytes > 1 << self.cluster_bits {
            return Err(DiskError::corrupt(format!("a qcow2 header of {header_bytes} bytes")).at(100));
        }
        if incompatible & COMPRESSION_TYPE != 0 {
            let kind = if header_bytes > 104 { read(1, 104)?[0] } else { 0 };
            self.compression = match kind {
                0 => Compression::Deflate,
                1 => Compression::Zstd,
                other => {
                    return Err(DiskError::unsupported(format!(
                        "qcow2 compression type {other} is not read"
                    ))
                    .at(104));
                }
            };
        }
        Ok((header_bytes, incompatible))
    }

    fn check_sizes(&self, extended_l2: bool) -> Result<(), DiskError> {
        if !self.size.is_multiple_of(super::super::SECTOR) || i64::try_from(self.size).is_err() {
            return Err(DiskError::corrupt(format!("a virtual size of {} bytes", self.size)).at(24));
        }
        if extended_l2 && self.cluster_bits < EXTENDED_CLUSTER_BITS {
            return Err(DiskError::corrupt("extended L2 entries with clusters of less than 16 KiB").at(20));
        }
        let span = 1_u64 << (2 * self.cluster_bits - if extended_l2 { 4 } else { 3 });
        if self.l1_entries > MAX_L1_ENTRIES || self.l1_entries < self.size.div_ceil(span) {
            return Err(DiskError::corrupt(format!(
                "an L1 table of {} entries for {} bytes",
                self.l1_entries, self.size
            ))
            .at(36));
        }
        if !self.l1_offset.is_multiple_of(1 << self.cluster_bits) {
            return Err(DiskError::corrupt("the L1 table is not aligned to a cluster").at(40));
        }
        Ok(())
    }

    /// The first cluster of an image made here: version 3, 16-bit refcounts, no snapshots.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, DiskError> {
        let mut bytes = vec![0; 1 << self.cluster_bits];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, MAGIC);
        put(4, &3_u32.to_be_bytes());
        put(20, &self.cluster_bits.to_be_bytes());
        put(24, &self.size.to_be_bytes());
        let l1_entries = u32::try_from(self.l1_entries)
            .ok()
            .filter(|entries| u64::from(*entries) <= MAX_L1_ENTRIES)
            .ok_or_else(|| {
                DiskError::unsupported(format!("a disk of {} bytes is too large for qcow2", self.size))
            })?;
        put(36, &l1_entries.to_be_bytes());
        put(40, &self.l1_offset.to_be_bytes());
        put(48, &self.refcount_table_offset.to_be_bytes());
        put(56, &self.refcount_table_clusters.to_be_bytes());
        // refcount_order: 2^4 bits each.
        put(96, &4_u32.to_be_bytes());
        put(100, &(V3_BYTES as u32).to_be_bytes());
        if self.compression == Compression::Zstd {
            put(72, &COMPRESSION_TYPE.to_be_bytes());
            put(104, &[1]);
        }
        if let Some(backing) = &self.backing {
            let name = backing.name.as_os_str().as_bytes();
            if name.is_empty() || name.len() > MAX_BACKING_NAME {
                return Err(DiskError::unsupported(format!(
                    "a backing file name of {} bytes does not fit (at most {MAX_BACKING_NAME})",
                    name.len()
                )));
            }
            let mut at = V3_BYTES;
            if let Some(format) = &backing.format {
                put(at, &EXTENSION_BACKING_FORMAT.to_be_bytes());
                put(at + 4, &(format.len() as u32).to_be_bytes());
                put(at + 8, format.as_bytes());
                at += 8 + format.len().next_multiple_of(8);
            }
            at += 8;
            put(8, &(at as u64).to_be_bytes());
            put(16, &(name.len() as u32).to_be_bytes());
            put(at, name);
        }
        Ok(bytes)
    }
}

fn backing_format(
    read: &dyn Fn(usize, u64) -> Result<Vec<u8>, DiskError>,
    start: usize,
    end: usize,
) -> Result<Option<String>, DiskError> {
    let mut at = start;
    while at + 8 <= end {
        // A file may end within its first cluster: then there are no extensions.
        let Ok(head) = read(8, at as u64) else { return Ok(None) };
        let (kind, len) = (be32(&head, 0), be32(&head, 4) as usize);
        if kind == EXTENSION_END {
            break;
        }
        at += 8;
        if len > end.saturating_sub(at) {
            return Err(DiskError::corrupt(format!("a header extension of {len} bytes")).at(at as u64));
        }
        if kind == EXTENSION_BACKING_FORMAT {
            let name = read(len, at as u64)?;
            return String::from_utf8(name).map(Some).map_err(|error| {
                DiskError::corrupt("the format of the backing file").at(at as u64).because(error)
            });
        }
        at += len.next_multiple_of(8);
    }
    Ok(None)
}

/// QEMU also accepts `json:` pseudo names and URLs: those do not name files.
fn backing_name(bytes: &[u8]) -> Result<PathBuf, DiskError> {
    let bytes = bytes.strip_prefix(b"file:").unwrap_or(bytes);
    let protocol =
        bytes.iter().position(|byte| *byte == b':').filter(|colon| !bytes[..*colon].contains(&b'/'));
    if protocol.is_some() {
        let name = String::from_utf8_lossy(bytes);
        return Err(DiskError::unsupported(format!("the backing file `{name}` is not a plain file")));
    }
    if bytes.contains(&0) {
        return Err(DiskError::corrupt("the name of the backing file contains a zero byte"));
    }
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(array)
}

pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(array)
}
