//! Reads qcow2 images. Every number of the file is checked before it is used: images come from elsewhere.
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::{DiskError, DiskRead, Extent, ExtentKind, check_range};
use super::super::cache::Cache;
use super::header::be64;
use super::{COMPRESSED, Compression, Header, OFFSET, ZERO, compressed_shift};

/// L2 tables kept in memory: 16 MiB describe 128 GiB with the default cluster size.
const L2_BUDGET: usize = 16 << 20;
/// Decompressed clusters kept in memory, for readers that come back in small steps.
const CLUSTER_BUDGET: usize = 8 << 20;
/// Clusters are at most 2 MiB, so a window above 8 MiB is a bomb.
const ZSTD_WINDOW_LOG: u32 = 23;

/// An open qcow2 image and its backing file, if any. Internal snapshots are ignored: the active state is read.
#[derive(Debug)]
pub(crate) struct Qcow2Disk {
    file: File,
    path: PathBuf,
    file_bytes: u64,
    size: u64,
    cluster_bits: u32,
    compression: Compression,
    l1: Vec<u64>,
    l2: Cache<Vec<u64>>,
    clusters: Cache<Vec<u8>>,
    backing: Option<Box<dyn DiskRead>>,
}

/// What an L2 entry says about its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cluster {
    /// The backing file shows through.
    Unallocated,
    /// Discarded, or zeroed as a whole.
    Zero,
    Plain(u64),
    Compressed {
        offset: u64,
        len: u64,
    },
}

