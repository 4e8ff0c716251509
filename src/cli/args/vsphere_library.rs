//! What the user may say about content libraries.
use super::{FinishArgs, ProvisioningArgs, SpotArgs, VcenterArgs};
use crate::publish::vsphere::ItemName;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct ListVsphere {
    /// The library whose items are listed [default: list the libraries]
    #[arg(value_name = "LIBRARY")]
    pub(in crate::cli) library: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
}

/// What a machine becomes in a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Captured {
    /// An OVF package
    Ovf,
    /// A template
    Template,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CaptureVsphere {
    /// The machine, by name or path; it must be off
    #[arg(value_name = "MACHINE")]
    pub(in crate::cli) machine: String,
    /// The content library
    #[arg(long, value_name = "LIBRARY")]
    pub(in crate::cli) library: String,
    /// What to call the item [default: the name of the machine]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// What it becomes
    #[arg(long = "as", value_name = "TYPE", value_enum, default_value_t = Captured::Ovf)]
    pub(in crate::cli) kind: Captured,
    /// Give the library's item of this name new content; only of OVF packages
    #[arg(long)]
    pub(in crate::cli) new_version: bool,
    /// Describe the item
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// The folder of a template; made if it is missing [default: that of the machine]
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) folder: Option<String>,
    /// The resource pool of a template [default: that of the machine]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) resource_pool: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeployVsphere {
    /// The item; a slash in a name is written `%2f`
    #[arg(value_name = "LIBRARY/ITEM")]
    pub(in crate::cli) item: ItemName,
    /// What to call the machine
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: String,
    #[command(flatten)]
    pub(in crate::cli) finish: FinishArgs,
    #[command(flatten)]
    pub(in crate::cli) provisioning: ProvisioningArgs,
    /// Accept the licences in the package
    #[arg(long)]
    pub(in crate::cli) accept_licences: bool,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
    #[command(flatten)]
    pub(in crate::cli) spot: SpotArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadVsphere {
    /// The item; a slash in a name is written `%2f`
    #[arg(value_name = "LIBRARY/ITEM")]
    pub(in crate::cli) item: ItemName,
    /// Write this: `x.ova`, or a folder for the files as they are
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) output: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
}
