//! Opens the input as a VHD and reads what its map calls data. Run with `cargo +nightly fuzz run vhd`.
#![no_main]

use std::io::Write;

use goldsmith::disk::{ExtentKind, Format, OpenOptions, open};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(data).expect("room for the input");
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
