//! Names of make targets, and what each stands for.
use super::{CompatError, refused};
use crate::definition;
use std::fmt;

/// What one make target builds: `qemu-ubuntu-2404-efi`, without `build-` or `validate-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    name: String,
    group: Group,
    system: System,
    variant: Variant,
    arm: bool,
}

/// Where an image is made, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A qcow2, made here.
    Qemu,
    /// The same, as a disk in a container image for KubeVirt.
    Kubevirt,
    /// A packed raw disk for bare metal, made here.
    Raw,
    /// An OVA, made here.
    OvaLocal,
    /// An OVA of a machine that a vCenter installs.
    OvaVsphere,
    /// An OVA of a machine that is a copy of another one.
    OvaVsphereClone,
    /// An image of a Prism Central.
    Nutanix,
    /// An AMI.
    Ami,
}

/// A distribution and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum System {
    /// `24.04`.
    Ubuntu(&'static str),
    /// The first number.
    Rhel(u8),
    Rocky(u8),
    Alma(u8),
    Centos(u8),
    /// 2023.
    Amazon,
    Flatcar,
}

/// What is different from the usual image of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Usual,
    Efi,
    /// It starts from a cloud image instead of an installer's medium.
    CloudImage,
}

/// Groups by what their names begin with; of two that fit, the longer one is meant.
const GROUPS: &[(&str, Group)] = &[
    ("kubevirt-qemu-", Group::Kubevirt),
    ("node-ova-vsphere-clone-", Group::OvaVsphereClone),
    ("node-ova-vsphere-", Group::OvaVsphere),
    ("node-ova-local-", Group::OvaLocal),
    ("nutanix-", Group::Nutanix),
    ("qemu-", Group::Qemu),
    ("raw-", Group::Raw),
    ("ami-", Group::Ami),
];

const QEMU: &[&str] = &[
    "ubuntu-2204",
    "ubuntu-2204-cloudimg",
    "ubuntu-2204-efi",
    "ubuntu-2404",
    "ubuntu-2404-cloudimg",
    "ubuntu-2404-efi",
    "ubuntu-2604",
    "ubuntu-2604-efi",
    "centos-9",
    "centos-10",
    "rhel-8",
    "rhel-9",
    "rockylinux-8",
    "rockylinux-9",
    "rockylinux-9-cloudimg",
];
const RAW: &[&str] = &[
    "ubuntu-2204",
    "ubuntu-2204-efi",
    "ubuntu-2404",
    "ubuntu-2404-efi",
    "ubuntu-2604",
    "ubuntu-2604-efi",
    "rhel-8",
    "rhel-9",
    "rhel-9-efi",
];
const OVA: &[&str] = &[
    "ubuntu-2204",
    "ubuntu-2204-efi",
    "ubuntu-2404",
    "ubuntu-2404-efi",
    "ubuntu-2604",
    "ubuntu-2604-efi",
    "rhel-8",
    "rhel-9",
    "rhel-9-efi",
    "rockylinux-8",
    "rockylinux-9",
    "almalinux-9",
];
const NUTANIX: &[&str] = &[
    "ubuntu-2204",
    "ubuntu-2404",
    "ubuntu-2604",
    "rhel-8",
    "rhel-9",
    "rockylinux-8",
    "rockylinux-9",
    "flatcar",
];
const AMI: &[&str] = &[
    "ubuntu-2204",
    "ubuntu-2404",
    "ubuntu-2604",
    "ubuntu-2204-arm64",
    "ubuntu-2404-arm64",
    "amazon-2023",
    "amazon-2023-arm64",
    "flatcar",
    "flatcar-arm64",
];

