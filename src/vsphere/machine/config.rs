//! `VirtualMachineConfigSpec`: what a machine is made with, or what is changed. The order is that of the schema.
use super::{Firmware, spec::check_cores};
use crate::{
    value::Secret,
    vsphere::{Element, VsphereError},
};

/// What is to be changed of a machine; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// All that people read about it. A mark that is to stay must be in it.
    pub annotation: Option<String>,
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Of these in one socket.
    pub cores_per_socket: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
    /// More of its configuration; an empty value removes the key.
    pub extra: Vec<(String, Secret)>,
}

impl Change {
    pub(super) fn check(&self, name: &str) -> Result<(), VsphereError> {
        check_cores(name, self.cpus, self.cores_per_socket)
    }

    pub(super) fn config(&self) -> Config<'_> {
        Config {
            annotation: self.annotation.as_deref(),
            cpus: self.cpus,
            cores: self.cores_per_socket,
            memory_mib: self.memory_mib,
            extra: &self.extra,
            ..Config::default()
        }
    }
}

/// All that we say in a `VirtualMachineConfigSpec`, but for devices.
#[derive(Debug, Default)]
pub(super) struct Config<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) hardware: Option<&'a str>,
    pub(super) guest_id: Option<&'a str>,
    pub(super) annotation: Option<&'a str>,
    /// `[datastore]`.
    pub(super) files: Option<&'a str>,
    pub(super) cpus: Option<u32>,
    pub(super) cores: Option<u32>,
    pub(super) memory_mib: Option<u64>,
    pub(super) extra: &'a [(String, Secret)],
    pub(super) boot: &'a [Boot],
    pub(super) firmware: Option<Firmware>,
}

/// An entry of the boot order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boot {
    /// The disk of this key.
    Disk(i32),
    /// The CD drives.
    Cd,
}

impl Config<'_> {
    /// Writes what is in a spec; `devices` writes its changes of devices.
    pub(super) fn write(&self, spec: &mut Element, devices: impl FnOnce(&mut Element)) {
        spec.leaf_if("name", self.name)
            .leaf_if("version", self.hardware)
            .leaf_if("guestId", self.guest_id)
            .leaf_if("annotation", self.annotation);
        if let Some(files) = self.files {
            spec.node("files", |node| {
                node.leaf("vmPathName", files);
            });
        }
        spec.leaf_if("numCPUs", self.cpus.map(|number| number.to_string()))
            .leaf_if("numCoresPerSocket", self.cores.map(|number| number.to_string()))
            .leaf_if("memoryMB", self.memory_mib.map(|number| number.to_string()));
        devices(spec);
        for (key, value) in self.extra {
            spec.node("extraConfig", |option| {
                option.leaf("key", key).typed("value", "xsd:string", value.expose());
            });
        }
        let secure = self.firmware == Some(Firmware::EfiSecure);
        if secure || !self.boot.is_empty() {
            spec.node("bootOptions", |options| {
                if secure {
                    options.flag("efiSecureBootEnabled", true);
                }
                for device in self.boot {
                    match device {
                        Boot::Disk(key) => options.extended(
                            "bootOrder",
                            "VirtualMachineBootOptionsBootableDiskDevice",
                            |disk| {
                                disk.number("deviceKey", *key);
                            },
                        ),
                        Boot::Cd => options.extended(
                            "bootOrder",
                            "VirtualMachineBootOptionsBootableCdromDevice",
                            |_| {},
                        ),
                    };
                }
            });
        }
        spec.leaf_if("firmware", self.firmware.map(Firmware::name));
    }
}
