//! What the user may say about Amazon's cloud.
use clap::Args;

/// Which account, and where.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Amazon account")]
pub(in crate::cli) struct AccountArgs {
    /// A profile of ~/.aws/config
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) profile: Option<String>,
    /// The region, such as `eu-west-1` [default: the profile's, or AWS_REGION]
    #[arg(long, value_name = "REGION")]
    pub(in crate::cli) region: Option<String>,
    /// Address of another server that speaks Amazon's API
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub(in crate::cli) endpoint_url: Option<String>,
}
