//! The kinds of errors that every service over HTTP has.
use crate::cx::FailureKind;

/// What can go wrong on the wire, in a service's own kinds.
pub trait WireKind: FailureKind + PartialEq {
    /// The other side did not answer, or the connection was cut; it may work later.
    const UNAVAILABLE: Self;
    /// There is no room for it.
    const NO_SPACE: Self;
}
