//! An AMI's end, and what keeps it from ending: deprecation and protection from deregistration.
use super::find::Image;
use crate::aws::{Aws, AwsError};
use jiff::Timestamp;

/// Protection from deregistration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// It can be taken away at once.
    Plain,
    /// Once taken away, it holds for another 24 hours.
    Cooldown,
}

/// From `at` on, `ami` is not offered to those who look for images; it can still be used. EC2 counts in minutes
/// ([EnableImageDeprecation](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html)).
pub(super) async fn deprecate(aws: &Aws, ami: &Image, at: Timestamp) -> Result<(), AwsError> {
    aws.ec2()
        .enable_image_deprecation()
        .image_id(&ami.id)
        .deprecate_at(aws_smithy_types::DateTime::from_secs(at.as_second()))
        .send()
        .await
        .map(drop)
        .map_err(|error| {
            let attempt = format!("set the date from which `{}` in {} is deprecated", ami.id, ami.region);
            AwsError::of(attempt, "EnableImageDeprecation", error)
        })
}

/// Whether EC2's word says that an AMI is protected, or that its protection has not ended yet.
pub(super) fn is_protected(word: Option<&str>) -> bool {
    word.is_some_and(|word| !word.is_empty() && word != "disabled")
}

/// Nobody deregisters `ami` before its protection is taken away.
pub(super) async fn protect(aws: &Aws, ami: &Image, protection: Protection) -> Result<(), AwsError> {
    if is_protected(ami.protection.as_deref()) {
        return Ok(());
    }
    aws.ec2()
        .enable_image_deregistration_protection()
        .image_id(&ami.id)
        .with_cooldown(protection == Protection::Cooldown)
        .send()
        .await
        .map(drop)
        .map_err(|error| {
            let attempt = format!("protect `{}` in {} from deregistration", ami.id, ami.region);
            AwsError::of(attempt, "EnableImageDeregistrationProtection", error)
        })
}
