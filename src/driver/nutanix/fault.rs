//! A Prism Central's errors as a driver's.
use crate::{
    driver::{DriverError, DriverErrorKind},
    nutanix::{PrismError, PrismErrorKind},
};

impl From<PrismError> for DriverError {
    fn from(error: PrismError) -> Self {
        let kind = match error.kind() {
            PrismErrorKind::Auth | PrismErrorKind::Trust => DriverErrorKind::Auth,
            PrismErrorKind::Permission => DriverErrorKind::Permission,
            PrismErrorKind::NotFound => DriverErrorKind::NotFound,
            PrismErrorKind::Unavailable => DriverErrorKind::Unavailable,
            PrismErrorKind::Usage | PrismErrorKind::Unsupported => DriverErrorKind::Unsupported,
            PrismErrorKind::Timeout => DriverErrorKind::Timeout,
            PrismErrorKind::Cancelled => DriverErrorKind::Cancelled,
            PrismErrorKind::Exists | PrismErrorKind::NoSpace | PrismErrorKind::Other => {
                DriverErrorKind::Other
            }
        };
        Self::of(error, kind)
    }
}
