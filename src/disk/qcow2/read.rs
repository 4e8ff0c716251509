//! Reads qcow2 images. Every number of the file is checked before it is used: images come from elsewhere.
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::cache::Cache;
use super::super::{DiskError, DiskRead, Extent, ExtentKind, Format, Layer, check_range};
use super::header::be64;
use super::{COMPRESSED, Compression, Found, OFFSET, ZERO, compressed_shift};

/// L2 tables kept in memory: 16 MiB describe 128 GiB with the default cluster size.
const L2_BUDGET: usize = 16 << 20;
/// Decompressed clusters kept in memory, for readers that come back in small steps.
const CLUSTER_BUDGET: usize = 8 << 20;
/// Clusters are at most 2 MiB, so a window above 8 MiB is a bomb.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Subclusters of a cluster with extended L2 entries.
const SUBCLUSTERS: u32 = 32;

/// An open qcow2 image and its backing file, if any. Internal snapshots are ignored: the active state is read.
///
/// A *piece* is what has a state of its own: a cluster, or a subcluster where there are extended L2 entries.
#[derive(Debug)]
pub(crate) struct Qcow2Disk {
    file: File,
    path: PathBuf,
    file_bytes: u64,
    found: Found,
    size: u64,
    cluster_bits: u32,
    piece_bits: u32,
    l1: Vec<u64>,
    /// As in the file: one number for a cluster, or two with extended entries.
    l2: Cache<Vec<u64>>,
    clusters: Cache<Vec<u8>>,
    backing: Option<Box<dyn DiskRead>>,
}

/// What an L2 entry says about a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// The backing file shows through.
    Unallocated,
    /// Discarded, or zeroed as a whole.
    Zero,
    /// Where it is in the file.
    Plain(u64),
    /// Its whole cluster is compressed.
    Compressed { offset: u64, len: u64 },
}

impl Piece {
    /// Pieces of a class are one extent.
    fn class(self) -> u8 {
        match self {
            Self::Unallocated => 0,
            Self::Zero => 1,
            Self::Plain(_) | Self::Compressed { .. } => 2,
        }
    }
}

