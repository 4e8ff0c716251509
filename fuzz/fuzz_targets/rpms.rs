//! Reads what repositories of RPMs say. Run with `cargo +nightly fuzz run rpms`.
#![no_main]

use goldsmith::{
    source::{is_rpm_metadata, rpm_repos},
    value::Arch,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = is_rpm_metadata(text);
    for repo in rpm_repos(text, Arch::X86_64, "9") {
        assert!(repo.base.is_none_or(|base| matches!(base.scheme(), "http" | "https")));
    }
});
