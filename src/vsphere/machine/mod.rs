//! Machines: made, changed, copied, started, stopped, removed.
//!
//! ```text
//!   Spec ── create ──┐
//!                    ├──► Machine ── power_on · press · guest · reconfigure · snapshot · mark_as_template
//!   CloneSpec ─ clone┘        journaled before it is made, with the build's mark from its first moment
//! ```
mod attributes;
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
pub use spec::{BootDevice, Cd, CdBus, Controller, Disk, Firmware, Nic, NicModel, Provisioning, Spec};

use super::{Datacenter, Moref, Named, VCenter, VsphereError};

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
}

impl VCenter {
    /// The machine or template that a user names, by name or by path.
    pub async fn machine(&self, datacenter: &Datacenter, said: &str) -> Result<Machine, VsphereError> {
        let moref = self.find(Named::Machine, Some(datacenter), said).await?;
        let path = self.path_of(&moref).await?;
        Ok(Machine::new(self, moref, path))
    }
}
