//! Opens the input as whatever it looks like, unpacks at most 16 MiB of it, and inspects what is there. Run with
//! `cargo +nightly fuzz run input`.
#![no_main]

use std::io::Write;

use goldsmith::disk::{BackingPolicy, Input, InputOptions, OpenOptions, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a temporary file");
    file.write_all(data).expect("room for the input");
    let open = OpenOptions { backing: BackingPolicy::Never, ..OpenOptions::default() };
    let options = InputOptions { open, ..InputOptions::default() };
    let never = || false;
    let Ok(input) = Input::open(file.path(), &options, &never) else { return };
    let Ok(disk) = input.into_disk(std::path::Path::new("/dev/shm"), 16 << 20, &|_| {}) else { return };
    // A table of many small extents takes long and finds nothing more.
    let asked = std::sync::atomic::AtomicU64::new(0);
    let enough = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 4096;
    if let Ok(found) = inspect(disk.into(), &enough) {
        assert_eq!(found.data_bytes + found.hole_bytes, found.virtual_bytes);
    }
});
