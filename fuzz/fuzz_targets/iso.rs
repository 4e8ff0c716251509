//! Opens the input as an ISO, without the 32 KiB at its front that mean nothing, and reads all of it. Run with
//! `cargo +nightly fuzz run iso`.
#![no_main]

use goldsmith::source::iso::{Iso, Kind, Medium, direct};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut bytes = vec![0; 32 << 10];
    bytes.extend_from_slice(data);
    // Media end with some zeroes, which the seeds are without.
    bytes.resize(bytes.len() + (512 << 10), 0);
    let Ok(iso) = Iso::from_bytes(bytes) else { return };
    if let Ok(medium) = Medium::read(&iso) {
        let _ = direct(&medium).map(|entry| entry.command_line(&[]));
    }
    let mut folders = vec![String::new()];
    let mut left = 64_usize;
    while let Some(folder) = folders.pop() {
        let Ok(Some(entries)) = iso.list(&folder) else { return };
        for entry in entries {
            left = match left.checked_sub(1) {
                Some(left) => left,
                None => return,
            };
            assert!(!entry.name.contains('/'));
            let path = format!("{folder}/{}", entry.name);
            match entry.kind {
                Kind::Folder if path.matches('/').count() < 12 => folders.push(path),
                Kind::Link(_) => drop(iso.entry(&path)),
                _ => drop(iso.text(&path, 4096)),
            }
        }
    }
});
