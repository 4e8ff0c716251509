//! The header of a sparse extent, which is also its footer, and the markers between the parts of a stream.
use super::super::DiskError;
use super::super::section::Section;
use super::{OVERHEAD, SECTOR, TABLE_ENTRIES};

/// The first bytes of a sparse extent.
const MAGIC: &[u8; 4] = b"KDMV";
/// The directory is said in the footer.
const AT_END: u64 = u64::MAX;
/// The header holds [`NEWLINES`], to catch transfers that mend line ends.
const FLAG_NEWLINES: u32 = 1;
/// The entry 1 of a table stands for a grain of zeroes.
const FLAG_ZERO_GRAINS: u32 = 1 << 2;
const FLAG_COMPRESSED: u32 = 1 << 16;
const FLAG_MARKERS: u32 = 1 << 17;
/// Flags that a reader must know; the lower half may be ignored.
const INCOMPATIBLE: u32 = 0xffff_0000;
const DEFLATE: u16 = 1;
const NEWLINES: &[u8; 4] = b"\n \r\n";
/// 16 MiB of directory describe 128 TiB.
const MAX_TABLES: u64 = 4 << 20;
/// Larger grains than 2 MiB are not made by anything, and each must fit into memory.
const MAX_GRAIN: u64 = 2 << 20;

/// A header or footer. Numbers are in sectors, as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) version: u32,
    flags: u32,
    pub(super) capacity: u64,
    pub(super) grain: u64,
    pub(super) descriptor: u64,
    pub(super) descriptor_len: u64,
    pub(super) table_entries: u32,
    directory: u64,
    pub(super) overhead: u64,
    algorithm: u16,
}

impl Header {
    /// The header of a stream: its directory is said in the footer.
    pub(super) fn stream(capacity: u64, descriptor_len: u64) -> Self {
        Self {
            version: 3,
            flags: FLAG_NEWLINES | FLAG_COMPRESSED | FLAG_MARKERS,
            capacity,
            grain: super::GRAIN / SECTOR,
            descriptor: 1,
            descriptor_len,
            table_entries: TABLE_ENTRIES as u32,
            directory: AT_END,
            overhead: OVERHEAD,
            algorithm: DEFLATE,
        }
    }

