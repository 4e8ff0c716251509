//! What is carried from one release to the next: trees with the shape of a node's inputs.
use super::site::{Site, noise};
use crate::eksa::bench::{document, refused};

/// An archive of text and of what no packer makes smaller, as programs are.
fn program(seed: u64, length: usize) -> Vec<u8> {
    (0..length / 8192)
        .flat_map(|part| {
            let mut block = noise(seed.wrapping_mul(977) + part as u64, 4096);
            block.extend(format!("symbol-{seed}-{part} ").repeat(512).into_bytes().into_iter().take(4096));
            block
        })
        .collect()
}

/// What a node of a release is made of: a base, packages, programs of the channel, images whose layers are shared.
fn release(minor: u64) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("/base.img".to_owned(), program(1, 12 << 20))];
    for package in 0..120 {
        // Security updates since: six of them are newer.
        let newer = minor == 34 && package % 20 == 0;
        let version = if newer { 2 } else { 1 };
        files.push((format!("/pool/p{package}_{version}.deb"), noise(1000 + package * 10 + version, 60_000)));
    }
    for name in 0..4 {
        files.push((
            format!("/kubernetes-1-{minor}/bin/program-{name}"),
            program(100 * minor + name, 1 << 20),
        ));
    }
    // A tar of a layer that stays and one that does not.
    let image = [program(5, 4 << 20), program(600 + minor, 512 << 10)].concat();
    files.push((format!("/kubernetes-1-{minor}/images/kube-proxy.tar"), image));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_release_to_the_next_only_what_changed_is_carried() {
    let site = Site::new().await;
    let (old, new) = (release(33), release(34));
    let borrow = |files: &[(String, Vec<u8>)]| {
        files.iter().map(|(path, bytes)| (path.clone(), bytes.clone())).collect::<Vec<_>>()
    };
    for (name, files) in [("33.json", borrow(&old)), ("34.json", borrow(&new))] {
        let files: Vec<(&str, Vec<u8>)> =
            files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
        site.list(name, &files);
    }
    site.well(&["bundle", "create", "--list", "33.json", "-o", "33.bundle"]);
    site.well(&["bundle", "create", "--list", "34.json", "-o", "34.bundle"]);
    site.well(&["bundle", "create", "--list", "34.json", "--since", "33.bundle", "-o", "delta.bundle"]);
    let size = |name: &str| site.bytes(name).len() as u64;
    let changed: u64 = new
        .iter()
        .filter(|(path, bytes)| old.iter().all(|(other, known)| other != path && known != bytes))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    let share = size("delta.bundle") * 100 / size("34.bundle");
    println!(
        "1-33: {} KiB, 1-34: {} KiB, carried: {} KiB ({share} %); {} KiB are in files that changed",
        size("33.bundle") >> 10,
        size("34.bundle") >> 10,
        size("delta.bundle") >> 10,
        changed >> 10
    );
    assert!(share < 25, "{share} %");
    assert!(size("delta.bundle") < changed / 2, "of a file that changed, what stayed is not carried");

    refused(
        &site.run(&["bundle", "list", "delta.bundle"]),
        3,
        &["delta.bundle", "33.bundle", "give that one, too"],
    );
    let list = document(&site.run(&["bundle", "list", "33.bundle", "delta.bundle", "--json"]));
    assert_eq!(list["bundles"][0]["since"][0], list["bundles"][1]["id"], "the newer one is asked first");
    assert_eq!(list["files"].as_array().unwrap().len(), 1 + 126 + 8 + 2);
    site.well(&["bundle", "verify", "33.bundle", "delta.bundle"]);
    // Together they are what one made at once is, byte for byte.
    site.well(&["bundle", "merge", "--newest", "33.bundle", "delta.bundle", "-o", "merged.bundle"]);
    assert!(site.bytes("merged.bundle") == site.bytes("34.bundle"));
    site.well(&["bundle", "merge", "33.bundle", "delta.bundle", "-o", "all.bundle"]);
    let all = document(&site.run(&["bundle", "list", "all.bundle", "--json"]));
    assert_eq!(all["files"].as_array().unwrap().len(), 1 + 126 + 8 + 2);
    let out = ["bundle", "merge", "33.bundle", "delta.bundle", "-o", "33.bundle", "--force"];
    refused(&site.run(&out), 2, &["is also read"]);
    let since = ["bundle", "create", "--list", "34.json", "--since", "delta.bundle", "-o", "x.bundle"];
    refused(&site.run(&since), 3, &["33.bundle"]);
}
