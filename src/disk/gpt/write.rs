//! Writes a GPT: protective MBR, primary and backup.
use std::io::{Seek, SeekFrom, Write};

use uuid::Uuid;

use super::super::{DiskError, SECTOR};
use super::{
    ENTRIES, ENTRY_BYTES, ENTRY_SECTORS, FIRST_USABLE_LBA, HEADER_BYTES, Partition, RESERVED_AT_END,
    SIGNATURE,
};

/// What happens to the first 440 bytes of the disk, where a BIOS boot loader has its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BootCode {
    /// Zeroed.
    #[default]
    Clear,
    /// Left alone.
    Keep,
}

/// Writes the partition table of a disk of `disk_bytes` bytes: protective MBR, primary table at the start, backup at the
/// end. `file` is not made longer than `disk_bytes`, and nothing between the tables is touched.
///
/// Partitions outside the usable sectors, overlapping, with a nil type or a name of more than 36 UTF-16 units are errors.
pub fn write<W: Write + Seek>(
    file: &mut W,
    disk_bytes: u64,
    disk_guid: Uuid,
    partitions: &[Partition],
    boot_code: BootCode,
) -> Result<(), DiskError> {
    let sectors = disk_bytes / SECTOR;
    if !disk_bytes.is_multiple_of(SECTOR) || sectors < FIRST_USABLE_LBA + RESERVED_AT_END + 1 {
        return Err(DiskError::unsupported(format!(
            "a disk of {disk_bytes} bytes cannot hold a partition table"
        )));
    }
    let last_usable = sectors - RESERVED_AT_END - 1;
    check(partitions, last_usable)?;
    let table = entries(partitions);
    let table_crc = crc32fast::hash(&table);
    let last = sectors - 1;
    let header = |own: u64, other: u64, table_lba: u64| {
        let mut bytes = [0; SECTOR as usize];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, SIGNATURE);
        put(8, &0x0001_0000_u32.to_le_bytes());
        put(12, &(HEADER_BYTES as u32).to_le_bytes());
        put(24, &own.to_le_bytes());
        put(32, &other.to_le_bytes());
        put(40, &FIRST_USABLE_LBA.to_le_bytes());
        put(48, &last_usable.to_le_bytes());
        put(56, &disk_guid.to_bytes_le());
        put(72, &table_lba.to_le_bytes());
        put(80, &(ENTRIES as u32).to_le_bytes());
        put(84, &(ENTRY_BYTES as u32).to_le_bytes());
        put(88, &table_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..HEADER_BYTES]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        bytes
    };
    let mut put = |offset: u64, bytes: &[u8]| {
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(bytes))
            .map_err(|error| DiskError::io("could not write the partition table", error).at(offset))
    };
    // The backup first: should this be interrupted, the old primary still describes the disk.
    put((last - ENTRY_SECTORS) * SECTOR, &table)?;
    put(last * SECTOR, &header(last, 1, last - ENTRY_SECTORS))?;
    put(2 * SECTOR, &table)?;
    put(SECTOR, &header(1, last, 2))?;
    let mbr = protective_mbr(sectors);
    match boot_code {
        BootCode::Clear => put(0, &mbr)?,
        BootCode::Keep => put(440, &mbr[440..])?,
    }
    file.flush().map_err(|error| DiskError::io("could not write the partition table", error))
}

fn check(partitions: &[Partition], last_usable: u64) -> Result<(), DiskError> {
    if partitions.len() > ENTRIES {
        return Err(DiskError::unsupported(format!(
            "{} partitions, of {ENTRIES} possible",
            partitions.len()
        )));
    }
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.first_lba);
    let mut free = FIRST_USABLE_LBA;
    for partition in sorted {
        let Partition { name, first_lba, last_lba, .. } = partition;
        let refuse = |why: &str| {
            Err(DiskError::refused(format!("partition `{name}` (sectors {first_lba} to {last_lba}) {why}")))
        };
        if partition.is_empty() {
            return refuse("is empty");
        }
        if *first_lba < free {
            return refuse("overlaps the table or another partition");
        }
        if *last_lba > last_usable {
            return refuse("does not fit on the disk");
        }
        if partition.type_guid.is_nil() {
            return refuse("has no type");
        }
        if name.encode_utf16().count() > 36 {
            return refuse("has a name of more than 36 characters");
        }
        free = last_lba + 1;
    }
    Ok(())
}

fn entries(partitions: &[Partition]) -> Vec<u8> {
    let mut table = vec![0; ENTRIES * ENTRY_BYTES];
    for (entry, partition) in table.chunks_exact_mut(ENTRY_BYTES).zip(partitions) {
        entry[..16].copy_from_slice(&partition.type_guid.to_bytes_le());
        entry[16..32].copy_from_slice(&partition.guid.to_bytes_le());
        entry[32..40].copy_from_slice(&partition.first_lba.to_le_bytes());
        entry[40..48].copy_from_slice(&partition.last_lba.to_le_bytes());
        entry[48..56].copy_from_slice(&partition.attributes.to_le_bytes());
        for (unit, place) in partition.name.encode_utf16().zip(entry[56..].chunks_exact_mut(2)) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
    }
    table
}

/// One partition of type 0xEE over the whole disk, so that tools without GPT leave it alone.
fn protective_mbr(sectors: u64) -> [u8; SECTOR as usize] {
    let mut mbr = [0; SECTOR as usize];
    let covered = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    // Cylinder, head and sector as the specification wants them: 0/0/2, and "too far to say".
    mbr[446..454].copy_from_slice(&[0, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]);
    mbr[454..458].copy_from_slice(&1_u32.to_le_bytes());
    mbr[458..462].copy_from_slice(&covered.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    mbr
}
