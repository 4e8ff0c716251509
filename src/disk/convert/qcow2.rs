//! qcow2: version 3, 64 KiB clusters. Holes stay unallocated; a cluster with any data in it is data as a whole.
//!
//! ```text
//! header | L2 tables | L1 table | data ... | refcount blocks | refcount table
//! ```
//!
//! The map of the disk says beforehand how many L2 tables there are, and without compression also where every cluster
//! will be: [`PlainSink`] therefore writes from front to end and hashes on the way. With compression the tables are
//! known last: [`CompressedSink`] fills them in and reads the (small) file once more for its digest.
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::super::output::{Digester, Digests, Finished, Pending};
use super::super::qcow2::{
    CLUSTER, CLUSTER_BITS, COMPRESSED, COPIED, Compression, Header, L2_ENTRIES, L2_SPAN, REFCOUNTS,
    compressed_shift,
};
use super::super::{DiskError, DiskRead, Qcow2Compression, Target};
use super::blocks::{Deflater, level_of};
use super::map::{Item, Map, Plan, clusters};
use super::pipeline::{Chunk, Encode, Payload, Sink};

/// What the L2 tables, at the front, and the L1 table after them take.
#[derive(Debug, Clone, Copy)]
struct Layout {
    size: u64,
    l2_tables: u64,
    l1_entries: u64,
}

impl Layout {
    fn new(size: u64, plan: &Plan) -> Self {
        Self { size, l2_tables: plan.spans, l1_entries: size.div_ceil(L2_SPAN).max(1) }
    }

    fn l1_offset(&self) -> u64 {
        (1 + self.l2_tables) * CLUSTER
    }

    fn data_offset(&self) -> u64 {
        self.l1_offset() + (self.l1_entries * 8).next_multiple_of(CLUSTER)
    }

    /// Clusters of refcount blocks and of the refcount table for a file that has `clusters` without them.
    fn refcounts(clusters: u64) -> (u64, u64) {
        let (mut blocks, mut table) = (1, 1);
        loop {
            let need = (clusters + blocks + table).div_ceil(REFCOUNTS);
            let need_table = (need * 8).div_ceil(CLUSTER);
            if (need, need_table) == (blocks, table) {
                return (blocks, table);
            }
            // Rises until it fits: more of them never need fewer.
            (blocks, table) = (need, need_table);
        }
    }

    /// The header for a file whose refcount blocks begin at `end`.
    fn header(&self, end: u64, compression: Compression) -> Result<Vec<u8>, DiskError> {
        let (blocks, table) = Self::refcounts(end / CLUSTER);
        Header {
            cluster_bits: CLUSTER_BITS,
            size: self.size,
            l1_offset: self.l1_offset(),
            l1_entries: self.l1_entries,
            refcount_table_offset: end + blocks * CLUSTER,
            refcount_table_clusters: table as u32,
            compression,
            backing: None,
        }
        .encode()
    }
}

