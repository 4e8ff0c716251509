//! What the user may say about the export of a machine.
use super::{VcenterArgs, examples};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// What is done in a vCenter.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Vsphere {
    /// Export a machine, a template or a snapshot as an OVA, or as an OVF with its files
    #[command(
        long_about = "Export a machine, a template or a snapshot as an OVA, or as an OVF with its files.\n\n\
            All disks are fetched at once, and their digests are compared with those that the server tells. The first disk of an OVA \
            is written straight into its place in the archive; there is no copy of it. Others get files without a name beside it, and \
            are copied behind it; an OVF has no copies at all. Before anything gets its name, our own reader has read every block.",
        after_help = examples(&[
            ("goldsmith vsphere export templates/node -o node.ova", "a template"),
            ("goldsmith vsphere export web -o web.ovf --snapshot golden", "what runs, as it was in a snapshot"),
            ("goldsmith vsphere export web -o x.ova --json | tail -1 | jq .sha256", "for scripts"),
        ]),
    )]
    Export(Box<ExportVsphere>),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportVsphere {
    /// The machine or template, by name or path
    #[arg(value_name = "MACHINE")]
    pub(in crate::cli) machine: String,
    /// Write this: `x.ova`, or `x.ovf` with its files beside it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) output: PathBuf,
    /// Its disks as they were in this snapshot, instead of as they are. Without it the machine must be off
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) snapshot: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) vcenter: VcenterArgs,
}
