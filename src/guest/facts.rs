//! What a guest is, asked once.
use super::{Command, Communicator, GuestError, capture};
use crate::{cx::Cx, value::Arch};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// Relatives share package managers, paths and habits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Debian, Ubuntu and what descends from them.
    Debian,
    /// RHEL, its rebuilds, Fedora, Amazon Linux.
    RedHat,
    /// SLES and openSUSE.
    Suse,
    /// Flatcar Container Linux.
    Flatcar,
    /// VMware Photon OS.
    Photon,
    /// Anything else.
    Other,
}

/// Installs software.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// `apt-get`.
    Apt,
    /// `dnf`.
    Dnf,
    /// `zypper`.
    Zypper,
    /// `tdnf`, of Photon.
    Tdnf,
    /// `yum`, before there was dnf.
    Yum,
}

/// What a guest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// `ID` of os-release: `debian`.
    pub os_id: String,
    /// `VERSION_ID`: `12`; empty on rolling releases.
    pub os_version: String,
    /// `PRETTY_NAME`.
    pub os_name: String,
    /// `VERSION_CODENAME`, may be empty.
    pub codename: String,
    /// Its relatives.
    pub family: Family,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub arch: String,
    /// Id of this boot.
    pub boot_id: String,
    /// Content of /etc/machine-id.
    pub machine_id: String,
    /// Its package manager, if it is one we know.
    pub package_manager: Option<PackageManager>,
    /// Name of process 1: `systemd`.
    pub init: String,
    /// Whether it booted by UEFI.
    pub efi: bool,
    /// Device of the root file system.
    pub root_device: String,
    /// Type of the root file system.
    pub root_fs: String,
    /// Size of the root file system in bytes.
    pub root_bytes: u64,
    /// Whether cloud-init is installed.
    pub cloud_init: bool,
}

const SCRIPT: &str = r#"
say() { printf '%s=%s\n' "$1" "$2"; }
. /etc/os-release
say os_id "${ID-}"; say os_like "${ID_LIKE-}"; say os_version "${VERSION_ID-}"
say os_name "${PRETTY_NAME-}"; say codename "${VERSION_CODENAME-}"
say kernel "$(uname -r)"; say arch "$(uname -m)"
say boot_id "$(cat /proc/sys/kernel/random/boot_id)"
say machine_id "$(cat /etc/machine-id 2>/dev/null || true)"
for p in apt-get dnf zypper tdnf yum; do if command -v $p >/dev/null; then say package_manager $p; break; fi; done
say init "$(cat /proc/1/comm)"
if [ -d /sys/firmware/efi ]; then say efi yes; else say efi no; fi
# The last mount at / is the one on top.
while read -r dev dir type _; do
  if [ "$dir" = / ] && [ "$type" != rootfs ]; then d=$dev t=$type; fi
done </proc/mounts
say root_device "${d-}"; say root_fs "${t-}"
set -- $(stat -f -c '%b %S' /)
say root_bytes $(($1 * $2))
if command -v cloud-init >/dev/null; then say cloud_init yes; else say cloud_init no; fi
"#;

impl Facts {
    /// Asks the guest, in one round trip.
    pub async fn gather(cx: &Cx, guest: &dyn Communicator) -> Result<Self, GuestError> {
        let question = "look at the guest";
        let command = Command::script(question, SCRIPT).timeout(Duration::from_secs(60));
        let answer = capture(guest, cx, &command).await?.ok(question)?;
        Self::parse(&answer).map_err(|reason| GuestError::Answer { question: question.to_owned(), reason })
    }

    fn parse(answer: &str) -> Result<Self, String> {
        let values: BTreeMap<&str, &str> =
            answer.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k, v.trim())).collect();
        let get = |name: &str| values.get(name).map(|value| (*value).to_owned()).unwrap_or_default();
        let must = |name: &str| match get(name) {
            empty if empty.is_empty() => Err(format!("`{name}` is missing")),
            value => Ok(value),
        };
        let os_id = must("os_id")?;
        let like = get("os_like");
        Ok(Self {
            family: family(&os_id, &like),
            os_id,
            os_version: get("os_version"),
            os_name: get("os_name"),
            codename: get("codename"),
            kernel: must("kernel")?,
            arch: must("arch")?,
            boot_id: must("boot_id")?,
            machine_id: get("machine_id"),
            package_manager: match get("package_manager").as_str() {
                "apt-get" => Some(PackageManager::Apt),
                "dnf" => Some(PackageManager::Dnf),
                "zypper" => Some(PackageManager::Zypper),
                "tdnf" => Some(PackageManager::Tdnf),
                "yum" => Some(PackageManager::Yum),
                _ => None,
            },
            init: must("init")?,
            efi: get("efi") == "yes",
            root_device: get("root_device"),
            root_fs: get("root_fs"),
            root_bytes: must("root_bytes")?.parse().map_err(|_| "`root_bytes` is no number".to_owned())?,
            cloud_init: get("cloud_init") == "yes",
        })
    }

    /// Whether systemd runs it.
    pub fn systemd(&self) -> bool {
        self.init == "systemd"
    }
}

