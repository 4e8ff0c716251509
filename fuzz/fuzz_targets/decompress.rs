//! Unpacks the input, at most 64 MiB of it. The checksum of an LZ4 frame's header, which is read by own code, is made right
//! first, or hardly any change would get past it. Run with `cargo +nightly fuzz run decompress`.
#![no_main]

use std::cell::Cell;
use std::io::Write;

use goldsmith::disk::decompress;
use libfuzzer_sys::fuzz_target;

/// XXH32 of less than 16 bytes.
fn xxh32(bytes: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let mut hash = PRIMES[4].wrapping_add(bytes.len() as u32);
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        hash = hash.wrapping_add(word.wrapping_mul(PRIMES[2])).rotate_left(17).wrapping_mul(PRIMES[3]);
    }
    for byte in rest {
        hash = hash
            .wrapping_add(u32::from(*byte).wrapping_mul(PRIMES[4]))
            .rotate_left(11)
            .wrapping_mul(PRIMES[0]);
    }
    hash = (hash ^ hash >> 15).wrapping_mul(PRIMES[1]);
    hash = (hash ^ hash >> 13).wrapping_mul(PRIMES[2]);
    hash ^ hash >> 16
}

/// Puts the right checksum into the header of an LZ4 frame at the start.
fn repair(data: &mut [u8]) {
    if data.len() < 15 || !data.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
        return;
    }
    let end = if data[4] & 8 == 0 { 6 } else { 14 };
    data[end] = (xxh32(&data[4..end]) >> 8) as u8;
}

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    repair(&mut data);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let from = folder.path().join("in");
    let mut file = std::fs::File::create(&from).expect("a temporary file");
    file.write_all(&data).expect("room for the input");
    // Asked once for each MiB.
    let asked = Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) > 64;
    let _ = decompress(&from, &folder.path().join("out"), &|_| {}, &cancelled);
});
