//! What the user may say about Amazon's Marketplace.
use super::{AccountArgs, examples};
use crate::value::HumanDuration;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(in crate::cli) struct Marketplace {
    #[command(subcommand)]
    pub(in crate::cli) command: MarketplaceCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MarketplaceCommand {
    /// Add an AMI to a product as a new version, and follow that to its end
    #[command(
        long_about = "Add an AMI to a product as a new version, and follow that to its end.\n\n\
            The AMI must be in us-east-1, from where the Marketplace copies it by the access role. Product and texts come from a TOML \
            file, from options, and from the AMI's name and its tag `Version`; the instance type from the product's current version. \
            Without `--public-product`, the release goes to the product for tries. The same command again, also after an \
            interruption, follows the same change set.",
        after_help = examples(&[
            ("goldsmith marketplace release ami-0123 --products products.toml --dry-run", "see the change set"),
            ("goldsmith marketplace release ami-0123 --products products.toml", "to the product for tries"),
            ("goldsmith marketplace release ami-0123 --products products.toml --public-product", "for everybody"),
        ])
    )]
    Release(Box<MarketplaceRelease>),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MarketplaceRelease {
    /// The AMI, in us-east-1
    #[arg(value_name = "AMI", value_parser = ami)]
    pub(in crate::cli) ami: String,
    /// A TOML file: `dev-product`, a table `[defaults]`, and a `[[product]]` with `id`, `os`, `arch` and `channel` for each product
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) products: Option<PathBuf>,
    /// Release to the public product of the file that fits the AMI's name and architecture, not to the one for tries
    #[arg(long, requires = "products")]
    pub(in crate::cli) public_product: bool,
    /// Release to this product, whatever the file says
    #[arg(long, value_name = "ID", conflicts_with = "public_product")]
    pub(in crate::cli) product: Option<String>,
    /// The channel of the product
    #[arg(long, value_name = "NAME", default_value = "stable")]
    pub(in crate::cli) channel: String,
    /// What the version is called [default: the AMI's tag Version, or its name]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) title: Option<String>,
    /// What is new in it [default: "NAME release."]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) notes: Option<String>,
    /// The instance type to recommend [default: the current version's, or t3.small and t4g.small]
    #[arg(long, value_name = "TYPE")]
    pub(in crate::cli) instance_type: Option<String>,
    /// The role by which the Marketplace copies the AMI
    #[arg(long, value_name = "ARN")]
    pub(in crate::cli) access_role: Option<String>,
    /// The system as the Marketplace lists them [default: OTHERLINUX]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) os_name: Option<String>,
    /// The system's version [default: the AMI's tag Version without its date]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) os_version: Option<String>,
    /// Who logs in [default: ec2-user]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// What a buyer must know to use it
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) usage: Option<String>,
    /// Print the change set, and send nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// How long to follow the change set
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    pub(in crate::cli) timeout: HumanDuration,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

fn ami(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("ami-").unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_owned())
    } else {
        Err("an AMI's id reads like `ami-0123456789abcdef0`".to_owned())
    }
}
