//! Which combinations of axes there are not, and which values no installer takes.
use super::{
    AnswersPlan, DiskLayout, InstallEnd, InstallMirror, InstallSystem, Installer, NetworkPlan, TargetDisk,
};
use crate::plan::{Firmware, SeedKind};

/// Why there are no such answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswersProblem {
    /// The system is known, this version of it is not.
    #[error("goldsmith has no answers for the installer of {system} `{version}`: it knows {}", known(*system))]
    Version {
        /// Which system.
        system: InstallSystem,
        /// As it was written.
        version: String,
    },
    /// The installer cannot make the layout.
    #[error("the installer {installer} does not make the disk layout `{layout}`: it makes {}", layouts(*installer))]
    Layout {
        /// Which layout.
        layout: DiskLayout,
        /// Which installer.
        installer: Installer,
    },
    /// What is installed would not boot.
    #[error("a disk with the layout `{layout}` does not boot by {firmware}: {advice}")]
    Firmware {
        /// Which layout.
        layout: DiskLayout,
        /// What the machine has.
        firmware: Firmware,
        /// What to do.
        advice: &'static str,
    },
    /// The system does not take the keys of a build in this way.
    #[error("{system} {version} does not take the keys of a build from a system credential: {why}")]
    Seed {
        /// Which system.
        system: InstallSystem,
        /// Which version.
        version: String,
        /// Why not.
        why: &'static str,
    },
    /// A value cannot be said to any installer.
    #[error("{what} `{value}` is not one: {expected}")]
    Value {
        /// The key of a definition that says it.
        key: &'static str,
        /// Which value, as it stands in a sentence.
        what: &'static str,
        /// As it was written.
        value: String,
        /// What would be one.
        expected: &'static str,
    },
    /// This installer cannot be told.
    #[error("the installer {installer} cannot be told {what}")]
    Untold {
        /// The key of a definition that asks for it.
        key: &'static str,
        /// Which installer.
        installer: Installer,
        /// What it cannot be told.
        what: &'static str,
    },
}

fn known(system: InstallSystem) -> &'static str {
    match system {
        InstallSystem::Ubuntu => "20.04 (the legacy server medium), 22.04, 24.04 and 26.04",
        InstallSystem::Debian => "12 and 13",
        InstallSystem::Rhel | InstallSystem::Rocky | InstallSystem::Almalinux => "8, 9 and 10",
        InstallSystem::Centos => "9 and 10",
        InstallSystem::Photon => "4 and 5",
    }
}

fn layouts(installer: Installer) -> &'static str {
    match installer {
        Installer::Subiquity => "root, efi-root, efi-boot-root and automatic",
        Installer::Anaconda => "root, efi-root, efi-boot-root, root-efi and automatic",
        Installer::DebianInstaller | Installer::Photon => "root, efi-root and efi-boot-root",
    }
}

impl AnswersProblem {
    /// The key of `[source.iso.install]` that is to blame.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Version { .. } => "system",
            Self::Layout { .. } | Self::Firmware { .. } => "layout",
            Self::Seed { .. } => "seed",
            Self::Value { key, .. } | Self::Untold { key, .. } => key,
        }
    }
}