impl Group {
    /// What names of its targets begin with.
    pub fn prefix(self) -> &'static str {
        GROUPS.iter().find(|(_, group)| *group == self).map_or("", |(prefix, _)| prefix)
    }

    /// What follows, for all of its targets.
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::Qemu | Self::Kubevirt => QEMU.to_vec(),
            Self::Raw => RAW.to_vec(),
            Self::OvaLocal | Self::OvaVsphere => OVA.to_vec(),
            // A copy is what it is a copy of, so Flatcar needs no installer.
            Self::OvaVsphereClone => OVA.iter().copied().chain(["flatcar"]).collect(),
            Self::Nutanix => NUTANIX.to_vec(),
            Self::Ami => AMI.to_vec(),
        }
    }

    /// For an OVA.
    pub(super) fn is_ova(self) -> bool {
        matches!(self, Self::OvaLocal | Self::OvaVsphere | Self::OvaVsphereClone)
    }
}

impl Target {
    /// By its name. `build-` and `validate-` in front are left out.
    ///
    /// # Errors
    /// What image-builder has and goldsmith has not is told why; anything else with what was probably meant.
    pub fn parse(name: &str) -> Result<Self, CompatError> {
        let plain = bare(name);
        let found = GROUPS.iter().find_map(|(prefix, group)| Some((*group, plain.strip_prefix(prefix)?)));
        if let Some(target) = found.and_then(|(group, rest)| known(plain, group, rest)) {
            return Ok(target);
        }
        if let Some(why) = refused::why(plain) {
            return Err(CompatError::new(format!("`{plain}` is not built by goldsmith: {why}"))
                .hint("`goldsmith capi --list` shows what is built, and what is not and why"));
        }
        let error = CompatError::new(format!("`{plain}` is not a target of image-builder"));
        let all = all();
        Err(match definition::nearest_name(plain, all.iter().map(Self::name)) {
            Some(guess) => error.hint(format!("did you mean `{guess}`?")),
            None => error.hint("`goldsmith capi --list` shows all of them"),
        })
    }

    /// Targets that `name` stands for: one, or all of a group for `qemu-all`.
    ///
    /// # Errors
    /// As for [`Target::parse`].
    pub fn parse_all(name: &str) -> Result<Vec<Self>, CompatError> {
        let plain = bare(name);
        if let Some(group) = plain.strip_suffix("all") {
            let found = GROUPS.iter().find(|(prefix, _)| *prefix == group);
            if let Some((_, group)) = found {
                // Those of the eighth releases are image-builder's no more, and have no medium of their own.
                return Ok(of(*group).into_iter().filter(|target| target.system.el() != 8).collect());
            }
            if plain == "all" || refused::is_group(group) {
                let groups: Vec<String> = GROUPS.iter().map(|(prefix, _)| format!("`{prefix}all`")).collect();
                return Err(CompatError::new(format!("`{plain}` stands for nothing that goldsmith builds"))
                    .hint(format!("groups are {}", groups.join(", "))));
            }
        }
        Ok(vec![Self::parse(plain)?])
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is made, and for what.
    pub fn group(&self) -> Group {
        self.group
    }

    pub(super) fn system(&self) -> &System {
        &self.system
    }

    pub(super) fn variant(&self) -> Variant {
        self.variant
    }

    /// Whether it is for 64-bit ARM.
    pub(super) fn is_arm(&self) -> bool {
        self.arm
    }
}

/// All targets that are built, in the order of their groups.
pub fn all() -> Vec<Target> {
    GROUPS.iter().flat_map(|(_, group)| of(*group)).collect()
}

fn of(group: Group) -> Vec<Target> {
    let names = group.names().into_iter();
    names.filter_map(|rest| known(&format!("{}{rest}", group.prefix()), group, rest)).collect()
}

/// Without the verb.
fn bare(name: &str) -> &str {
    name.strip_prefix("build-").or_else(|| name.strip_prefix("validate-")).unwrap_or(name)
}

fn known(name: &str, group: Group, rest: &str) -> Option<Target> {
    if !group.names().contains(&rest) {
        return None;
    }
    let (system, arm) = rest.strip_suffix("-arm64").map_or((rest, false), |system| (system, true));
    let (system, variant) = if let Some(system) = system.strip_suffix("-efi") {
        (system, Variant::Efi)
    } else if let Some(system) = system.strip_suffix("-cloudimg") {
        (system, Variant::CloudImage)
    } else {
        (system, Variant::Usual)
    };
    let (distribution, version) = system.split_once('-').unwrap_or((system, ""));
    let major = version.parse().unwrap_or_default();
    let system = match (distribution, version) {
        ("ubuntu", "2204") => System::Ubuntu("22.04"),
        ("ubuntu", "2404") => System::Ubuntu("24.04"),
        ("ubuntu", "2604") => System::Ubuntu("26.04"),
        ("rhel", _) => System::Rhel(major),
        ("rockylinux", _) => System::Rocky(major),
        ("almalinux", _) => System::Alma(major),
        ("centos", _) => System::Centos(major),
        ("amazon", "2023") => System::Amazon,
        ("flatcar", _) => System::Flatcar,
        _ => return None,
    };
    Some(Target { name: name.to_owned(), group, system, variant, arm })
}

impl System {
    /// Its major version, where it decides something about packages; 0 elsewhere.
    pub(super) fn el(&self) -> u8 {
        match self {
            Self::Rhel(major) | Self::Rocky(major) | Self::Alma(major) | Self::Centos(major) => *major,
            Self::Ubuntu(_) | Self::Amazon | Self::Flatcar => 0,
        }
    }

