//! `kubernetes-node` for every system, platform and source: it has a value everywhere, its scripts are scripts, and what it does is as
//! reviewed.
use goldsmith::{
    definition::{Inputs, resolve as plan_of},
    guest::{Facts, Family, PackageManager},
    plan::{Plan, Step},
    provision::resolve,
    value::Arch,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

const SYSTEMS: [(&str, &str, &str); 13] = [
    ("debian", "12", "bookworm"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
    ("ubuntu", "26.04", "resolute"),
    ("rhel", "8.10", ""),
    ("rhel", "9.4", ""),
    ("rhel", "10.0", ""),
    ("rocky", "9.6", ""),
    ("almalinux", "8.10", ""),
    ("almalinux", "10.0", ""),
    ("amzn", "2023", ""),
    ("flatcar", "4081.2.0", ""),
    ("photon", "5.0", ""),
];
const PROVIDERS: [&str; 7] = ["generic", "qemu", "raw", "vmware", "nutanix", "cloudstack", "aws"];
const SOURCES: [&str; 3] = [
    "source = \"packages\"\nkubernetes-version = \"1.34.2\"\n",
    "source = \"http\"\nkubernetes-version = \"v1.29.15\"\n",
    "source = \"eks-d\"\nrelease-channel = \"1.34\"\n",
];

/// Whatever can be asked for, at once.
const ALL: &str = r#"
http-proxy = "http://proxy.example.org:3128"
https-proxy = "http://proxy.example.org:3128"
no-proxy = "localhost,.example.org"
rhsm-username = "somebody"
rhsm-password = "${secret.rhsm}"
rhsm-server-hostname = "satellite.example.org"
rhsm-server-ca-digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
ubuntu-repo = "http://mirror.example.org/ubuntu"
disable-public-repos = true
remove-extra-repos = true
extra-repos = ["/srv/extra.list", "/srv/more.repo"]
releasever = "9.4"
redhat-epel-rpm = "https://mirror.example.org/epel.rpm"
extra-debs = ["tmux", "vim"]
pinned-debs = ["nginx=1.22.1-9"]
extra-rpms = ["tmux", "https://mirror.example.org/more.rpm", "/root/own.rpm"]
enable-containerd-audit = true
containerd-additional-settings = "W2RlYnVnXQogIGxldmVsID0gImluZm8iCg=="
containerd-image-pull-progress-timeout = "5m"
containerd-gvisor-runtime = true
containerd-enable-limit-no-file = true
kubernetes-enable-automatic-resource-sizing = true
kubelet-extra-args = "--v=2"
etcdadm-url = "https://mirror.example.org/etcdadm.tar.gz"
etcdadm-version = "v0.1.5"
etcd-version = "v3.5.21"
additional-registry-images = ["docker.io/library/busybox:1.37"]
ecr-credential-provider = true
ecr-credential-provider-digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
extra-kernel-boot-params = "audit=1 quiet"
netplan-removal-excludes = ["90-mine.yaml"]
flatcar-disable-autologin = true
flatcar-oem-id = "ec2"
disable-nic-offload = true
aws-cli-url = "https://mirror.example.org/awscli.zip"
aws-cli-digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
ssm-agent-url = "https://mirror.example.org/agent"
ssm-agent-digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
[[provision.with.containerd-wasm-shims]]
name = "spin"
version = "v2"
url = "https://mirror.example.org/spin.tar.gz"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
[[provision.with.additional-executables]]
url = "https://mirror.example.org/tool"
digest-url = "https://mirror.example.org/tool.sha256"
[[provision.with.additional-url-images]]
url = "https://mirror.example.org/pause.tar"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
[[provision.with.additional-files-list]]
src = "/srv/bootstrap.sh"
dest = "/etc/eks/bootstrap.sh"
mode = 744
"#;

pub(super) fn facts(id: &str, version: &str, codename: &str, arch: &str) -> Facts {
    let (family, package_manager) = match id {
        "debian" | "ubuntu" => (Family::Debian, Some(PackageManager::Apt)),
        "flatcar" => (Family::Flatcar, None),
        "photon" => (Family::Photon, Some(PackageManager::Tdnf)),
        _ => (Family::RedHat, Some(PackageManager::Dnf)),
    };
    Facts {
        os_id: id.into(),
        os_version: version.into(),
        os_name: id.into(),
        codename: codename.into(),
        family,
        kernel: "6.12.0".into(),
        arch: arch.into(),
        boot_id: "boot".into(),
        machine_id: "machine".into(),
        package_manager,
        init: "systemd".into(),
        efi: true,
        root_device: "/dev/sda1".into(),
        root_fs: "ext4".into(),
        root_bytes: 8 << 30,
        cloud_init: true,
    }
}

/// A definition of `kubernetes-node` with the parameters `with`.
fn node(provider: &str, with: &str) -> Plan {
    let text = format!(
        "name = \"node\"\nprovider = \"{provider}\"\n[source.bootstrap]\nsuite = \"bookworm\"\n\
         [secret.rhsm]\nenv = \"RHSM\"\n[[output]]\nformat = \"qcow2\"\n\
         [[provision]]\nrole = \"kubernetes-node\"\n[provision.with]\n{with}"
    );
    let inputs = Inputs { host_arch: Some(Arch::X86_64), ..Inputs::default() };
    plan_of(&text, Path::new("/images/image.toml"), &inputs).unwrap_or_else(|error| {
        let said: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        panic!("{provider} with {with}: {}", said.join("\n"))
    })
}

/// Its steps in a guest.
pub(super) fn steps(plan: &Plan, facts: &Facts) -> Vec<Step> {
    resolve(plan, facts).unwrap_or_else(|error| {
        let why: Vec<_> = std::iter::successors(std::error::Error::source(&error), |error| error.source())
            .map(ToString::to_string)
            .collect();
        panic!("{} {}: {error}: {}", facts.os_id, facts.os_version, why.join(": "))
    })
}

/// Name and fields of what a step does.
pub(super) fn kind(step: &Step) -> (String, Value) {
    match serde_json::to_value(&step.kind).unwrap() {
        Value::Object(kind) => kind.into_iter().next().unwrap(),
        other => panic!("{other} is no step"),
    }
}

fn list(provider: &str, facts: &Facts) -> Vec<String> {
    let line = |step: &Step| {
        let finally = if step.rules.finally { ", at the end" } else { "" };
        let (kind, _) = kind(step);
        format!("{} ({kind}{finally})", step.label)
    };
    steps(&node(provider, SOURCES[0]), facts).iter().map(line).collect()
}

#[test]
fn a_node_is_made_of_these_steps() {
    for (id, version, codename) in SYSTEMS {
        insta::assert_snapshot!(format!("{id}-{version}"), made_of(&facts(id, version, codename, "x86_64")));
    }
}

/// The steps on the first platform, and how the others differ.
fn made_of(facts: &Facts) -> String {
    let plain = list(PROVIDERS[0], facts);
    let mut shown = plain.join("\n");
    for provider in &PROVIDERS[1..] {
        write!(shown, "\n\n--- on {provider} besides").unwrap();
        let mut missing: Vec<&String> = plain.iter().collect();
        for line in list(provider, facts) {
            match missing.iter().position(|known| **known == line) {
                Some(at) => drop(missing.remove(at)),
                None => write!(shown, "\n{line}").unwrap(),
            }
        }
        for line in missing {
            write!(shown, "\nnot: {line}").unwrap();
        }
    }
    shown
}

#[test]
fn every_script_is_a_script_and_every_download_has_a_digest() {
    let mut scripts = BTreeSet::new();
    for provider in PROVIDERS {
        for source in SOURCES {
            for more in ["", ALL] {
                let plan = node(provider, &format!("{source}{more}"));
                for (id, version, codename) in SYSTEMS {
                    for arch in ["x86_64", "aarch64"] {
                        for step in steps(&plan, &facts(id, version, codename, arch)) {
                            look_at(&step, &mut scripts);
                        }
                    }
                }
            }
        }
    }
    assert!(scripts.len() > 10, "{scripts:?}");
    for script in &scripts {
        for shell in [&["dash", "-n"][..], &["bash", "--posix", "-n"]] {
            parses(shell, script);
        }
    }
}

fn look_at(step: &Step, scripts: &mut BTreeSet<String>) {
    let (kind, fields) = kind(step);
    let text = |path: &str| fields.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let script = match kind.as_str() {
        "shell" => text("/script"),
        "check" => text("/run"),
        "file" => text("/content/text").filter(|text| text.starts_with("#!/bin/sh")),
        _ => None,
    };
    scripts.extend(script);
    // What a program of the guest means by braces is its own business.
    if !matches!(kind.as_str(), "shell" | "check" | "file") {
        let mut found = Vec::new();
        texts(&fields, &mut found);
        let left = |text: &&String| ["{{", "}}", "{%", "%}"].iter().any(|braces| text.contains(braces));
        assert_eq!(found.iter().find(left), None, "{}", step.label);
    }
    if matches!(kind.as_str(), "download" | "archive")
        || (kind == "image" && fields.to_string().contains("http"))
    {
        let told = fields.to_string();
        assert!(told.contains("sha256") || told.contains("sha512"), "{}: {told}", step.label);
    }
}

/// Every text in `value`.
fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, into)),
        _ => {}
    }
}

fn parses(shell: &[&str], script: &str) {
    let mut child = Command::new(shell[0])
        .args(&shell[1..])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{shell:?} says {said} of\n{script}");
}
