//! A Prism Central's errors as a driver's.
use crate::{
    cx::WaitError,
    driver::{DriverError, DriverErrorKind},
    nutanix::{PrismError, PrismErrorKind},
};

impl From<PrismError> for DriverError {
    fn from(error: PrismError) -> Self {
        let (kind, attempt, source, hint) = error.into_parts();
        let kind = match kind {
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

/// Why a wait ended, in the server's words where there are some.
pub(super) fn waited_for(error: WaitError) -> DriverError {
    match error {
        WaitError::Hopeless { what, source } => match source.downcast::<PrismError>() {
            Ok(error) => DriverError::from(*error),
            Err(source) => WaitError::Hopeless { what, source }.into(),
        },
        other => other.into(),
    }
}
