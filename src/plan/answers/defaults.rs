//! The usual value of every axis, by system and platform.
use super::{
    AnswersPlan, AnswersProblem, DiskLayout, InstallEnd, InstallMirror, InstallSystem, Installer,
    NetworkPlan, Repository, RootFileSystem, Selinux, TargetDisk, Updates, major,
};
use crate::{
    plan::{Firmware, Provider, SeedKind},
    value::{Arch, Size},
};
use url::Url;

/// Drivers' firmware and desktop parts that no virtual machine needs, as the rebuilds' media would bring them.
const NOT_IN_MACHINES: &[&str] = &[
    "aic94xx-firmware",
    "atmel-firmware",
    "b43-openfwwf",
    "bfa-firmware",
    "ipw2100-firmware",
    "ipw2200-firmware",
    "ivtv-firmware",
    "iwl*-firmware",
    "libertas-usb8388-firmware",
    "ql*-firmware",
    "rt61pci-firmware",
    "rt73usb-firmware",
    "xorg-x11-drv-ati-firmware",
    "zd1211-firmware",
    "cockpit",
    "quota",
    "alsa-*",
    "fprintd-pam",
    "intltool",
    "microcode_ctl",
];

/// What a Photon system of the size of other distributions' minimum has.
const PHOTON: &[&str] = &[
    "bash",
    "bc",
    "bridge-utils",
    "bzip2",
    "ca-certificates",
    "cloud-init",
    "cpio",
    "cracklib-dicts",
    "dbus",
    "e2fsprogs",
    "file",
    "filesystem",
    "findutils",
    "gdbm",
    "grep",
    "gzip",
    "iana-etc",
    "initramfs",
    "iptables",
    "iproute2",
    "iputils",
    "linux",
    "motd",
    "net-tools",
    "photon-release",
    "photon-repos",
    "procps-ng",
    "rpm",
    "sed",
    "tdnf",
    "tzdata",
    "util-linux",
    "vim",
    "which",
];

impl AnswersPlan {
    /// The usual answers for `version` of `system` on a platform.
    ///
    /// # Errors
    /// When this version of the system, or its start by this firmware, is not known.
    pub fn new(
        system: InstallSystem,
        version: &str,
        arch: Arch,
        provider: Provider,
        firmware: Firmware,
    ) -> Result<Self, AnswersProblem> {
        let installer = installer(system, version)?;
        let layout = layout(system, installer, provider, firmware);
        let plan = Self {
            system,
            version: version.to_owned(),
            arch,
            provider,
            firmware,
            installer,
            seed: seed(system, version, installer),
            login: None,
            layout,
            filesystem: filesystem(installer, provider, layout),
            esp: Size::mib(esp(system, installer)),
            boot: Size::mib(if installer == Installer::DebianInstaller { 512 } else { 1024 }),
            swap: None,
            disk: TargetDisk::First,
            locale: "en_US.UTF-8".into(),
            keyboard: "us".into(),
            timezone: "UTC".into(),
            hostname: "goldsmith-build".into(),
            network: NetworkPlan::Dhcp,
            proxy: None,
            mirror: mirror(installer, provider),
            repositories: repositories(system, version, arch, provider),
            updates: if installer == Installer::Subiquity { Updates::All } else { Updates::Security },
            kernel: kernel(system, installer, provider),
            packages: packages(installer, provider),
            without: without(system, installer, provider),
            services: services(system, installer, provider),
            selinux: Selinux::Permissive,
            firewall: false,
            users: vec![],
            early: vec![],
            late: vec![],
            end: if installer == Installer::Photon { InstallEnd::Reboot } else { InstallEnd::PowerOff },
            template: None,
        };
        plan.check()?;
        Ok(plan)
    }
}

fn installer(system: InstallSystem, version: &str) -> Result<Installer, AnswersProblem> {
    let number = major(version);
    match system {
        InstallSystem::Ubuntu if matches!(version, "22.04" | "24.04" | "26.04") => Ok(Installer::Subiquity),
        InstallSystem::Ubuntu if version == "20.04" => Ok(Installer::DebianInstaller),
        InstallSystem::Debian if (12..=13).contains(&number) => Ok(Installer::DebianInstaller),
        InstallSystem::Rhel | InstallSystem::Rocky | InstallSystem::Almalinux
            if (8..=10).contains(&number) =>
        {
            Ok(Installer::Anaconda)
        }
        InstallSystem::Centos if (9..=10).contains(&number) => Ok(Installer::Anaconda),
        InstallSystem::Photon if (4..=5).contains(&number) => Ok(Installer::Photon),
        _ => Err(AnswersProblem::Version { system, version: version.to_owned() }),
    }
}

