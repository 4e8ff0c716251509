//! What there is to choose from, in the words of `image-builder`.
use std::fmt;

/// The system of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Ubuntu.
    Ubuntu,
    /// Red Hat Enterprise Linux.
    RedHat,
}

/// What the image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hypervisor {
    /// A vCenter.
    Vsphere,
    /// Machines without a hypervisor.
    Baremetal,
    /// A Prism Central.
    Nutanix,
    /// A cloud of CloudStack.
    CloudStack,
    /// EC2 and Snow.
    Ami,
}

/// What starts the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// What a machine in a vCenter is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Builder {
    /// An installer's medium.
    #[default]
    Iso,
    /// A template.
    Clone,
}

impl Os {
    pub(super) const ALL: [Self; 2] = [Self::Ubuntu, Self::RedHat];

    /// As `--os` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ubuntu => "ubuntu",
            Self::RedHat => "redhat",
        }
    }

    /// The versions that there are images of.
    pub(super) const fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Ubuntu => &["22.04", "24.04"],
            Self::RedHat => &["8", "9"],
        }
    }

    pub(super) const fn default_version(self) -> &'static str {
        self.versions()[0]
    }
}

impl Hypervisor {
    /// In the order of `image-builder`.
    pub const ALL: [Self; 5] = [Self::Vsphere, Self::Baremetal, Self::Nutanix, Self::CloudStack, Self::Ami];

    /// As `--hypervisor` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vsphere => "vsphere",
            Self::Baremetal => "baremetal",
            Self::Nutanix => "nutanix",
            Self::CloudStack => "cloudstack",
            Self::Ami => "ami",
        }
    }
}

impl Firmware {
    pub(super) const ALL: [Self; 2] = [Self::Bios, Self::Efi];

    /// As `--firmware` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Efi => "efi",
        }
    }
}

impl Builder {
    pub(super) const ALL: [Self; 2] = [Self::Iso, Self::Clone];

    /// As `--builder` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Clone => "clone",
        }
    }
}

impl fmt::Display for Hypervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
