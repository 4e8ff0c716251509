//! `goldsmith lock` and `goldsmith build --locked`.
use super::site::Site;
use crate::eksa::bench::refused;

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_locked_refuses_each_drift_before_anything_is_made() {
    let site = Site::new().await;
    site.definition(b"a tool");
    let build = ["build", "--locked", "web.toml"];
    refused(&site.run(&build), 2, &["goldsmith.lock", "No such file", "`goldsmith lock` writes it"]);
    site.well(&["lock", "web.toml"]);
    let lock = site.bytes("goldsmith.lock");
    let text = String::from_utf8(lock.clone()).unwrap();
    assert!(text.contains("version = 1") && text.contains(&site.mirror.url("/base.img")), "{text}");
    site.well(&["lock", "web.toml"]);
    assert_eq!(site.bytes("goldsmith.lock"), lock, "the same inputs are the same lock");

    // One is another file, one is new, one is not needed any more.
    let old = std::fs::read_to_string(site.bench.path("web.toml")).unwrap();
    site.definition(b"another tool");
    let text = std::fs::read_to_string(site.bench.path("web.toml")).unwrap();
    site.mirror.put("/base-2.img", site.mirror.tree().files["/base.img"].clone());
    std::fs::write(site.bench.path("web.toml"), text.replace("/base.img", "/base-2.img")).unwrap();
    let output = site.run(&build);
    refused(
        &output,
        3,
        &[
            "could not build `web`",
            &format!("`{}` is another file", site.mirror.url("/tool")),
            &format!("`{}` is not locked", site.mirror.url("/base-2.img")),
            &format!("`{}` is locked and not needed any more", site.mirror.url("/base.img")),
            "goldsmith lock FILE",
        ],
    );
    assert!(!site.bench.path("out").exists());
    assert_eq!(site.bytes("goldsmith.lock"), lock, "who compares does not write");
    // As it was: the comparison holds, and the build goes on to what it cannot do with noise for a disk.
    std::fs::write(site.bench.path("web.toml"), old).unwrap();
    site.mirror.put("/tool", b"a tool".to_vec());
    let output = site.run(&build);
    let said = crate::eksa::bench::said(&output);
    assert!(!said.contains("locked") && !said.contains("goldsmith.lock"), "{said}");
    std::fs::write(site.bench.path("goldsmith.lock"), "version = 7\n").unwrap();
    refused(&site.run(&build), 2, &["it has version 7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_in_one_folder_share_a_lock() {
    let site = Site::new().await;
    site.definition(b"a tool");
    let text = std::fs::read_to_string(site.bench.path("web.toml")).unwrap();
    std::fs::write(site.bench.path("db.toml"), text.replace("\"web\"", "\"db\"")).unwrap();
    site.well(&["lock", "web.toml"]);
    refused(&site.run(&["build", "--locked", "db.toml"]), 3, &["`db`", "says nothing of this build"]);
    site.well(&["bundle", "create", "db.toml", "-o", "db.bundle"]);
    let text = String::from_utf8(site.bytes("goldsmith.lock")).unwrap();
    assert_eq!(text.matches("[[input]]").count(), 2, "{text}");
    assert!(text.contains("\"db\"") && text.contains("\"web\""), "{text}");
}
