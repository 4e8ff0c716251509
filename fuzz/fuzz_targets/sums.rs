//! Looks for a digest in a file of digests. Run with `cargo +nightly fuzz run sums`.
#![no_main]

use goldsmith::value::digest_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (name, text) = text.split_once('\n').unwrap_or(("x", &text));
    if let Ok(digest) = digest_of(text, name) {
        assert!(text.to_ascii_lowercase().contains(digest.hex()));
    }
});