impl AnswersPlan {
    /// Whether an installer can be told all of this.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), AnswersProblem> {
        self.check_disk()?;
        self.check_seed()?;
        self.check_what_is_said()?;
        self.check_values()
    }

    fn check_disk(&self) -> Result<(), AnswersProblem> {
        let (layout, installer) = (self.layout, self.installer);
        let made = match layout {
            DiskLayout::Root | DiskLayout::EfiRoot | DiskLayout::EfiBootRoot => true,
            DiskLayout::RootEfi => installer == Installer::Anaconda,
            DiskLayout::Automatic => matches!(installer, Installer::Subiquity | Installer::Anaconda),
        };
        if !made {
            return Err(AnswersProblem::Layout { layout, installer });
        }
        let advice = match (layout, self.firmware) {
            (DiskLayout::Root, Firmware::Efi) => "it has no EFI system partition; choose `efi-root`",
            (DiskLayout::EfiRoot | DiskLayout::EfiBootRoot | DiskLayout::RootEfi, Firmware::Bios) => {
                "its boot loader is for EFI; choose `root`"
            }
            _ => return Ok(()),
        };
        Err(AnswersProblem::Firmware { layout, firmware: self.firmware, advice })
    }

    fn check_seed(&self) -> Result<(), AnswersProblem> {
        let why = match self.installer {
            _ if self.seed != SeedKind::Credentials => return Ok(()),
            // sshd of Photon refuses root, and credentials let only root in.
            Installer::Photon => "its sshd lets no root in",
            Installer::Anaconda if self.major() < 9 => "its systemd is older than 252",
            Installer::Subiquity | Installer::DebianInstaller
                if self.system == InstallSystem::Ubuntu && self.major() < 24 =>
            {
                "its systemd is older than 252"
            }
            _ => return Ok(()),
        };
        Err(AnswersProblem::Seed { system: self.system, version: self.version.clone(), why })
    }

    fn check_what_is_said(&self) -> Result<(), AnswersProblem> {
        let installer = self.installer;
        let untold = |key, what| Err(AnswersProblem::Untold { key, installer, what });
        let anaconda = installer == Installer::Anaconda;
        if !self.repositories.is_empty() && !anaconda {
            return untold("repository", "of more repositories; add them with a `repository` step");
        }
        if self.kernel.is_some() && !matches!(installer, Installer::Subiquity | Installer::DebianInstaller) {
            return untold("kernel-package", "which kernel to install; name its package in `packages`");
        }
        if installer == Installer::Photon {
            if self.end == InstallEnd::PowerOff {
                return untold("end", "to power off; it reboots");
            }
            if self.proxy.is_some() {
                return untold("proxy", "of a proxy");
            }
            if !self.early.is_empty() {
                return untold("early", "early commands");
            }
            if !matches!(self.mirror, InstallMirror::Medium) {
                return untold("mirror", "of a mirror; it installs from its medium");
            }
        }
        Ok(())
    }

    fn check_values(&self) -> Result<(), AnswersProblem> {
        let wrong = |key, what, value: &str, expected| {
            Err(AnswersProblem::Value { key, what, value: value.to_owned(), expected })
        };
        if !is_hostname(&self.hostname) {
            return wrong("hostname", "the host name", &self.hostname, "write letters, digits, `-` and `.`");
        }
        if !is_word(&self.locale, "_.@-") {
            return wrong("locale", "the locale", &self.locale, "write one like `en_US.UTF-8`");
        }
        if self.installer == Installer::DebianInstaller
            && matches!(self.locale.as_str(), "C" | "POSIX" | "C.UTF-8")
        {
            // localechooser asks for a country then, whatever the priority.
            return wrong(
                "locale",
                "the locale",
                &self.locale,
                "Debian's installer needs a country; write `en_US.UTF-8`",
            );
        }
        if !is_word(&self.keyboard, "_-") {
            return wrong("keyboard", "the keyboard layout", &self.keyboard, "write one like `us`");
        }
        if !is_word(&self.timezone, "_/+-") {
            return wrong(
                "timezone",
                "the time zone",
                &self.timezone,
                "write one like `UTC` or `Europe/Berlin`",
            );
        }
        if let TargetDisk::Device(device) = &self.disk
            && (!is_word(device, "-_./:") || device.starts_with('/'))
        {
            return wrong("disk", "the disk", device, "write its name without `/dev/`, such as `sda`");
        }
        if let NetworkPlan::Static { prefix, .. } = self.network
            && !(1..=32).contains(&prefix)
        {
            return wrong("network", "the network prefix", &prefix.to_string(), "write 1 to 32");
        }
        let lists = self.packages.iter().chain(&self.without).chain(self.kernel.as_ref());
        for package in lists {
            if package.starts_with('-') || !is_word(package, "@^*+-._:/=~%") || package.starts_with('%') {
                return wrong(
                    "packages",
                    "the package name",
                    package,
                    "a name has no blanks and begins with a letter, a digit or `@`",
                );
            }
        }
        for service in &self.services {
            if !is_word(service, "@-_.:\\") {
                return wrong(
                    "services",
                    "the unit",
                    service,
                    "write one like `chronyd` or `chronyd.service`",
                );
            }
        }
        for repository in &self.repositories {
            if !is_word(&repository.name, "-_.") {
                return wrong(
                    "repository",
                    "the repository's name",
                    &repository.name,
                    "write letters, digits, `-`, `_` and `.`",
                );
            }
        }
        for user in &self.users {
            if !is_login(&user.name) {
                return wrong(
                    "user",
                    "the user",
                    &user.name,
                    "a name has small letters, digits, `-` and `_`, 32 at most",
                );
            }
            for group in &user.groups {
                if !is_login(group) {
                    return wrong(
                        "user",
                        "the group",
                        group,
                        "a name has small letters, digits, `-` and `_`, 32 at most",
                    );
                }
            }
            for key in &user.authorized_keys {
                if key.contains(char::is_control) || key.trim().is_empty() {
                    return wrong("user", "the authorized key", key, "write one line, as in a file `.pub`");
                }
            }
        }
        Ok(())
    }
}

/// ASCII letters, digits and `more`; not empty.
fn is_word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            is_word(label, "-") && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
        })
}

/// What `useradd` takes everywhere.
pub(crate) fn is_login(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}
