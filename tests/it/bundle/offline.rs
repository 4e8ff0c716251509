//! Builds without a network that end before there is a machine.
use super::site::Site;
use crate::eksa::bench::refused;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_missing_is_named_before_anything_is_made() {
    let site = Site::new().await;
    site.definition(b"a tool");
    let words = [
        "missing here, and no bundle was given: 2 files:",
        "/base.img (the source)",
        "/tool (step 1 (web.toml:",
        "goldsmith bundle create",
        "--allow-host",
    ];
    refused(&site.run(&["build", "--offline", "web.toml"]), 3, &words);
    assert!(site.mirror.tree().asked.is_empty(), "nobody was asked");
    assert_eq!(site.bench.journals(), 0);

    site.well(&["bundle", "create", "web.toml", "-o", "site.bundle"]);
    // Another tool is wanted now, and the old one has its address.
    site.definition(b"a better tool");
    site.mirror.tree().asked.clear();
    let output = site.run(&["build", "--offline", "--bundle", "site.bundle", "web.toml"]);
    refused(&output, 3, &["missing from site.bundle: 1 file:", "/tool (step 1 (web.toml:"]);
    assert!(site.mirror.tree().asked.is_empty(), "nobody was asked");
    assert!(!site.bench.path("out").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_about_the_network_fits_together() {
    let site = Site::new().await;
    site.definition(b"a tool");
    refused(&site.run(&["build", "--bundle", "site.bundle", "web.toml"]), 2, &["--offline"]);
    let address = ["build", "--offline", "--allow-host", "https://artifacts.example.com/", "web.toml"];
    refused(&site.run(&address), 2, &["is no host", "artifacts.example.com:8443"]);
    refused(&site.run(&["build", "--offline", "--bundle", "none.bundle", "web.toml"]), 2, &["none.bundle"]);
}
