//! What the user may say about the export of a machine.
use super::VcenterArgs;
use clap::{Args, ValueHint};
use std::path::PathBuf;

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
