//! Machines: new ones, copies, and ones that an installer has filled.
use super::Vsphere;
use crate::{
    cx::{Cx, ResourceRef},
    driver::{DriverError, MachineSpec},
    vsphere::machine::Machine,
};

pub(super) async fn new(_: &Vsphere, _: &Cx, _: &MachineSpec) -> Result<Machine, DriverError> {
    Err(super::unwritten())
}

pub(super) async fn copy(_: &Vsphere, _: &Cx, _: &MachineSpec, _: &str) -> Result<Machine, DriverError> {
    Err(super::unwritten())
}

pub(super) async fn go_on(
    _: &Vsphere,
    _: &Cx,
    _: &MachineSpec,
    _: &ResourceRef,
) -> Result<Machine, DriverError> {
    Err(super::unwritten())
}
