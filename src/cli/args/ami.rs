//! What the user may say about AMIs that exist.
use super::{AmiTest, examples};
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct Ami {
    #[command(subcommand)]
    pub(in crate::cli) command: AmiCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AmiCommand {
    /// Start an instance from an AMI, and check it from inside
    #[command(
        long_about = "Start an instance from an AMI, and check it from inside.\n\n\
            With a definition, everything is checked that follows from its steps, as at the end of a build; without one, that it boots \
            without failed units. The AMI is not changed, and instance, key pair and security group go afterwards.",
        after_help = examples(&[
            ("goldsmith ami test ami-0123456789abcdef0", "does it start, and let us in?"),
            ("goldsmith ami test ami-0123… --definition web.toml", "does it hold what it was built for?"),
            ("goldsmith ami test ami-0123… --expect-os-release 'AlmaLinux release 9.6' --up-to-date --packages list.txt", "a release's test"),
            ("goldsmith ami test ami-0123… --instance-type t4g.medium --ssh private --subnet subnet-0123456789abcdef0", "in a network of your own"),
        ]),
    )]
    Test(Box<AmiTest>),
}
