//! `goldsmith build|plan|validate --os …`, and the same when the program is called `image-builder`.
use super::{
    bench::{Bench, document, refused, said},
    collected::{hex_of, whole},
    mirror::{BUNDLE, DISTRO, Mirror, RELEASES},
    proxy::Proxy,
};
use crate::tls_door::Door;
use std::process::Output;

const BARE: [&str; 6] = ["--os", "ubuntu", "--hypervisor", "baremetal", "--release-channel", "1-34"];
const SUM: &str = "9bc6028870aef3f74f4e16b900008179e78b130e6b0b9a140635434a46aa98b0";

fn with<'a>(command: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    std::iter::once(command).chain(flags.iter().copied()).collect()
}

/// The definition on stdout, without what is another one each time.
fn definition(bench: &Bench, mirror: &Mirror, output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let home = bench.path("x").parent().unwrap().canonicalize().unwrap().display().to_string();
    let text = text.replace(&home, "HOME").replace(&mirror.url(""), "MIRROR");
    let stamp = |line: &str| {
        let (key, rest) = line.split_once(" = ").unwrap_or((line, ""));
        match key.trim_matches('"') {
            "BUILD_TIMESTAMP" | "BUILD_DATE" | "build_timestamp" | "build_date" => format!("{key} = NOW"),
            _ if rest.contains("capas-ami") => format!("{key} = NAME"),
            _ => line.to_owned(),
        }
    };
    text.lines().map(stamp).collect::<Vec<_>>().join("\n")
}

