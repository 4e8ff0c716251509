//! Definitions of all targets, and what variables do to them.
use super::*;
use crate::{
    definition::{self, Inputs},
    plan::Plan,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use test_case::test_case;

const FOLDER: &str = "/home/user/images";

/// What no target has a default for.
fn variables(target: &Target) -> Variables {
    let mut variables = Variables::default();
    variables.set_started("2026-03-04T05:06:07Z".parse().unwrap());
    let name = target.name();
    let mut set = |name: &str, text: &str| variables.set(name, text, "test.json");
    if name.contains("clone") {
        set("template", "templates/base");
    }
    if name.ends_with("-8") {
        set("iso_url", "rhel-8.10-x86_64-dvd.iso");
        set("iso_checksum", &"ab".repeat(32));
        set("iso_checksum_type", "sha256");
    }
    if target.group() == Group::Nutanix {
        set("nutanix_endpoint", "prism.example.com");
        set("image_url", "https://example.com/image.qcow2");
    }
    if target.group() == Group::OvaVsphere || target.group() == Group::OvaVsphereClone {
        set("vcenter_server", "vcenter.example.com");
        set("username", "builder");
    }
    variables
}

fn eks() -> Flavour {
    Flavour::EksAnywhere(EksAnywhere {
        name: "ubuntu-2204-kube-1-31".into(),
        channel: "1-31".into(),
        eksd_name: "kubernetes-1-31-eks-47".into(),
    })
}

fn defined(name: &str, variables: &Variables, flavour: &Flavour) -> Defined {
    define(&Target::parse(name).unwrap(), variables, flavour, Path::new(FOLDER)).unwrap()
}

fn plan(text: &str) -> Plan {
    let path = Path::new(FOLDER).join("target.toml");
    let inputs = Inputs { out_dir: Some("/out".into()), ..Inputs::default() };
    definition::resolve(text, &path, &inputs).unwrap_or_else(|error| {
        let problems: Vec<String> =
            error.problems().iter().map(|problem| problem.message().to_owned()).collect();
        panic!("{problems:#?}\n{text}")
    })
}

#[test]
fn the_definition_of_every_target_is_right() {
    for target in all() {
        for flavour in [Flavour::Upstream, eks()] {
            let variables = variables(&target);
            let defined = define(&target, &variables, &flavour, Path::new(FOLDER)).unwrap();
            let plan = plan(&defined.text);
            assert!(!plan.provision.is_empty(), "{target}");
            assert!(defined.unknown.is_empty(), "{target}: {:?}", defined.unknown);
            assert_eq!(plan.arch.to_string() == "aarch64", target.name().contains("arm64"), "{target}");
        }
    }
}

/// The variables that EKS Anywhere derives from its manifests.
fn derived(variables: &mut Variables) {
    let base = "https://distro.eks.amazonaws.com/kubernetes-1-31/releases/47/artifacts";
    let kubernetes = format!("{base}/kubernetes");
    let plugins = format!("{base}/plugins");
    let etcd = format!("{base}/etcd/v3.5.21/etcd-linux-amd64-v3.5.21.tar.gz");
    let sum = "cd".repeat(32);
    let checksum = format!("sha256:{sum}");
    let pause = format!("{kubernetes}/v1.31.14/bin/linux/amd64/pause.tar");
    for (name, text) in [
        ("kubernetes_source_type", "http"),
        ("kubernetes_semver", "v1.31.14"),
        ("kubernetes_series", "v1.31"),
        ("kubernetes_full_version", "v1.31.14-eks-1-31-47"),
        ("kubernetes_http_source", &kubernetes),
        ("kubernetes_load_additional_imgs", "true"),
        ("kubernetes_container_registry", "public.ecr.aws/eks-distro"),
        ("kubernetes_cni_semver", "v1.7.1"),
        ("kubernetes_cni_source_type", "http"),
        ("kubernetes_cni_http_source", &plugins),
        ("kubernetes_cni_http_checksum", &checksum),
        ("kubernetes_cni_deb_version", ""),
        ("containerd_url", "https://d.example.com/containerd.tar.gz"),
        ("containerd_sha256", &sum),
        ("crictl_url", "https://d.example.com/crictl.tar.gz"),
        ("crictl_sha256", &sum),
        ("crictl_source_type", "http"),
        ("etcd_http_source", &etcd),
        ("etcd_version", "v3.5.21"),
        ("etcd_sha256", &sum),
        ("etcdadm_http_source", "https://d.example.com/etcdadm.tar.gz"),
        ("etcdadm_version", "v0.1.5"),
        ("pause_image", "public.ecr.aws/eks-distro/kubernetes/pause:v1.31.14-eks-1-31-47"),
        ("extra_debs", "nfs-common xfsprogs"),
        ("load_additional_components", "true"),
        ("additional_url_images", "true"),
        ("additional_url_images_list", &pause),
    ] {
        variables.set(name, text, "kubernetes.json");
    }
}

#[test_case("qemu-ubuntu-2404")]
#[test_case("qemu-rockylinux-9-cloudimg")]
#[test_case("kubevirt-qemu-ubuntu-2404")]
#[test_case("raw-ubuntu-2404-efi")]
#[test_case("node-ova-local-almalinux-9")]
#[test_case("node-ova-vsphere-ubuntu-2204")]
#[test_case("node-ova-vsphere-clone-ubuntu-2404")]
#[test_case("nutanix-rockylinux-9")]
#[test_case("ami-ubuntu-2404-arm64")]
#[test_case("ami-flatcar")]
fn upstream(name: &str) {
    let defined = defined(name, &variables(&Target::parse(name).unwrap()), &Flavour::Upstream);
    let notes = defined.notes.join("\n# ");
    insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
        insta::assert_snapshot!(format!("{}\n# {notes}", defined.text));
    });
}

