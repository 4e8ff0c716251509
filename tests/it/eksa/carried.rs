//! `goldsmith download manifests`, and what can be done with its tar where no server is.
use super::{
    bench::{Bench, document, refused, said},
    mirror::{BUNDLE, Mirror},
};

#[tokio::test(flavor = "multi_thread")]
async fn manifests_in_a_tar_are_enough_without_a_network() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    mirror.edit(BUNDLE, "kubeVersion: \"1.30\"", "kubeVersion: \"1.30\"\n    aKeyOfTomorrow: 1");
    let distro = String::from_utf8(mirror.tree().files[super::mirror::DISTRO].clone()).unwrap();
    mirror.put(
        "/kubernetes-1-30/kubernetes-1-30-eks-58.yaml",
        distro.replace("1-34", "1-30").replace("eks-21", "eks-58").into_bytes(),
    );
    let shown = document(&bench.run(&mirror, &["release", "show", "1-34", "--json"]));
    let output = bench.run(&mirror, &["download", "manifests", "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    let made: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let names = ["eks-a-bundles-v0.26.0.yaml", "eks-a-manifest.yaml", "eks-d-1-30.yaml", "eks-d-1-34.yaml"];
    assert_eq!(made["manifests"], serde_json::json!(names));
    // The mirror has the bundle of one release only.
    assert_eq!(made["missing"], serde_json::json!(["v0.16.5", "v0.27.0-dev+build.7", "v0.27.0-dev+build.8"]));
    refused(&bench.run(&mirror, &["download", "manifests"]), 2, &["is there already", "--force"]);
    let again = ["download", "manifests", "--eksa-release", "0.26.0", "-o", "again.tar"];
    assert!(bench.run(&mirror, &again).status.success());
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert!(bytes("again.tar") == bytes("eks-a-manifests.tar"), "the same manifests are the same tar");
    drop(mirror);

    let mut carried = bench.plain(&["release", "show", "1-34", "--json", "--manifest-tarball", "again.tar"]);
    let there = document(&carried.env("GOLDSMITH_CACHE_DIR", bench.path("other")).output().unwrap());
    assert_eq!(there["artifacts"], shown["artifacts"]);
    assert!(there["eksd"]["url"].as_str().unwrap().ends_with("/again.tar"));
    let tar = ["release", "list", "v0.16.5", "--manifest-tarball", "again.tar"];
    refused(&bench.plain(&tar).output().unwrap(), 1, &["no `eks-a-bundles-v0.16.5.yaml` in `again.tar`"]);
    std::fs::write(bench.path("cut.tar"), &bytes("again.tar")[..3000]).unwrap();
    let tar = ["release", "list", "--manifest-tarball", "cut.tar"];
    refused(&bench.plain(&tar).output().unwrap(), 1, &["manifests in `cut.tar`", "it was cut off"]);
    assert_eq!(bench.journals(), 0);
}