fn big_endian(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

/// Says whether two walks over a disk met the same clusters.
#[derive(Debug, Default)]
struct Shape(DefaultHasher);

impl Shape {
    fn add(&mut self, cluster: u64) {
        self.0.write_u64(cluster);
    }

    fn check(&self, other: u64, pending: &Pending) -> Result<(), DiskError> {
        if self.0.finish() == other { Ok(()) } else { Err(changed(pending)) }
    }
}

fn changed(pending: &Pending) -> DiskError {
    DiskError::corrupt("could not write the output: the source changed while it was read")
        .in_file(pending.path())
}

/// Uncompressed qcow2, written and hashed from front to end.
pub(super) struct PlainSink {
    pending: Pending,
    digester: Digester,
    /// Where the data ends, as planned.
    end: u64,
    /// The clusters that the tables point to.
    planned: u64,
    written: Shape,
}

impl PlainSink {
    /// Writes header and tables, from a walk over the map of `src`.
    pub(super) fn new(
        target: &Target,
        src: &dyn DiskRead,
        plan: &Plan,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let layout = Layout::new(src.size(), plan);
        let pending = Pending::create(&target.path)?;
        let end = layout.data_offset() + plan.clusters * CLUSTER;
        let mut sink = Self {
            pending,
            digester: Digester::for_target(target),
            end,
            planned: 0,
            written: Shape::default(),
        };
        sink.append(&layout.header(end, Compression::Deflate).map_err(|error| error.in_file(&target.path))?)?;
        let mut l1 = vec![0; (layout.data_offset() - layout.l1_offset()) as usize / 8];
        let mut planned = Shape::default();
        let mut table: Option<(u64, Vec<u64>)> = None;
        let (mut tables, mut host) = (0, layout.data_offset());
        let mut map = Map::new(src);
        while let Some(item) = map.next()? {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let Item::Data { offset, ranges, .. } = item else { continue };
            let span = offset / L2_SPAN;
            if table.as_ref().is_none_or(|(current, _)| *current != span) {
                if let Some((_, entries)) = table.take() {
                    sink.append(&big_endian(&entries))?;
                }
                tables += 1;
                l1[span as usize] = (tables * CLUSTER) | COPIED;
            }
            let (_, entries) = table.get_or_insert_with(|| (span, vec![0; L2_ENTRIES as usize]));
            for cluster in clusters(&ranges) {
                let guest = offset / CLUSTER + cluster;
                entries[(guest % L2_ENTRIES) as usize] = host | COPIED;
                planned.add(guest);
                host += CLUSTER;
            }
        }
        if let Some((_, entries)) = table {
            sink.append(&big_endian(&entries))?;
        }
        if tables != plan.spans || host != end {
            return Err(changed(&sink.pending));
        }
        sink.append(&big_endian(&l1))?;
        sink.planned = planned.0.finish();
        Ok(sink)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.digester.update(bytes);
        self.pending.file().write_all(bytes).map_err(|error| self.pending.error(error))
    }
}

impl Sink for PlainSink {
    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, _payload: Payload) -> Result<(), DiskError> {
        // Neighbours in the disk are neighbours in the file: one write for each run of clusters.
        let mut run: Option<(u64, u64)> = None;
        for cluster in clusters(&chunk.ranges) {
            self.written.add(chunk.offset / CLUSTER + cluster);
            run = match run {
                Some((start, end)) if end == cluster => Some((start, cluster + 1)),
                other => {
                    self.append_clusters(chunk, other)?;
                    Some((cluster, cluster + 1))
                }
            };
        }
        self.append_clusters(chunk, run)
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        self.written.check(self.planned, &self.pending)?;
        let clusters = self.end / CLUSTER;
        let (blocks, table) = Layout::refcounts(clusters);
        let total = clusters + blocks + table;
        for block in 0..blocks {
            let used = (total - block * REFCOUNTS).min(REFCOUNTS) as usize;
            let mut bytes: Vec<u8> = std::iter::repeat_n([0, 1], used).flatten().collect();
            bytes.resize(CLUSTER as usize, 0);
            self.append(&bytes)?;
        }
        let mut entries: Vec<u64> = (0..blocks).map(|block| self.end + block * CLUSTER).collect();
        entries.resize((table * CLUSTER / 8) as usize, 0);
        self.append(&big_endian(&entries))?;
        Ok(Some(Finished::file(self.pending, self.digester.finish())))
    }
}

impl PlainSink {
    fn append_clusters(&mut self, chunk: &Chunk, run: Option<(u64, u64)>) -> Result<(), DiskError> {
        let Some((start, end)) = run else { return Ok(()) };
        let (start, end) = ((start * CLUSTER) as usize, (end * CLUSTER) as usize);
        let there = end.min(chunk.bytes.len());
        self.append(&chunk.bytes[start..there])?;
        // The last cluster of the disk may be short; that of the file may not.
        if end > there { self.append(&vec![0; end - there]) } else { Ok(()) }
    }
}

