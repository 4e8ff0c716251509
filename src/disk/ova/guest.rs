//! Operating systems as OVF and vSphere name them.

/// What runs in the machine: the number of the CIM schema, its version, and vSphere's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOs {
    /// `CIM_OperatingSystem.OsType`, what every reader of OVF knows.
    pub cim_id: u16,
    /// The release, where the number alone does not say it.
    pub version: Option<String>,
    /// vSphere's `GuestOsIdentifier`, such as `debian12_64Guest`. A vSphere that does not know it goes by the number.
    pub vmware: String,
    /// For people.
    pub description: String,
}

/// `ID` of os-release; CIM number; the releases that vSphere has a name for, oldest first; that name around the release.
type Family = (&'static str, u16, &'static [u32], &'static str, &'static str);

/// Systems with a name for each release. One that is newer than the last of them gets the name of the last.
const RELEASES: [Family; 6] = [
    ("debian", 96, &[8, 9, 10, 11, 12, 13], "debian", "_64Guest"),
    ("rhel", 80, &[6, 7, 8, 9, 10], "rhel", "_64Guest"),
    ("centos", 107, &[6, 7, 8, 9], "centos", "_64Guest"),
    ("ol", 109, &[6, 7, 8, 9, 10], "oracleLinux", "_64Guest"),
    ("sles", 85, &[11, 12, 15, 16], "sles", "_64Guest"),
    ("amzn", 101, &[2, 3], "amazonlinux", "_64Guest"),
];

/// Systems with one name for all releases.
const SINGLE: [(&str, u16, &str); 12] = [
    ("ubuntu", 94, "ubuntu64Guest"),
    // As image-builder has it: the numbers of the family that they rebuild.
    ("rocky", 80, "rockylinux_64Guest"),
    ("almalinux", 80, "almalinux_64Guest"),
    ("photon", 36, "vmwarePhoton64Guest"),
    ("flatcar", 100, "flatcar_64Guest"),
    ("fedora", 101, "fedora64Guest"),
    ("opensuse-leap", 83, "opensuse64Guest"),
    ("opensuse-tumbleweed", 83, "opensuse64Guest"),
    ("bottlerocket", 101, "other5xLinux64Guest"),
    ("freebsd", 78, "freebsd64Guest"),
    ("windows-2019", 112, "windows2019srv_64Guest"),
    ("windows-2022", 112, "windows2019srvNext_64Guest"),
];

impl GuestOs {
    /// Any 64-bit Linux.
    pub fn other_linux() -> Self {
        Self {
            cim_id: 101,
            version: None,
            vmware: "otherLinux64Guest".to_owned(),
            description: "Linux (64-bit)".to_owned(),
        }
    }

    /// What vSphere calls by this name, such as `debian12_64Guest`; `description` is for people.
    pub fn from_vmware(name: &str, description: &str) -> Self {
        let release = |family: &Family| {
            let rest = name.strip_prefix(family.3)?.strip_suffix(family.4)?;
            rest.bytes().all(|byte| byte.is_ascii_digit()).then(|| (family.1, rest.to_owned()))
        };
        let (cim_id, version) = match RELEASES.iter().find_map(release) {
            Some((cim_id, release)) => (cim_id, Some(release).filter(|release| !release.is_empty())),
            None => match SINGLE.iter().find(|system| system.2 == name) {
                Some((_, cim_id, _)) => (*cim_id, None),
                // Which Linux, or what else, vSphere's name says; others go by "Linux" and "Other".
                None if name.to_ascii_lowercase().contains("linux") => (101, None),
                None => (1, None),
            },
        };
        Self { cim_id, version, vmware: name.to_owned(), description: description.to_owned() }
    }

    /// What os-release calls `ID` and `VERSION_ID`. Derivatives may be looked up by their `ID_LIKE`; what is not known is
    /// [`GuestOs::other_linux`].
    pub fn from_os_release(id: &str, version: &str) -> Self {
        let major = version.split('.').next().unwrap_or_default();
        let description = format!("{id} {version} (64-bit)").replace("  ", " ");
        if let Some((_, cim_id, releases, before, after)) = RELEASES.iter().find(|family| family.0 == id) {
            // Amazon's releases are 2 and then years; vSphere calls 2023 the third.
            let wanted = match major.parse::<u32>() {
                Ok(year) if id == "amzn" && year >= 2022 => 3,
                Ok(number) => number,
                Err(_) => 0,
            };
            let oldest = releases[0];
            let named = releases.iter().copied().rfind(|release| *release <= wanted).unwrap_or(oldest);
            return Self {
                cim_id: *cim_id,
                version: (!major.is_empty()).then(|| major.to_owned()),
                vmware: format!("{before}{named}{after}"),
                description,
            };
        }
        if let Some((_, cim_id, vmware)) = SINGLE.iter().find(|system| system.0 == id) {
            return Self {
                cim_id: *cim_id,
                version: (!version.is_empty()).then(|| version.to_owned()),
                vmware: (*vmware).to_owned(),
                description,
            };
        }
        Self { description, ..Self::other_linux() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("debian12_64Guest", 96, Some("12"))]
    #[test_case("ubuntu64Guest", 94, None)]
    #[test_case("otherLinux64Guest", 101, None)]
    #[test_case("darwin17_64Guest", 1, None)]
    fn vsphere_s_names_are_understood(name: &str, cim_id: u16, version: Option<&str>) {
        let guest = GuestOs::from_vmware(name, "x");
        assert_eq!((guest.cim_id, guest.version.as_deref(), guest.vmware.as_str()), (cim_id, version, name));
    }

    #[test_case("debian", "12", 96, "debian12_64Guest")]
    #[test_case("debian", "14", 96, "debian13_64Guest"; "newer than vSphere knows")]
    #[test_case("debian", "", 96, "debian8_64Guest"; "no release at all")]
    #[test_case("rhel", "9.4", 80, "rhel9_64Guest")]
    #[test_case("amzn", "2", 101, "amazonlinux2_64Guest")]
    #[test_case("amzn", "2023", 101, "amazonlinux3_64Guest")]
    #[test_case("ubuntu", "24.04", 94, "ubuntu64Guest")]
    #[test_case("rocky", "9.3", 80, "rockylinux_64Guest")]
    #[test_case("photon", "5.0", 36, "vmwarePhoton64Guest")]
    #[test_case("haiku", "1", 101, "otherLinux64Guest")]
    fn systems_get_the_name_that_vsphere_has(id: &str, version: &str, cim_id: u16, vmware: &str) {
        let guest = GuestOs::from_os_release(id, version);
        assert_eq!((guest.cim_id, guest.vmware.as_str()), (cim_id, vmware));
    }
}
