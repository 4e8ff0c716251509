//! Opens the input as an OVA, checks its digests and reads the start of its disks. Run with
//! `cargo +nightly fuzz run ova`.
#![no_main]

use std::io::Write;

use goldsmith::disk::ova::Ova;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(data).expect("room for the input");
    let Ok(ova) = Ova::open_path(file.path()) else { return };
    let _ = ova.check_manifest(&|_| {}, &|| false);
    for number in 1..=ova.disks().len().min(4) {
        let Ok(disk) = ova.disk(Some(number)) else { continue };
        let mut buffer = vec![0; disk.size().min(64 << 10) as usize];
        let _ = disk.read_at(&mut buffer, 0);
    }
});
