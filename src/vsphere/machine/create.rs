//! New machines. What is about to be made is journaled by its path, then by the task that makes it, then by itself.
use super::{
    BootDevice, Device, Firmware, Home, Machine, Spec,
    config::{Boot, Config},
    device::write_all,
    place::Wanted,
};
use crate::{
    cx::{Cx, Undo},
    vsphere::{
        Element, Kind, Moref, Node, VCenter, VsphereError, VsphereErrorKind, escape_name, remove::resource,
    },
};
use std::time::Duration;

/// Thick disks are written whole.
const CREATE: Duration = Duration::from_hours(2);
/// The detail of undo data that names the machine, once it is known.
/// The detail of undo data that names what the method was called on that makes the machine.
pub(super) const ON: &str = "on";
/// The detail of undo data that names a machine's object.
pub const MOREF: &str = "moref";
/// The detail of undo data that names the task that makes the machine.
pub(super) const TASK: &str = "task";

impl VCenter {
    /// Makes a machine. It is off.
    pub async fn create_machine(&self, cx: &Cx, spec: &Spec, home: &Home) -> Result<Machine, VsphereError> {
        spec.check()?;
        let attempt = format!("create the machine `{}`", spec.name);
        let path = self.free_path(&attempt, &home.folder, &spec.name).await?;
        let (annotation, name) = (spec.mark.on(&spec.annotation), escape_name(&spec.name));
        let config = |files: Option<&str>, out: &mut Element| {
            let config = Config {
                name: Some(&name),
                hardware: spec.hardware.as_deref(),
                guest_id: Some(&spec.guest_id),
                annotation: Some(&annotation),
                files,
                cpus: Some(spec.cpus),
                cores: spec.cores_per_socket,
                memory_mib: Some(spec.memory_mib),
                extra: &spec.extra,
                boot: &[],
                firmware: Some(spec.firmware),
            };
            config.write(out, |out| write_all(spec, out));
        };
        let wanted = Wanted::New { config: &|out| config(None, out), has_disk: !spec.disks.is_empty() };
        let datastore = self.choose(cx, home, wanted).await?;
        let files = format!("[{}]", datastore.name);
        let made = self
            .make(cx, &attempt, &path, "CreateVM_Task", &home.folder, CREATE, |call| {
                call.node("config", |out| config(Some(&files), out)).moref("pool", &home.pool);
                if let Some(host) = &home.host {
                    call.moref("host", host);
                }
            })
            .await?;
        if !spec.boot.is_empty() {
            made.set_boot_order(cx, spec).await?;
        }
        Ok(made)
    }

    /// The path of a thing to be made in a folder, where nothing is yet.
    pub(in crate::vsphere) async fn free_path(
        &self,
        attempt: &str,
        folder: &Moref,
        name: &str,
    ) -> Result<String, VsphereError> {
        let path = format!("{}/{}", self.path_of(folder).await?, escape_name(name));
        match self.at_path(&path).await? {
            None => Ok(path),
            Some(there) => Err(VsphereError::new(VsphereErrorKind::Exists, attempt)
                .because(format!("there is a {} at `{path}` already", there.kind))
                .hint("choose another name or folder, or remove what is there")),
        }
    }

    /// Calls a method whose task makes the machine at `path`.
    #[allow(clippy::too_many_arguments, reason = "it is one call with what it is about")]
    pub(super) async fn make(
        &self,
        cx: &Cx,
        attempt: &str,
        path: &str,
        method: &'static str,
        this: &Moref,
        limit: Duration,
        fill: impl FnOnce(&mut Element),
    ) -> Result<Machine, VsphereError> {
        let undo = |details: &[(&str, &str)]| {
            Undo::Resource(resource(self, Kind::Machine, path, cx.id().as_str(), details))
        };
        cx.check()?;
        // If the answer is lost, only this tells which task it may be.
        let handle = cx.undo().plan(undo(&[(ON, &this.to_string())]))?;
        let task = self.begin(attempt, method, this, fill).await?;
        // Who undoes this waits for the end of the task: what is made a moment after a look would stay for ever.
        cx.undo().resolve(handle, undo(&[(TASK, &task.to_string())]))?;
        let result = self.finish(cx, attempt, method, &task, limit).await?;
        let Some(moref) = result_moref(&result) else {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because(format!("the task of {method} ended without saying what it made")));
        };
        cx.undo().resolve(handle, undo(&[(MOREF, &moref.to_string())]))?;
        Ok(Machine::new(self, moref, path))
    }
}

/// The machine that a task made.
pub(super) fn result_moref(result: &Node) -> Option<Moref> {
    result.as_moref().filter(|moref| moref.kind == "VirtualMachine")
}

impl Machine {
    /// Devices have their keys once they are there, so the order in which they are tried is said afterwards.
    async fn set_boot_order(&self, cx: &Cx, spec: &Spec) -> Result<(), VsphereError> {
        let attempt = format!("set what `{}` starts from", self.path);
        let devices = self.devices().await?;
        let mut order = Vec::new();
        for device in &spec.boot {
            match device {
                BootDevice::Cd => order.push(Boot::Cd),
                BootDevice::Disk(at) => {
                    let Some(key) = key_of(spec, *at, &devices) else {
                        return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                            .because(format!("the vCenter made the machine without its disk {}", at + 1)));
                    };
                    order.push(Boot::Disk(key));
                }
            }
        }
        // Options of the boot are replaced together.
        let firmware = (spec.firmware == Firmware::EfiSecure).then_some(spec.firmware);
        let config = Config { boot: &order, firmware, ..Config::default() };
        self.reconfigure_with(cx, &attempt, |out| config.write(out, |_| {})).await
    }
}

/// The key of the spec's disk of this number: the one at its place on its controller.
fn key_of(spec: &Spec, at: usize, devices: &[Device]) -> Option<i32> {
    let disk = spec.disks.get(at)?;
    let before = spec.disks.iter().take(at).filter(|other| other.controller == disk.controller).count();
    let unit = disk.controller.units().nth(before)?.to_string();
    let on = devices.iter().find(|device| device.kind() == disk.controller.kind())?.key()?.to_string();
    let is_it = |device: &&Device| {
        device.is_disk()
            && device.node().text_at("controllerKey") == Some(on.as_str())
            && device.node().text_at("unitNumber") == Some(unit.as_str())
    };
    devices.iter().find(is_it)?.key()
}
