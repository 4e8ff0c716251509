//! Makes empty images and overlays: four or more clusters of metadata, of which only a few KiB take space.
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::{DiskError, Format, SECTOR};
use super::{Backing, CLUSTER, Compression, Header, L2_SPAN};

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
    let backing = Backing { name: backing.to_path_buf(), format: Some(backing_format.to_string()) };
    create(path, virtual_size, Some(backing))
}

fn create(path: &Path, size: u64, backing: Option<Backing>) -> Result<(), DiskError> {
    let size = size
        .checked_next_multiple_of(SECTOR)
        .filter(|size| i64::try_from(*size).is_ok())
        .ok_or_else(|| DiskError::unsupported(format!("a disk of {size} bytes is too large for qcow2")))?;
    let l1_entries = size.div_ceil(L2_SPAN).max(1);
    let l1_clusters = (l1_entries * 8).div_ceil(CLUSTER);
    let [table, block, l1] = [CLUSTER, 2 * CLUSTER, 3 * CLUSTER];
    let header = Header {
        cluster_bits: super::CLUSTER_BITS,
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
    // The L1 table is at most 32 MiB, so one refcount block always covers the file.
    let refcounts: Vec<u8> =
        std::iter::repeat_n(1_u16.to_be_bytes(), (3 + l1_clusters) as usize).flatten().collect();
    let used = header.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| DiskError::io("could not create the image", error).in_file(path))?;
    let written = file
        .set_len(l1 + l1_clusters * CLUSTER)
        .and_then(|()| file.write_all_at(&block.to_be_bytes(), table))
        .and_then(|()| file.write_all_at(&refcounts, block))
        .and_then(|()| file.write_all_at(&header[..used], 0));
    written.map_err(|error| {
        // Half an image must not stay; that it cannot be removed would not be news.
        let _ = std::fs::remove_file(path);
        DiskError::io("could not write the image", error).in_file(path)
    })
}
