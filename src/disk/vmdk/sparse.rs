//! Reads one sparse extent, compressed or not. Every number of the file is checked before it is used.
use std::sync::Arc;

use super::super::cache::Cache;
use super::super::section::Section;
use super::super::{DiskError, Extent, ExtentKind};
use super::header::{Header, Marker, numbers};
use super::{SECTOR, descriptor};

/// Grain tables kept in memory: 2 MiB describe 32 GiB with the usual sizes.
const TABLE_BUDGET: usize = 2 << 20;
/// Decompressed grains kept in memory, for readers that come back in small steps.
const GRAIN_BUDGET: usize = 4 << 20;

/// A file that begins with a VMDK header.
#[derive(Debug)]
pub(super) struct Sparse {
    section: Section,
    header: Header,
    directory: Vec<u32>,
    tables: Cache<Vec<u32>>,
    grains: Cache<Vec<u8>>,
}

impl Sparse {
    /// Opens it; also returns the text of the descriptor that it may hold.
    pub(super) fn open(section: Section) -> Result<(Self, Vec<u8>), DiskError> {
        let header = Header::read(&section)?;
        let mut text = Vec::new();
        // Only the first extent of several has one, and a size of zero says that there is none.
        if header.descriptor != 0 && header.descriptor_len != 0 {
            let len = header.descriptor_len.saturating_mul(SECTOR);
            let at = header.descriptor.saturating_mul(SECTOR);
            if len > descriptor::MAX_BYTES || !section.holds(at, len) {
                return Err(section.corrupt("the VMDK's descriptor lies outside the file", at));
            }
            text.resize(len as usize, 0);
            section.read(&mut text, at, "the VMDK's descriptor")?;
        }
        let tables = header.tables();
        let at = header.directory().saturating_mul(SECTOR);
        // Asked before memory is taken: the file must at least be that long.
        if !section.holds(at, tables * 4) {
            return Err(section.corrupt("the grain directory lies outside the file", at));
        }
        let mut bytes = vec![0; tables as usize * 4];
        section.read(&mut bytes, at, "the grain directory")?;
        let sparse = Self {
            tables: Cache::new(TABLE_BUDGET, header.table_entries as usize * 4),
            grains: Cache::new(GRAIN_BUDGET, (header.grain * SECTOR) as usize),
            directory: numbers(&bytes),
            section,
            header,
        };
        Ok((sparse, text))
    }

    pub(super) fn section(&self) -> &Section {
        &self.section
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        self.header.capacity * SECTOR
    }

    /// Bytes of a grain.
    pub(super) fn grain(&self) -> u64 {
        self.header.grain * SECTOR
    }

    pub(super) fn compressed(&self) -> bool {
        self.header.compressed()
    }

    fn table_span(&self) -> u64 {
        self.grain() * u64::from(self.header.table_entries)
    }

    /// The grain table for a byte of the disk, unless nothing was ever written near it.
    fn table_for(&self, offset: u64) -> Result<Option<Arc<Vec<u32>>>, DiskError> {
        let at = self.directory[(offset / self.table_span()) as usize];
        if at == 0 {
            return Ok(None);
        }
        if let Some(table) = self.tables.get(u64::from(at)) {
            return Ok(Some(table));
        }
        let start = u64::from(at) * SECTOR;
        let bytes = u64::from(self.header.table_entries) * 4;
        if !self.section.holds(start, bytes) {
            return Err(self.section.corrupt("a grain table lies outside the file", start));
        }
        let mut table = vec![0; bytes as usize];
        self.section.read(&mut table, start, "a grain table")?;
        Ok(Some(self.tables.insert(u64::from(at), numbers(&table))))
    }

    fn index(&self, offset: u64) -> usize {
        ((offset % self.table_span()) / self.grain()) as usize
    }

    /// Whether an entry stands for a grain that was written.
    fn is_data(&self, entry: u32) -> bool {
        entry != 0 && !(entry == 1 && self.header.zero_grains())
    }

