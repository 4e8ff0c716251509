//! `goldsmith download artifacts`.
use super::{
    bench::{Bench, refused, said},
    mirror::{BUNDLE, DISTRO, Mirror, content},
};
use sha2::{Digest as _, Sha256};

const ARTIFACTS: [&str; 7] = ["download", "artifacts", "--release-channel", "1.34", "-o", "www", "--json"];

pub(super) fn hex_of(path: &str) -> String {
    hex::encode(Sha256::digest(content(path)))
}

/// The mirror with what no manifest lists, and with a digest for etcdadm.
pub(super) async fn whole() -> Mirror {
    let mirror = Mirror::start().await;
    mirror.edit(BUNDLE, "sha256: \"00\"", &format!("sha256: \"{}\"", hex_of("/artifacts/etcdadm.tar.gz")));
    let bin = "/k/v1.34.9/bin/linux/amd64";
    for name in ["pause", "coredns", "etcd"] {
        let path = format!("{bin}/{name}.tar");
        mirror.put(&path, content(&path));
    }
    // These have no digest in the manifest, as the ones above.
    for name in ["kube-controller-manager", "kube-scheduler", "kube-proxy", "pause", "coredns", "etcd"] {
        let path = format!("{bin}/{name}.tar");
        mirror.put(&format!("{path}.sha256"), format!("{}  {name}.tar\n", hex_of(&path)).into_bytes());
    }
    mirror
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_is_made_of_is_collected_with_digests() {
    let (bench, mirror) = (Bench::new(), whole().await);
    let files = || {
        let output = bench.run(&mirror, &ARTIFACTS);
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        line["files"].as_array().unwrap().clone()
    };
    let first = files();
    assert_eq!(first.len(), 3 + 2 + 4 + 3 + 3);
    for (folder, path) in [
        ("eks-a-artifacts", "/artifacts/containerd/v2.1.4/containerd.tar.gz"),
        ("eks-d-artifacts", "/k/v1.34.9/bin/linux/amd64/kubelet"),
        ("eks-d-artifacts", "/k/v1.34.9/bin/linux/amd64/pause.tar"),
        ("eks-d-artifacts", "/etcd/etcd-linux-amd64-v3.5.21.tar.gz"),
    ] {
        let file = bench.path("www").join(folder).join(path.trim_start_matches('/'));
        assert!(std::fs::read(&file).unwrap() == content(path), "{path}");
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let beside = std::fs::read_to_string(file.with_file_name(format!("{name}.sha256"))).unwrap();
        assert_eq!(beside, format!("{}  {name}\n", hex_of(path)));
    }
    // What is there and right stays; what was changed is brought again.
    let kubelet = bench.path("www/eks-d-artifacts/k/v1.34.9/bin/linux/amd64/kubelet");
    std::fs::write(&kubelet, "changed").unwrap();
    let again = files();
    assert_eq!(again.iter().filter(|file| file["kept"] == false).count(), 1);
    assert!(std::fs::read(&kubelet).unwrap() == content("/k/v1.34.9/bin/linux/amd64/kubelet"));
    assert_eq!(bench.journals(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_named() {
    let (bench, mirror) = (Bench::new(), whole().await);
    let pause = "/k/v1.34.9/bin/linux/amd64/pause.tar";
    mirror.put(pause, b"other".to_vec());
    refused(&bench.run(&mirror, &ARTIFACTS), 1, &["pause.tar", &hex_of(pause)]);
    mirror.tree().files.remove(&format!("{pause}.sha256"));
    refused(&bench.run(&mirror, &ARTIFACTS), 1, &["find the digest", "pause.tar.sha256", "404"]);
    mirror.edit(DISTRO, "name: cni-plugins-linux-amd64", "name: cni-linux-amd64");
    mirror.edit(BUNDLE, "      crictl: {", "      other: {");
    let said = ["`eksD.crictl`", "`cni-plugins-linux-amd64-…`"];
    refused(&bench.run(&mirror, &ARTIFACTS), 1, &said);
}

/// Nodes of 1-30 also have the pause image of 1-28: it lies where that channel's last release is, on the same server.
#[tokio::test(flavor = "multi_thread")]
async fn the_pause_image_of_an_older_channel_is_collected_where_nodes_have_it() {
    let (bench, mirror) = (Bench::new(), whole().await);
    let text = |path: &str| String::from_utf8(mirror.tree().files[path].clone()).unwrap();
    let bundle = text(BUNDLE).replace("1-30", "1-31").replace("\"1.30\"", "\"1.31\"");
    mirror.put(BUNDLE, bundle.replace("1-34", "1-30").replace("\"1.34\"", "\"1.30\"").into_bytes());
    let folder = "/kubernetes-1-30/releases/21/artifacts/kubernetes/v1.34.9/";
    let distro = text(DISTRO).replace("1-34", "1-30").replace("/k/v1.34.9/", folder);
    mirror.put("/kubernetes-1-30/kubernetes-1-30-eks-21.yaml", distro.into_bytes());
    let moved: Vec<(String, Vec<u8>)> = mirror
        .tree()
        .files
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix("/k/v1.34.9/")?.to_owned(), bytes.clone())))
        .collect();
    for (path, bytes) in moved {
        mirror.put(&format!("{folder}{path}"), bytes);
    }
    let older = "/kubernetes-1-28/releases/66/artifacts/kubernetes/v1.28.15/bin/linux/amd64/pause.tar";
    let arguments = ["download", "artifacts", "--release-channel", "1-30", "-o", "www"];
    refused(&bench.run(&mirror, &arguments), 1, &[&format!("{older}.sha256"), "404"]);
    mirror.put(older, content(older));
    mirror.put(&format!("{older}.sha256"), format!("{}  pause.tar\n", hex_of(older)).into_bytes());
    let output = bench.run(&mirror, &arguments);
    assert!(output.status.success(), "{}", said(&output));
    assert!(std::fs::read(bench.path(&format!("www/eks-d-artifacts{older}"))).unwrap() == content(older));
}
