//! What a build starts from, and whether what it needs is there. Makes nothing.
use super::Vsphere;
use crate::{
    cx::{BuildId, Cx, ResourceRef},
    driver::{DriverError, KeptImage, MachineSpec, Readiness},
    plan::SourcePlan,
};

pub(super) async fn preflight(_: &Vsphere, _: &MachineSpec) -> Result<Readiness, DriverError> {
    Err(super::unwritten())
}

pub(super) async fn image(_: &Vsphere, _: &Cx, _: &SourcePlan) -> Result<KeptImage, DriverError> {
    Err(super::unwritten())
}

pub(super) async fn owned(_: &Vsphere, _: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
    Err(super::unwritten())
}
