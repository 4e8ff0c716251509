//! Makes a streamOptimized VMDK from front to end, as bytes to append; it is never written to twice.
//!
//! A grain table follows the grains that it lists, as soon as a grain of the next table comes; the directory and the
//! footer come last, and one sector of zeroes ends the stream. A reader that reads markers stops exactly where the file
//! ends: what qemu-img writes (zero sectors after the last grain, or none) makes such readers and the digest of the file
//! disagree.
use super::super::DiskError;
use super::descriptor::Descriptor;
use super::header::{Header, Marker};
use super::{GRAIN, OVERHEAD, SECTOR, TABLE_ENTRIES};

/// Sectors of the descriptor, as VMware's own exports have it.
const DESCRIPTOR: u64 = 20;
/// Bytes of the disk in one grain table: 32 MiB.
const TABLE_SPAN: u64 = TABLE_ENTRIES * GRAIN;

/// The state of a stream in the making.
#[derive(Debug)]
pub(crate) struct GrainStream {
    header: Header,
    /// Where the next byte goes, in sectors.
    at: u64,
    /// Where each grain table is, in sectors; 0 for those without grains.
    directory: Vec<u32>,
    /// The table that is being filled: its number and its entries.
    table: Option<(usize, Vec<u32>)>,
    grains: u64,
}

impl GrainStream {
    /// A stream for a disk of `size` bytes, and the bytes that it begins with. `name` is the file's.
    pub(crate) fn new(size: u64, name: &str, identity: &[u8]) -> Result<(Self, Vec<u8>), DiskError> {
        let sectors = size / SECTOR;
        if sectors == 0 {
            return Err(DiskError::unsupported("a VMDK cannot hold a disk of no bytes"));
        }
        let header = Header::stream(sectors, DESCRIPTOR);
        let mut bytes = header.encode();
        bytes.extend_from_slice(Descriptor::stream(sectors, name, identity).as_bytes());
        bytes.resize((OVERHEAD * SECTOR) as usize, 0);
        let stream = Self {
            header,
            at: OVERHEAD,
            directory: vec![0; size.div_ceil(TABLE_SPAN) as usize],
            table: None,
            grains: 0,
        };
        Ok((stream, bytes))
    }

    /// Appends the record of the grain at `offset` of the disk, as [`record`] made it, to `out`. Offsets must rise.
    pub(crate) fn grain(&mut self, offset: u64, record: &[u8], out: &mut Vec<u8>) -> Result<(), DiskError> {
        let number = (offset / TABLE_SPAN) as usize;
        if self.table.as_ref().is_none_or(|(current, _)| *current != number) {
            self.flush_table(out)?;
        }
        let at = self.here()?;
        let (_, entries) = self.table.get_or_insert_with(|| (number, vec![0; TABLE_ENTRIES as usize]));
        entries[(offset % TABLE_SPAN / GRAIN) as usize] = at;
        self.grains += 1;
        self.append(record, out);
        Ok(())
    }

    /// Appends everything that follows the last grain. Returns the number of grains.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<u64, DiskError> {
        self.flush_table(out)?;
        let mut directory = little_endian(&self.directory);
        directory.resize(directory.len().next_multiple_of(SECTOR as usize), 0);
        self.append(&Marker::encode(Marker::DIRECTORY, directory.len() as u64 / SECTOR), out);
        let footer = self.header.with_directory(u64::from(self.here()?));
        self.append(&directory, out);
        self.append(&Marker::encode(Marker::FOOTER, 1), out);
        self.append(&footer.encode(), out);
        self.append(&Marker::encode(Marker::END, 0), out);
        Ok(self.grains)
    }

    fn flush_table(&mut self, out: &mut Vec<u8>) -> Result<(), DiskError> {
        let Some((number, entries)) = self.table.take() else { return Ok(()) };
        let bytes = little_endian(&entries);
        self.append(&Marker::encode(Marker::TABLE, bytes.len() as u64 / SECTOR), out);
        self.directory[number] = self.here()?;
        self.append(&bytes, out);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.at += bytes.len() as u64 / SECTOR;
        out.extend_from_slice(bytes);
    }

    fn here(&self) -> Result<u32, DiskError> {
        u32::try_from(self.at)
            .map_err(|_| DiskError::unsupported("a VMDK cannot hold more than 2 TiB of compressed data"))
    }
}

/// Appends the record of a grain to `out`: its marker, its zlib stream (RFC 1950) around the raw deflate stream of its
/// bytes, and zeroes up to a whole sector.
pub(crate) fn record(offset: u64, deflated: &[u8], adler32: u32, out: &mut Vec<u8>) {
    // A window of 32 KiB and the usual level, which nobody looks at.
    const ZLIB: [u8; 2] = [0x78, 0x9c];
    let len = (ZLIB.len() + deflated.len() + 4) as u32;
    out.extend_from_slice(&(offset / SECTOR).to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&ZLIB);
    out.extend_from_slice(deflated);
    out.extend_from_slice(&adler32.to_be_bytes());
    out.resize(out.len().next_multiple_of(SECTOR as usize), 0);
}

fn little_endian(entries: &[u32]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}
