//! Servers that fail, manifests that are none, and working without a network.
use super::{
    bench::{Bench, document, refused, said},
    mirror::{BUNDLE, DISTRO, Fate, Mirror, RELEASES},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_is_asked_again() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    mirror.fate(RELEASES, Fate::Status(503));
    mirror.fate(BUNDLE, Fate::CutAfter(100));
    let shown = document(&bench.run(&mirror, &["release", "show", "1-34", "--json"]));
    assert_eq!(shown["channel"], "1-34");
    let answers = |path: &str| mirror.asked(path).iter().map(|asked| asked.answer).collect::<Vec<_>>();
    assert_eq!((answers(RELEASES), answers(BUNDLE)), (vec![503, 200], vec![200, 200]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_not_taken_for_a_manifest() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let show = ["release", "show", "1-34"];
    for path in [RELEASES, BUNDLE, DISTRO] {
        mirror.fate(path, Fate::Status(404));
        refused(&bench.run(&mirror, &show), 1, &[&mirror.url(path), "404"]);
    }
    // A server that says 200 and shows a page.
    mirror.put(BUNDLE, b"<!DOCTYPE html>\n<html><body>Sorry!</body></html>\n".to_vec());
    refused(
        &bench.run(&mirror, &show),
        1,
        &["the bundle manifest", &mirror.url(BUNDLE), "a page for people"],
    );
    let distro = mirror.tree().files[DISTRO].clone();
    mirror.put(BUNDLE, distro);
    refused(
        &bench.run(&mirror, &show),
        1,
        &["`Release` of `distro.eks.amazonaws.com/v1alpha1`, not a `Bundles`"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_broken_is_told_with_the_line() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let whole = mirror.tree().files[RELEASES].clone();
    let at = whole.windows(4).position(|four| four == b"sha2").unwrap();
    mirror.put(RELEASES, whole[..at + 20].to_vec());
    refused(
        &bench.run(&mirror, &["release", "list"]),
        1,
        &["read the release manifest", "line 14", "no YAML"],
    );
    mirror.put(RELEASES, whole.clone());
    mirror.edit(RELEASES, "  latestVersion: v0.26.0\n", "");
    refused(&bench.run(&mirror, &["release", "list"]), 1, &["`spec.latestVersion` is missing"]);
    mirror.put(RELEASES, vec![0xff, 0xfe, 0x00]);
    refused(&bench.run(&mirror, &["release", "list"]), 1, &["it is no text"]);
    mirror.put(RELEASES, Vec::new());
    refused(&bench.run(&mirror, &["release", "list"]), 1, &["it is empty"]);
    mirror.put(RELEASES, whole);
    mirror.edit(BUNDLE, "endOfStandardSupport: \"2099-12-31\"", "endOfStandardSupport: soon");
    refused(
        &bench.run(&mirror, &["release", "show", "1-30"]),
        1,
        &["`spec.versionsBundles[1].endOfStandardSupport`"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_asked_for_by_version_and_stand_in_without_a_network() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let show = ["release", "show", "1-34", "--json"];
    let offline = ["release", "show", "1-34", "--json", "--offline"];
    refused(&bench.run(&mirror, &offline), 1, &["there is no copy of it"]);
    let first = document(&bench.run(&mirror, &show));
    assert_eq!(document(&bench.run(&mirror, &show)), first);
    for path in [RELEASES, BUNDLE, DISTRO] {
        let asked = mirror.asked(path);
        assert_eq!(asked.iter().map(|asked| asked.answer).collect::<Vec<_>>(), [200, 304], "{path}");
        assert!(asked[1].if_none_match.is_some());
    }
    // Another version is noticed.
    mirror.edit(RELEASES, "2026-08-01", "2026-08-02");
    assert_eq!(document(&bench.run(&mirror, &show))["release"]["date"], "2026-08-02T00:00:00Z");
    let address = mirror.url(RELEASES);
    drop(mirror);
    tokio::task::yield_now().await;
    let run = |arguments: &[&str]| {
        bench.plain(arguments).env("EKSA_RELEASE_MANIFEST_URL", &address).output().unwrap()
    };
    let begun = std::time::Instant::now();
    assert_eq!(document(&run(&offline))["release"]["date"], "2026-08-02T00:00:00Z");
    assert!(begun.elapsed().as_secs() < 10, "nobody was asked");
    let output = run(&["release", "list", "--json"]);
    assert_eq!(document(&output)["latest"], "v0.26.0");
    assert!(said(&output).contains("taking the copy of 20"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_this_host_will_do() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    std::fs::write(bench.path("m.yaml"), &mirror.tree().files[RELEASES]).unwrap();
    for address in ["m.yaml".to_owned(), format!("file://{}", bench.path("m.yaml").display())] {
        let list = bench.plain(&["release", "list", "--json", "--manifest-url", &address]).output().unwrap();
        assert_eq!(document(&list)["latest"], "v0.26.0");
    }
    let output = bench.plain(&["release", "list", "--manifest-url", "none.yaml"]).output().unwrap();
    refused(&output, 1, &["none.yaml", "No such file"]);
    let output = bench.plain(&["release", "list", "--manifest-url", "s3://bucket/m"]).output().unwrap();
    refused(&output, 2, &["`s3` addresses are not read"]);
}
