//! Packer's variables of a build, in the order in which `image-builder` hands its files to Packer: what comes later wins.
use super::{Asked, Builder, Config, Hypervisor, Os, proxy};
use crate::{
    compat::{
        CompatError,
        capi::{SecretPlace, Variables},
    },
    eksa::{Artifact, EksaError, Resolved},
    value::{Arch, Digest},
};
use std::path::Path;

/// What EKS Anywhere says about every node, whatever its release.
const ETCDADM: &str = "v0.1.5";
/// Volumes of EKS Anywhere's providers need them.
const DEBS: [&str; 2] = ["nfs-common", "xfsprogs"];
/// MiB.
const RAW_DISK: &str = "6656";
/// GiB.
const NUTANIX_DISK: &str = "10";

/// What the manifests say about a node, in the terms of Packer's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `kubernetes-1-34-eks-21`
    pub eksd_name: String,
    cluster: Vec<(&'static str, String)>,
    network: Vec<(&'static str, String)>,
    pause_image: String,
    other_pause: Option<String>,
}

impl Facts {
    /// Those of a release for one architecture.
    pub fn of(resolved: &Resolved, arch: Arch) -> Result<Self, FactsError> {
        let inputs = resolved.node_inputs(arch)?;
        let version = &inputs.kubernetes_version;
        let [kubelet, ..] = inputs.binaries;
        let end = format!("/{version}/bin/linux/{}/kubelet", arch.debian());
        let source = below(kubelet, &end)?;
        let plugins_version = tag(inputs.cni_plugins)?;
        let plugins = inputs.cni_plugins.uri.rsplit_once('/').map_or("", |(folder, _)| folder);
        let plugins = plugins
            .strip_suffix(&format!("/{plugins_version}"))
            .ok_or_else(|| misplaced(inputs.cni_plugins, &format!("/{plugins_version}/cni-plugins…")))?;
        let channel = resolved.kube.channel;
        let text = |value: &str| value.to_owned();
        let mut cluster = vec![
            ("kubernetes_source_type", text("http")),
            ("kubernetes_http_source", source),
            ("kubernetes_semver", version.clone()),
            ("kubernetes_series", format!("v{}", channel.dotted())),
            ("kubernetes_container_registry", inputs.image_repository.clone()),
            ("kubernetes_load_additional_imgs", text("true")),
            ("containerd_url", inputs.containerd.uri.clone()),
            ("crictl_url", inputs.crictl.uri.clone()),
            ("etcd_http_source", inputs.etcd.uri.clone()),
            ("etcd_version", tag(inputs.etcd)?.to_owned()),
            ("etcdadm_http_source", inputs.etcdadm.uri.clone()),
            ("etcdadm_version", text(ETCDADM)),
        ];
        // Its address tells the version; what the results tell about themselves needs it.
        let said = inputs.containerd.uri.split('/').find(|part| is_version(part));
        cluster.extend(said.map(|version| ("containerd_version", text(version.trim_start_matches('v')))));
        let digests = [
            ("containerd_sha256", inputs.containerd),
            ("crictl_sha256", inputs.crictl),
            ("etcd_sha256", inputs.etcd),
            ("etcdadm_sha256", inputs.etcdadm),
        ];
        for (name, artifact) in digests {
            cluster.extend(sha256(artifact)?.map(|digest| (name, digest.hex().to_owned())));
        }
        let mut network = vec![
            ("kubernetes_cni_http_source", text(plugins)),
            ("kubernetes_cni_semver", text(plugins_version)),
        ];
        network.extend(
            sha256(inputs.cni_plugins)?.map(|digest| ("kubernetes_cni_http_checksum", digest.to_string())),
        );
        Ok(Self {
            eksd_name: resolved.distro.name.clone(),
            cluster,
            network,
            pause_image: inputs.pause_image.uri.clone(),
            other_pause: inputs.other_pause.clone(),
        })
    }
}

#[cfg(test)]
impl Facts {
    /// Some, for tests about what is done with them.
    pub(super) fn for_tests() -> Self {
        Self {
            eksd_name: "kubernetes-1-34-eks-21".to_owned(),
            cluster: vec![("kubernetes_semver", "v1.34.9".to_owned())],
            network: Vec::new(),
            pause_image: "public.ecr.aws/eks-distro/kubernetes/pause:3.10".to_owned(),
            other_pause: None,
        }
    }
}

/// Why the manifests do not say all that is needed.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A file is not in them.
    #[error(transparent)]
    Missing(#[from] EksaError),
    /// A file is somewhere where the others cannot be found by it, or has a digest that is none.
    #[error(transparent)]
    Unfit(#[from] CompatError),
}

fn tag(artifact: &Artifact) -> Result<&str, CompatError> {
    artifact.version.as_deref().ok_or_else(|| {
        CompatError::new(format!(
            "The manifest of EKS-D has no `gitTag` for the component of `{}`",
            artifact.id
        ))
    })
}

/// `v1.7.28`
fn is_version(text: &str) -> bool {
    let numbers: Vec<&str> = text.strip_prefix('v').unwrap_or_default().split('.').collect();
    let number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.len() == 3 && numbers.iter().all(number)
}

/// An address without its usual end.
fn below(artifact: &Artifact, end: &str) -> Result<String, CompatError> {
    artifact.uri.strip_suffix(end).map(str::to_owned).ok_or_else(|| misplaced(artifact, end))
}

fn misplaced(artifact: &Artifact, end: &str) -> CompatError {
    CompatError::new(format!("`{}` is at `{}`, whose end is not `{end}`", artifact.id, artifact.uri))
        .hint("the other files of its component could not be found by it")
}

fn sha256(artifact: &Artifact) -> Result<Option<&Digest>, CompatError> {
    match (&artifact.sha256, &artifact.bad_digest) {
        (Some(digest), _) => Ok(Some(digest)),
        (None, Some(text)) => Err(CompatError::new(format!(
            "The manifest states `{text}` for the digest of `{}`, which is none",
            artifact.id
        ))),
        (None, None) => Ok(None),
    }
}

/// All variables but those that have no meaning here. `env` reads the environment; relative paths start in `folder`, the current one.
pub fn variables(
    asked: &Asked,
    facts: &Facts,
    folder: &Path,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Variables, CompatError> {
    let mut all = Variables::default();
    // EKS Anywhere says `-force` to Packer: what an earlier build made is replaced.
    all.set_forced(true);
    for (name, text) in &facts.cluster {
        all.set(*name, text, "the manifests");
    }
    all.set("pause_image", &facts.pause_image, "the manifest of EKS-D");
    if asked.os == Os::Ubuntu {
        all.set("extra_debs", DEBS.join(" "), "EKS Anywhere");
    }
    for (name, key) in
        [("http_proxy", "HTTP_PROXY"), ("https_proxy", "HTTPS_PROXY"), ("no_proxy", "NO_PROXY")]
    {
        match env(key).filter(|text| !text.is_empty()) {
            Some(text) if url::Url::parse(&text).is_ok_and(|url| url.password().is_some()) => {
                all.set_secret(name, SecretPlace::Env(key.to_owned()), format!("`{key}`"));
            }
            Some(text) => all.set(name, text, format!("`{key}`")),
            None => {}
        }
    }
    for (name, text) in &facts.network {
        all.set(*name, text, "the manifest of EKS-D");
    }
    if let Some(url) = &facts.other_pause {
        let from = "EKS Anywhere";
        all.set("load_additional_components", "true", from);
        all.set("additional_url_images", "true", from);
        all.set("additional_url_images_list", url, from);
    }
    if asked.hypervisor == Hypervisor::Vsphere && asked.builder == Builder::Iso {
        // Upstream's image of Red Hat's 9 boots by EFI, EKS Anywhere's as it is asked.
        all.set("firmware", asked.firmware.name(), "`--firmware`");
    }
    defaults(asked, folder, &mut all);
    if let Some(config) = &asked.config {
        of_config(asked, config, &mut all)?;
    }
    if asked.hypervisor == Hypervisor::CloudStack {
        all.set("ansible_user_vars", "provider=cloudstack", "EKS Anywhere");
    }
    if asked.hypervisor == Hypervisor::Ami && all.get("volume_type").is_none_or(|kind| kind.text != "gp3") {
        // Only gp3 has a throughput that can be said.
        all.set("throughput", "", "EKS Anywhere");
    }
    for file in &asked.files {
        all.add_file(file.clone());
    }
    Ok(all)
}

/// What holds when the configuration file does not say it, or is not there.
fn defaults(asked: &Asked, folder: &Path, all: &mut Variables) {
    let from = "EKS Anywhere's default";
    match asked.hypervisor {
        Hypervisor::Baremetal => all.set("disk_size", RAW_DISK, from),
        Hypervisor::Nutanix => all.set("image_size_gb", NUTANIX_DISK, from),
        Hypervisor::Ami => {
            let system = if asked.version == "24.04" { "noble-24.04" } else { "jammy-22.04" };
            let manifest = folder.join("manifest.json").display().to_string();
            for (name, text) in [
                ("ami_filter_name", format!("ubuntu/images/*ubuntu-{system}-amd64-server-*").as_str()),
                ("ami_filter_owners", "679593333241"),
                ("ami_regions", "us-west-2"),
                ("aws_region", "us-west-2"),
                ("builder_instance_type", "t3.small"),
                ("manifest_output", manifest.as_str()),
                ("root_device_name", "/dev/sda1"),
                ("volume_size", "25"),
                // Upstream's AMIs are for everybody, which nobody says here.
                ("ami_groups", ""),
                ("snapshot_groups", ""),
                ("volume_type", "gp3"),
            ] {
                all.set(name, text, from);
            }
        }
        Hypervisor::Vsphere | Hypervisor::CloudStack => {}
    }
}

fn of_config(asked: &Asked, config: &Config, all: &mut Variables) -> Result<(), CompatError> {
    let from = config.path.display().to_string();
    for (name, text) in config.all() {
        // A login is tried as long as `ssh_timeout` says.
        if super::keys::is_of_the_site(name) || name == "ssh_handshake_attempts" {
            continue;
        }
        match text {
            None => secret(all, name, config),
            // An empty text is the default, but for EPEL, where it means none.
            Some("") if !matches!(name, "redhat_epel_rpm" | "epel_rpm_gpg_key") => {}
            // In the original, what the user says replaces them.
            Some(text) if name == "extra_debs" && asked.os == Os::Ubuntu => {
                let more = DEBS.into_iter().filter(|deb| !text.split_whitespace().any(|said| said == *deb));
                let list: Vec<&str> = text.split_whitespace().chain(more).collect();
                all.set(name, list.join(" "), &from);
            }
            Some(text) => all.set(name, text, &from),
        }
    }
    if let Some((host, port)) = proxy::of_subscriptions(asked.os, config)? {
        all.set("rhsm_server_proxy_hostname", host, &from);
        all.set("rhsm_server_proxy_port", port, &from);
    }
    Ok(())
}

/// What nobody may see stays where it is: a definition says where.
fn secret(all: &mut Variables, name: &str, config: &Config) {
    let place = SecretPlace::Json { file: config.path.clone(), key: name.to_owned() };
    all.set_secret(name, place, config.path.display().to_string());
}