    /// As `system` of `[source.iso.install]` has it.
    pub(super) fn installs(&self) -> Option<String> {
        match self {
            Self::Ubuntu(version) => Some(format!("ubuntu-{version}")),
            Self::Rhel(major) => Some(format!("rhel-{major}")),
            Self::Rocky(major) => Some(format!("rocky-{major}")),
            Self::Alma(major) => Some(format!("almalinux-{major}")),
            Self::Centos(major) => Some(format!("centos-{major}")),
            Self::Amazon | Self::Flatcar => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test]
    fn every_name_that_is_listed_is_read_again() {
        let all = all();
        assert!(all.len() > 70, "{}", all.len());
        for target in all {
            assert_eq!(Target::parse(target.name()).unwrap(), target);
            assert_eq!(Target::parse(&format!("build-{target}")).unwrap(), target);
        }
    }

    #[test]
    fn a_group_stands_for_its_targets() {
        let names = Target::parse_all("validate-raw-all").unwrap();
        assert_eq!(names.len(), RAW.len() - 1);
        assert!(names.iter().all(|target| target.group() == Group::Raw));
        assert!(Target::parse_all("build-azure-all").is_err());
        assert!(Target::parse_all("all").is_err());
    }

    #[test_case("node-ova-vsphere-clone-ubuntu-2204", Group::OvaVsphereClone)]
    #[test_case("node-ova-vsphere-ubuntu-2204", Group::OvaVsphere)]
    #[test_case("build-kubevirt-qemu-ubuntu-2204", Group::Kubevirt)]
    #[test_case("validate-ami-flatcar-arm64", Group::Ami)]
    fn groups_are_told_by_their_names(name: &str, group: Group) {
        assert_eq!(Target::parse(name).unwrap().group(), group);
    }

    #[test_case("qemu-ubuntu-2405", "did you mean `qemu-ubuntu-2404`?"; "a slip")]
    #[test_case("qemu-flatcar", "Ignition"; "flatcar here")]
    #[test_case("ami-windows-2019", "Windows"; "windows")]
    #[test_case("ami-amazon-2", "Amazon Linux 2"; "amazon 2")]
    #[test_case("node-ova-local-photon-5", "Photon"; "photon")]
    #[test_case("azure-sig-ubuntu-2404-gen2", "Azure"; "azure")]
    #[test_case("qemu-ubuntu-2404-immutable", "data partition"; "immutable")]
    #[test_case("raw-ubuntu-2004", "20.04"; "ubuntu 20.04")]
    #[test_case("qqq", "shows all of them"; "nothing alike")]
    fn what_is_not_built_is_told_why(name: &str, expected: &str) {
        let error = Target::parse(name).unwrap_err();
        let text = format!("{error} {}", error.hints().join(" "));
        assert!(text.contains(expected), "{text}");
    }
}
