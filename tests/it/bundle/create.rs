//! A bundle of a definition: made, listed, verified, taken apart.
use super::site::{Site, noise, sha256};
use crate::eksa::bench::{document, refused, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_definition_has_all_of_its_inputs() {
    let site = Site::new().await;
    site.definition(b"a tool");
    let made = site.well(&["bundle", "create", "web.toml", "-o", "site.bundle"]);
    assert!(made.contains("2 files") && made.contains("goldsmith.lock"), "{made}");
    // The same inputs are the same bytes, and nothing is asked for again.
    site.mirror.tree().asked.clear();
    site.well(&["bundle", "create", "web.toml", "-o", "again.bundle", "--no-lock"]);
    assert!(site.bytes("site.bundle") == site.bytes("again.bundle"));
    assert!(
        site.mirror.tree().asked.iter().all(|asked| asked.method == "HEAD"),
        "{:?}",
        site.mirror.tree().asked
    );
    refused(
        &site.run(&["bundle", "create", "web.toml", "-o", "site.bundle"]),
        2,
        &["is there already", "--force"],
    );

    let list = document(&site.run(&["bundle", "list", "site.bundle", "--json"]));
    let files = list["files"].as_array().unwrap();
    assert_eq!(files.len(), 2, "{list}");
    assert_eq!(files[0]["kind"], "base");
    assert_eq!(files[1]["urls"][0], site.mirror.url("/tool"));
    assert!(files[1]["needed-by"][0].as_str().unwrap().starts_with("step 1 (web.toml:"), "{list}");
    assert_eq!(files[1]["sha256"], format!("sha256:{}", sha256(b"a tool")));
    let shown = site.well(&["bundle", "list", "site.bundle"]);
    for word in ["SIZE", "NEEDED BY", "base.img", "/tool", "2 files"] {
        assert!(shown.contains(word), "{shown}");
    }

    let verified = site.well(&["bundle", "verify", "site.bundle", "--definition", "web.toml"]);
    assert!(verified.contains("all that is needed is there"), "{verified}");
    site.well(&["bundle", "extract", "site.bundle", "-o", "tree"]);
    let below = format!("tree/127.0.0.1:{}/", site.mirror.port);
    assert!(site.bytes(&format!("{below}base.img")) == noise(7, 300_000));
    assert_eq!(site.bytes(&format!("{below}tool")), b"a tool");
    refused(&site.run(&["bundle", "extract", "site.bundle", "-o", "tree"]), 2, &["is there already"]);
    let one = ["bundle", "extract", "site.bundle", "--url", &site.mirror.url("/tool"), "-o", "tool"];
    site.well(&one);
    assert_eq!(site.bytes("tool"), b"a tool");
    let none = ["bundle", "extract", "site.bundle", "--url", &site.mirror.url("/none"), "-o", "none"];
    refused(&site.run(&none), 2, &["/none", "goldsmith bundle list"]);
    assert_eq!(site.bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_definition_needs_and_a_bundle_lacks_is_listed() {
    let site = Site::new().await;
    site.definition(b"a tool");
    site.well(&["bundle", "create", "web.toml", "-o", "site.bundle"]);
    // Another tool is wanted now.
    site.definition(b"a better tool");
    let output = site.run(&["bundle", "verify", "site.bundle", "--definition", "web.toml"]);
    assert!(output.status.success(), "its address is in the bundle: {}", said(&output));
    let text = std::fs::read_to_string(site.bench.path("web.toml")).unwrap();
    site.mirror.put("/tool-2", b"a better tool".to_vec());
    std::fs::write(site.bench.path("web.toml"), text.replace("/tool\"", "/tool-2\"")).unwrap();
    let output = site.run(&["bundle", "verify", "site.bundle", "--definition", "web.toml"]);
    refused(
        &output,
        1,
        &["1 input is not in the bundle", &site.mirror.url("/tool-2"), "step 1 (web.toml:", "--since"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_with_the_file_that_has_it() {
    let site = Site::new().await;
    site.list("l.json", &[("/a", noise(1, 200_000)), ("/b", noise(2, 200_000))]);
    site.well(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    let mut bytes = site.bytes("x.bundle");
    bytes[250_000] ^= 1;
    std::fs::write(site.bench.path("broken.bundle"), &bytes).unwrap();
    let output = site.run(&["bundle", "verify", "broken.bundle"]);
    refused(&output, 1, &["1 part is damaged", &site.mirror.url("/b"), "broken.bundle"]);
    let verdict = site.run(&["bundle", "verify", "broken.bundle", "--json"]);
    let text = String::from_utf8_lossy(&verdict.stdout).into_owned();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (verdict.status.code(), &last["damaged"][0]["urls"][0]),
        (Some(1), &site.mirror.url("/b").into())
    );
    let one = ["bundle", "extract", "broken.bundle", "--url", &site.mirror.url("/b"), "-o", "b"];
    refused(&site.run(&one), 1, &["damaged"]);
    assert!(!site.bench.path("b").exists());
    std::fs::write(site.bench.path("cut.bundle"), &site.bytes("x.bundle")[..300_000]).unwrap();
    refused(&site.run(&["bundle", "list", "cut.bundle"]), 1, &["cut.bundle", "it was cut off"]);
    std::fs::write(site.bench.path("text.bundle"), "no bundle".repeat(99)).unwrap();
    refused(&site.run(&["bundle", "list", "text.bundle"]), 1, &["does not begin as a bundle does"]);
    refused(&site.run(&["bundle", "list", "none.bundle"]), 2, &["none.bundle", "No such file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_cannot_be_fetched_is_told_and_nothing_is_written() {
    let site = Site::new().await;
    site.list("l.json", &[("/a", noise(1, 9000)), ("/b", noise(2, 9000)), ("/c", noise(3, 9000))]);
    site.mirror.tree().files.remove("/a");
    site.mirror.put("/c", b"another file".to_vec());
    let output = site.run(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]);
    refused(
        &output,
        1,
        &["2 of 3 inputs", &site.mirror.url("/a"), "404", &site.mirror.url("/c"), "expected sha256:"],
    );
    assert!(!site.bench.path("x.bundle").exists());
    std::fs::write(site.bench.path("l.json"), "{}").unwrap();
    refused(
        &site.run(&["bundle", "create", "--list", "l.json", "-o", "x.bundle"]),
        2,
        &["l.json", "needed-by", "goldsmith inputs"],
    );
    refused(&site.run(&["bundle", "create", "-o", "x.bundle"]), 2, &["DEFINITION"]);
    refused(
        &site.run(&["bundle", "create", "--list", "l.json", "-o", "no/x.bundle"]),
        2,
        &["cannot be a file"],
    );
}
