//! What the user may say about a vCenter.
use super::name_and_value;
use crate::vsphere::Thumbprint;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Which vCenter, as whom, and how it is known to be the one that is meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "vCenter")]
pub(in crate::cli) struct VcenterArgs {
    /// Name or address of the vCenter [default: VSPHERE_SERVER, or that of GOVC_URL]
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub(in crate::cli) server: Option<String>,
    /// Who logs in [default: VSPHERE_USER, or GOVC_USERNAME]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// The password is the first line of this file [default: VSPHERE_PASSWORD, or GOVC_PASSWORD]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "trust")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// Trust the certificate with this fingerprint, SHA-1 or SHA-256, and no other
    #[arg(long, value_name = "HEX", group = "trust")]
    pub(in crate::cli) thumbprint: Option<Thumbprint>,
    /// Trust any certificate: whoever is on the way can read the password
    #[arg(long, group = "trust")]
    pub(in crate::cli) insecure: bool,
    /// Take what is not said from this file, as EKS Anywhere's image-builder has it (JSON)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) config: Option<PathBuf>,
    /// The datacenter [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) datacenter: Option<String>,
}

/// Where in a vCenter a machine is put.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Place of the machine")]
pub(in crate::cli) struct SpotArgs {
    /// The cluster, or a host that is in none [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) cluster: Option<String>,
    /// The host
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) host: Option<String>,
    /// The resource pool [default: the cluster's own]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) resource_pool: Option<String>,
    /// The folder; made if it is missing [default: the datacenter's folder of machines]
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) folder: Option<String>,
    /// The datastore or datastore cluster [default: the only datastore]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) datastore: Option<String>,
    /// The network for all adapters, or for those in the network OVFNET of the image; may be repeated [default: networks of the same
    /// names]
    #[arg(long = "network", value_name = "[OVFNET=]NAME")]
    pub(in crate::cli) networks: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishVsphere {
    /// The OVA
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) image: PathBuf,
    /// What to call the machine, or the item [default: the name of the file, without its end]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) shelf: ShelfArgs,
    #[command(flatten)]
    pub(in crate::cli) finish: FinishArgs,
    #[command(flatten)]
    pub(in crate::cli) provisioning: ProvisioningArgs,
    /// Set this property of the image; may be repeated
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) properties: Vec<(String, String)>,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
    #[command(flatten)]
    pub(in crate::cli) spot: SpotArgs,
}

/// An item of a content library in place of a machine.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ShelfArgs {
    /// Put it into this content library, and make no machine
    #[arg(long, value_name = "LIBRARY", conflicts_with_all = [
        "template", "no_template", "snapshot", "tags", "attributes", "replace", "provisioning", "properties",
        "cluster", "host", "resource_pool", "folder", "datastore", "networks",
    ])]
    pub(in crate::cli) library: Option<String>,
    /// Give the library's item of this name new content; it keeps its old one until all of the new is there
    #[arg(long, requires = "library")]
    pub(in crate::cli) new_version: bool,
    /// Describe the item
    #[arg(long, value_name = "TEXT", requires = "library")]
    pub(in crate::cli) description: Option<String>,
}

/// What a machine gets.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct FinishArgs {
    /// Make it a template
    #[arg(long)]
    pub(in crate::cli) template: bool,
    /// Leave it a machine, whatever the file of `--config` says
    #[arg(long, conflicts_with = "template")]
    pub(in crate::cli) no_template: bool,
    /// Make a snapshot of it, for linked clones
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "goldsmith", require_equals = true)]
    pub(in crate::cli) snapshot: Option<String>,
    /// Attach this tag, made if there is none; may be repeated. EKS Anywhere wants `os:os:ubuntu`, and
    /// `eksdRelease:eksdRelease:NAME`
    #[arg(long = "tag", value_name = "CATEGORY:TAG", value_parser = category_and_tag)]
    pub(in crate::cli) tags: Vec<(String, String)>,
    /// Set this custom attribute; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) attributes: Vec<(String, String)>,
    /// Take the place of the machine of this name that an earlier `publish` or `deploy` made
    #[arg(long)]
    pub(in crate::cli) replace: bool,
}

/// How the space of a machine's disks is taken.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ProvisioningArgs {
    /// Take the space of its disks as it is written to; this is the default
    #[arg(long, group = "provisioning")]
    pub(in crate::cli) thin: bool,
    /// Take the space of its disks at once
    #[arg(long, group = "provisioning")]
    pub(in crate::cli) thick: bool,
    /// Take the space of its disks at once, and zero it
    #[arg(long, group = "provisioning")]
    pub(in crate::cli) eager_zeroed: bool,
}

/// The first colon ends the category: names of tags have some, too.
fn category_and_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((category, tag)) if !category.is_empty() && !tag.is_empty() => {
            Ok((category.to_owned(), tag.to_owned()))
        }
        _ => Err("write CATEGORY:TAG, such as `os:os:ubuntu` for the tag `os:ubuntu` of the category `os`"
            .to_owned()),
    }
}
