//! Fixed VHD: the bytes of the disk, then a footer of 512 bytes (Microsoft's "Virtual Hard Disk Image Format").
//!
//! The disk is made a multiple of 1 MiB, as Azure demands, and the footer states that size. A geometry can state few
//! sizes exactly, and some readers take the disk's size from it; the largest geometry there is says that the stated size
//! counts, and the creator is named `qem2`, by which QEMU marks such images. Time and identity are constant or made from
//! the size: the same disk gives the same bytes.
use super::super::{DiskError, Target};
use super::pipeline::Sink;
use super::raw;

/// Bytes of the footer.
const FOOTER: usize = 512;
/// What Azure wants the size to be a multiple of, in bytes.
const ALIGN: u64 = 1 << 20;
/// What QEMU reads at most, in bytes: 2040 GiB, the limit that Microsoft's own tools have.
const MAX: u64 = 2040 << 30;

pub(super) fn sink<'a>(
    target: &Target,
    size: u64,
    cancelled: &'a (dyn Fn() -> bool + Sync),
) -> Result<Box<dyn Sink + 'a>, DiskError> {
    let size = size.next_multiple_of(ALIGN).max(ALIGN);
    if size > MAX {
        return Err(DiskError::unsupported(format!("a disk of {size} bytes is too large for VHD"))
            .in_file(&target.path));
    }
    raw::sink(target, size, footer(size), cancelled)
}

/// The footer of a disk of `size` bytes.
pub(crate) fn footer(size: u64) -> Vec<u8> {
    let mut bytes = vec![0; FOOTER];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"conectix");
    // Reserved feature, always set.
    put(8, &2_u32.to_be_bytes());
    // Format version 1.0; a fixed disk has no further header.
    put(12, &0x0001_0000_u32.to_be_bytes());
    put(16, &u64::MAX.to_be_bytes());
    put(28, b"qem2");
    put(32, &0x0005_0003_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &size.to_be_bytes());
    put(48, &size.to_be_bytes());
    // Cylinders, heads and sectors per track.
    put(56, &[0xff, 0xff, 16, 255]);
    // Disk type: fixed.
    put(60, &2_u32.to_be_bytes());
    // An identity that any two disks of one size share, because nothing links fixed disks by it.
    put(68, b"goldsmith");
    put(77, &size.to_be_bytes()[1..]);
    let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    bytes[64..68].copy_from_slice(&(!sum).to_be_bytes());
    bytes
}
