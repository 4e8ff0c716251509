//! Which make target of image-builder a build stands for, and what its result is called.
use super::{Asked, Builder, Firmware, Hypervisor, Os};
use crate::compat::{CompatError, capi::Target};

/// The target: `raw-ubuntu-2204-efi`. Names and firmware are changed as EKS Anywhere's makefile changes them.
pub fn target(asked: &Asked) -> Result<Target, CompatError> {
    Target::parse(&name(asked))
}

fn name(asked: &Asked) -> String {
    let group = match (asked.hypervisor, asked.builder) {
        (Hypervisor::Vsphere, Builder::Iso) => "node-ova-vsphere",
        (Hypervisor::Vsphere, Builder::Clone) => "node-ova-vsphere-clone",
        (Hypervisor::Baremetal, _) => "raw",
        (Hypervisor::Nutanix, _) => "nutanix",
        (Hypervisor::CloudStack, _) => "qemu",
        (Hypervisor::Ami, _) => "ami",
    };
    let os = match asked.os {
        Os::Ubuntu => "ubuntu",
        Os::RedHat => "rhel",
    };
    let version = plain_version(asked);
    let efi = if asked.firmware == Firmware::Efi { "-efi" } else { "" };
    format!("{group}-{os}-{version}{efi}")
}

/// `2204`
fn plain_version(asked: &Asked) -> String {
    asked.version.replace('.', "")
}

/// What the image is called: `ubuntu-2204-kube-1-34`.
pub fn image_name(asked: &Asked) -> String {
    format!("{}-{}-kube-{}", asked.os.name(), plain_version(asked), asked.channel)
}

/// The file in the current folder, for hypervisors that give one.
pub fn output_name(asked: &Asked) -> Option<String> {
    let end = match asked.hypervisor {
        Hypervisor::Vsphere => "ova",
        Hypervisor::Baremetal => "gz",
        Hypervisor::CloudStack => "qcow2",
        Hypervisor::Nutanix if asked.said("image_export") == "true" => "img",
        Hypervisor::Nutanix | Hypervisor::Ami => return None,
    };
    Some(format!("{}.{end}", image_name(asked)))
}
