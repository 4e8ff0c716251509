//! Reads manifests of EKS Anywhere and EKS Distro. Run with `cargo +nightly fuzz run manifests`.
#![no_main]

use goldsmith::eksa::{Bundle, Distro, Releases, Which};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(releases) = Releases::read(data)
        && let Ok(release) = releases.choose(&Which::Latest)
    {
        assert!(!release.version.is_empty());
    }
    if let Ok(bundle) = Bundle::read(data) {
        for artifact in bundle.kubes.iter().flat_map(|kube| &kube.artifacts) {
            assert!(!artifact.uri.is_empty());
        }
    }
    let _ = Distro::read(data);
});
