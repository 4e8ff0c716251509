//! What is Amazon's.
use serde::Serialize;

/// Which account, and where. What is not said comes from the environment and `~/.aws` when the account is first used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AwsPlan {
    /// A profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// Such as `eu-west-1`.
    pub region: Option<String>,
    /// Address of another server that speaks Amazon's API.
    pub endpoint: Option<String>,
}

impl AwsPlan {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
