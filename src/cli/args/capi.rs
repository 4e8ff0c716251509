//! What the user may say about targets of Cluster API's image-builder.
use super::{AcceleratorArg, WhenFailed};
use clap::{Args, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct Capi {
    /// Make targets: `build-…`, `validate-…`, with `-all` for a group; without a verb, it is built
    #[arg(required_unless_present = "list", value_name = "TARGET")]
    pub(in crate::cli) targets: Vec<String>,
    /// Show all targets, and what of image-builder is not built and why
    #[arg(long, conflicts_with_all = ["targets", "print"])]
    pub(in crate::cli) list: bool,
    /// Print the definition instead of building it
    #[arg(long)]
    pub(in crate::cli) print: bool,
    /// Set a variable, which wins over all files; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(in crate::cli) vars: Vec<String>,
    /// Read variables from a flat JSON file; may be repeated, the last one wins, after those of PACKER_VAR_FILES
    #[arg(long = "var-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) var_files: Vec<PathBuf>,
    /// What to do with the machine of a build that failed [default: as PACKER_FLAGS says, or cleanup]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(in crate::cli) on_error: Option<WhenFailed>,
    /// Pause before each stage and after each step, and say how to log into the guest
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(in crate::cli) debug: bool,
    /// Who executes the guest, instead of what the target says
    #[arg(long, value_name = "WHO", value_enum)]
    pub(in crate::cli) accelerator: Option<AcceleratorArg>,
    /// Do so many builds at once. Each needs the memory and cpus of its machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(in crate::cli) parallel: u16,
    /// Do not boot the results to prove them
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,
}
