//! Packer's manifest of a target: what image-builder's consumers read besides the image.
use super::{CompatError, Group, Target, Variables, defaults, settings::Settings};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What of the manifest is known without the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Where it is written.
    pub path: PathBuf,
    /// Name of the builder.
    pub name: String,
    /// Its type, as Packer calls it.
    pub builder: &'static str,
    /// What image-builder adds.
    pub custom_data: Map<String, Value>,
}

/// What is done with an AMI when it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where it is made.
    pub home: String,
    /// The profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// All regions that are to have it.
    pub regions: Vec<String>,
    /// Everybody may use it.
    pub public: bool,
    /// These accounts may use it.
    pub accounts: Vec<String>,
}

impl Publication {
    /// `None` if it stays where it is, for nobody else.
    pub(super) fn of(settings: &Settings) -> Result<Option<Self>, CompatError> {
        let home = settings.needed("aws_region")?;
        let mut regions = settings.commas("ami_regions")?;
        if !regions.contains(&home) {
            regions.push(home.clone());
        }
        let groups = [settings.commas("ami_groups")?, settings.commas("snapshot_groups")?].concat();
        let mut accounts = [settings.commas("ami_users")?, settings.commas("snapshot_users")?].concat();
        accounts.sort();
        accounts.dedup();
        let public = groups.iter().any(|group| group == "all");
        let profile = settings.text("aws_profile")?;
        let idle = regions.len() == 1 && !public && accounts.is_empty();
        Ok((!idle).then_some(Self { home, profile, regions, public, accounts }))
    }
}

/// What is done with the AMI of `target`; `None` for other targets, and if nothing is.
///
/// # Errors
/// A variable about it that cannot be.
pub fn publication(target: &Target, variables: &Variables) -> Result<Option<Publication>, CompatError> {
    if target.group() != Group::Ami {
        return Ok(None);
    }
    Publication::of(&Settings::new(variables, defaults::of(target, false))?)
}

const OVA: &[(&str, &str)] = &[
    ("build_name", "build_name"),
    ("build_timestamp", "build_timestamp"),
    ("containerd_version", "containerd_version"),
    ("disk_size", "disk_size"),
    ("distro_arch", "distro_arch"),
    ("distro_name", "distro_name"),
    ("distro_version", "distro_version"),
    ("firmware", "firmware"),
    ("guest_os_type", "guest_os_type"),
    ("ib_version", "ib_version"),
    ("kubernetes_cni_semver", "kubernetes_cni_semver"),
    ("kubernetes_semver", "kubernetes_semver"),
    ("kubernetes_source_type", "kubernetes_source_type"),
    ("kubernetes_typed_version", "kubernetes_typed_version"),
    ("os_name", "os_display_name"),
    ("vsphere_guest_os_type", "vsphere_guest_os_type"),
];

const AMI: &[(&str, &str)] = &[
    ("containerd_enable_limit_no_file", "containerd_enable_limit_no_file"),
    ("containerd_gvisor_runtime", "containerd_gvisor_runtime"),
    ("containerd_gvisor_version", "containerd_gvisor_version"),
    ("containerd_version", "containerd_version"),
    ("kubernetes_cni_version", "kubernetes_cni_semver"),
    ("kubernetes_version", "kubernetes_semver"),
];

/// The manifest of `target`; `None` where image-builder writes none. Relative paths start in `folder`.
///
/// # Errors
/// A variable in it that cannot be.
pub fn manifest(
    target: &Target,
    variables: &Variables,
    folder: &Path,
) -> Result<Option<Manifest>, CompatError> {
    let settings = Settings::new(variables, defaults::of(target, false))?;
    let (path, name, builder, keys) = match target.group() {
        Group::OvaLocal => ("output_dir", "vmware-iso".to_owned(), "vmware-iso", OVA),
        Group::OvaVsphere => ("output_dir", "vsphere".to_owned(), "vsphere-iso", OVA),
        Group::OvaVsphereClone => ("output_dir", "vsphere-clone".to_owned(), "vsphere-clone", OVA),
        Group::Ami => ("manifest_output", settings.needed("build_name")?, "amazon-ebs", AMI),
        Group::Qemu | Group::Kubevirt | Group::Raw | Group::Nutanix => return Ok(None),
    };
    let mut place = folder.join(settings.needed(path)?);
    if target.group().is_ova() {
        place.push("packer-manifest.json");
    }
    let mut custom_data = Map::new();
    if target.group().is_ova() {
        let started = settings.variables().started().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        custom_data.insert("build_date".to_owned(), started.into());
    }
    for (key, variable) in keys {
        custom_data.insert((*key).to_owned(), settings.text(variable)?.unwrap_or_default().into());
    }
    let place = place.components().filter(|part| *part != std::path::Component::CurDir).collect();
    Ok(Some(Manifest { path: place, name, builder, custom_data }))
}

/// What image-builder calls the image of `target`, without the version of Kubernetes.
///
/// # Errors
/// When the variable cannot be.
pub fn build_name(target: &Target, variables: &Variables) -> Result<String, CompatError> {
    Settings::new(variables, defaults::of(target, false))?.needed("build_name")
}
