//! Opens the input as a VHD and reads what its map calls data. Its checksums are made right first, or hardly any change
//! would get past them. Run with `cargo +nightly fuzz run vhd`.
#![no_main]

use std::io::Write;

use goldsmith::disk::{ExtentKind, Format, OpenOptions, open};
use libfuzzer_sys::fuzz_target;

/// Puts the right checksum into a structure of `len` bytes at `start`, if it begins with `mark`: the complement of the sum
/// of its bytes without the checksum itself.
fn repair(image: &mut [u8], start: usize, len: usize, mark: &[u8], checksum: usize) {
    let Some(found) = start.checked_add(len).and_then(|end| image.get_mut(start..end)) else { return };
    if !found.starts_with(mark) {
        return;
    }
    found[checksum..checksum + 4].fill(0);
    let sum: u32 = found.iter().map(|byte| u32::from(*byte)).sum();
    found[checksum..checksum + 4].copy_from_slice(&(!sum).to_be_bytes());
}

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    let end = data.len().saturating_sub(512);
    for footer in [end, 0] {
        if let Some(Ok(header)) = data.get(footer + 16..footer + 24).map(<[u8; 8]>::try_from) {
            let header = usize::try_from(u64::from_be_bytes(header)).unwrap_or(usize::MAX);
            repair(&mut data, header, 1024, b"cxsparse", 36);
        }
        repair(&mut data, footer, 512, b"conectix", 64);
    }
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(&data).expect("room for the input");
    let Ok(disk) = open(file.path(), Some(Format::Vhd), &OpenOptions::default()) else { return };
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    for _ in 0..256 {
        if at >= disk.size() {
            return;
        }
        let Ok(extent) = disk.extent_at(at) else { return };
        assert!(extent.len > 0 && extent.len <= disk.size() - at);
        let mut step = extent.len;
        if extent.kind == ExtentKind::Data {
            step = step.min(buffer.len() as u64);
            if disk.read_at(&mut buffer[..step as usize], at).is_err() {
                return;
            }
        }
        at += step;
    }
});
