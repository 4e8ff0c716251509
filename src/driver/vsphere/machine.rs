//! A machine: its state, its keyboard, how it stops.
use super::Vsphere;
use crate::{
    cx::{Cx, ResourceRef},
    driver::{DriverError, ExportedDisk, GuestAddresses, Machine, MachineEvent, MachineSpec, MachineState},
    value::HumanDuration,
    vsphere,
};
use async_trait::async_trait;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tokio::sync::broadcast;

/// One machine.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) driver: Vsphere,
    pub(super) machine: vsphere::machine::Machine,
    resource: ResourceRef,
    events: broadcast::Sender<MachineEvent>,
}

impl Built {
    /// `cx`: whose build made it.
    pub(super) fn new(driver: Vsphere, cx: &Cx, _: &MachineSpec, machine: vsphere::machine::Machine) -> Self {
        let build = cx.id().as_str();
        let resource = vsphere::resource(&driver.vcenter, vsphere::Kind::Machine, machine.path(), build, &[]);
        Self { driver, machine, resource, events: broadcast::Sender::new(16) }
    }
}

#[async_trait]
impl Machine for Built {
    fn resource(&self) -> &ResourceRef {
        &self.resource
    }

    async fn power_on(&self, _: &Cx) -> Result<(), DriverError> {
        Err(super::unwritten())
    }

    async fn ssh_address(&self, _: &Cx) -> Result<SocketAddr, DriverError> {
        Err(super::unwritten())
    }

    async fn guest_addresses(&self) -> Option<GuestAddresses> {
        None
    }

    async fn follow_guest(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        Ok(None)
    }

    async fn state(&self) -> Result<MachineState, DriverError> {
        Err(super::unwritten())
    }

    fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    fn serial_log(&self) -> Option<PathBuf> {
        None
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        Err(super::unwritten())
    }

    async fn screen_text(&self) -> Result<String, DriverError> {
        Err(super::unwritten())
    }

    async fn send_keys(&self, _: &[u32], _: Duration) -> Result<(), DriverError> {
        Err(super::unwritten())
    }

    async fn shut_down(&self, _: &Cx, _: HumanDuration) -> Result<(), DriverError> {
        Err(super::unwritten())
    }

    async fn power_off(&self) -> Result<(), DriverError> {
        Err(super::unwritten())
    }

    async fn export(&self, _: &Cx, _: usize) -> Result<ExportedDisk, DriverError> {
        Err(super::unwritten())
    }
}
