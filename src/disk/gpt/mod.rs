//! Partition tables: writes GPT, reads GPT (either copy) and MBR.
//!
//! GPT by the UEFI specification 2.10, chapter 5.3. Everything counts sectors of 512 bytes, which is what virtual disks
//! have.
mod read;
#[cfg(test)]
mod tests;
mod write;

use uuid::{Uuid, uuid};

pub use read::read;
pub use write::{BootCode, write};

/// "EFI PART".
const SIGNATURE: &[u8; 8] = b"EFI PART";
const HEADER_BYTES: usize = 92;
const ENTRY_BYTES: usize = 128;
/// Entries of the tables written here, the least that the specification allows.
const ENTRIES: usize = 128;
/// Sectors of a table of [`ENTRIES`] entries.
const ENTRY_SECTORS: u64 = (ENTRY_BYTES * ENTRIES) as u64 / 512;

/// The first sector that a partition may use.
pub const FIRST_USABLE_LBA: u64 = 2 + ENTRY_SECTORS;
/// Sectors at the end of the disk that no partition may use: the backup table and header.
pub const RESERVED_AT_END: u64 = ENTRY_SECTORS + 1;
/// Partitions should begin at multiples of this many sectors (1 MiB), as every partitioning tool does.
pub const ALIGNMENT: u64 = 2048;

/// EFI system partition.
pub const EFI_SYSTEM: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
/// BIOS boot partition, where GRUB puts its core image.
pub const BIOS_BOOT: Uuid = uuid!("21686148-6449-6e6f-744e-656564454649");
/// Linux file system data.
pub const LINUX_FILESYSTEM: Uuid = uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
/// Linux root partition of x86-64, by the Discoverable Partitions Specification.
pub const LINUX_ROOT_X86_64: Uuid = uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
/// Linux root partition of 64-bit ARM, by the Discoverable Partitions Specification.
pub const LINUX_ROOT_ARM64: Uuid = uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae");
/// Linux swap.
pub const LINUX_SWAP: Uuid = uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f");
/// Linux LVM.
pub const LINUX_LVM: Uuid = uuid!("e6d6d379-f507-44c2-a23c-238f2a3df928");
/// Extended boot loader partition (`/boot`), by the Boot Loader Specification.
pub const LINUX_EXTENDED_BOOT: Uuid = uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172");
/// Basic data, as FAT and NTFS partitions are marked.
pub const BASIC_DATA: Uuid = uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7");

/// Attribute: the firmware boots from this partition in BIOS mode.
pub const LEGACY_BOOTABLE: u64 = 1 << 2;

/// An entry of a partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// At most 36 UTF-16 units. Empty for MBR partitions.
    pub name: String,
    /// What it is for; [`Uuid::nil`] for MBR partitions of a type without counterpart.
    pub type_guid: Uuid,
    /// Its own identity; nil for MBR partitions.
    pub guid: Uuid,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, inclusive.
    pub last_lba: u64,
    /// As in the table; 0 for MBR partitions, except [`LEGACY_BOOTABLE`] for the active one.
    pub attributes: u64,
}

impl Partition {
    /// Where it begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.first_lba * super::SECTOR
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> u64 {
        (self.last_lba + 1 - self.first_lba) * super::SECTOR
    }

    /// Never true for a partition that was read or can be written.
    pub fn is_empty(&self) -> bool {
        self.last_lba < self.first_lba
    }
}
