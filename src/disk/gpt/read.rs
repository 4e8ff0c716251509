//! Reads partition tables: the primary GPT, else its backup, else the MBR with its logical partitions.
use std::collections::HashSet;

use uuid::Uuid;

use super::super::{DiskError, DiskRead, SECTOR};
use super::{
    BASIC_DATA, EFI_SYSTEM, ENTRY_BYTES, HEADER_BYTES, LEGACY_BOOTABLE, LINUX_FILESYSTEM, LINUX_LVM,
    LINUX_SWAP, Partition, SIGNATURE,
};

/// Tables are 16 KiB as a rule; nobody needs more than this, and a corrupt header could claim 2^64 bytes.
const MAX_TABLE_BYTES: u64 = 1 << 20;
/// Each logical partition costs a read, and a corrupt chain could be endless.
const MAX_LOGICAL: usize = 128;

/// The partitions of `disk`, in the order of the table. A disk without a partition table has none.
///
/// The table counts sectors of 512 bytes. A disk that says it has a GPT (by its protective MBR), but of which neither
/// copy is sound, is an error.
pub fn read(disk: &dyn DiskRead) -> Result<Vec<Partition>, DiskError> {
    let sectors = disk.size() / SECTOR;
    if sectors < 3 {
        return Ok(Vec::new());
    }
    let problem = match gpt(disk, 1) {
        Ok(partitions) => return Ok(partitions),
        Err(problem) => problem,
    };
    let mbr = Mbr::read(disk, 0)?;
    let protective = mbr.as_ref().is_some_and(|mbr| mbr.entries.iter().any(|entry| entry.kind == 0xee));
    if protective {
        return gpt(disk, sectors - 1).map_err(|_| problem);
    }
    match mbr {
        Some(mbr) => mbr_partitions(disk, &mbr),
        None => Ok(Vec::new()),
    }
}

