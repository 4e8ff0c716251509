//! Reads bundles: what comes is an index and chunks, around which everything else is made right, since its digest would refuse nearly every change.
//! Run with `cargo +nightly fuzz run bundle`.
#![no_main]

use goldsmith::bundle::{Bundles, verify};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};

fn right(chunks: &[u8], index: &[u8], length: u64) -> Vec<u8> {
    let mut bytes = b"goldsmith bundle\x01\0\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(chunks);
    let at = bytes.len() as u64;
    bytes.extend_from_slice(index);
    bytes.extend_from_slice(&at.to_le_bytes());
    bytes.extend_from_slice(&(index.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&Sha256::digest(index));
    bytes.extend_from_slice(b"\x01\0\0\0BNDL");
    bytes
}

fuzz_target!(|data: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bundle");
    // The first byte says where the chunks end, and whether the index is packed.
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    let (chunks, index) = rest.split_at(rest.len().min(usize::from(first >> 1)));
    let length = if first & 1 == 0 { index.len() as u64 } else { 64 << 10 };
    for bytes in [data.to_vec(), right(chunks, index, length)] {
        std::fs::write(&path, bytes).unwrap();
        if let Ok(bundles) = Bundles::open(std::slice::from_ref(&path)) {
            let _ = verify(&bundles, &mut |_| Ok(())).unwrap();
        }
    }
});
