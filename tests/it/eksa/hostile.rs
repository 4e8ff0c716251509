//! Manifests are foreign bytes: whatever they are, they are read or refused.
use super::mirror::{BUNDLE, DISTRO, Mirror, RELEASES};
use goldsmith::eksa::{Bundle, Distro, Releases, Which};
use proptest::prelude::*;

fn read_all(bytes: &[u8]) {
    if let Ok(releases) = Releases::read(bytes) {
        let _ = releases.choose(&Which::Latest);
    }
    if let Ok(bundle) = Bundle::read(bytes) {
        let _ = bundle.unsuited_for("v0.26.0");
        for kube in &bundle.kubes {
            let _ = kube.hook(goldsmith::value::Arch::Aarch64);
        }
    }
    let _ = Distro::read(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn a_manifest_with_a_hole_or_a_wrong_byte_is_read_or_refused(which in 0..3_usize, at in 0..10_000_usize, cut in 0..50_usize, byte in any::<u8>()) {
        let mut bytes = manifests()[which].clone();
        let at = at % bytes.len();
        bytes[at] = byte;
        let end = (at + cut).min(bytes.len());
        bytes.drain(at..end);
        read_all(&bytes);
    }
}

fn manifests() -> &'static [Vec<u8>; 3] {
    static MANIFESTS: std::sync::OnceLock<[Vec<u8>; 3]> = std::sync::OnceLock::new();
    MANIFESTS.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mirror = runtime.block_on(Mirror::start());
        let tree = mirror.tree();
        [RELEASES, BUNDLE, DISTRO].map(|path| tree.files[path].clone())
    })
}