/// Compressed qcow2: deflated clusters packed one after the other.
pub(super) struct CompressedSink {
    pending: Pending,
    layout: Layout,
    how: How,
    digester: Digester,
    l1: Vec<u64>,
    /// The L2 table that is being filled: its span of the disk and its entries.
    table: Option<(u64, Vec<u64>)>,
    tables: u64,
    /// One for each cluster of the file so far.
    refcounts: Vec<u16>,
    /// Where the next compressed cluster may begin, and where the cluster it begins in ends.
    tail: (u64, u64),
    /// The first cluster that is not used yet.
    free: u64,
}

impl CompressedSink {
    pub(super) fn new(target: &Target, size: u64, plan: &Plan) -> Result<Self, DiskError> {
        let layout = Layout::new(size, plan);
        let how = How::new(target)?;
        layout
            .header(layout.data_offset(), how.compression())
            .map_err(|error| error.in_file(&target.path))?;
        let free = layout.data_offset();
        Ok(Self {
            pending: Pending::create(&target.path)?,
            layout,
            how,
            digester: Digester::for_target(target),
            l1: vec![0; (layout.data_offset() - layout.l1_offset()) as usize / 8],
            table: None,
            tables: 0,
            refcounts: vec![1; (free / CLUSTER) as usize],
            tail: (free, free),
            free,
        })
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError> {
        self.pending.file().write_all_at(bytes, offset).map_err(|error| self.pending.error(error).at(offset))
    }

    /// Takes `count` unused clusters; returns the offset of the first.
    fn allocate(&mut self, count: u64) -> u64 {
        let at = self.free;
        self.free += count * CLUSTER;
        self.refcounts.resize((self.free / CLUSTER) as usize, 0);
        at
    }

    fn count_use(&mut self, first: u64, last: u64) -> Result<(), DiskError> {
        for cluster in first / CLUSTER..=last / CLUSTER {
            let count = &mut self.refcounts[cluster as usize];
            *count = count
                .checked_add(1)
                .ok_or_else(|| DiskError::unsupported("too many compressed clusters share one cluster"))?;
        }
        Ok(())
    }

    /// Stores a compressed cluster and returns its L2 entry.
    fn store_compressed(&mut self, bytes: &[u8]) -> Result<u64, DiskError> {
        let len = bytes.len() as u64;
        let (mut at, mut end) = self.tail;
        if at + len > end {
            if end != self.free {
                // A plain cluster came in between.
                (at, end) = (self.free, self.free);
            }
            self.allocate((at + len - end).div_ceil(CLUSTER));
            end = self.free;
        }
        self.tail = (at + len, end);
        let last = at + len - 1;
        self.count_use(at, last)?;
        self.write(bytes, at)?;
        Ok(COMPRESSED | ((last / 512 - at / 512) << compressed_shift(CLUSTER_BITS)) | at)
    }

    fn store_plain(&mut self, chunk: &Chunk, cluster: u64) -> Result<u64, DiskError> {
        let at = self.allocate(1);
        self.count_use(at, at)?;
        let start = (cluster * CLUSTER) as usize;
        self.write(&chunk.bytes[start..chunk.bytes.len().min(start + CLUSTER as usize)], at)?;
        Ok(at | COPIED)
    }

    fn flush_table(&mut self) -> Result<(), DiskError> {
        let Some((span, entries)) = self.table.take() else { return Ok(()) };
        self.tables += 1;
        if self.tables > self.layout.l2_tables {
            return Err(changed(&self.pending));
        }
        let at = self.tables * CLUSTER;
        self.l1[span as usize] = at | COPIED;
        self.write(&big_endian(&entries), at)
    }

    fn write_refcounts(&mut self) -> Result<(), DiskError> {
        let end = self.free;
        let (blocks, table) = Layout::refcounts(end / CLUSTER);
        self.refcounts.resize((end / CLUSTER + blocks + table) as usize, 1);
        for (block, counts) in self.refcounts.chunks(REFCOUNTS as usize).enumerate() {
            let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
            self.write(&bytes, end + block as u64 * CLUSTER)?;
        }
        let entries: Vec<u64> = (0..blocks).map(|block| end + block * CLUSTER).collect();
        self.write(&big_endian(&entries), end + blocks * CLUSTER)?;
        let bytes = end + (blocks + table) * CLUSTER;
        self.pending.file().set_len(bytes).map_err(|error| self.pending.error(error))
    }

    fn digest(&mut self) -> Result<Digests, DiskError> {
        let mut digester = std::mem::take(&mut self.digester);
        let mut bytes = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let len = self.pending.file().read_at(&mut bytes, at).map_err(|error| {
                DiskError::io("could not read back the output", error).in_file(self.pending.path())
            })?;
            if len == 0 {
                return Ok(digester.finish());
            }
            digester.update(&bytes[..len]);
            at += len as u64;
        }
    }
}

