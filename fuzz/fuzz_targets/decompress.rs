//! Unpacks the input, at most 64 MiB of it. Run with `cargo +nightly fuzz run decompress`.
#![no_main]

use std::cell::Cell;
use std::io::Write;

use goldsmith::disk::decompress;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let from = folder.path().join("in");
    let mut file = std::fs::File::create(&from).expect("a temporary file");
    file.write_all(data).expect("room for the input");
    // Asked once for each MiB.
    let asked = Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) > 64;
    let _ = decompress(&from, &folder.path().join("out"), &|_| {}, &cancelled);
});