#[test_case("node-ova-vsphere-ubuntu-2204")]
#[test_case("raw-rhel-9-efi")]
fn eks_anywhere(name: &str) {
    let mut variables = variables(&Target::parse(name).unwrap());
    derived(&mut variables);
    variables.set_secret(
        "password",
        SecretPlace::Json { file: "vsphere.json".into(), key: "password".into() },
        "vsphere.json",
    );
    variables.set("rhel_username", "me", "baremetal.json");
    variables.set_secret(
        "rhel_password",
        SecretPlace::Json { file: "baremetal.json".into(), key: "rhel_password".into() },
        "baremetal.json",
    );
    variables.add_file(AdditionalFile {
        src: "files/a".into(),
        dest: "/etc/a".into(),
        owner: "root".into(),
        group: "root".into(),
        mode: "0744".into(),
    });
    let defined = defined(name, &variables, &eks());
    assert!(defined.unknown.is_empty(), "{:?}", defined.unknown);
    plan(&defined.text);
    insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
        insta::assert_snapshot!(defined.text);
    });
}

/// The seven variables that images for Amazon are published with.
#[test]
fn the_published_variables_make_an_ami() {
    let text = r#"{
      "kubernetes_rpm_version": "1.32.4", "kubernetes_semver": "v1.32.4", "kubernetes_series": "v1.32",
      "kubernetes_deb_version": "1.32.4-1.1", "kubernetes_cni_semver": "v1.6.0", "kubernetes_cni_deb_version": "1.6.0-1.1",
      "crictl_version": "1.32.0", "ami_regions": "eu-west-1,us-east-1,us-west-2" }"#;
    let mut variables = variables(&Target::parse("ami-ubuntu-2404").unwrap());
    variables.read_file(Path::new("vars.json"), text).unwrap();
    let defined = defined("build-ami-ubuntu-2404", &variables, &Flavour::Upstream);
    assert!(defined.unknown.is_empty());
    let plan = plan(&defined.text);
    assert_eq!(plan.amis[0].name, "capa-ami-ubuntu-24.04-v1.32.4-1772600767");
    assert_eq!(plan.aws.region.as_deref(), Some("us-east-1"));
    let tags = &plan.amis[0].tags;
    assert_eq!(tags["kubernetes_version"], "v1.32.4");
    assert_eq!(tags["build_date"], "2026-03-04T05:06:07Z");
    insta::assert_snapshot!(defined.text);
    assert!(
        defined
            .notes
            .iter()
            .any(|note| note.contains("copied to eu-west-1,us-east-1,us-west-2 and made public")),
        "{:?}",
        defined.notes
    );
    let target = Target::parse("ami-ubuntu-2404").unwrap();
    let wish = publication(&target, &variables).unwrap().unwrap();
    assert!(wish.public && wish.accounts.is_empty() && wish.home == "us-east-1");
    let manifest = manifest(&target, &variables, Path::new(FOLDER)).unwrap().unwrap();
    assert_eq!(manifest.path, Path::new("/home/user/images/manifest.json"));
    assert_eq!(manifest.custom_data["kubernetes_version"], "v1.32.4");
    variables.set("ami_groups", "", "mine.json");
    variables.set("snapshot_groups", "", "mine.json");
    variables.set("ami_regions", "us-east-1", "mine.json");
    assert_eq!(publication(&target, &variables).unwrap(), None);
    variables.set("ami_users", "123456789012", "mine.json");
    assert_eq!(publication(&target, &variables).unwrap().unwrap().accounts, ["123456789012"]);
}

