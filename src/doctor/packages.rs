//! Which package brings a tool, by family of distributions. Only names that are certain.
use crate::value::Arch;

/// The host's distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distro {
    /// Its name for people: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// Whose package names it uses.
    pub family: Family,
}

/// Distributions with the same package names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and what is made from them.
    Debian,
    /// Fedora, RHEL and what is made from them.
    Fedora,
    /// Others.
    Other,
}

impl Distro {
    /// Reads the text of `/etc/os-release` (os-release(5)).
    pub fn parse(os_release: &str) -> Self {
        let value = |key: &str| {
            os_release.lines().find_map(|line| {
                let value = line.strip_prefix(key)?.strip_prefix('=')?.trim();
                Some(value.trim_matches(['"', '\'']).to_owned())
            })
        };
        let ids = format!("{} {}", value("ID").unwrap_or_default(), value("ID_LIKE").unwrap_or_default());
        let is = |names: &[&str]| ids.split_whitespace().any(|id| names.contains(&id));
        let family = if is(&["debian", "ubuntu"]) {
            Family::Debian
        } else if is(&["fedora", "rhel", "centos"]) {
            Family::Fedora
        } else {
            Family::Other
        };
        Self { name: value("PRETTY_NAME").unwrap_or_else(|| "an unknown Linux".to_owned()), family }
    }
}

/// Something that goldsmith runs or loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    /// QEMU for a guest of this architecture.
    Qemu(Arch),
    /// libvirt's QEMU driver, a module of the library.
    LibvirtQemu,
    /// UEFI for a guest of this architecture.
    Uefi(Arch),
    /// Assembles Debian systems.
    Mmdebstrap,
    /// The keys of Debian's archives.
    DebianKeyring,
    /// Makes ext4 file systems.
    Mke2fs,
    /// Maps user ids of a user namespace.
    Newuidmap,
    /// Opens shells in guests.
    Ssh,
}

impl Tool {
    /// Everything that can be looked for on a host, for guests of `arch`.
    pub fn all(arch: Arch) -> [Self; 8] {
        [
            Self::Qemu(arch),
            Self::LibvirtQemu,
            Self::Uefi(arch),
            Self::Mmdebstrap,
            Self::DebianKeyring,
            Self::Mke2fs,
            Self::Newuidmap,
            Self::Ssh,
        ]
    }

    /// The program, when it is one that is found by `PATH`.
    pub const fn program(self) -> Option<&'static str> {
        match self {
            Self::Qemu(Arch::X86_64) => Some("qemu-system-x86_64"),
            Self::Qemu(Arch::Aarch64) => Some("qemu-system-aarch64"),
            Self::Mmdebstrap => Some("mmdebstrap"),
            Self::Mke2fs => Some("mke2fs"),
            Self::Newuidmap => Some("newuidmap"),
            Self::Ssh => Some("ssh"),
            Self::LibvirtQemu | Self::Uefi(_) | Self::DebianKeyring => None,
        }
    }

    /// Debian's and Ubuntu's package.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Qemu(Arch::X86_64) => "qemu-system-x86",
            Self::Qemu(Arch::Aarch64) => "qemu-system-arm",
            Self::LibvirtQemu => "libvirt-daemon-driver-qemu",
            Self::Uefi(Arch::X86_64) => "ovmf",
            Self::Uefi(Arch::Aarch64) => "qemu-efi-aarch64",
            Self::Mmdebstrap => "mmdebstrap",
            Self::DebianKeyring => "debian-archive-keyring",
            Self::Mke2fs => "e2fsprogs",
            Self::Newuidmap => "uidmap",
            Self::Ssh => "openssh-client",
        }
    }

    /// Fedora's package, where it has one that brings the same under the same name.
    const fn fedora(self) -> Option<&'static str> {
        match self {
            Self::Qemu(Arch::X86_64) => Some("qemu-system-x86-core"),
            Self::Qemu(Arch::Aarch64) => Some("qemu-system-aarch64-core"),
            Self::LibvirtQemu => Some("libvirt-daemon-driver-qemu"),
            Self::Uefi(Arch::X86_64) => Some("edk2-ovmf"),
            Self::Uefi(Arch::Aarch64) => Some("edk2-aarch64"),
            Self::Mke2fs => Some("e2fsprogs"),
            Self::Newuidmap => Some("shadow-utils"),
            Self::Ssh => Some("openssh-clients"),
            Self::Mmdebstrap | Self::DebianKeyring => None,
        }
    }

    /// The package on a distribution of this family.
    pub const fn package(self, family: Family) -> Option<&'static str> {
        match family {
            Family::Debian => Some(self.debian()),
            Family::Fedora => self.fedora(),
            Family::Other => None,
        }
    }
}

/// The command that installs `tools`, as far as their packages are known.
pub(super) fn install(family: Family, root: bool, tools: &[Tool]) -> Option<String> {
    let mut packages: Vec<&str> = tools.iter().filter_map(|tool| tool.package(family)).collect();
    packages.dedup();
    let manager = match family {
        Family::Debian => "apt install",
        Family::Fedora => "dnf install",
        Family::Other => return None,
    };
    let sudo = if root { "" } else { "sudo " };
    (!packages.is_empty()).then(|| format!("{sudo}{manager} {}", packages.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"", Family::Debian)]
    #[test_case("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Family::Debian)]
    #[test_case("ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"", Family::Fedora)]
    #[test_case("ID=arch", Family::Other)]
    #[test_case("", Family::Other ; "nothing")]
    fn the_family_follows_from_os_release(text: &str, family: Family) {
        assert_eq!(Distro::parse(text).family, family);
    }

    #[test]
    fn only_packages_that_exist_are_named() {
        let tools = [Tool::Qemu(Arch::X86_64), Tool::Mmdebstrap];
        assert_eq!(
            install(Family::Debian, false, &tools).as_deref(),
            Some("sudo apt install qemu-system-x86 mmdebstrap")
        );
        assert_eq!(
            install(Family::Fedora, true, &tools).as_deref(),
            Some("dnf install qemu-system-x86-core")
        );
        assert_eq!(install(Family::Fedora, true, &[Tool::Mmdebstrap]), None);
    }
}
