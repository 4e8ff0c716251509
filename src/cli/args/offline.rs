//! What the user may say about building without a network.
use crate::fetch::AllowedHost;
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Whether there is a network, and what stands in for it.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::struct_field_names, reason = "it is the name of the flag")]
#[command(next_help_heading = "Without a network")]
pub(in crate::cli) struct Offline {
    /// Ask no network: all comes from bundles, and machines of libvirt have no route out
    #[arg(long)]
    pub(in crate::cli) offline: bool,
    /// Take what is needed from this bundle, which `goldsmith bundle create` made; may be repeated
    #[arg(long = "bundle", value_name = "FILE", requires = "offline", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) bundles: Vec<PathBuf>,
    /// Ask this host of the site all the same, at any port or at one; may be repeated
    #[arg(long = "allow-host", value_name = "HOST[:PORT]", requires = "offline", value_hint = ValueHint::Hostname)]
    pub(in crate::cli) hosts: Vec<AllowedHost>,
}
