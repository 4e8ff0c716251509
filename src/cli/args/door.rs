//! What users of EKS Anywhere's `image-builder` type, in place of definitions.
use super::ManifestArgs;
use crate::compat::eksa::{Flags, Hypervisor};
use clap::{ArgAction, Args, ValueHint};
use std::{collections::BTreeMap, path::PathBuf};

/// The options of `image-builder build`. Their values are checked by what they mean, in its own order and words.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "As EKS Anywhere's image-builder, in place of FILE")]
pub(in crate::cli) struct DoorArgs {
    /// Build a node of EKS Anywhere with this system: ubuntu or redhat
    #[arg(long, value_name = "OS", requires_all = ["hypervisor", "release_channel"])]
    pub(in crate::cli) os: Option<String>,
    /// Its version: 22.04 or 24.04 of Ubuntu, 8 or 9 of Red Hat's [default: 22.04 or 8]
    #[arg(long, value_name = "VERSION", requires = "os")]
    pub(in crate::cli) os_version: Option<String>,
    /// What the image is for: vsphere, baremetal, nutanix, cloudstack or ami
    #[arg(long, value_name = "NAME", requires = "os")]
    pub(in crate::cli) hypervisor: Option<String>,
    /// The release channel: 1-34 or 1.34
    #[arg(long, value_name = "CHANNEL", requires = "os")]
    pub(in crate::cli) release_channel: Option<String>,
    /// JSON file for vsphere
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) vsphere_config: Option<PathBuf>,
    /// JSON file for baremetal
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) baremetal_config: Option<PathBuf>,
    /// JSON file for nutanix
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) nutanix_config: Option<PathBuf>,
    /// JSON file for cloudstack
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) cloudstack_config: Option<PathBuf>,
    /// JSON file for ami
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) ami_config: Option<PathBuf>,
    /// JSON file with a list of files that are put into the image
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os")]
    pub(in crate::cli) files_config: Option<PathBuf>,
    /// bios or efi [default: efi for baremetal, but bios with Red Hat's 8; bios elsewhere]
    #[arg(long, value_name = "NAME", requires = "os")]
    pub(in crate::cli) firmware: Option<String>,
    /// For vsphere: iso, from an installer's medium, or clone, from a template [default: iso]
    #[arg(long, value_name = "NAME", requires = "os")]
    pub(in crate::cli) builder: Option<String>,
    /// The release of EKS Anywhere, such as v0.26.0 [default: EKSA_RELEASE_VERSION, or the latest]
    #[arg(long, value_name = "VERSION", requires = "os")]
    pub(in crate::cli) eksa_release: Option<String>,
    /// Take the manifests from this tar, which `goldsmith download manifests` wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "os", conflicts_with = "manifest_url")]
    pub(in crate::cli) manifest_tarball: Option<PathBuf>,
    /// Take the release manifest from this address or file [default: EKSA_RELEASE_MANIFEST_URL, or Amazon's]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url, requires = "os")]
    pub(in crate::cli) manifest_url: Option<String>,
    /// Refuse manifests of a bundle and of EKS-D that Amazon did not sign
    #[arg(long, requires = "os")]
    pub(in crate::cli) require_signature: bool,
    /// Use the site's own servers only, as the configuration file names them; needs --manifest-tarball
    #[arg(long, alias = "airgapped", requires = "os", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::cli) air_gapped: bool,
    /// Taken and checked (0 to 6); there is no Ansible
    #[arg(
        long,
        value_name = "N",
        requires = "os",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    pub(in crate::cli) ansible_verbosity: i64,
    /// Taken; nothing is left over that would have to go first
    #[arg(long, requires = "os", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::cli) force: bool,
    /// Taken; Ubuntu 20.04 is not built
    #[arg(long, requires = "os", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::cli) dev: bool,
}

impl DoorArgs {
    /// Whether this door is meant, not a definition.
    pub(in crate::cli) fn is_open(&self) -> bool {
        self.os.is_some()
    }

    /// What was typed.
    pub(in crate::cli) fn flags(&self) -> Flags {
        let text = |said: &Option<String>| said.clone().unwrap_or_default();
        let configs: BTreeMap<Hypervisor, PathBuf> = [
            (Hypervisor::Vsphere, &self.vsphere_config),
            (Hypervisor::Baremetal, &self.baremetal_config),
            (Hypervisor::Nutanix, &self.nutanix_config),
            (Hypervisor::CloudStack, &self.cloudstack_config),
            (Hypervisor::Ami, &self.ami_config),
        ]
        .into_iter()
        // An empty path is none, as in scripts that always give the option.
        .filter_map(|(hypervisor, path)| {
            Some((hypervisor, path.clone()?)).filter(|(_, path)| !path.as_os_str().is_empty())
        })
        .collect();
        Flags {
            os: text(&self.os),
            os_version: text(&self.os_version),
            hypervisor: text(&self.hypervisor),
            release_channel: text(&self.release_channel),
            configs,
            files_config: self.files_config.clone().filter(|path| !path.as_os_str().is_empty()),
            firmware: text(&self.firmware),
            builder: text(&self.builder),
            manifest_tarball: self.manifest_tarball.is_some(),
            air_gapped: self.air_gapped,
            ansible_verbosity: self.ansible_verbosity,
            force: self.force,
            dev: self.dev,
        }
    }

    /// Which manifests.
    pub(in crate::cli) fn manifests(&self) -> ManifestArgs {
        ManifestArgs {
            manifest_url: self.manifest_url.clone(),
            manifest_tarball: self.manifest_tarball.clone(),
            offline: false,
            require_signature: self.require_signature,
        }
    }
}
