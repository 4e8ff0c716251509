//! A vCenter's errors as a driver's.
use crate::{
    driver::{DriverError, DriverErrorKind},
    vsphere::{VsphereError, VsphereErrorKind},
};

impl From<VsphereError> for DriverError {
    fn from(error: VsphereError) -> Self {
        let kind = match error.kind() {
            VsphereErrorKind::Auth | VsphereErrorKind::Trust => DriverErrorKind::Auth,
            VsphereErrorKind::Permission => DriverErrorKind::Permission,
            VsphereErrorKind::NotFound => DriverErrorKind::NotFound,
            VsphereErrorKind::Unavailable => DriverErrorKind::Unavailable,
            VsphereErrorKind::Usage | VsphereErrorKind::Unsupported => DriverErrorKind::Unsupported,
            VsphereErrorKind::Timeout => DriverErrorKind::Timeout,
            VsphereErrorKind::Cancelled => DriverErrorKind::Cancelled,
            VsphereErrorKind::Exists | VsphereErrorKind::NoSpace | VsphereErrorKind::Other => {
                DriverErrorKind::Other
            }
        };
        Self::of(error, kind)
    }
}
