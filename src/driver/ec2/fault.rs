//! Amazon's errors as a driver's, and what the states of things mean.
use crate::{
    aws::{AwsError, AwsErrorKind},
    driver::{DriverError, DriverErrorKind},
};

impl From<AwsError> for DriverError {
    fn from(error: AwsError) -> Self {
        let (kind, attempt, source, hint) = error.into_parts();
        let kind = match kind {
            AwsErrorKind::Auth => DriverErrorKind::Auth,
            AwsErrorKind::Permission => DriverErrorKind::Permission,
            AwsErrorKind::NotFound => DriverErrorKind::NotFound,
            AwsErrorKind::Throttled | AwsErrorKind::Unavailable => DriverErrorKind::Unavailable,
            AwsErrorKind::Usage => DriverErrorKind::Unsupported,
            AwsErrorKind::Timeout => DriverErrorKind::Timeout,
            AwsErrorKind::Cancelled => DriverErrorKind::Cancelled,
            AwsErrorKind::Exists | AwsErrorKind::Other => DriverErrorKind::Other,
        };
        let mut made = Self::new(kind, attempt);
        if let Some(source) = source {
            made = made.because(source);
        }
        match hint {
            Some(hint) => made.hint(hint),
            None => made,
        }
    }
}

/// Whether this type of instance cannot be had here and now, and another may be
/// ([error codes](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)).
pub(super) fn another_type_may_do(error: &AwsError) -> bool {
    matches!(
        error.code(),
        Some(
            "InsufficientInstanceCapacity"
                | "InsufficientHostCapacity"
                | "InsufficientReservedInstanceCapacity"
                | "SpotMaxPriceTooLow"
                | "MaxSpotInstanceCountExceeded"
                | "VcpuLimitExceeded"
                | "InstanceLimitExceeded"
                | "Unsupported"
        )
    )
}

/// What to do about an instance that could not be launched.
pub(super) fn launch_hint(error: &AwsError) -> Option<&'static str> {
    Some(match error.code()? {
        "InsufficientInstanceCapacity" | "InsufficientHostCapacity" => {
            "name more types in `machine.ec2.instance-types`, or another subnet, which is another zone"
        }
        "SpotMaxPriceTooLow" => "raise `max-price` of `machine.ec2.spot`, or leave it away",
        "MaxSpotInstanceCountExceeded" | "VcpuLimitExceeded" | "InstanceLimitExceeded" => {
            "the account's quota for these instances is used up: Service Quotas has the request for more"
        }
        "Unsupported" | "UnsupportedOperation" => {
            "the subnet's zone has no such instances: name other types in `machine.ec2.instance-types`, or another subnet"
        }
        "VPCIdNotSpecified" | "MissingInput" | "DefaultVpcDoesNotExist" => {
            "the account has no default VPC here: name a subnet in `machine.ec2.subnet`"
        }
        "PendingVerification" => "Amazon checks new accounts first; this takes minutes, at most hours",
        "InvalidAMIID.NotFound" => "AMIs have another id in each region",
        "InvalidBlockDeviceMapping" | "InvalidParameterCombination" => {
            "a volume cannot be smaller than its snapshot; `machine.ec2.root` says how large it is"
        }
        _ => return None,
    })
}