impl Qcow2Disk {
    pub(crate) fn new(
        file: File,
        path: &Path,
        found: Found,
        backing: Option<Box<dyn DiskRead>>,
    ) -> Result<Self, DiskError> {
        let file_bytes = file
            .metadata()
            .map_err(|error| DiskError::io("could not look at the image", error).in_file(path))?
            .len();
        let (size, cluster_bits) = (found.header.size, found.header.cluster_bits);
        let cluster = 1_usize << cluster_bits;
        let subclusters = if found.extended_l2 { SUBCLUSTERS.trailing_zeros() } else { 0 };
        let mut disk = Self {
            file,
            path: path.to_path_buf(),
            file_bytes,
            size,
            cluster_bits,
            piece_bits: cluster_bits - subclusters,
            l1: Vec::new(),
            l2: Cache::new(L2_BUDGET, cluster),
            clusters: Cache::new(CLUSTER_BUDGET, cluster),
            backing,
            found,
        };
        // Only what the virtual size needs; the header was checked to hold at least that.
        let entries = size.div_ceil(disk.l2_span());
        if entries > 0 {
            disk.l1 = disk.read_table(disk.found.header.l1_offset, entries as usize, "the L1 table")?;
        }
        Ok(disk)
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn piece(&self) -> u64 {
        1 << self.piece_bits
    }

    /// Numbers in an L2 table for each cluster.
    fn stride(&self) -> usize {
        if self.found.extended_l2 { 2 } else { 1 }
    }

    fn clusters_per_table(&self) -> u64 {
        self.cluster() / 8 / self.stride() as u64
    }

    fn l2_span(&self) -> u64 {
        self.clusters_per_table() << self.cluster_bits
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

    /// The state of the piece that holds `guest`, by the L2 table that describes it.
    fn piece_at(&self, table: &[u64], guest: u64) -> Result<Piece, DiskError> {
        let index = ((guest >> self.cluster_bits) & (self.clusters_per_table() - 1)) as usize;
        let entry = table[index * self.stride()];
        if entry & COMPRESSED != 0 {
            let shift = compressed_shift(self.cluster_bits);
            let offset = entry & ((1 << shift) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> shift;
            let len = (sectors + 1) * 512 - offset % 512;
            return Ok(Piece::Compressed { offset, len });
        }
        let host = entry & OFFSET;
        let plain = |within: u64| {
            if host == 0 || !host.is_multiple_of(self.cluster()) {
                let what = format!("the cluster for byte {guest} of the disk is not where one can be");
                return Err(self.corrupt(what, host));
            }
            Ok(Piece::Plain(host + within))
        };
        if !self.found.extended_l2 {
            return match (entry & ZERO != 0, host) {
                // Version 2 has no zero flag, and its bit 0 is reserved as zero.
                (true, _) => Ok(Piece::Zero),
                (false, 0) => Ok(Piece::Unallocated),
                (false, _) => plain(0),
            };
        }
        // Two bits for each subcluster: allocated in the lower half, zero in the upper one.
        let map = table[index * self.stride() + 1];
        let sub = (guest >> self.piece_bits) as u32 & (SUBCLUSTERS - 1);
        match ((map >> sub) & 1, (map >> (SUBCLUSTERS + sub)) & 1) {
            (0, 0) => Ok(Piece::Unallocated),
            (0, _) => Ok(Piece::Zero),
            (_, 0) => plain(u64::from(sub) << self.piece_bits),
            _ => Err(self.corrupt(
                format!("the subcluster for byte {guest} of the disk is allocated and zero at once"),
                host,
            )),
        }
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
        match self.found.header.compression {
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

    /// The piece at `offset`, and the end of the run of its class, within one L2 table.
    fn run(&self, table: &[u64], offset: u64) -> Result<(Piece, u64), DiskError> {
        let first = self.piece_at(table, offset)?;
        let limit = ((offset / self.l2_span() + 1) * self.l2_span()).min(self.size);
        let mut end = (offset & !(self.piece() - 1)) + self.piece();
        while end < limit {
            // A bad entry ends the run here and is reported when it is reached.
            match self.piece_at(table, end) {
                Ok(piece) if piece.class() == first.class() => end += self.piece(),
                _ => break,
            }
        }
        Ok((first, end.min(limit)))
    }

    /// How many of the first `wanted` bytes at `at` lie in one piece of the file, which begins with the piece at `host`.
    fn contiguous(&self, table: &[u64], at: u64, host: u64, wanted: u64) -> u64 {
        let start = at & !(self.piece() - 1);
        let limit = (at + wanted).min((at / self.l2_span() + 1) * self.l2_span());
        let mut end = start + self.piece();
        while end < limit
            && self.piece_at(table, end).is_ok_and(|next| next == Piece::Plain(host + (end - start)))
        {
            end += self.piece();
        }
        end.min(limit) - at
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
            let wanted = rest.len() as u64;
            let within = at & (self.piece() - 1);
            let (piece, len) = match &table {
                None => (Piece::Unallocated, self.l2_span() - at % self.l2_span()),
                Some(table) => match self.piece_at(table, at)? {
                    Piece::Plain(host) => (Piece::Plain(host), self.contiguous(table, at, host, wanted)),
                    piece => (piece, self.piece() - within),
                },
            };
            let (now, later) = rest.split_at_mut(len.min(wanted) as usize);
            match piece {
                Piece::Unallocated => self.read_backing(now, at)?,
                Piece::Zero => now.fill(0),
                Piece::Plain(host) => self.file.read_exact_at(now, host + within).map_err(|error| {
                    DiskError::io("could not read a cluster", error).in_file(&self.path).at(host)
                })?,
                Piece::Compressed { offset, len } => {
                    let cluster = self.decompress(offset, len)?;
                    let within = (at & (self.cluster() - 1)) as usize;
                    now.copy_from_slice(&cluster[within..within + now.len()]);
                }
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        check_range(self.size, offset, 1).map_err(|error| error.in_file(&self.path))?;
        let (piece, end) = if let Some(table) = self.l2_for(offset)? {
            self.run(&table, offset)?
        } else {
            let first = (offset / self.l2_span()) as usize;
            let empty = self.l1[first..].iter().take_while(|entry| **entry & OFFSET == 0).count() as u64;
            (Piece::Unallocated, ((first as u64 + empty) * self.l2_span()).min(self.size))
        };
        let len = end - offset;
        match (piece, &self.backing) {
            (Piece::Plain(_) | Piece::Compressed { .. }, _) => Ok(Extent { len, kind: ExtentKind::Data }),
            (Piece::Unallocated, Some(backing)) if offset < backing.size() => {
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

    fn layers(&self) -> Vec<Layer> {
        let header = &self.found.header;
        let mut layer = Layer::new(Format::Qcow2, &self.path, self.size, &self.file)
            .with("version", self.found.version)
            .with("cluster_bytes", self.cluster())
            .with("compression", if header.compression == Compression::Zstd { "zstd" } else { "zlib" });
        for (name, set) in [("extended_l2", self.found.extended_l2), ("dirty", self.found.dirty)] {
            if set {
                layer = layer.with(name, true);
            }
        }
        if self.found.snapshots > 0 {
            layer = layer.with("internal_snapshots", self.found.snapshots);
        }
        if let Some(backing) = &header.backing {
            layer = layer.with("backing_file", backing.name.to_string_lossy());
        }
        let mut layers = vec![layer];
        layers.extend(self.backing.iter().flat_map(|backing| backing.layers()));
        layers
    }
}