impl Sink for CompressedSink {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        self.how.encoder().map(Some)
    }

    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        let Payload::Clusters { bytes, lengths } = payload else { return Err(super::misrouted()) };
        let span = chunk.offset / L2_SPAN;
        if self.table.as_ref().is_none_or(|(current, _)| *current != span) {
            self.flush_table()?;
        }
        let mut rest = bytes.as_slice();
        let mut stored = Vec::with_capacity(lengths.len());
        for (cluster, len) in lengths {
            let entry = if len == 0 {
                self.store_plain(chunk, cluster)?
            } else {
                let (now, later) = rest.split_at(len as usize);
                rest = later;
                self.store_compressed(now)?
            };
            stored.push((((chunk.offset / CLUSTER + cluster) % L2_ENTRIES) as usize, entry));
        }
        let (_, entries) = self.table.get_or_insert_with(|| (span, vec![0; L2_ENTRIES as usize]));
        for (index, entry) in stored {
            entries[index] = entry;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        self.flush_table()?;
        if self.tables != self.layout.l2_tables {
            return Err(changed(&self.pending));
        }
        self.write(&big_endian(&self.l1), self.layout.l1_offset())?;
        self.write_refcounts()?;
        let header = self.layout.header(self.free, self.how.compression());
        let header = header.map_err(|error| error.in_file(self.pending.path()))?;
        self.write(&header, 0)?;
        let digests = self.digest()?;
        Ok(Some(Finished::file(self.pending, digests)))
    }
}

/// How clusters are compressed.
#[derive(Debug, Clone, Copy)]
enum How {
    Deflate { level: u32 },
    Zstd { level: i32 },
}

impl How {
    fn new(target: &Target) -> Result<Self, DiskError> {
        Ok(if target.qcow2 == Qcow2Compression::Zstd {
            Self::Zstd { level: super::zstd::level_of(target)? }
        } else {
            Self::Deflate { level: level_of(target)? }
        })
    }

    fn compression(self) -> Compression {
        match self {
            Self::Deflate { .. } => Compression::Deflate,
            Self::Zstd { .. } => Compression::Zstd,
        }
    }

    fn encoder(self) -> Result<Box<dyn Encode>, DiskError> {
        Ok(match self {
            Self::Deflate { level } => Box::new(Deflate { level }),
            Self::Zstd { level } => Box::new(super::zstd::Clusters::new(level)?),
        })
    }
}

/// Deflates each cluster on its own.
///
/// QEMU inflates with a declared window of 4 KiB, but in one call into a buffer of the whole cluster, where zlib does
/// not need its window; distances beyond 4 KiB, which libdeflate uses, are therefore read by every QEMU.
struct Deflate {
    level: u32,
}

impl Encode for Deflate {
    fn encode(&mut self, chunk: &Chunk, deflater: &mut Deflater) -> Result<Payload, DiskError> {
        let mut all = Vec::new();
        let mut lengths = Vec::new();
        for (cluster, bytes) in deflater.blocks(chunk, self.level)?.iter() {
            // What does not shrink is stored as it is.
            let bytes = if bytes.len() < CLUSTER as usize { bytes } else { &[] };
            all.extend_from_slice(bytes);
            lengths.push((cluster, bytes.len() as u32));
        }
        Ok(Payload::Clusters { bytes: all, lengths })
    }
}