impl Qcow2Disk {
    pub(crate) fn new(
        file: File,
        path: &Path,
        header: &Header,
        backing: Option<Box<dyn DiskRead>>,
    ) -> Result<Self, DiskError> {
        let file_bytes = file
            .metadata()
            .map_err(|error| DiskError::io("could not look at the image", error).in_file(path))?
            .len();
        let cluster = 1_usize << header.cluster_bits;
        let mut disk = Self {
            file,
            path: path.to_path_buf(),
            file_bytes,
            size: header.size,
            cluster_bits: header.cluster_bits,
            compression: header.compression,
            l1: Vec::new(),
            l2: Cache::new(L2_BUDGET, cluster),
            clusters: Cache::new(CLUSTER_BUDGET, cluster),
            backing,
        };
        // Only what the virtual size needs; the header was checked to hold at least that.
        let entries = header.size.div_ceil(disk.l2_span());
        if entries > 0 {
            disk.l1 = disk.read_table(header.l1_offset, entries as usize, "the L1 table")?;
        }
        Ok(disk)
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn l2_span(&self) -> u64 {
        1 << (2 * self.cluster_bits - 3)
    }

    /// Checks the range against the file first, so that a corrupt number cannot make it allocate much.
    fn read_table(&self, offset: u64, entries: usize, what: &str) -> Result<Vec<u64>, DiskError> {
        let bytes = entries as u64 * 8;
        if offset == 0 || offset.checked_add(bytes).is_none_or(|end| end > self.file_bytes) {
            return Err(self.corrupt(format!("{what} lies outside the file"), offset));
        }
        let mut raw = vec![0; bytes as usize];
        self.file.read_exact_at(&mut raw, offset).map_err(|error| {
            DiskError::io(format!("could not read {what}"), error).in_file(&self.path).at(offset)
        })?;
        Ok(raw.chunks_exact(8).map(|entry| be64(entry, 0)).collect())
    }

    fn corrupt(&self, what: impl Into<String>, offset: u64) -> DiskError {
        DiskError::corrupt(what).in_file(&self.path).at(offset)
    }

    /// The L2 table for a byte of the disk, unless nothing was ever written near it.
    fn l2_for(&self, offset: u64) -> Result<Option<Arc<Vec<u64>>>, DiskError> {
        let at = self.l1[(offset / self.l2_span()) as usize] & OFFSET;
        if at == 0 {
            return Ok(None);
        }
        if let Some(table) = self.l2.get(at) {
            return Ok(Some(table));
        }
        if !at.is_multiple_of(self.cluster()) {
            return Err(self.corrupt("an L2 table is not aligned to a cluster", at));
        }
        let table = self.read_table(at, (self.cluster() / 8) as usize, "an L2 table")?;
        Ok(Some(self.l2.insert(at, table)))
    }

    fn l2_index(&self, offset: u64) -> usize {
        ((offset >> self.cluster_bits) & (self.cluster() / 8 - 1)) as usize
    }

    fn interpret(&self, entry: u64, guest: u64) -> Result<Cluster, DiskError> {
        if entry & COMPRESSED != 0 {
            let shift = compressed_shift(self.cluster_bits);
            let offset = entry & ((1 << shift) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> shift;
            let len = (sectors + 1) * 512 - offset % 512;
            return Ok(Cluster::Compressed { offset, len });
        }
        let offset = entry & OFFSET;
        // Version 2 has no zero flag, and its bit 0 is reserved as zero.
        if entry & ZERO != 0 {
            return Ok(Cluster::Zero);
        }
        if offset == 0 {
            return Ok(Cluster::Unallocated);
        }
        if !offset.is_multiple_of(self.cluster()) {
            return Err(
                self.corrupt(format!("the cluster for byte {guest} of the disk is not aligned"), offset)
            );
        }
        Ok(Cluster::Plain(offset))
    }

    fn decompress(&self, offset: u64, len: u64) -> Result<Arc<Vec<u8>>, DiskError> {
        if let Some(cluster) = self.clusters.get(offset) {
            return Ok(cluster);
        }
        // The length counts whole sectors, so the last cluster of a file may end earlier.
        let len = len.min(self.file_bytes.saturating_sub(offset)) as usize;
        let mut raw = vec![0; len];
        self.file.read_exact_at(&mut raw, offset).map_err(|error| {
            DiskError::io("could not read a compressed cluster", error).in_file(&self.path).at(offset)
        })?;
        let mut cluster = vec![0; self.cluster() as usize];
        let fail = || self.corrupt("could not decompress a cluster", offset);
        match self.compression {
            Compression::Deflate => {
                let written = libdeflater::Decompressor::new()
                    .deflate_decompress(&raw, &mut cluster)
                    .map_err(|error| fail().because(error))?;
                if written != cluster.len() {
                    return Err(self.corrupt("a compressed cluster is too short", offset));
                }
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(raw.as_slice())
                    .map_err(|error| fail().because(error))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| fail().because(error))?;
                decoder.read_exact(&mut cluster).map_err(|error| fail().because(error))?;
            }
        }
        Ok(self.clusters.insert(offset, cluster))
    }

    /// Reads from below, where a smaller backing file ends in zeroes.
    fn read_backing(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let Some(backing) = &self.backing else {
            buf.fill(0);
            return Ok(());
        };
        let there = (buf.len() as u64).min(backing.size().saturating_sub(offset)) as usize;
        let (head, tail) = buf.split_at_mut(there);
        tail.fill(0);
        if head.is_empty() { Ok(()) } else { backing.read_at(head, offset) }
    }

    /// How far the kind of `entry` at `offset` goes within one L2 table.
    fn run(&self, table: &[u64], offset: u64) -> Result<(Cluster, u64), DiskError> {
        let start = self.l2_index(offset);
        let first = self.interpret(table[start], offset)?;
        let class = |cluster: Cluster| match cluster {
            Cluster::Unallocated => 0,
            Cluster::Zero => 1,
            Cluster::Plain(_) | Cluster::Compressed { .. } => 2,
        };
        let base = offset & !(self.cluster() - 1);
        let mut end = base + self.cluster();
        for entry in &table[start + 1..] {
            // A bad entry ends the run here and is reported when it is reached.
            match self.interpret(*entry, end) {
                Ok(cluster) if class(cluster) == class(first) && end < self.size => end += self.cluster(),
                _ => break,
            }
        }
        Ok((first, end.min(self.size)))
    }
}

impl DiskRead for Qcow2Disk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        check_range(self.size, offset, buf.len()).map_err(|error| error.in_file(&self.path))?;
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let table = self.l2_for(at)?;
            let within = at & (self.cluster() - 1);
            let (cluster, len) = match &table {
                None => (Cluster::Unallocated, self.l2_span() - at % self.l2_span()),
                Some(table) => (self.interpret(table[self.l2_index(at)], at)?, self.cluster() - within),
            };
            let (now, later) = rest.split_at_mut(len.min(rest.len() as u64) as usize);
            match cluster {
                Cluster::Unallocated => self.read_backing(now, at)?,
                Cluster::Zero => now.fill(0),
                Cluster::Plain(host) => self.file.read_exact_at(now, host + within).map_err(|error| {
                    DiskError::io("could not read a cluster", error).in_file(&self.path).at(host)
                })?,
                Cluster::Compressed { offset, len } => {
                    let cluster = self.decompress(offset, len)?;
                    now.copy_from_slice(&cluster[within as usize..within as usize + now.len()]);
                }
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        check_range(self.size, offset, 1).map_err(|error| error.in_file(&self.path))?;
        let (cluster, end) = if let Some(table) = self.l2_for(offset)? {
            self.run(&table, offset)?
        } else {
            let first = (offset / self.l2_span()) as usize;
            let empty = self.l1[first..].iter().take_while(|entry| **entry & OFFSET == 0).count() as u64;
            (Cluster::Unallocated, ((first as u64 + empty) * self.l2_span()).min(self.size))
        };
        let len = end - offset;
        match (cluster, &self.backing) {
            (Cluster::Plain(_) | Cluster::Compressed { .. }, _) => Ok(Extent { len, kind: ExtentKind::Data }),
            (Cluster::Unallocated, Some(backing)) if offset < backing.size() => {
                let below = backing.extent_at(offset)?;
                Ok(Extent { len: len.min(below.len), kind: below.kind })
            }
            _ => Ok(Extent { len, kind: ExtentKind::Hole }),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path.clone()];
        files.extend(self.backing.iter().flat_map(|backing| backing.files()));
        files
    }
}