fn with(pairs: &[(&str, &str)]) -> Variables {
    let mut variables = variables(&Target::parse("qemu-rhel-9").unwrap());
    for (name, text) in pairs {
        variables.set(*name, *text, "my.json");
    }
    variables
}

#[test_case("qemu-rhel-9", &[("ansible_user_vars", "provider=cloudstack")], "provider = \"cloudstack\""; "cloudstack")]
#[test_case("qemu-ubuntu-2404", &[("firmware", "OVMF.fd")], "firmware = \"efi\""; "a file of firmware")]
#[test_case("qemu-ubuntu-2404", &[("accelerator", "tcg")], "accelerator = \"tcg\""; "no kvm")]
#[test_case("qemu-ubuntu-2404", &[("memory", "3000")], "memory = \"3000MiB\""; "odd memory")]
#[test_case("qemu-ubuntu-2404", &[("output_directory", "/srv/out"), ("vm_name", "x.qcow2")], "path = \"/srv/out/x.qcow2\""; "another place")]
#[test_case("qemu-ubuntu-2404", &[("kubernetes_series", "v1.35")], "core:/stable:/v1.35/deb/"; "another series")]
#[test_case("qemu-ubuntu-2404", &[("kubernetes_source_type", "http")], "with.kubernetes-cni-version = \"v1.2.0\""; "single files")]
#[test_case("qemu-ubuntu-2404", &[("ansible_user_vars", "kubelet_extra_args='--v=2 --x'")], "with.kubelet-extra-args = \"--v=2 --x\""; "quotes")]
#[test_case("qemu-ubuntu-2404", &[("ansible_user_vars", "{\"enable_containerd_audit\": true}")], "with.enable-containerd-audit = true"; "an object")]
#[test_case("qemu-ubuntu-2404", &[("x", "4"), ("extra_kernel_boot_params", "mem={{user `x`}}G")], "with.extra-kernel-boot-params = \"mem=4G\""; "a variable of the user's")]
#[test_case("qemu-ubuntu-2404", &[("extra_kernel_boot_params", "a=${b}")], "with.extra-kernel-boot-params = \"a=$${b}\""; "no reference")]
#[test_case("qemu-rhel-9", &[("redhat_epel_rpm", "")], "with.kubernetes-version = \"v1.36.1\"\n\n"; "no EPEL")]
#[test_case("qemu-ubuntu-2404", &[("containerd_wasm_shims_runtimes", "spin")], "{ name = \"spin\", version = \"v2\", url = \"https://github.com/deislabs/containerd-wasm-shims/releases/download/v0.11.1/containerd-wasm-shims-v2-spin-linux-x86_64.tar.gz\", digest = \"sha256:dcff"; "shims")]
#[test_case("node-ova-local-ubuntu-2404", &[("build_name", "mine")], "path = \"/home/user/images/output/mine-kube-v1.36.1/mine-kube-v1.36.1.ova\""; "another name")]
#[test_case("qemu-ubuntu-2404", &[("node_custom_roles_pre", "proxy")], "with.node-custom-roles-pre = [\"proxy\"]"; "a built-in role")]
fn variables_have_their_meaning(name: &str, pairs: &[(&str, &str)], expected: &str) {
    let defined = defined(name, &with(pairs), &Flavour::Upstream);
    assert!(defined.text.contains(expected), "{}", defined.text);
    assert!(defined.unknown.is_empty(), "{:?}", defined.unknown);
    plan(&defined.text);
}