    /// Fills `buf` from `offset`, which must lie within.
    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let table = self.table_for(at)?;
            let within = at % self.grain();
            let (entry, len) = match &table {
                None => (0, self.table_span() - at % self.table_span()),
                Some(table) => (table[self.index(at)], self.grain() - within),
            };
            let (now, later) = rest.split_at_mut(len.min(rest.len() as u64) as usize);
            if self.is_data(entry) {
                self.read_grain(now, at - within, within, u64::from(entry))?;
            } else {
                now.fill(0);
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Fills `buf` from `within` bytes into the grain that begins at byte `grain` of the disk and sector `sector` of the
    /// file.
    fn read_grain(&self, buf: &mut [u8], grain: u64, within: u64, sector: u64) -> Result<(), DiskError> {
        let at = sector * SECTOR;
        if !self.header.compressed() {
            // Sector 0 is the header.
            return self.section.read(buf, at + within, "a grain");
        }
        if within == 0 && buf.len() as u64 == self.grain() {
            return self.inflate(buf, grain, at);
        }
        let inflated = match self.grains.get(sector) {
            Some(inflated) => inflated,
            None => {
                let mut bytes = vec![0; self.grain() as usize];
                self.inflate(&mut bytes, grain, at)?;
                self.grains.insert(sector, bytes)
            }
        };
        buf.copy_from_slice(&inflated[within as usize..within as usize + buf.len()]);
        Ok(())
    }

    /// Fills `out`, a whole grain, with the compressed grain at `at` in the file.
    fn inflate(&self, out: &mut [u8], grain: u64, at: u64) -> Result<(), DiskError> {
        let mut head = [0; 16];
        let head_len = if self.header.markers() { Marker::GRAIN_HEADER } else { 4 };
        self.section.read(&mut head[..head_len], at, "a compressed grain")?;
        let size = if self.header.markers() {
            let marker = Marker::parse(&head);
            if marker.value != grain / SECTOR {
                return Err(self.section.corrupt(
                    format!(
                        "the grain for byte {grain} of the disk belongs elsewhere (sector {})",
                        marker.value
                    ),
                    at,
                ));
            }
            marker.size
        } else {
            u32::from_le_bytes([head[0], head[1], head[2], head[3]])
        };
        // What does not shrink grows by a few bytes only; more than that is no grain.
        if u64::from(size) > self.grain() + self.grain() / 8 + 1024 {
            return Err(self.section.corrupt("a compressed grain is longer than any could be", at));
        }
        let mut packed = vec![0; size as usize];
        self.section.read(&mut packed, at + head_len as u64, "a compressed grain")?;
        // The output is bounded by `out`, whatever the input promises.
        let len = libdeflater::Decompressor::new()
            .zlib_decompress(&packed, out)
            .map_err(|error| self.section.corrupt("could not decompress a grain", at).because(error))?;
        // The last grain of a disk may end with the disk.
        if len != out.len() && (len as u64) < self.size() - grain {
            return Err(self.section.corrupt("a compressed grain is too short", at));
        }
        out[len..].fill(0);
        Ok(())
    }

    /// What lies at `offset`, which must lie within.
    pub(super) fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        let (kind, end) = if let Some(table) = self.table_for(offset)? {
            let first = self.index(offset);
            let data = self.is_data(table[first]);
            let same = table[first..].iter().take_while(|entry| self.is_data(**entry) == data).count();
            let end = (offset / self.grain() + same as u64) * self.grain();
            (if data { ExtentKind::Data } else { ExtentKind::Hole }, end)
        } else {
            let first = (offset / self.table_span()) as usize;
            let empty = self.directory[first..].iter().take_while(|at| **at == 0).count();
            (ExtentKind::Hole, (first + empty) as u64 * self.table_span())
        };
        Ok(Extent { len: end.min(self.size()) - offset, kind })
    }
}