/// Codenames of releases, by system.
const CODENAMES: &[(&str, &str)] = &[
    ("debian-11", "bullseye"),
    ("debian-12", "bookworm"),
    ("debian-13", "trixie"),
    ("ubuntu-22.04", "jammy"),
    ("ubuntu-24.04", "noble"),
];

impl Facts {
    /// What is known of a guest of `system` (`debian-12`, `rhel-9.4`) before it runs, for showing what a build would do; what can only
    /// be asked of the guest itself is empty. `None` when the system has no version or no known relatives.
    pub fn assumed(system: &str, arch: Arch, efi: bool) -> Option<Self> {
        let (id, version) = system.rsplit_once('-')?;
        if !version.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let family = match id {
            "rocky" | "almalinux" | "ol" => Family::RedHat,
            id => family(id, ""),
        };
        let package_manager = match family {
            Family::Debian => Some(PackageManager::Apt),
            Family::RedHat => Some(PackageManager::Dnf),
            Family::Suse => Some(PackageManager::Zypper),
            Family::Photon => Some(PackageManager::Tdnf),
            Family::Flatcar => None,
            Family::Other => return None,
        };
        let codename =
            CODENAMES.iter().find(|(name, _)| *name == system).map_or("", |(_, codename)| codename);
        Some(Self {
            os_id: id.to_owned(),
            os_version: version.to_owned(),
            os_name: system.to_owned(),
            codename: codename.to_owned(),
            family,
            kernel: String::new(),
            arch: arch.to_string(),
            boot_id: String::new(),
            machine_id: String::new(),
            package_manager,
            init: "systemd".to_owned(),
            efi,
            root_device: String::new(),
            root_fs: String::new(),
            root_bytes: 0,
            cloud_init: true,
        })
    }
}

fn family(id: &str, like: &str) -> Family {
    for word in std::iter::once(id).chain(like.split_whitespace()) {
        match word {
            "debian" | "ubuntu" => return Family::Debian,
            "rhel" | "fedora" | "centos" | "amzn" => return Family::RedHat,
            "suse" | "sles" | "opensuse" => return Family::Suse,
            "flatcar" => return Family::Flatcar,
            "photon" => return Family::Photon,
            _ => {}
        }
    }
    Family::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("debian", "", Family::Debian)]
    #[test_case("linuxmint", "ubuntu debian", Family::Debian)]
    #[test_case("rocky", "rhel centos fedora", Family::RedHat)]
    #[test_case("opensuse-leap", "suse opensuse", Family::Suse)]
    #[test_case("flatcar", "coreos", Family::Flatcar)]
    #[test_case("photon", "", Family::Photon)]
    #[test_case("arch", "", Family::Other)]
    fn families_are_found_by_descent(id: &str, like: &str, expected: Family) {
        assert_eq!(family(id, like), expected);
    }

    #[test]
    fn the_script_describes_the_system_it_runs_on() {
        let out = std::process::Command::new("sh").args(["-euc", SCRIPT]).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let facts = Facts::parse(&String::from_utf8(out.stdout).unwrap()).unwrap();
        let release = std::fs::read_to_string("/etc/os-release").unwrap();
        assert!(release.contains(&facts.os_name), "{facts:?}");
        assert_eq!(facts.boot_id.len(), 36);
        assert!(facts.root_bytes > 0);
        assert!(!facts.root_fs.is_empty());
    }

    #[test]
    fn an_answer_without_the_essentials_is_refused() {
        assert!(Facts::parse("os_id=debian\n").unwrap_err().contains("kernel"));
    }

    #[test]
    fn facts_are_recorded_with_stable_names() {
        let answer = "os_id=debian\nos_like=\nos_version=12\nos_name=Debian GNU/Linux 12 (bookworm)\n\
                      codename=bookworm\nkernel=6.1.0-40-cloud-amd64\narch=x86_64\n\
                      boot_id=0d0d9c1e-6b5c-4f0a-9a3c-0123456789ab\nmachine_id=0123\npackage_manager=apt-get\n\
                      init=systemd\nefi=yes\nroot_device=/dev/vda3\nroot_fs=ext4\nroot_bytes=2000\ncloud_init=yes\n";
        insta::assert_json_snapshot!(Facts::parse(answer).unwrap());
    }
}
