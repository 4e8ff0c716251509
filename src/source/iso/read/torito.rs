//! The boot catalog (El Torito): which images firmware would start.
use super::{
    field::{byte, le16, le32},
    image::Image,
    volume::SECTOR,
};
use crate::source::iso::IsoError;
use serde::Serialize;

const ENTRY: usize = 32;
/// Of the catalog that is read: a thousand entries.
const MOST: u64 = 32 << 10;

/// Whose firmware starts a boot image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// A PC's BIOS.
    Bios,
    /// UEFI; the image is a FAT volume.
    Efi,
    /// Another one, by its number.
    Other(u8),
}

/// An image that firmware can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootImage {
    /// Whose firmware starts it.
    pub platform: Platform,
    /// Whether it may be started.
    pub bootable: bool,
    /// It pretends to be a floppy or a hard disk.
    pub emulated: bool,
    /// Where it is in the ISO, in bytes.
    pub at: u64,
    /// How much of it is loaded, in bytes. Of EFI images this is often nonsense; the image itself is a FAT volume that knows its
    /// size.
    pub loaded: u64,
}

/// Reads the catalog in the sector `catalog`. One that is damaged is an empty one: nothing but firmware depends on it.
pub(super) fn read(image: &Image, catalog: u32) -> Result<Vec<BootImage>, IsoError> {
    let at = u64::from(catalog) * SECTOR as u64;
    let len = image.len().saturating_sub(at).min(MOST) as usize;
    let mut raw = vec![0; len];
    image.read(&mut raw, at.min(image.len()), "the boot catalog")?;
    Ok(entries(&raw).unwrap_or_default())
}

fn entries(raw: &[u8]) -> Option<Vec<BootImage>> {
    let mut rows = raw.as_chunks::<ENTRY>().0.iter();
    let validation = rows.next()?;
    if validation.first() != Some(&1) || validation.get(30..) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let mut found = vec![boot_image(rows.next()?, platform(byte(validation, 1)?))?];
    while let Some(header) = rows.next() {
        // 0x90: a section, more follow; 0x91: the last.
        let (Some(kind @ (0x90 | 0x91)), Some(count)) = (byte(header, 0), le16(header, 2)) else { break };
        let platform = platform(byte(header, 1)?);
        let mut left = count;
        while left > 0 {
            let Some(row) = rows.next() else { return Some(found) };
            // 0x44 extends the entry before.
            if row.first() != Some(&0x44) {
                found.push(boot_image(row, platform)?);
                left -= 1;
            }
        }
        if kind == 0x91 {
            break;
        }
    }
    Some(found)
}

fn platform(id: u8) -> Platform {
    match id {
        0 => Platform::Bios,
        0xef => Platform::Efi,
        other => Platform::Other(other),
    }
}

fn boot_image(row: &[u8], platform: Platform) -> Option<BootImage> {
    Some(BootImage {
        platform,
        bootable: byte(row, 0)? == 0x88,
        emulated: byte(row, 1)? & 0x0f != 0,
        at: u64::from(le32(row, 8)?) * SECTOR as u64,
        loaded: u64::from(le16(row, 6)?) * 512,
    })
}
