//! What the user may say about the test of an AMI.
use super::{AccountArgs, Selection, Variables};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `goldsmith ami test`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AmiTest {
    /// The AMI, such as `ami-0123456789abcdef0`
    #[arg(value_name = "AMI")]
    pub(in crate::cli) ami: String,
    /// What it was built for; its `[machine.ec2]` says how to start it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) definition: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) inputs: Variables,
    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
    /// A text that a release file must hold, such as `AlmaLinux release 9.6`
    #[arg(long, value_name = "TEXT", help_heading = "Expected")]
    pub(in crate::cli) expect_os_release: Option<String>,
    /// The package manager must work, and have nothing newer
    #[arg(long, help_heading = "Expected")]
    pub(in crate::cli) up_to_date: bool,
    /// Write the list of packages to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Expected")]
    pub(in crate::cli) packages: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) instance: InstanceArgs,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

/// How an instance is started and reached. What is said here counts more than a definition.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Instance")]
pub(in crate::cli) struct InstanceArgs {
    /// Types of instances, tried in this order [default: t3.small, or t4g.small for aarch64]
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(in crate::cli) instance_type: Vec<String>,
    /// The subnet [default: one of the default VPC]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) subnet: Option<String>,
    /// An instance profile, as `session-manager` needs one
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) instance_profile: Option<String>,
    /// The way to SSH [default: public]
    #[arg(long, value_name = "WAY", value_enum)]
    pub(in crate::cli) ssh: Option<Way>,
    /// Networks that may reach the SSH port [default: this host's address alone]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(in crate::cli) ssh_from: Vec<String>,
    /// The guest's SSH port [default: 22]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) ssh_port: Option<u16>,
    /// The image reads Ignition's configuration instead of cloud-init's: Flatcar, Fedora CoreOS
    #[arg(long)]
    pub(in crate::cli) ignition: bool,
}

/// The way to an instance's SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Way {
    /// By its public address
    Public,
    /// By its private address
    Private,
    /// Through Systems Manager's session manager
    SessionManager,
}
