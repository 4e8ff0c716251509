//! Changes of machines that are there.
use super::{
    Change, Device, Machine, Network,
    config::Config,
    create::MOREF,
    device::{connectable, empty_drive},
};
use crate::{
    cx::{Cx, Undo},
    value::Size,
    vsphere::{DRIVER, Element, Kind, VsphereError, VsphereErrorKind, without_marks},
};
use std::time::Duration;

const RECONFIGURE: Duration = Duration::from_mins(15);

impl Machine {
    /// Its devices, as the server tells them.
    pub async fn devices(&self) -> Result<Vec<Device>, VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["config.hardware.device"]).await?;
        Ok(properties.get("config.hardware.device").map(Device::all).unwrap_or_default())
    }

    /// What people read about it, with marks.
    pub async fn annotation(&self) -> Result<String, VsphereError> {
        let properties = self.vcenter.properties(&self.moref, &["config.annotation"]).await?;
        Ok(properties.text("config.annotation").unwrap_or_default().to_owned())
    }

    /// Changes it.
    pub async fn reconfigure(&self, cx: &Cx, change: &Change) -> Result<(), VsphereError> {
        change.check(&self.path)?;
        let attempt = format!("reconfigure `{}`", self.path);
        self.reconfigure_with(cx, &attempt, |spec| change.config().write(spec, |_| {})).await
    }

    pub(super) async fn reconfigure_with(
        &self,
        cx: &Cx,
        attempt: &str,
        fill: impl FnOnce(&mut Element),
    ) -> Result<(), VsphereError> {
        self.vcenter
            .run(cx, attempt, "ReconfigVM_Task", &self.moref, RECONFIGURE, |call| {
                call.node("spec", fill);
            })
            .await
            .map(drop)
    }

    pub(super) async fn change_devices(
        &self,
        cx: &Cx,
        attempt: &str,
        devices: impl FnOnce(&mut Element),
    ) -> Result<(), VsphereError> {
        self.reconfigure_with(cx, attempt, |spec| Config::default().write(spec, devices)).await
    }

    /// It is a result from now on: the build's mark goes from its annotation, and its undo from the journal. Nothing removes it any more.
    pub async fn keep(&self, cx: &Cx) -> Result<(), VsphereError> {
        let annotation = without_marks(&self.annotation().await?);
        // A template's annotation may be changed as a machine's.
        let attempt = format!("keep `{}`", self.path);
        let config = Config { annotation: Some(&annotation), ..Config::default() };
        self.reconfigure_with(cx, &attempt, |spec| config.write(spec, |_| {})).await?;
        let moref = self.moref.to_string();
        cx.undo().keep_where(|undo| match undo {
            Undo::Resource(owed) => {
                owed.driver == DRIVER
                    && owed.kind == Kind::Machine.name()
                    && (owed.id == self.path || owed.details.get(MOREF) == Some(&moref))
            }
            _ => false,
        })?;
        Ok(())
    }

    /// Takes what is in its CD drives out; the drives stay.
    pub async fn eject_cds(&self, cx: &Cx) -> Result<(), VsphereError> {
        let devices = self.devices().await?;
        let cds: Vec<&Device> = devices.iter().filter(|device| device.is_cd()).collect();
        if cds.is_empty() {
            return Ok(());
        }
        self.change_devices(cx, &format!("eject the CDs of `{}`", self.path), |spec| {
            for cd in cds {
                let disconnected = |device: &mut Element| connectable(device, false);
                cd.edit(spec, &[("backing", Some(&empty_drive)), ("connectable", Some(&disconnected))]);
            }
        })
        .await
    }

    /// Removes its CD drives. The machine must be off.
    pub async fn remove_cds(&self, cx: &Cx) -> Result<(), VsphereError> {
        let devices = self.devices().await?;
        let cds: Vec<&Device> = devices.iter().filter(|device| device.is_cd()).collect();
        if cds.is_empty() {
            return Ok(());
        }
        self.change_devices(cx, &format!("remove the CD drives of `{}`", self.path), |spec| {
            for cd in cds {
                cd.remove(spec);
            }
        })
        .await
    }

    /// Connects its network cards when it starts; the first ones go to `networks`, one each.
    pub async fn connect_nics(&self, cx: &Cx, networks: &[Network]) -> Result<(), VsphereError> {
        let devices = self.devices().await?;
        let nics: Vec<&Device> = devices.iter().filter(|device| device.is_nic()).collect();
        let attempt = format!("connect the network cards of `{}`", self.path);
        if nics.len() < networks.len() {
            return Err(VsphereError::new(VsphereErrorKind::Usage, attempt).because(format!(
                "it has {}, and {} are named",
                counted(nics.len(), "network card"),
                counted(networks.len(), "network")
            )));
        }
        if nics.is_empty() {
            return Ok(());
        }
        self.change_devices(cx, &attempt, |spec| {
            for (index, nic) in nics.iter().enumerate() {
                let connected = |device: &mut Element| connectable(device, true);
                match networks.get(index) {
                    Some(network) => {
                        let backing = |device: &mut Element| network.write(device);
                        nic.edit(spec, &[("backing", Some(&backing)), ("connectable", Some(&connected))]);
                    }
                    None => nic.edit(spec, &[("connectable", Some(&connected))]),
                }
            }
        })
        .await
    }

    /// Makes its first disk larger.
    pub async fn grow_first_disk(&self, cx: &Cx, size: Size) -> Result<(), VsphereError> {
        let attempt = format!("grow the first disk of `{}` to {size}", self.path);
        self.check_growth(&attempt, size).await?;
        let devices = self.devices().await?;
        let Some(disk) = devices.iter().find(|device| device.is_disk()) else {
            return Err(VsphereError::new(VsphereErrorKind::NotFound, attempt).because("it has no disk"));
        };
        if disk.capacity() == Some(size.as_bytes()) {
            return Ok(());
        }
        let kib = (size.as_bytes() >> 10).to_string();
        let capacity = |device: &mut Element| {
            device.leaf("capacityInKB", &kib);
        };
        // The number of bytes would count more than that of KiB.
        self.change_devices(cx, &attempt, |spec| {
            disk.edit(spec, &[("capacityInKB", Some(&capacity)), ("capacityInBytes", None)]);
        })
        .await
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}"),
        1 => format!("one {what}"),
        more => format!("{more} {what}s"),
    }
}