#[test_case("qemu-ubuntu-2404", &[("memory", "lots")], "`lots` is not a whole number"; "no number")]
#[test_case("qemu-ubuntu-2404", &[("iso_url", "https://example.com/x.iso")], "`iso_checksum` is needed"; "a medium without digest")]
#[test_case("qemu-ubuntu-2404", &[("iso_url", "https://example.com/x.iso"), ("iso_checksum", "d41d8cd98f00b204e9800998ecf8427e"), ("iso_checksum_type", "md5")], "not by `md5`"; "md5")]
#[test_case("qemu-ubuntu-2404", &[("kubernetes_semver", "{{user `kubernetes_semver`}}")], "made of itself"; "a circle")]
#[test_case("qemu-ubuntu-2404", &[("kubernetes_source_type", "rpm")], "neither `pkg` nor `http`"; "another source")]
#[test_case("qemu-ubuntu-2404", &[("ansible_user_vars", "@vars.yaml")], "does not read"; "a file of Ansible's")]
#[test_case("qemu-ubuntu-2404", &[("load_additional_components", "true"), ("additional_s3", "true")], "no objects of S3"; "s3")]
#[test_case("qemu-ubuntu-2404", &[("ecr_credential_provider", "true")], "ecr_credential_provider_sha256"; "ecr")]
#[test_case("qemu-ubuntu-2404", &[("node_custom_roles_post", "nothing-here")], "is nowhere"; "no such role")]
#[test_case("ami-ubuntu-2404", &[("aws_access_key", "AKIA")], "AWS_ACCESS_KEY_ID"; "a key")]
#[test_case("ami-ubuntu-2404", &[("skip_create_ami", "true")], "validate-ami-ubuntu-2404"; "no ami")]
#[test_case("node-ova-vsphere-ubuntu-2404", &[("network_card", "ne2000")], "none of `vmxnet3`"; "an old card")]
#[test_case("node-ova-vsphere-clone-ubuntu-2404", &[], "`template` is needed"; "no template")]
#[test_case("nutanix-rhel-9", &[], "`image_url`"; "no image")]
#[test_case("qemu-rhel-9", &[("rhsm_server_hostname", "sat.example.com")], "rhsm_server_ca_sha256"; "a satellite")]
fn what_cannot_be_is_refused(name: &str, pairs: &[(&str, &str)], expected: &str) {
    let error = define(&Target::parse(name).unwrap(), &with(pairs), &Flavour::Upstream, Path::new(FOLDER))
        .unwrap_err();
    let text = format!("{error} {}", error.hints().join(" "));
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_has_no_effect_is_said() {
    let variables = with(&[
        ("goss_version", "0.4"),
        ("vnc_port_min", "5900"),
        ("headless", "false"),
        ("kuberntes_semver", "v1"),
        ("nutanix_endpoint", "x"),
        ("boot_wait", ""),
    ]);
    let defined = defined("qemu-ubuntu-2404", &variables, &Flavour::Upstream);
    let notes = defined.notes.join("\n");
    assert!(notes.contains("`goss_version` is without effect"), "{notes}");
    assert!(notes.contains("`headless` and `vnc_port_min` are without effect"), "{notes}");
    assert!(notes.contains("`nutanix_endpoint` is without effect for `qemu-ubuntu-2404`"), "{notes}");
    assert!(!notes.contains("boot_wait"), "{notes}");
    let unknown = [("kuberntes_semver".to_owned(), "my.json (did you mean `kubernetes_semver`?)".to_owned())];
    assert_eq!(defined.unknown, unknown);
}

#[test]
fn a_role_of_ansible_is_refused_and_one_of_ours_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("roles/theirs/tasks")).unwrap();
    std::fs::create_dir_all(folder.path().join("roles/ours")).unwrap();
    std::fs::write(folder.path().join("roles/ours/role.toml"), "description = \"x\"\n").unwrap();
    let target = Target::parse("qemu-ubuntu-2404").unwrap();
    let of = |names: &str| {
        define(&target, &with(&[("node_custom_roles_post", names)]), &Flavour::Upstream, folder.path())
    };
    let error = of("roles/theirs").unwrap_err();
    assert!(error.to_string().contains("is a role of Ansible's"), "{error}");
    assert!(error.hints()[0].contains("role.toml"), "{:?}", error.hints());
    let defined = of("roles/ours").unwrap();
    assert!(defined.text.contains("with.node-custom-roles-post = [\"ours\"]"), "{}", defined.text);
    let roles = format!("roles = [\"{}\"]", folder.path().join("roles").display());
    assert!(defined.text.contains(&roles), "{}", defined.text);
}

