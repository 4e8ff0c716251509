//! A cloud's errors as a driver's.
use crate::{
    cloudstack::{CloudStackError, CloudStackErrorKind},
    driver::{DriverError, DriverErrorKind},
};

impl From<CloudStackError> for DriverError {
    fn from(error: CloudStackError) -> Self {
        let (kind, attempt, source, hint) = error.into_parts();
        let kind = match kind {
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
