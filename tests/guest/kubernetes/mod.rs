//! A whole Kubernetes node on a Debian guest, from an artifact server with the layout of EKS Distro, and what of it is in the
//! booted result. Real are containerd, runc, etcd, kubectl and the CNI plugins; kubelet, kubeadm, crictl and etcdadm are stand-ins
//! (see artifacts.sh).
pub(crate) mod server;

use crate::support::{Home, beside, over_base, tool};
use server::Server;
use std::collections::BTreeMap;

#[test]
fn a_kubernetes_node_from_single_files_is_whole_after_its_first_boot() {
    let _turn = beside();
    let home = Home::new("node");
    let artifacts = home.root.join("artifacts");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest/kubernetes/artifacts.sh");
    let made = tool("sh", &[script, artifacts.to_str().unwrap()], &home.root);
    let versions: BTreeMap<&str, &str> = made.lines().filter_map(|line| line.split_once('=')).collect();
    // A server under load says so, twice.
    let server = Server::start(&artifacts, &["kubelet"]);
    let url = server.url();
    let definition = over_base(
        "node",
        "",
        &format!(
            r#"
[guest]
connect-timeout = "20m"
[[provision]]
role = "kubernetes-node"
[provision.with]
source = "eks-d"
release-channel = "1-20"
eks-d-release = "7"
eks-d-base-url = "{url}"
kubernetes-version = "{kubernetes}"
kubernetes-cni-version = "{cni}"
etcd-version = "{etcd}"
containerd-version = "{containerd}"
containerd-url = "{url}/containerd-linux-amd64.tar.gz"
containerd-prefix = "/"
crictl-url = "{url}/cri-tools.tar.gz"
etcdadm-url = "{url}/etcdadm.tar.gz"
etcdadm-version = "v0.1.5"
upgrade = false
reboot = false
kubelet-extra-args = "--node-labels=made-by=goldsmith"
[[output]]
format = "qcow2"
"#,
            kubernetes = versions["kubernetes"],
            cni = versions["cni"],
            etcd = versions["etcd"],
            containerd = versions["containerd"],
        ),
    );
    // `provider` belongs to the top.
    let path = home.definition("node", &format!("provider = \"raw\"\n{definition}"));
    home.run(&["build", path.to_str().unwrap()]).expect_code(0);

    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.out().join("result.json")).unwrap()).unwrap();
    let proofs = result["builds"][0]["artifacts"][0]["verified"].as_array().unwrap();
    let checks: BTreeMap<&str, bool> = proofs
        .iter()
        .flat_map(|proof| proof["checks"].as_array().unwrap())
        .map(|check| (check["name"].as_str().unwrap(), check["passed"] == true))
        .collect();
    assert!(checks.len() > 60, "{checks:#?}");
    for needed in [
        "unit `containerd.service` runs",
        "unit `kubelet.service` starts at boot",
        "the control plane's images are there",
        "the kubelet has the version asked for",
        "containerd uses the pause image asked for",
        "containerd uses systemd's cgroups",
        "etcdadm has the version asked for",
    ] {
        assert_eq!(checks.get(needed), Some(&true), "{needed} in {checks:#?}");
    }
    assert!(checks.values().all(|passed| *passed), "{checks:#?}");
    assert!(server.refused() >= 2, "the server was asked again after each refusal");
    home.assert_clean("the node");
}
