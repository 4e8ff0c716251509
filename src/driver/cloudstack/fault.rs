//! A cloud's errors as a driver's.
use crate::{
    cloudstack::{CloudStackError, CloudStackErrorKind},
    driver::{DriverError, DriverErrorKind},
};

impl From<CloudStackError> for DriverError {
    fn from(error: CloudStackError) -> Self {
        let kind = match error.kind() {
            CloudStackErrorKind::Auth | CloudStackErrorKind::Trust => DriverErrorKind::Auth,
            CloudStackErrorKind::Permission => DriverErrorKind::Permission,
            CloudStackErrorKind::NotFound => DriverErrorKind::NotFound,
            CloudStackErrorKind::Unavailable => DriverErrorKind::Unavailable,
            CloudStackErrorKind::Usage | CloudStackErrorKind::Unsupported => DriverErrorKind::Unsupported,
            CloudStackErrorKind::Timeout => DriverErrorKind::Timeout,
            CloudStackErrorKind::Cancelled => DriverErrorKind::Cancelled,
            CloudStackErrorKind::Exists | CloudStackErrorKind::Quota | CloudStackErrorKind::Other => {
                DriverErrorKind::Other
            }
        };
        Self::of(error, kind)
    }
}
