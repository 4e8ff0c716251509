//! Cuts a disk into the items of a conversion, by its allocation map.
use super::super::{DiskError, DiskRead, ExtentKind};
use super::feed::touched;
use sha2::{Digest, Sha256};

/// What one worker handles at a time, in bytes: large enough that a gzip member of this size loses nothing against one
/// stream, small enough that many fit into memory. A multiple of every cluster and grain size that is written.
pub(crate) const CHUNK: u64 = 1 << 20;

/// A piece of the disk, aligned to [`CHUNK`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Any number of chunks that nothing was ever written to.
    Hole { offset: u64, len: u64 },
    /// One chunk (the last of a disk may be short) and the ranges within it that are data, relative to its start.
    Data { offset: u64, len: u64, ranges: Vec<Range> },
}

/// A range within a chunk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Walks the map of `src`; yields items that together are the disk.
pub(crate) struct Map<'a> {
    src: &'a dyn DiskRead,
    at: u64,
    /// The extent that `at` lies in, as its end and kind.
    current: Option<(u64, ExtentKind)>,
}

impl<'a> Map<'a> {
    pub(crate) fn new(src: &'a dyn DiskRead) -> Self {
        Self { src, at: 0, current: None }
    }

    fn extent(&mut self, offset: u64) -> Result<(u64, ExtentKind), DiskError> {
        if let Some((end, kind)) = self.current
            && offset < end
        {
            return Ok((end, kind));
        }
        let extent = self.src.extent_at(offset)?;
        let end = offset
            .checked_add(extent.len)
            .filter(|end| *end > offset && *end <= self.src.size())
            .ok_or_else(|| DiskError::corrupt("the map of the disk makes no sense").at(offset))?;
        self.current = Some((end, extent.kind));
        Ok((end, extent.kind))
    }

    pub(crate) fn next(&mut self) -> Result<Option<Item>, DiskError> {
        let (offset, size) = (self.at, self.src.size());
        if offset >= size {
            return Ok(None);
        }
        let (end, kind) = self.extent(offset)?;
        let whole = if end == size { size } else { end / CHUNK * CHUNK };
        if kind == ExtentKind::Hole && whole > offset {
            self.at = whole;
            return Ok(Some(Item::Hole { offset, len: whole - offset }));
        }
        let chunk_end = (offset + CHUNK).min(size);
        let mut ranges: Vec<Range> = Vec::new();
        let mut at = offset;
        while at < chunk_end {
            let (end, kind) = self.extent(at)?;
            let end = end.min(chunk_end);
            if kind == ExtentKind::Data {
                let (start, end) = ((at - offset) as u32, (end - offset) as u32);
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ => ranges.push(Range { start, end }),
                }
            }
            at = end;
        }
        self.at = chunk_end;
        let len = chunk_end - offset;
        Ok(Some(if ranges.is_empty() {
            Item::Hole { offset, len }
        } else {
            Item::Data { offset, len, ranges }
        }))
    }
}

/// What must be known of the whole map before the first byte is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// Bytes that are not holes.
    pub(crate) data_bytes: u64,
    /// 64 KiB clusters with data in them.
    pub(crate) clusters: u64,
    /// 512 MiB spans (of one qcow2 L2 table) with data in them.
    pub(crate) spans: u64,
    /// Blocks of a [`super::BlockSink`] with data in them.
    pub(crate) blocks: u64,
}

impl Plan {
    pub(crate) fn of(src: &dyn DiskRead, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<Self, DiskError> {
        let mut plan = Self::default();
        let mut last_span = None;
        let mut map = Map::new(src);
        while let Some(item) = map.next()? {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let Item::Data { offset, ranges, .. } = item else { continue };
            plan.data_bytes += ranges.iter().map(|range| u64::from(range.end - range.start)).sum::<u64>();
            plan.clusters += clusters(&ranges).count() as u64;
            plan.blocks += touched(&ranges).count() as u64;
            let span = offset / crate::disk::qcow2::L2_SPAN;
            if last_span != Some(span) {
                last_span = Some(span);
                plan.spans += 1;
            }
        }
        Ok(plan)
    }
}

/// The 64 KiB clusters of a chunk that any of its data ranges touches, as their index within the chunk, rising.
pub(crate) fn clusters(ranges: &[Range]) -> impl Iterator<Item = u64> + '_ {
    const CLUSTER: u32 = crate::disk::qcow2::CLUSTER as u32;
    let mut next = 0;
    ranges
        .iter()
        .flat_map(move |range| {
            let first = (range.start / CLUSTER).max(next);
            next = range.end.div_ceil(CLUSTER);
            first..next
        })
        .map(u64::from)
}

/// SHA-256 of the size of a disk and of which parts of it are data, in lower-case hexadecimal: tells whether a disk that was partly
/// read is still the same without reading it. What the data is does not count.
pub fn map_digest(src: &dyn DiskRead, cancelled: &(dyn Fn() -> bool + Sync)) -> Result<String, DiskError> {
    let mut hash = Sha256::new();
    hash.update(src.size().to_le_bytes());
    let mut map = Map::new(src);
    while let Some(item) = map.next()? {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let Item::Data { offset, ranges, .. } = item else { continue };
        for range in ranges {
            hash.update((offset + u64::from(range.start)).to_le_bytes());
            hash.update((offset + u64::from(range.end)).to_le_bytes());
        }
    }
    Ok(hex::encode(hash.finalize()))
}