/// Invented values for every hypervisor.
fn write_configs(bench: &Bench) {
    let write = |name: &str, text: &str| std::fs::write(bench.path(name), text).unwrap();
    let iso = |name: &str| {
        format!(
            r#""iso_url": "http://files.example.com/{name}.iso", "iso_checksum": "{SUM}", "iso_checksum_type": "sha256""#
        )
    };
    let place = r#""cluster": "c1", "convert_to_template": "true", "create_snapshot": "false", "datacenter": "dc1", "datastore": "ds1", "folder": "/dc1/vm/nodes",
        "insecure_connection": "false", "linked_clone": "false", "network": "net 1", "resource_pool": "pool1", "username": "maker", "password": "hunter2", "vcenter_server": "vc.example.com""#;
    write("vsphere.json", &format!(r#"{{ {place}, "template": "" }}"#));
    write("clone.json", &format!(r#"{{ {place}, "template": "base-2204" }}"#));
    write(
        "satellite.json",
        &format!(
            r#"{{ {place}, "template": "", "vmx_version": "19", {}, "rhsm_server_hostname": "sat.example.com", "rhsm_server_release_version": "9.4",
            "rhsm_activation_key": "hunter3", "rhsm_org_id": "org", "rhsm_server_ca_sha256": "{SUM}", "redhat_epel_rpm": "", "epel_rpm_gpg_key": "",
            "http_proxy": "http://proxy.example.com:3128", "https_proxy": "http://proxy.example.com:3128", "no_proxy": "sat.example.com,.example.com",
            "extra_rpms": "wget", "ssh_timeout": "60m", "ssh_handshake_attempts": "150" }}"#,
            iso("rhel-9")
        ),
    );
    let login = r#""rhel_username": "someone", "rhel_password": "hunter4""#;
    write(
        "redhat.json",
        &format!(r#"{{ {}, {login}, "extra_rpms": "https://files.example.com/kmod.rpm" }}"#, iso("rhel")),
    );
    write(
        "redhat-vsphere.json",
        &format!(r#"{{ {place}, "template": "base-rhel", {}, {login} }}"#, iso("rhel")),
    );
    write(
        "nutanix.json",
        &format!(
            r#"{{ "nutanix_cluster_name": "pe1", "nutanix_cluster_uuid": "", "image_name": "node-1", "image_size_gb": "12", "image_url": "https://files.example.com/base.img",
            "image_export": "false", "nutanix_subnet_name": "sub1", "nutanix_endpoint": "pc.example.com", "nutanix_insecure": "false", "nutanix_port": "9440",
            "nutanix_username": "admin", "nutanix_password": "hunter5", {login} }}"#
        ),
    );
    write(
        "ami.json",
        r#"{ "ami_filter_name": "ubuntu/images/*ubuntu-jammy-22.04-amd64-server-*", "ami_filter_owners": "123456789012", "ami_regions": "eu-west-1", "aws_region": "eu-west-1",
            "builder_instance_type": "t3.small", "manifest_output": "manifest.json", "root_device_name": "/dev/sda1", "subnet_id": "subnet-0123456789abcdef0", "volume_size": "25", "volume_type": "gp3" }"#,
    );
    write("motd", "hello\n");
    write(
        "files.json",
        r#"{ "additional_files_list": [ { "src": "motd", "dest": "/etc/motd", "owner": "root", "group": "root", "mode": 644 } ] }"#,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn options_become_a_definition_for_each_hypervisor() {
    let (bench, mirror) = (Bench::new(), whole().await);
    write_configs(&bench);
    for (name, flags) in [
        (
            "baremetal_ubuntu",
            &["--os", "ubuntu", "--hypervisor", "baremetal", "--files-config", "files.json"][..],
        ),
        (
            "baremetal_redhat_8",
            &["--os", "redhat", "--hypervisor", "baremetal", "--baremetal-config", "redhat.json"],
        ),
        (
            "baremetal_redhat_9",
            &[
                "--os",
                "redhat",
                "--os-version",
                "9",
                "--hypervisor",
                "baremetal",
                "--baremetal-config",
                "redhat.json",
            ],
        ),
        (
            "vsphere_ubuntu",
            &[
                "--os",
                "ubuntu",
                "--os-version",
                "24.04",
                "--hypervisor",
                "vsphere",
                "--firmware",
                "efi",
                "--vsphere-config",
                "vsphere.json",
            ],
        ),
        (
            "vsphere_clone",
            &[
                "--os",
                "ubuntu",
                "--hypervisor",
                "vsphere",
                "--builder",
                "clone",
                "--vsphere-config",
                "clone.json",
            ],
        ),
        (
            "vsphere_satellite",
            &[
                "--os",
                "redhat",
                "--os-version",
                "9",
                "--hypervisor",
                "vsphere",
                "--vsphere-config",
                "satellite.json",
            ],
        ),
        (
            "nutanix_ubuntu",
            &["--os", "ubuntu", "--hypervisor", "nutanix", "--nutanix-config", "nutanix.json"],
        ),
        (
            "cloudstack_redhat",
            &[
                "--os",
                "redhat",
                "--os-version",
                "9",
                "--hypervisor",
                "cloudstack",
                "--cloudstack-config",
                "redhat.json",
            ],
        ),
        (
            "ami_ubuntu",
            &["--os", "ubuntu", "--os-version", "24.04", "--hypervisor", "ami", "--ami-config", "ami.json"],
        ),
    ] {
        let flags = [flags, &["--release-channel", "1.34"]].concat();
        let output = bench.run(&mirror, &with("plan", &flags));
        let text = definition(&bench, &mirror, &output);
        // What nobody may see is neither in the definition nor in what is said about it.
        assert!(!said(&output).contains("hunter"), "{}", said(&output));
        insta::assert_snapshot!(name, text);
        assert_eq!(bench.journals(), 0);
    }
}

/// Whatever may be combined: a plan comes of it, and its definition kept in a file is the same plan.
#[tokio::test(flavor = "multi_thread")]
async fn every_combination_is_a_plan_and_the_kept_definition_is_the_same() {
    let (bench, mirror) = (Bench::new(), whole().await);
    write_configs(&bench);
    let mut seen = Vec::new();
    for (os, version, hypervisor, firmware, builder, config) in [
        ("ubuntu", "22.04", "baremetal", "efi", "iso", None),
        ("ubuntu", "24.04", "baremetal", "", "iso", None),
        ("redhat", "8", "baremetal", "bios", "iso", Some("redhat.json")),
        ("redhat", "9", "baremetal", "efi", "iso", Some("redhat.json")),
        ("ubuntu", "22.04", "vsphere", "bios", "iso", Some("vsphere.json")),
        ("ubuntu", "22.04", "vsphere", "efi", "iso", Some("vsphere.json")),
        ("ubuntu", "24.04", "vsphere", "bios", "iso", Some("vsphere.json")),
        ("ubuntu", "24.04", "vsphere", "efi", "clone", Some("clone.json")),
        ("ubuntu", "22.04", "vsphere", "", "clone", Some("clone.json")),
        ("redhat", "8", "vsphere", "", "iso", Some("redhat-vsphere.json")),
        ("redhat", "9", "vsphere", "efi", "iso", Some("redhat-vsphere.json")),
        ("redhat", "8", "vsphere", "bios", "clone", Some("redhat-vsphere.json")),
        ("redhat", "9", "vsphere", "efi", "clone", Some("redhat-vsphere.json")),
        ("ubuntu", "22.04", "nutanix", "", "iso", Some("nutanix.json")),
        ("ubuntu", "24.04", "nutanix", "bios", "iso", Some("nutanix.json")),
        ("redhat", "8", "nutanix", "", "iso", Some("nutanix.json")),
        ("redhat", "9", "nutanix", "", "iso", Some("nutanix.json")),
        ("redhat", "8", "cloudstack", "", "iso", Some("redhat.json")),
        ("redhat", "9", "cloudstack", "bios", "iso", Some("redhat.json")),
        ("ubuntu", "22.04", "ami", "", "iso", None),
        ("ubuntu", "24.04", "ami", "bios", "iso", Some("ami.json")),
    ] {
        let option = format!("--{hypervisor}-config");
        let mut flags = vec![
            "--os",
            os,
            "--os-version",
            version,
            "--hypervisor",
            hypervisor,
            "--release-channel",
            "1-34",
            "--firmware",
            firmware,
        ];
        if hypervisor == "vsphere" {
            flags.extend(["--builder", builder]);
        }
        if let Some(config) = config {
            flags.extend([option.as_str(), config]);
        }
        let what = format!("{os} {version} {hypervisor} {firmware} {builder}");
        let kept = bench.run(&mirror, &with("plan", &flags));
        assert!(kept.status.success(), "{what}: {}", said(&kept));
        std::fs::write(bench.path("kept.toml"), &kept.stdout).unwrap();
        let direct = document(&bench.run(&mirror, &[with("plan", &flags), vec!["--json"]].concat()));
        let other = document(&bench.run(&mirror, &["plan", "kept.toml", "--json", "--all-steps"]));
        assert_eq!(direct["name"], other["name"], "{what}");
        for part in ["source", "machine"] {
            assert_eq!(direct[part], other[part], "{what}: {part}");
        }
        let valid = bench.run(&mirror, &with("validate", &flags));
        assert!(valid.status.success(), "{what}: {}", said(&valid));
        seen.push(what);
    }
    assert_eq!(seen.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_a_definition_exclude_each_other() {
    let (bench, mirror) = (Bench::new(), Mirror::start().await);
    std::fs::write(bench.path("x.toml"), "name = \"x\"\n").unwrap();
    for command in ["build", "plan", "validate"] {
        refused(
            &bench.run(&mirror, &[with(command, &BARE), vec!["x.toml"]].concat()),
            2,
            &["[FILE]...", "--os", "cannot be used with"],
        );
        refused(&bench.run(&mirror, &[command]), 2, &["FILE"]);
        refused(&bench.run(&mirror, &[command, "--os", "ubuntu"]), 2, &["--hypervisor", "--release-channel"]);
        refused(&bench.run(&mirror, &[command, "x.toml", "--firmware", "efi"]), 2, &["--os"]);
        let wrong =
            with(command, &["--os", "debian", "--hypervisor", "baremetal", "--release-channel", "1-34"]);
        refused(&bench.run(&mirror, &wrong), 2, &["Invalid OS type. Please choose ubuntu or redhat"]);
    }
    assert!(mirror.tree().asked.is_empty(), "nobody was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifests_lack_is_told_before_anything_begins() {
    let (bench, mirror) = (Bench::new(), whole().await);
    let other = ["--os", "ubuntu", "--hypervisor", "baremetal", "--release-channel", "1-99"];
    refused(&bench.run(&mirror, &with("plan", &other)), 2, &["release-channel should be one of [1-30 1-34]"]);
    let old = [&BARE[..], &["--eksa-release", "v9.9.9"]].concat();
    refused(&bench.run(&mirror, &with("plan", &old)), 1, &["v9.9.9", "v0.26.0"]);
    let kubelet = "/k/v1.34.9/bin/linux/amd64/kubelet";
    mirror.tree().files.remove(kubelet);
    refused(
        &bench.run(&mirror, &with("build", &BARE)),
        1,
        &["kubernetes/bin/linux/amd64/kubelet", kubelet, "404"],
    );
    // A digest that no manifest has is beside the file.
    mirror.edit(BUNDLE, &format!(", sha256: \"{}\"}}", hex_of("/artifacts/crictl.tar.gz")), "}");
    refused(
        &bench.run(&mirror, &with("plan", &BARE)),
        1,
        &["find the digest", "crictl.tar.gz.sha256", "404"],
    );
    let beside = format!("{}  crictl.tar.gz\n", hex_of("/artifacts/crictl.tar.gz"));
    mirror.put("/artifacts/crictl.tar.gz.sha256", beside.into_bytes());
    let text = definition(&bench, &mirror, &bench.run(&mirror, &with("plan", &BARE)));
    assert!(text.contains(&hex_of("/artifacts/crictl.tar.gz")), "{text}");
    assert_eq!(bench.journals(), 0);
}

/// A mirror whose manifests name Amazon's servers, as the public ones do.
async fn public() -> Mirror {
    let mirror = whole().await;
    let base = mirror.url("");
    for path in [BUNDLE, DISTRO] {
        let text = String::from_utf8(mirror.tree().files[path].clone()).unwrap();
        let text = text
            .replace(&format!("{base}/artifacts/"), "https://anywhere-assets.eks.amazonaws.com/artifacts/")
            .replace(&format!("{base}/k/"), "https://distro.eks.amazonaws.com/k/")
            .replace(&format!("{base}/etcd/"), "https://distro.eks.amazonaws.com/etcd/")
            .replace(&format!("{base}/plugins/"), "https://distro.eks.amazonaws.com/plugins/");
        mirror.put(path, text.into_bytes());
    }
    let distro = String::from_utf8(mirror.tree().files[DISTRO].clone()).unwrap();
    mirror.put(
        "/kubernetes-1-30/kubernetes-1-30-eks-58.yaml",
        distro.replace("1-34", "1-30").replace("eks-21", "eks-58").into_bytes(),
    );
    mirror
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_only_the_sites_servers_are_named() {
    let (bench, mirror) = (Bench::new(), public().await);
    assert!(bench.run(&mirror, &["download", "manifests"]).status.success());
    drop(mirror);
    let site = |eksd: &str| {
        let text = format!(
            r#"{{ "eksa_build_tooling_repo_url": "https://git/a.git", "image_builder_repo_url": "https://git/b.git", "extra_repos": "site.list", "disable_public_repos": "true",
            "private_artifacts_eksd_fqdn": "{eksd}", "private_artifacts_eksa_fqdn": "https://art.internal:8443/eks-a",
            "iso_url": "http://art.internal/ubuntu.iso", "iso_checksum": "{SUM}", "iso_checksum_type": "sha256" }}"#
        );
        std::fs::write(bench.path("site.json"), text).unwrap();
    };
    site("http://art.internal/repo/eks-d");
    std::fs::write(bench.path("site.list"), "deb [trusted=yes] http://apt.internal/ jammy main\n").unwrap();
    let plan = |air: &str| {
        let flags = [
            &BARE[..],
            &["--baremetal-config", "site.json", air, "--manifest-tarball", "eks-a-manifests.tar"],
        ]
        .concat();
        // Nobody is there to be asked.
        bench
            .plain(&with("plan", &flags))
            .env("EKSA_RELEASE_MANIFEST_URL", "http://127.0.0.1:9/m.yaml")
            .output()
            .unwrap()
    };
    for air in ["--air-gapped", "--airgapped", "--air-gapped=true"] {
        let output = plan(air);
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("https://art.internal:8443/eks-a/artifacts/containerd/v2.1.4/containerd.tar.gz"),
            "{text}"
        );
        assert!(text.contains("http://art.internal/repo/eks-d/k\""), "{text}");
        assert!(
            text.contains("http://art.internal/repo/eks-d/etcd/etcd-linux-amd64-v3.5.21.tar.gz"),
            "{text}"
        );
        assert!(!text.contains("amazonaws.com"), "{text}");
    }
    site("artifacts.internal");
    refused(
        &plan("--air-gapped"),
        2,
        &["`private_artifacts_eksd_fqdn` is `artifacts.internal`", "with its scheme"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_another_server_is_named_without_a_network() {
    let (bench, mirror) = (Bench::new(), public().await);
    mirror.edit(
        BUNDLE,
        "https://anywhere-assets.eks.amazonaws.com/artifacts/crictl",
        "https://elsewhere.example.com/artifacts/crictl",
    );
    assert!(bench.run(&mirror, &["download", "manifests"]).status.success());
    let text = format!(
        r#"{{ "eksa_build_tooling_repo_url": "x", "image_builder_repo_url": "x", "extra_repos": "x", "private_artifacts_eksd_fqdn": "http://a", "private_artifacts_eksa_fqdn": "http://b",
        "iso_url": "http://c/x.iso", "iso_checksum": "{SUM}", "iso_checksum_type": "sha256" }}"#
    );
    std::fs::write(bench.path("site.json"), text).unwrap();
    let flags = [
        &BARE[..],
        &["--baremetal-config", "site.json", "--air-gapped", "--manifest-tarball", "eks-a-manifests.tar"],
    ]
    .concat();
    refused(
        &bench.run(&mirror, &with("plan", &flags)),
        2,
        &["eksD.crictl", "elsewhere.example.com", "neither of the site's servers"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_with_its_own_authority_is_reached_through_a_proxy_with_a_password() {
    let (bench, mirror) = (Bench::new(), whole().await);
    let ca = bench.path("ca.pem");
    let door = Door::before(mirror.port, &ca);
    mirror.publish(&door.url);
    mirror.edit(BUNDLE, "sha256: \"00\"", &format!("sha256: \"{}\"", hex_of("/artifacts/etcdadm.tar.gz")));
    let proxy = Proxy::start().await;
    let address = format!("{}{RELEASES}", door.url);
    let through = |login: &str| {
        let mut command = bench.plain(&with("plan", &[&BARE[..], &["--manifest-url", &address]].concat()));
        command
            .env("SSL_CERT_FILE", &ca)
            .env("https_proxy", format!("http://{login}@127.0.0.1:{}", proxy.port));
        command.output().unwrap()
    };
    let output = through("user:secret");
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&door.url));
    let seen = std::mem::take(&mut *proxy.seen.lock().unwrap());
    assert!(!seen.is_empty() && seen.iter().all(|place| door.url.ends_with(place.as_str())), "{seen:?}");
    assert!(!said(&output).contains("secret@"), "{}", said(&output));
    std::fs::remove_dir_all(bench.path("cache")).unwrap();
    let output = through("user:wrong");
    refused(&output, 1, &["get the release manifest"]);
    assert!(proxy.seen.lock().unwrap().iter().all(|place| place == "refused"));
}

/// The program under its other name.
fn image_builder(bench: &Bench, arguments: &[&str]) -> std::process::Command {
    let link = bench.path("image-builder");
    if !link.exists() {
        std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin("goldsmith"), &link).unwrap();
    }
    let plain = bench.plain(&[]);
    let mut command = std::process::Command::new(link);
    command.args(arguments).current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_image_builder_when_it_is_called_so() {
    let (bench, mirror) = (Bench::new(), public().await);
    let run = |arguments: &[&str]| {
        image_builder(&bench, arguments)
            .env("EKSA_RELEASE_MANIFEST_URL", mirror.url(RELEASES))
            .output()
            .unwrap()
    };
    let version = run(&["version"]);
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        format!("goldsmith {}\n", env!("CARGO_PKG_VERSION"))
    );
    refused(&run(&["build"]), 2, &["required flag(s) \"hypervisor\", \"os\", \"release-channel\" not set"]);
    refused(&run(&["plan"]), 2, &["plan"]);
    let flags =
        ["--os", "ubuntu", "--hypervisor", "vsphere", "--release-channel", "1-34", "--force", "--dev=false"];
    refused(&run(&with("build", &flags)), 2, &["vsphere-config is a required flag for vsphere hypervisor"]);
    // The tar is replaced, as there.
    for _ in 0..2 {
        let output = run(&["download", "manifests", "--force"]);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert!(bench.path("eks-a-manifests.tar").is_file());
    refused(&run(&["download", "artifacts", "--release-channel", "1-34"]), 2, &["--eksa-release"]);
}
