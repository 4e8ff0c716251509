//! `goldsmith release show`, and what an image of a node is made of.
use super::{
    bench::{Bench, document, refused, said},
    mirror::{BUNDLE, DISTRO, Mirror, content},
};
use goldsmith::{
    eksa::{Bundle, Distro},
    value::Arch,
};
use serde_json::Value;

fn artifact<'a>(document: &'a Value, from: &str, id: &str) -> &'a Value {
    let all = document["artifacts"][from].as_array().unwrap();
    all.iter().find(|artifact| artifact["id"] == id).unwrap_or_else(|| panic!("no {id} in {all:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_release_has_for_a_channel_is_shown() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let shown = document(&bench.run(&mirror, &["release", "show", "1-34", "--json"]));
    for form in ["1.34", "v1.34"] {
        assert_eq!(document(&bench.run(&mirror, &["release", "show", form, "--json"])), shown);
    }
    assert_eq!(shown["release"]["version"], "v0.26.0");
    assert_eq!(shown["release"]["tools"].as_array().unwrap().len(), 1, "the newer entry, not both");
    assert_eq!((&shown["bundle"]["number"], &shown["channel"]), (&122.into(), &"1-34".into()));
    assert_eq!((&shown["kubernetes"], &shown["support-ends"]), (&"v1.34.9".into(), &"2099-12-31".into()));
    assert_eq!(
        (&shown["eksd"]["name"], &shown["eksd"]["number"]),
        (&"kubernetes-1-34-eks-21".into(), &21.into())
    );
    assert_eq!(shown["vcenter-tag"], "eksdRelease:kubernetes-1-34-eks-21");
    assert_eq!(shown["bottlerocket"], serde_json::json!({ "ova": "v1.64.0", "ami": "v1.64.0" }));
    assert_eq!(shown["eksd"]["git-commit"], "0123456789abcdef0123456789abcdef01234567");
    assert_eq!(
        (&shown["eksd"]["url"], &shown["eksd"]["signature"]),
        (&mirror.url(DISTRO).into(), &"missing".into())
    );

    let containerd = artifact(&shown, "bundle", "eksD.containerd");
    assert_eq!(containerd["uri"], mirror.url("/artifacts/containerd/v2.1.4/containerd.tar.gz").as_str());
    assert_eq!((&containerd["kind"], &containerd["arch"][0]), (&"file".into(), &"amd64".into()));
    let lengths = ["sha256", "sha512"].map(|name| containerd[name].as_str().unwrap().len());
    assert_eq!(lengths, [64, 128]);
    assert_eq!(artifact(&shown, "bundle", "eksD.etcdadm")["bad-digest"], "00");
    let image = artifact(&shown, "bundle", "certManager.controller");
    assert_eq!(image["kind"], "image");
    assert!(image["image-digest"].as_str().unwrap().starts_with("sha256:01234567"));
    for id in
        ["eksD.crictl", "eksD.imagebuilder", "eksD.kindNode", "eksD.ova.bottlerocket", "eksD.components"]
    {
        artifact(&shown, "bundle", id);
    }
    for file in ["vmlinuz.amd", "vmlinuz.arm", "initramfs.amd", "initramfs.arm"] {
        artifact(&shown, "bundle", &format!("tinkerbell.tinkerbellStack.hook.{file}"));
    }
    let ids: Vec<&str> = shown["artifacts"]["bundle"]
        .as_array()
        .unwrap()
        .iter()
        .map(|artifact| artifact["id"].as_str().unwrap())
        .collect();
    assert!(!ids.iter().any(|id| id.contains("raw") || id.contains("cloudStack")), "{ids:?}");
    let kubelet = artifact(&shown, "eksd", "kubernetes/bin/linux/amd64/kubelet");
    assert_eq!((&kubelet["version"], &kubelet["kind"]), (&"v1.34.9".into(), &"file".into()));
    assert_eq!(artifact(&shown, "eksd", "kubernetes/pause-image")["kind"], "image");

    let text = said(&bench.run(&mirror, &["release", "show", "1-34"]));
    for line in [
        "v0.26.0 (bundle 122, not signed)",
        "1-34: Kubernetes v1.34.9",
        "EKS-D: images",
        "eksdRelease:kubernetes-1-34-eks-21",
        "Bottlerocket ova v1.64.0, ami v1.64.0",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_tell_how_large_files_are_if_asked() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    mirror.tree().files.remove("/artifacts/crictl.tar.gz");
    let output = bench.run(&mirror, &["release", "show", "1-34", "--json", "--sizes"]);
    let shown = document(&output);
    let path = "/artifacts/containerd/v2.1.4/containerd.tar.gz";
    assert_eq!(artifact(&shown, "bundle", "eksD.containerd")["bytes"], content(path).len());
    assert!(artifact(&shown, "bundle", "eksD.crictl")["bytes"].is_null());
    assert!(said(&output).contains("/artifacts/crictl.tar.gz"), "{}", said(&output));
    assert!(mirror.asked(path).iter().all(|asked| asked.method == "HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_there_is_told_with_those_that_are() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let output = bench.run(&mirror, &["release", "show", "1-36"]);
    refused(&output, 1, &["release channel `1-36`", "bundle 122 does not have it", "`1-30`, `1-34`"]);
    let output = bench.run(&mirror, &["release", "show", "latest"]);
    refused(&output, 2, &["write `1-34` or `1.34`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_manifests_can_be_said_and_must_fit() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    // A bundle that is said needs no release manifest.
    let mut command = bench.plain(&["release", "show", "1-34", "--json", "--manifest-url", "nowhere.yaml"]);
    let shown = document(&command.env("EKSA_BUNDLE_MANIFEST_URL", mirror.url(BUNDLE)).output().unwrap());
    assert!(shown["release"].is_null());

    let text = String::from_utf8(mirror.tree().files[DISTRO].clone()).unwrap();
    let file = bench.path("own.yaml");
    std::fs::write(&file, text.replace("eks-21", "eks-22")).unwrap();
    let mut command = bench.command(&mirror, &["release", "show", "1-34", "--json"]);
    let output = command.env("EKSD_MANIFEST_URL", "own.yaml").output().unwrap();
    assert_eq!(document(&output)["eksd"]["name"], "kubernetes-1-34-eks-22");
    assert!(said(&output).contains("the bundle means kubernetes-1-34-eks-21"), "{}", said(&output));
    std::fs::write(&file, text.replace("1-34", "1-33")).unwrap();
    refused(&command.output().unwrap(), 1, &["own.yaml", "channel 1-33, not of 1-34"]);

    // What the bundle itself leads to must be what it means.
    mirror.edit(DISTRO, "eks-21", "eks-20");
    let output = bench.run(&mirror, &["release", "show", "1-34"]);
    refused(&output, 1, &["it is kubernetes-1-34-eks-20, and the bundle means kubernetes-1-34-eks-21"]);

    mirror.edit(BUNDLE, "cliMaxVersion: v0.26.0", "cliMaxVersion: v0.25.9");
    let output = bench.run(&mirror, &["release", "list", "latest"]);
    assert!(said(&output).contains("to v0.25.9, and this is v0.26.0"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_manifests_are_refused_if_asked() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    let output = bench.run(&mirror, &["release", "show", "1-34", "--require-signature"]);
    refused(&output, 1, &["trust the bundle manifest", "no signature"]);
    let annotations = "metadata: {annotations: {anywhere.eks.amazonaws.com/signature: bm8=}, ";
    mirror.edit(BUNDLE, "metadata: {", annotations);
    let output = bench.run(&mirror, &["release", "show", "1-34", "--require-signature"]);
    refused(&output, 1, &["trust the bundle manifest", "changed after Amazon signed it"]);
    let output = bench.run(&mirror, &["release", "show", "1-34"]);
    assert!(
        output.status.success() && said(&output).contains("mirrors change addresses"),
        "{}",
        said(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_is_made_of_is_found_or_named() {
    let mirror = Mirror::start().await;
    let read = |path: &str| mirror.tree().files[path].clone();
    let bundle = Bundle::read(&read(BUNDLE)).unwrap();
    let kube = bundle.channel("1.34".parse().unwrap()).unwrap();
    let inputs = |distro: &[u8], arch: Arch| {
        let distro = Distro::read(distro).unwrap();
        goldsmith::eksa::NodeInputs::find(kube, &distro, arch)
            .map(|inputs| {
                let names = inputs.binaries.map(|artifact| artifact.id.clone());
                (names, inputs.image_repository, inputs.kubernetes_version, inputs.beside)
            })
            .map_err(|error| format!("{error}: {}", std::error::Error::source(&error).unwrap()))
    };
    let (names, repository, version, beside) = inputs(&read(DISTRO), Arch::X86_64).unwrap();
    assert_eq!(names[0], "kubernetes/bin/linux/amd64/kubelet");
    assert_eq!((repository.as_str(), version.as_str()), ("public.ecr.aws/eks-distro", "v1.34.9"));
    assert_eq!(beside[0], mirror.url("/k/v1.34.9/bin/linux/amd64/pause.tar"));

    let why = inputs(&read(DISTRO), Arch::Aarch64).unwrap_err();
    for name in ["`eksD.containerd`", "`bin/linux/arm64/kubelet`", "`cni-plugins-linux-arm64-…`"] {
        assert!(why.contains(name), "{why}");
    }
    assert!(!why.contains("`etcd-linux-arm64"), "that is there: {why}");
    mirror.edit(DISTRO, "bin/linux/amd64/kube-proxy.tar, type", "x, type");
    let why = inputs(&read(DISTRO), Arch::X86_64).unwrap_err();
    assert!(why.ends_with("the manifests lack `bin/linux/amd64/kube-proxy.tar`"), "{why}");
}
