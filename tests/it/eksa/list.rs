//! `goldsmith release list`.
use super::{
    bench::{Bench, document, refused, said},
    mirror::{BUNDLE, Mirror},
};

#[tokio::test(flavor = "multi_thread")]
async fn releases_and_their_channels_are_listed() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let output = bench.run(&mirror, &["release", "list"]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["v0.16.5", "46", "2023-09-01"], "{}", said(&output));
    assert_eq!(rows[2], ["v0.26.0", "122", "2026-08-01", "latest"]);
    assert_eq!(rows.len(), 5, "the entry without a version is passed over");
    assert!(output.stderr.is_empty(), "{}", said(&output));

    let list = document(&bench.run(&mirror, &["release", "list", "--json"]));
    assert_eq!(list["latest"], "v0.26.0");
    assert_eq!(list["releases"][1]["bundle-manifest-url"], mirror.url(BUNDLE).as_str());

    for version in ["latest", "v0.26.0", "0.26.0"] {
        let output = bench.run(&mirror, &["release", "list", version]);
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            text.contains("ended on 2025-08-31") && text.contains("until 2099-12-31"),
            "{}",
            said(&output)
        );
        assert!(words.contains(&"kubernetes-1-34-eks-21") && words.contains(&"v1.34.9"), "{text}");
    }
    let channels = document(&bench.run(&mirror, &["release", "list", "latest", "--json"]));
    assert_eq!(channels["channels"][1]["channel"], "1-34");
    assert_eq!(channels["bundle"]["signature"], "missing");
    assert_eq!(bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_not_there_is_told_with_those_that_are() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let output = bench.run(&mirror, &["release", "list", "v0.2"]);
    // As EKS Anywhere matches, `v0.2` would be v0.26.0, because that contains it.
    refused(&output, 1, &["release `v0.2`", "`v0.27.0-dev+build.8`", "`v0.26.0`", "`v0.16.5`"]);
    // The part before `+` is enough, as with development builds; the first one is meant.
    let output = bench.run(&mirror, &["release", "list", "v0.27.0-dev"]);
    refused(&output, 1, &["/releases/bundles/123/manifest.yaml", "404"]);
    let output = bench.run(&mirror, &["release", "list", "v0.27.0-dev+build.8"]);
    refused(&output, 1, &["v0.27.0-dev+build.8", "no `bundleManifestUrl`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_says_which_release() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let mut command = bench.command(&mirror, &["release", "show", "1-34"]);
    refused(
        &command.env("EKSA_RELEASE_VERSION", "v0.16.5").output().unwrap(),
        1,
        &["/releases/bundles/46/manifest.yaml"],
    );
    // Among development builds the latest is meant, as with EKS Anywhere's own tool.
    let output = command.env("EKSA_USE_DEV_RELEASE", "true").args(["--json"]).output().unwrap();
    assert_eq!(document(&output)["release"]["version"], "v0.26.0");
}
