//! Who looks at the guest between two steps: `--debug`.
use super::{Cancelled, Stop};
use async_trait::async_trait;
use std::fmt::Debug;

/// Someone who wants to look at what each step did before the next one begins.
#[async_trait]
pub trait Onlooker: Debug + Send + Sync {
    /// After a step that went well, such as `step 2 of 5: install jq`. Goes on when the person says so; an error ends the build.
    async fn after_step(&self, step: &str, stop: &Stop) -> Result<(), Cancelled>;
}