fn sector(disk: &dyn DiskRead, lba: u64) -> Result<[u8; SECTOR as usize], DiskError> {
    let mut bytes = [0; SECTOR as usize];
    let offset = lba.checked_mul(SECTOR).ok_or_else(|| DiskError::corrupt("a sector beyond all disks"))?;
    disk.read_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn gpt(disk: &dyn DiskRead, lba: u64) -> Result<Vec<Partition>, DiskError> {
    let bad =
        |what: &str| DiskError::corrupt(format!("the partition table is not sound: {what}")).at(lba * SECTOR);
    let mut header = sector(disk, lba)?;
    if !header.starts_with(SIGNATURE) {
        return Err(bad("its signature is missing"));
    }
    let header_bytes = le32(&header, 12) as usize;
    if !(HEADER_BYTES..=header.len()).contains(&header_bytes) {
        return Err(bad("its header has an impossible length"));
    }
    let stated = le32(&header, 16);
    header[16..20].fill(0);
    if crc32fast::hash(&header[..header_bytes]) != stated {
        return Err(bad("its header's checksum is wrong"));
    }
    if le64(&header, 24) != lba {
        return Err(bad("its header was meant for another sector"));
    }
    let (table_lba, count, entry_bytes) = (le64(&header, 72), le32(&header, 80), le32(&header, 84));
    let table_bytes = u64::from(count) * u64::from(entry_bytes);
    if (entry_bytes as usize) < ENTRY_BYTES || !entry_bytes.is_multiple_of(8) || table_bytes > MAX_TABLE_BYTES
    {
        return Err(bad("its entries have an impossible size"));
    }
    let offset = table_lba
        .checked_mul(SECTOR)
        .filter(|offset| offset.checked_add(table_bytes).is_some_and(|end| end <= disk.size()))
        .ok_or_else(|| bad("its entries lie outside the disk"))?;
    let mut table = vec![0; table_bytes as usize];
    disk.read_at(&mut table, offset)?;
    if crc32fast::hash(&table) != le32(&header, 88) {
        return Err(bad("its entries' checksum is wrong"));
    }
    let sectors = disk.size() / SECTOR;
    let mut partitions = Vec::new();
    for entry in table.chunks_exact(entry_bytes as usize) {
        let type_guid = guid(&entry[..16]);
        if type_guid.is_nil() {
            continue;
        }
        let units: Vec<u16> = entry[56..ENTRY_BYTES]
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        let partition = Partition {
            name: String::from_utf16_lossy(&units),
            type_guid,
            guid: guid(&entry[16..32]),
            first_lba: le64(entry, 32),
            last_lba: le64(entry, 40),
            attributes: le64(entry, 48),
        };
        if partition.is_empty() || partition.last_lba >= sectors {
            return Err(bad("a partition lies outside the disk"));
        }
        partitions.push(partition);
    }
    Ok(partitions)
}

#[derive(Debug, Clone, Copy)]
struct MbrEntry {
    active: bool,
    kind: u8,
    start: u64,
    sectors: u64,
}

impl MbrEntry {
    fn is_extended(self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    fn partition(self, base: u64) -> Partition {
        let type_guid = match self.kind {
            0x83 => LINUX_FILESYSTEM,
            0x82 => LINUX_SWAP,
            0x8e => LINUX_LVM,
            0xef => EFI_SYSTEM,
            0x07 | 0x0b | 0x0c | 0x0e => BASIC_DATA,
            _ => Uuid::nil(),
        };
        Partition {
            name: String::new(),
            type_guid,
            guid: Uuid::nil(),
            first_lba: base + self.start,
            last_lba: base + self.start + self.sectors - 1,
            attributes: if self.active { LEGACY_BOOTABLE } else { 0 },
        }
    }
}

struct Mbr {
    entries: Vec<MbrEntry>,
}

impl Mbr {
    /// `None` if the sector is no boot record. FAT and NTFS boot sectors have its signature too, but other bytes where
    /// the flags of the partitions would be.
    fn read(disk: &dyn DiskRead, lba: u64) -> Result<Option<Self>, DiskError> {
        let bytes = sector(disk, lba)?;
        if bytes[510..] != [0x55, 0xaa] {
            return Ok(None);
        }
        let records = || bytes[446..510].chunks_exact(16);
        if records().any(|record| !matches!(record[0], 0x00 | 0x80)) {
            return Ok(None);
        }
        let entries = records()
            .map(|record| MbrEntry {
                active: record[0] == 0x80,
                kind: record[4],
                start: u64::from(le32(record, 8)),
                sectors: u64::from(le32(record, 12)),
            })
            .filter(|entry| entry.kind != 0 && entry.sectors > 0)
            .collect();
        Ok(Some(Self { entries }))
    }
}

fn mbr_partitions(disk: &dyn DiskRead, mbr: &Mbr) -> Result<Vec<Partition>, DiskError> {
    // Linux numbers logical partitions after the primary ones.
    let (extended, primary): (Vec<MbrEntry>, Vec<MbrEntry>) =
        mbr.entries.iter().partition(|entry| entry.is_extended());
    let mut partitions: Vec<Partition> = primary.into_iter().map(|entry| entry.partition(0)).collect();
    for entry in extended {
        logical(disk, entry.start, &mut partitions)?;
    }
    let sectors = disk.size() / SECTOR;
    if let Some(outside) = partitions.iter().find(|partition| partition.last_lba >= sectors) {
        return Err(DiskError::corrupt("an MBR partition lies outside the disk").at(outside.offset()));
    }
    Ok(partitions)
}

/// Follows the chain of extended boot records that begins at `first`.
fn logical(disk: &dyn DiskRead, first: u64, partitions: &mut Vec<Partition>) -> Result<(), DiskError> {
    let mut seen = HashSet::new();
    let mut at = first;
    while seen.len() < MAX_LOGICAL && seen.insert(at) {
        let Some(record) = Mbr::read(disk, at)? else {
            return Err(DiskError::corrupt("the chain of logical partitions is broken").at(at * SECTOR));
        };
        partitions.extend(
            record.entries.iter().filter(|entry| !entry.is_extended()).map(|entry| entry.partition(at)),
        );
        match record.entries.iter().find(|entry| entry.is_extended()) {
            Some(next) => at = first + next.start,
            None => return Ok(()),
        }
    }
    Err(DiskError::corrupt("the chain of logical partitions does not end").at(at * SECTOR))
}

fn guid(bytes: &[u8]) -> Uuid {
    let mut array = [0; 16];
    array.copy_from_slice(bytes);
    Uuid::from_bytes_le(array)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let mut array = [0; 4];
    array.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(array)
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    let mut array = [0; 8];
    array.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(array)
}
