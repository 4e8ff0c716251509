//! Which UEFI build boots a machine: the descriptors that distributions install for QEMU (`docs/interop/firmware.json`).
//!
//! libvirt's own choice (`firmware='efi'`) prefers builds with Secure Boot, in which an unsigned boot loader does not
//! start, and the ways to talk it out of that differ between its versions; an explicit path works with all of them.
use crate::value::Arch;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A UEFI build in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UefiFirmware {
    /// The code, read-only.
    pub(super) code: PathBuf,
    /// An empty variable store, to be copied; libvirt looks for the one that belongs to the code without.
    pub(super) variables: Option<PathBuf>,
}

/// Folders with descriptors; a file in an earlier one hides the file of the same name in a later one.
const FOLDERS: [&str; 2] = ["/etc/qemu/firmware", "/usr/share/qemu/firmware"];

/// Well-known places, for hosts whose package brings no descriptor.
const PLACES: [(Arch, &str, &str); 5] = [
    (Arch::X86_64, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    (Arch::X86_64, "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    (Arch::X86_64, "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    (Arch::Aarch64, "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    (Arch::Aarch64, "/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    mode: Option<String>,
    executable: Option<Image>,
    nvram_template: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

impl Descriptor {
    /// The build, when it fits: for this machine, without Secure Boot, as two raw flash images.
    fn build(self, arch: Arch) -> Option<UefiFirmware> {
        let machine = match arch {
            Arch::X86_64 => "pc-q35-",
            Arch::Aarch64 => "virt-",
        };
        let fits = self.interface_types.iter().any(|kind| kind == "uefi")
            && self.mapping.device == "flash"
            && self.mapping.mode.as_deref().is_none_or(|mode| mode == "split")
            && self.targets.iter().any(|target| {
                target.architecture == arch.to_string()
                    && target.machines.iter().any(|pattern| pattern.starts_with(machine))
            })
            && !self
                .features
                .iter()
                .any(|feature| ["secure-boot", "enrolled-keys", "requires-smm"].contains(&feature.as_str()));
        let (code, variables) = (self.mapping.executable?, self.mapping.nvram_template?);
        let raw = code.format == "raw" && variables.format == "raw";
        (fits && raw).then_some(UefiFirmware { code: code.filename, variables: Some(variables.filename) })
    }
}

/// The UEFI build to use on this host, if one is installed.
pub(super) fn find_uefi(arch: Arch) -> Option<UefiFirmware> {
    let described = described(&FOLDERS.map(PathBuf::from), arch);
    let placed = PLACES
        .iter()
        .filter(|(of, ..)| *of == arch)
        .map(|(_, code, variables)| UefiFirmware { code: code.into(), variables: Some(variables.into()) });
    described
        .into_iter()
        .chain(placed)
        .find(|build| readable(&build.code) && build.variables.as_deref().is_none_or(readable))
}

/// Fitting builds of the descriptors in `folders`, by file name: the order that the specification prescribes.
fn described(folders: &[PathBuf], arch: Arch) -> Vec<UefiFirmware> {
    let mut files = BTreeMap::new();
    for folder in folders.iter().rev() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.insert(entry.file_name(), path);
            }
        }
    }
    files
        .into_values()
        .filter_map(|path| std::fs::read(path).ok())
        // An empty file hides one in a later folder; a malformed one is not ours to complain about.
        .filter_map(|text| serde_json::from_slice::<Descriptor>(&text).ok())
        .filter_map(|descriptor| descriptor.build(arch))
        .collect()
}

fn readable(path: &Path) -> bool {
    std::fs::File::open(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(code: &str, features: &str, machine: &str, format: &str) -> String {
        format!(
            r#"{{ "description": "x", "interface-types": ["uefi"],
                "mapping": {{ "device": "flash",
                    "executable": {{ "filename": "/fw/{code}", "format": "{format}" }},
                    "nvram-template": {{ "filename": "/fw/VARS.fd", "format": "{format}" }} }},
                "targets": [{{ "architecture": "x86_64", "machines": ["{machine}"] }}],
                "features": [{features}], "tags": [] }}"#
        )
    }

    fn codes(folders: &[PathBuf], arch: Arch) -> Vec<String> {
        let name = |build: UefiFirmware| build.code.display().to_string();
        described(folders, arch).into_iter().map(name).collect()
    }

    #[test]
    fn builds_with_secure_boot_or_for_other_machines_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        put("40.json", descriptor("enrolled.fd", r#""secure-boot", "enrolled-keys""#, "pc-q35-*", "raw"));
        put("50.json", descriptor("smm.fd", r#""requires-smm""#, "pc-q35-*", "raw"));
        put("55.json", descriptor("microvm.fd", "", "microvm", "raw"));
        put("57.json", descriptor("qcow2.fd", "", "pc-q35-*", "qcow2"));
        put("58.json", "{}".into());
        put("60.json", descriptor("plain.fd", r#""acpi-s3""#, "pc-q35-*", "raw"));
        put("readme.txt", String::new());
        assert_eq!(codes(&[dir.path().to_owned()], Arch::X86_64), ["/fw/plain.fd"]);
        assert!(codes(&[dir.path().to_owned()], Arch::Aarch64).is_empty());
    }

    #[test]
    fn the_administrators_folder_hides_the_distributions() {
        let (etc, usr) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(usr.path().join("60.json"), descriptor("usr.fd", "", "pc-q35-*", "raw")).unwrap();
        std::fs::write(etc.path().join("60.json"), descriptor("etc.fd", "", "pc-q35-*", "raw")).unwrap();
        let folders = [etc.path().to_owned(), usr.path().to_owned()];
        assert_eq!(codes(&folders, Arch::X86_64), ["/fw/etc.fd"]);
        std::fs::write(etc.path().join("60.json"), "").unwrap();
        assert!(codes(&folders, Arch::X86_64).is_empty(), "an empty file masks");
    }
}
