//! What can be said about a disk without booting it: its layers, its map, its partitions, the system on it.
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::input::Cancelled;
use super::{DiskError, DiskErrorKind, DiskRead, ExtentKind, Layer, gpt, look};

/// What was found on a disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The image and its backing files, the image first.
    pub layers: Vec<Layer>,
    /// Size of the disk in bytes.
    pub virtual_bytes: u64,
    /// Bytes that were written, or are not known not to be.
    pub data_bytes: u64,
    /// Bytes that were never written or discarded.
    pub hole_bytes: u64,
    /// Of how many runs those are.
    pub holes: u64,
    /// `gpt` or `mbr`; nothing without a partition table.
    pub partition_table: Option<&'static str>,
    /// In the order of the table.
    pub partitions: Vec<PartitionFacts>,
    /// The file system that fills the disk, if it has no partition table.
    pub file_system: Option<&'static str>,
    /// The operating system.
    pub os: Option<Os>,
    /// Why no operating system can be named, or why the partitions cannot be read.
    pub note: Option<String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionFacts {
    /// From 1, in the order of the table.
    pub number: usize,
    /// As the table has it; empty in an MBR.
    pub name: String,
    /// What it is for.
    pub purpose: Option<&'static str>,
    /// Its type; nothing in an MBR without a counterpart.
    pub type_guid: Option<Uuid>,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// What its content looks like.
    pub file_system: Option<&'static str>,
}

/// What `/etc/os-release` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Os {
    /// `debian`
    pub id: String,
    /// `12`; empty for rolling releases.
    pub version: String,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub name: String,
}

/// Looks at a disk. What cannot be read inside it is a note, not an error; a map that cannot be read is an error.
pub fn inspect(disk: Arc<dyn DiskRead>, cancelled: Cancelled<'_>) -> Result<Inspection, DiskError> {
    let mut found = Inspection {
        layers: disk.layers(),
        virtual_bytes: disk.size(),
        data_bytes: 0,
        hole_bytes: 0,
        holes: 0,
        partition_table: None,
        partitions: Vec::new(),
        file_system: None,
        os: None,
        note: None,
    };
    count(&*disk, &mut found, cancelled)?;
    if let Err(error) = partitions(&*disk, &mut found).and_then(|()| os(disk, &mut found)) {
        found.note = Some(match std::error::Error::source(&error) {
            Some(why) => format!("{error}: {why}"),
            None => error.to_string(),
        });
    }
    Ok(found)
}

fn count(disk: &dyn DiskRead, found: &mut Inspection, cancelled: Cancelled<'_>) -> Result<(), DiskError> {
    let mut at = 0;
    let mut in_hole = false;
    while at < disk.size() {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let extent = disk.extent_at(at)?;
        if extent.len == 0 {
            return Err(DiskError::corrupt("the map of the disk makes no sense").at(at));
        }
        let hole = extent.kind == ExtentKind::Hole;
        if hole {
            found.hole_bytes += extent.len;
            found.holes += u64::from(!in_hole);
        } else {
            found.data_bytes += extent.len;
        }
        in_hole = hole;
        at += extent.len;
    }
    Ok(())
}

fn partitions(disk: &dyn DiskRead, found: &mut Inspection) -> Result<(), DiskError> {
    let partitions = gpt::read(disk)?;
    if partitions.is_empty() {
        found.file_system = look::content(disk, 0, disk.size())?;
        return Ok(());
    }
    // Only a GPT gives partitions an identity.
    let mbr = partitions.iter().all(|partition| partition.guid.is_nil());
    found.partition_table = Some(if mbr { "mbr" } else { "gpt" });
    for (index, partition) in partitions.into_iter().enumerate() {
        let (offset, bytes) = (partition.offset(), partition.len());
        found.partitions.push(PartitionFacts {
            number: index + 1,
            purpose: purpose(partition.type_guid),
            type_guid: (!partition.type_guid.is_nil()).then_some(partition.type_guid),
            offset,
            bytes,
            file_system: look::content(disk, offset, bytes)?,
            name: partition.name,
        });
    }
    Ok(())
}

fn purpose(type_guid: Uuid) -> Option<&'static str> {
    Some(match type_guid {
        gpt::EFI_SYSTEM => "EFI system",
        gpt::BIOS_BOOT => "BIOS boot",
        gpt::LINUX_FILESYSTEM => "Linux",
        gpt::LINUX_ROOT_X86_64 => "Linux root (x86-64)",
        gpt::LINUX_ROOT_ARM64 => "Linux root (ARM64)",
        gpt::LINUX_SWAP => "Linux swap",
        gpt::LINUX_LVM => "Linux LVM",
        gpt::LINUX_EXTENDED_BOOT => "Linux boot",
        gpt::BASIC_DATA => "basic data",
        _ => return None,
    })
}

fn os(disk: Arc<dyn DiskRead>, found: &mut Inspection) -> Result<(), DiskError> {
    let nothing = found.partition_table.is_none() && found.file_system.is_none();
    let root = match look::open_root(disk) {
        Ok(root) => root,
        // An empty disk lacks nothing.
        Err(error) if nothing && error.kind() == DiskErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let text = root.read("/etc/os-release")?;
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    found.os = Some(Os { id: value("ID"), version: value("VERSION_ID"), name: value("PRETTY_NAME") });
    Ok(())
}