/// A system credential needs nothing in the system, where its systemd reads it and its sshd lets root in; Ubuntu has cloud-init anyhow.
fn seed(system: InstallSystem, version: &str, installer: Installer) -> SeedKind {
    match installer {
        Installer::DebianInstaller if system == InstallSystem::Debian => SeedKind::Credentials,
        Installer::Anaconda if major(version) >= 9 => SeedKind::Credentials,
        _ => SeedKind::NoCloud,
    }
}

fn layout(system: InstallSystem, installer: Installer, provider: Provider, firmware: Firmware) -> DiskLayout {
    match (installer, firmware) {
        (Installer::Anaconda, _) if provider == Provider::Vmware => DiskLayout::Automatic,
        (_, Firmware::Bios) => DiskLayout::Root,
        (Installer::Anaconda, Firmware::Efi) => DiskLayout::EfiBootRoot,
        (Installer::DebianInstaller, Firmware::Efi) if system == InstallSystem::Ubuntu => {
            DiskLayout::EfiBootRoot
        }
        (_, Firmware::Efi) => DiskLayout::EfiRoot,
    }
}

fn filesystem(installer: Installer, provider: Provider, layout: DiskLayout) -> RootFileSystem {
    match installer {
        Installer::Photon => RootFileSystem::Xfs,
        Installer::Subiquity if provider == Provider::Vmware => RootFileSystem::Xfs,
        Installer::Anaconda if layout == DiskLayout::Automatic => RootFileSystem::Xfs,
        _ => RootFileSystem::Ext4,
    }
}

fn esp(system: InstallSystem, installer: Installer) -> u64 {
    match installer {
        Installer::Anaconda => 200,
        Installer::DebianInstaller if system == InstallSystem::Ubuntu => 200,
        _ => 512,
    }
}

fn mirror(installer: Installer, provider: Provider) -> InstallMirror {
    match installer {
        // Bare metal is often installed where no archive can be reached.
        Installer::Subiquity if provider == Provider::Raw => InstallMirror::Medium,
        Installer::Subiquity | Installer::DebianInstaller => InstallMirror::Distribution,
        Installer::Anaconda | Installer::Photon => InstallMirror::Medium,
    }
}

/// Rocky's minimal medium lacks packages that are needed on vSphere.
fn repositories(system: InstallSystem, version: &str, arch: Arch, provider: Provider) -> Vec<Repository> {
    if system != InstallSystem::Rocky || provider != Provider::Vmware {
        return vec![];
    }
    let repository = |name: &str, folder: &str| {
        let address =
            format!("https://download.rockylinux.org/pub/rocky/{}/{folder}/{arch}/", major(version));
        Url::parse(&format!("{address}{}", if folder == "BaseOS" { "kickstart/" } else { "os/" }))
            .ok()
            .map(|url| Repository { name: name.into(), url })
    };
    [repository("AppStream", "AppStream"), repository("kickstart", "BaseOS")].into_iter().flatten().collect()
}

fn kernel(system: InstallSystem, installer: Installer, provider: Provider) -> Option<String> {
    let legacy = system == InstallSystem::Ubuntu && installer == Installer::DebianInstaller;
    legacy.then(|| if provider == Provider::Raw { "linux-server" } else { "linux-virtual" }.to_owned())
}

fn packages(installer: Installer, provider: Provider) -> Vec<String> {
    let mut packages = match installer {
        Installer::Photon => PHOTON.to_vec(),
        Installer::Subiquity | Installer::Anaconda | Installer::DebianInstaller => vec![],
    };
    if provider == Provider::Vmware {
        packages.push("open-vm-tools");
    }
    packages.into_iter().map(str::to_owned).collect()
}

fn without(system: InstallSystem, installer: Installer, provider: Provider) -> Vec<String> {
    let rebuild = matches!(system, InstallSystem::Rocky | InstallSystem::Almalinux);
    let without: &[&str] = match installer {
        Installer::Subiquity => &["snapd"],
        Installer::Anaconda if rebuild && provider == Provider::Vmware => NOT_IN_MACHINES,
        Installer::Anaconda => &["iwl*-firmware"],
        Installer::DebianInstaller | Installer::Photon => &[],
    };
    without.iter().map(|&name| name.to_owned()).collect()
}

fn services(system: InstallSystem, installer: Installer, provider: Provider) -> Vec<String> {
    let mut services = vec![];
    if installer == Installer::Anaconda && provider == Provider::Vmware {
        services.push("NetworkManager");
        if matches!(system, InstallSystem::Rocky | InstallSystem::Almalinux) {
            services.push("chronyd");
        }
        services.push("vmtoolsd");
    }
    services.into_iter().map(str::to_owned).collect()
}
