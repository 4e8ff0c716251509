//! What is in a machine's drives, and what it is told about who gets in.
use super::Vsphere;
use crate::{cx::Cx, driver::DriverError, vsphere::machine::Machine};

#[allow(clippy::unused_async, reason = "it will have to wait")]
pub(super) async fn forget(_: &Vsphere, _: &Cx, _: &Machine) -> Result<(), DriverError> {
    Ok(())
}
