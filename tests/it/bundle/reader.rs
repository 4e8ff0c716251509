//! Somebody else's reader, by the documentation alone.
use super::site::{Site, noise};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_written_by_the_documentation_finds_the_same_bytes() {
    let site = Site::new().await;
    let text = b"words that can be packed ".repeat(60_000);
    let big = [noise(4, 900_000), text, noise(4, 900_000)].concat();
    site.list("l.json", &[("/big", big.clone()), ("/small", b"small".to_vec()), ("/empty", Vec::new())]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "plain.bundle", "--level", "0"]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "packed.bundle"]);
    assert!(site.bytes("packed.bundle").len() + 1_000_000 < site.bytes("plain.bundle").len());
    let zstd = Command::new("zstd").arg("-V").output().is_ok()
        || Command::new("python3")
            .args(["-c", "import zstandard"])
            .status()
            .is_ok_and(|status| status.success());
    let mut bundles = vec!["plain.bundle"];
    if zstd {
        bundles.push("packed.bundle");
    } else {
        println!("no zstd here: only the bundle that is not packed is read");
    }
    for bundle in bundles {
        for (path, bytes) in [("/big", &big), ("/small", &b"small".to_vec()), ("/empty", &Vec::new())] {
            let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/bundle/reader.py");
            let output = Command::new("python3")
                .args([reader, site.bench.path(bundle).to_str().unwrap(), &site.mirror.url(path)])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == *bytes, "{bundle}: {path}");
        }
    }
}
