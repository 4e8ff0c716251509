//! Machines: made, changed, copied, started, stopped, removed.
//!
//! ```text
//!   Spec ── create ──┐
//!                    ├──► Machine ── power_on · press · guest · reconfigure · snapshot · mark_as_template
//!   CloneSpec ─ clone┘        journaled before it is made, with the build's mark from its first moment
//! ```
mod attributes;
mod cd;
mod clone;
mod config;
mod create;
mod device;
mod guest;
mod hid;
mod keys;
mod network;
mod place;
mod power;
mod reconfigure;
mod remove;
mod retire;
mod screen;
mod snapshot;
mod spec;
#[cfg(test)]
mod tests;

pub use clone::{CloneKind, CloneSpec};
pub use config::Change;
pub use create::MOREF;
pub use device::Device;
pub use guest::{GuestAddress, GuestInfo, GuestNic};
pub use keys::KeyPress;
pub use network::Network;
pub use place::{Home, Storage};
pub use power::{PowerState, Question};
pub(super) use remove::{remove_folder, remove_machine};
pub use snapshot::Snapshot;
pub use spec::{BootDevice, Cd, CdBus, Controller, Disk, Firmware, Nic, NicModel, Provisioning, Spec};

use super::{
    Datacenter, Kind, Moref, Named, VCenter, VsphereError, VsphereErrorKind, remove::resource as undo_data,
};
use crate::cx::ResourceRef;

/// A machine, or a template, of a vCenter. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Machine {
    vcenter: VCenter,
    moref: Moref,
    path: String,
}

impl Machine {
    /// The machine `moref`, which is at `path`.
    pub fn new(vcenter: &VCenter, moref: Moref, path: impl Into<String>) -> Self {
        Self { vcenter: vcenter.clone(), moref, path: path.into() }
    }

    /// The session that it is seen by.
    pub fn vcenter(&self) -> &VCenter {
        &self.vcenter
    }

    /// The object.
    pub fn moref(&self) -> &Moref {
        &self.moref
    }

    /// Where it is in the inventory: `/DC0/vm/folder/name`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Undo data for it: what removes it if it bears the mark of `build`.
    pub fn resource(&self, build: &str) -> ResourceRef {
        let details = [(create::MOREF, &*self.moref.to_string())];
        undo_data(&self.vcenter, Kind::Machine, &self.path, build, &details)
    }
}

impl VCenter {
    /// The machine of undo data: by itself where it is known, else by its path.
    pub async fn machine_of(&self, resource: &ResourceRef) -> Result<Machine, VsphereError> {
        let known = resource.details.get(create::MOREF).and_then(|text| text.parse().ok());
        let found = match known {
            Some(moref) => Some(moref),
            None => self.at_path(&resource.id).await?,
        };
        let machine = found.filter(|moref| moref.kind == "VirtualMachine").ok_or_else(|| {
            VsphereError::new(VsphereErrorKind::NotFound, format!("find the machine `{}`", resource.id))
                .because("there is none at this path any more")
        })?;
        Ok(Machine::new(self, machine, &resource.id))
    }

    /// The machine or template that a user names, by name or by path.
    pub async fn machine(&self, datacenter: &Datacenter, said: &str) -> Result<Machine, VsphereError> {
        let moref = self.find(Named::Machine, Some(datacenter), said).await?;
        let path = self.path_of(&moref).await?;
        Ok(Machine::new(self, moref, path))
    }
}