    /// The footer for this header.
    pub(super) fn with_directory(self, directory: u64) -> Self {
        Self { directory, ..self }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SECTOR as usize);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&self.flags.to_le_bytes());
        for number in [self.capacity, self.grain, self.descriptor, self.descriptor_len] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.table_entries.to_le_bytes());
        // There is no second directory in case the first is damaged.
        for number in [0, self.directory, self.overhead] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        // The image was closed properly.
        bytes.push(0);
        bytes.extend_from_slice(NEWLINES);
        bytes.extend_from_slice(&self.algorithm.to_le_bytes());
        bytes.resize(SECTOR as usize, 0);
        bytes
    }

    /// Reads the header, and the footer instead if the header refers to it.
    pub(super) fn read(section: &Section) -> Result<Self, DiskError> {
        let header = Self::read_at(section, 0, "the header")?;
        if header.directory != AT_END {
            return Ok(header);
        }
        // Marker, footer and end of the stream are the last three sectors.
        let Some(marker) = section.len().checked_sub(3 * SECTOR) else {
            return Err(section.corrupt("the file ends before its footer", 0));
        };
        let mut bytes = [0; SECTOR as usize];
        section.read(&mut bytes, marker, "the footer's marker")?;
        if Marker::parse(&bytes) != (Marker { value: 1, size: 0, kind: Marker::FOOTER }) {
            return Err(section.corrupt("the file does not end with a footer: it is not complete", marker));
        }
        let footer = Self::read_at(section, marker + SECTOR, "the footer")?;
        let shape = |header: &Self| (header.capacity, header.grain, header.table_entries, header.flags);
        if footer.directory == AT_END || shape(&footer) != shape(&header) {
            return Err(section.corrupt("the footer contradicts the header", marker + SECTOR));
        }
        Ok(footer)
    }

    /// Reads one header and checks every number but the directory's place.
    pub(super) fn read_at(section: &Section, offset: u64, what: &str) -> Result<Self, DiskError> {
        let mut bytes = [0; SECTOR as usize];
        section.read(&mut bytes, offset, what)?;
        let header = Self {
            version: le32(&bytes, 4),
            flags: le32(&bytes, 8),
            capacity: le64(&bytes, 12),
            grain: le64(&bytes, 20),
            descriptor: le64(&bytes, 28),
            descriptor_len: le64(&bytes, 36),
            table_entries: le32(&bytes, 44),
            directory: le64(&bytes, 56),
            overhead: le64(&bytes, 64),
            algorithm: u16::from_le_bytes([bytes[77], bytes[78]]),
        };
        if &bytes[..4] != MAGIC {
            return Err(section.corrupt(format!("{what} has no VMDK magic"), offset));
        }
        if header.flags & FLAG_NEWLINES != 0 && &bytes[73..77] != NEWLINES {
            return Err(section.corrupt(
                "line ends in the VMDK were changed, as a transfer in text mode does",
                offset + 73,
            ));
        }
        header.check(section, offset)?;
        Ok(header)
    }

    fn check(&self, section: &Section, offset: u64) -> Result<(), DiskError> {
        if !(1..=3).contains(&self.version) {
            return Err(section.unsupported(format!("VMDK version {} is not read here", self.version)));
        }
        let unknown = self.flags & INCOMPATIBLE & !(FLAG_COMPRESSED | FLAG_MARKERS);
        if unknown != 0 {
            return Err(section.unsupported(format!("the VMDK has features unknown here ({unknown:#x})")));
        }
        if self.compressed() && self.algorithm != DEFLATE {
            return Err(section.unsupported(format!(
                "the VMDK is compressed with algorithm {}, which is unknown here",
                self.algorithm
            )));
        }
        let sound = self.grain.is_power_of_two()
            && self.grain <= MAX_GRAIN / SECTOR
            && (1..=1 << 16).contains(&self.table_entries)
            && self.capacity <= i64::MAX as u64 / SECTOR
            && self.tables() <= MAX_TABLES;
        if sound { Ok(()) } else { Err(section.corrupt("the VMDK's sizes make no sense", offset + 12)) }
    }

    /// How many grain tables the directory describes.
    pub(super) fn tables(&self) -> u64 {
        self.capacity.div_ceil(self.grain * u64::from(self.table_entries))
    }

    /// Where the directory is, in sectors.
    pub(super) fn directory(&self) -> u64 {
        self.directory
    }

    pub(super) fn compressed(&self) -> bool {
        self.flags & FLAG_COMPRESSED != 0
    }

    pub(super) fn markers(&self) -> bool {
        self.flags & FLAG_MARKERS != 0
    }

    pub(super) fn zero_grains(&self) -> bool {
        self.flags & FLAG_ZERO_GRAINS != 0
    }
}

/// What stands before every part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    /// The first sector of the disk in a grain; the number of sectors that follow for anything else.
    pub(super) value: u64,
    /// Compressed bytes of a grain, which begin right after this number; 0 for anything else.
    pub(super) size: u32,
    /// What follows, if it is no grain.
    pub(super) kind: u32,
}

impl Marker {
    /// Bytes before the compressed bytes of a grain.
    pub(super) const GRAIN_HEADER: usize = 12;
    pub(super) const END: u32 = 0;
    pub(super) const TABLE: u32 = 1;
    pub(super) const DIRECTORY: u32 = 2;
    pub(super) const FOOTER: u32 = 3;

    /// At least 16 bytes.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self { value: le64(bytes, 0), size: le32(bytes, 8), kind: le32(bytes, 12) }
    }

    /// The sector for a marker that is not a grain's.
    pub(super) fn encode(kind: u32, sectors: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SECTOR as usize);
        bytes.extend_from_slice(&sectors.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.resize(SECTOR as usize, 0);
        bytes
    }
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(value)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(value)
}

/// The numbers of a table or directory.
pub(super) fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|entry| le32(entry, 0)).collect()
}
