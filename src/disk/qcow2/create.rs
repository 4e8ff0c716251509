//! Makes empty images and overlays: four or more clusters of metadata, of which only a few KiB take space.
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::{DiskError, Format, SECTOR};
use super::{Backing, Compression, Header};

/// Clusters of 4 KiB, a block of the guest's file system: QEMU gives back whole clusters only, so with larger ones the old
/// content of a freed block stays in the image when its neighbours are in use.
const FINE_BITS: u32 = 12;
/// Above this size the tables for fine clusters would cost more than they are worth; then QEMU's default is used.
const FINE_LIMIT: u64 = 1 << 40;

/// Creates `path` as an empty disk of `size` bytes (rounded up to whole sectors). An existing file is an error.
pub fn create_empty(path: &Path, size: u64) -> Result<(), DiskError> {
    create(path, size, None)
}

/// Creates `path` as an overlay of `backing`, which is stored as given: relative names are relative to the folder of
/// `path`. `virtual_size` is in bytes and may exceed that of the backing file. An existing file is an error; the
/// backing file is not looked at.
pub fn create_overlay(
    path: &Path,
    backing: &Path,
    backing_format: Format,
    virtual_size: u64,
) -> Result<(), DiskError> {
    let backing =
        Backing { name: backing.to_path_buf(), format: Some(backing_format.qemu_name().to_owned()) };
    create(path, virtual_size, Some(backing))
}

fn create(path: &Path, size: u64, backing: Option<Backing>) -> Result<(), DiskError> {
    let size = size
        .checked_next_multiple_of(SECTOR)
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| DiskError::unsupported(format!("a disk of {size} bytes is too large for qcow2")))?;
    let cluster_bits = if size <= FINE_LIMIT { FINE_BITS } else { super::CLUSTER_BITS };
    let cluster = 1_u64 << cluster_bits;
    // One L2 table fills a cluster with entries of 8 bytes.
    let l1_entries = size.div_ceil(cluster / 8 * cluster).max(1);
    let l1_clusters = (l1_entries * 8).div_ceil(cluster);
    let [table, block, l1] = [cluster, 2 * cluster, 3 * cluster];
    let header = Header {
        cluster_bits,
        size,
        l1_offset: l1,
        l1_entries,
        refcount_table_offset: table,
        refcount_table_clusters: 1,
        compression: Compression::Deflate,
        backing,
    }
    .encode()
    .map_err(|error| error.in_file(path))?;
    // One refcount block covers the file: 2048 fine clusters hold the L1 table of 1 TiB, and 32768 coarse ones any.
    let refcounts: Vec<u8> =
        std::iter::repeat_n(1_u16.to_be_bytes(), (3 + l1_clusters) as usize).flatten().collect();
    let used = header.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| DiskError::io("could not create the image", error).in_file(path))?;
    let written = file
        .set_len(l1 + l1_clusters * cluster)
        .and_then(|()| file.write_all_at(&block.to_be_bytes(), table))
        .and_then(|()| file.write_all_at(&refcounts, block))
        .and_then(|()| file.write_all_at(&header[..used], 0));
    written.map_err(|error| {
        // Half an image must not stay; that it cannot be removed would not be news.
        let _ = std::fs::remove_file(path);
        DiskError::io("could not write the image", error).in_file(path)
    })
}
