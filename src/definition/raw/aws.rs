//! Tables about Amazon's cloud.
use super::Text;
use crate::definition::{
    reader::{Key, Table},
    table::table,
};
use url::Url;

table! {
    /// Which Amazon account is meant. What is not said here comes from the environment and `~/.aws`, as with Amazon's own tools.
    "`[aws]`", Aws {
        /// A profile of `~/.aws/config`.
        profile: optional Text,
        /// The region that AMIs are made in, such as `eu-west-1`.
        region: optional Text,
        /// Address of another server that speaks Amazon's API.
        endpoint_url: optional Url,
    }
}

/// By how people find them.
pub(super) const TABLES: &[(&str, &[Key])] = &[(Aws::HEADER, Aws::KEYS)];
