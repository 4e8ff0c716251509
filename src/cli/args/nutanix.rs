//! What the user may say about a Prism Central of Nutanix's.
use super::{examples, name_and_value};
use crate::{
    nutanix::{Dialect, Thumbprint},
    value::Digest,
};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Which Prism Central, as whom, and how it is known to be the one that is meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Prism Central")]
pub(in crate::cli) struct PrismArgs {
    /// Name or address of the Prism Central [default: NUTANIX_ENDPOINT]
    #[arg(long, value_name = "HOST", value_hint = ValueHint::Hostname)]
    pub(in crate::cli) endpoint: Option<String>,
    /// Its port [default: NUTANIX_PORT, or 9440]
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) port: Option<u16>,
    /// Who logs in [default: NUTANIX_USER]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// The password is the first line of this file [default: NUTANIX_PASSWORD]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "prism-trust")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// Trust the certificate with this fingerprint, SHA-1 or SHA-256, and no other
    #[arg(long, value_name = "HEX", group = "prism-trust")]
    pub(in crate::cli) thumbprint: Option<Thumbprint>,
    /// Trust any certificate: whoever is on the way can read the password
    #[arg(long, group = "prism-trust")]
    pub(in crate::cli) insecure: bool,
    /// Take what is not said from this file, as EKS Anywhere's image-builder has it (JSON)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Which form of the interface is spoken, `v3` or `v4` [default: v4 if the server has it]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) api: Option<Dialect>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishNutanix {
    /// The disk, as qcow2 or raw
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath, required_unless_present = "url")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// Have the cluster fetch the disk from this address instead
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "image")]
    pub(in crate::cli) url: Option<url::Url>,
    /// SHA-256 of what is at the address, which the cluster compares
    #[arg(long, value_name = "SHA256", requires = "url")]
    pub(in crate::cli) checksum: Option<Digest>,
    /// What to call the image [default: `image_name` of the file of `--config`, or the name of the file, without its end]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// What people read about it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// Put it on this cluster, by name or UUID; may be repeated [default: that of the file of `--config`, or what Prism Central
    /// chooses]
    #[arg(long = "cluster", value_name = "NAME")]
    pub(in crate::cli) clusters: Vec<String>,
    /// Give it this category, made if there is none; may be repeated
    #[arg(long = "category", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) categories: Vec<(String, String)>,
    /// Take the place of images of this name that earlier publishes made
    #[arg(long)]
    pub(in crate::cli) replace: bool,
    #[command(flatten)]
    pub(in crate::cli) prism: PrismArgs,
}

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Nutanix {
    /// Download an image
    #[command(
        long_about = "Download an image.\n\n\
            The file has its name when it is whole. Where the connection is cut, it goes on if Prism Central gives parts, and begins again if not. \
            Its SHA-256 is compared with the one that is said, or that Prism Central tells.",
        after_help = examples(&[
            ("goldsmith nutanix download node-1 -o node.img --config nutanix.json", "by its name, by the file of EKS Anywhere"),
            ("goldsmith nutanix download node-1 -o node.img --json | tail -1 | jq -r .sha256", "for scripts"),
            ("goldsmith inspect node.img", "what it is"),
        ]),
    )]
    Download(Box<DownloadNutanix>),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadNutanix {
    /// The image, by name or UUID
    #[arg(value_name = "IMAGE")]
    pub(in crate::cli) image: String,
    /// The file to make
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) output: PathBuf,
    /// Refuse what has another SHA-256
    #[arg(long, value_name = "SHA256")]
    pub(in crate::cli) sha256: Option<Digest>,
    #[command(flatten)]
    pub(in crate::cli) prism: PrismArgs,
}