#[test]
fn var_files_are_flat_texts() {
    let mut variables = Variables::default();
    let file = Path::new("a.json");
    for (text, expected) in [
        ("{\"a\": 1}", "Error reading variables in 'a.json': `a` is a number, not a text"),
        ("{\"a\": true}", "`a` is a boolean"),
        ("{\"a\": []}", "`a` is a list"),
        ("{\"a\":\n x}", "line 2"),
        ("[]", "it is not an object"),
        ("{\"password\": \"a{{user `x`}}\"}", "`password` is a secret"),
    ] {
        let error = variables.read_file(file, text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    variables
        .read_file(
            file,
            r#"{"a": null, "b": "1", "password": "hunter2", "nutanix_password": "{{env `PC`}}"}"#,
        )
        .unwrap();
    variables
        .read_file(Path::new("b.json"), r#"{"b": "2", "http_proxy": "http://me:pw@proxy:3128"}"#)
        .unwrap();
    assert_eq!(variables.get("a").unwrap().text, "");
    assert_eq!(variables.get("b").unwrap().text, "2");
    let place = SecretPlace::Json { file: file.into(), key: "password".into() };
    assert_eq!(variables.get("password").unwrap().secret, Some(place));
    assert_eq!(variables.get("nutanix_password").unwrap().secret, Some(SecretPlace::Env("PC".into())));
    assert!(variables.get("http_proxy").unwrap().secret.is_some());
    assert!(!format!("{variables:?}").contains("hunter2"));
    variables.set("iso_url", "/x.iso", "flag");
    let defined = defined("qemu-ubuntu-2404", &variables, &Flavour::Upstream);
    assert!(defined.text.contains("with.http-proxy = \"${secret.http-proxy}\""), "{}", defined.text);
    assert!(!defined.text.contains("pw@"), "{}", defined.text);
    plan(&defined.text);
}

#[test]
fn flags_of_packer_come_in_their_order() {
    let environment = BTreeMap::from(
        [
            (
                "PACKER_FLAGS",
                "-var a=flag --var-file=flags.json -on-error=abort -force -color=false -var 'b=x y'",
            ),
            ("PACKER_VAR_FILES", "one.json two.json"),
            ("FOREGROUND", "1"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    let commands = Commands::read(&environment, &[PathBuf::from("own.json")], &["c=own".to_owned()]).unwrap();
    assert_eq!(commands.files, ["flags.json", "one.json", "two.json", "own.json"].map(PathBuf::from));
    assert_eq!(commands.on_error, Some(OnError::Abort));
    assert!(commands.force && !commands.debug);
    assert_eq!(commands.notes.len(), 2, "{:?}", commands.notes);
    let read = |path: &Path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        Ok(format!(r#"{{"a": "{name}", "d": "{name}", "password": "{name}"}}"#))
    };
    let variables = commands.variables(&environment, Path::new("/here"), &read).unwrap();
    assert_eq!(variables.get("a").unwrap().text, "flag");
    assert_eq!(variables.get("b").unwrap().text, "x y");
    assert_eq!(variables.get("c").unwrap().text, "own");
    assert_eq!(variables.get("d").unwrap().text, "own");
    assert!(variables.is_forced());
    let place = SecretPlace::Json { file: "/here/own.json".into(), key: "password".into() };
    assert_eq!(variables.get("password").unwrap().secret, Some(place));
}

#[test_case("-var", "`-var` has no value")]
#[test_case("-on-error=explode", "none of `cleanup`")]
#[test_case("-sudo", "no flag of `packer build`")]
#[test_case("qemu.json", "`qemu.json` is no flag")]
#[test_case("-var 'a=1", "a quote has no end")]
fn flags_that_packer_has_not(flags: &str, expected: &str) {
    let environment = BTreeMap::from([("PACKER_FLAGS".to_owned(), flags.to_owned())]);
    let error = Commands::read(&environment, &[], &[]).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_secret_on_a_command_line_is_refused_with_the_way_out() {
    let mut variables = Variables::default();
    let error = variables.read_flag("password=hunter2", "PACKER_FLAGS").unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
    variables.read_flag("password={{env `VC`}}", "PACKER_FLAGS").unwrap();
    assert_eq!(variables.get("password").unwrap().secret, Some(SecretPlace::Env("VC".into())));
}
