//! What is to be published: a file that is looked into, or an address whose end says what is there.
use crate::{
    cloudstack::{CloudStackError, CloudStackErrorKind, Named},
    disk::{self, BackingPolicy, Detected, Format, OpenOptions},
};
use serde::Serialize;
use std::path::Path;

/// The formats that CloudStack makes templates of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageFormat {
    /// For KVM.
    Qcow2,
    /// For VMware.
    Ova,
    /// For XenServer and Hyper-V.
    Vhd,
}

/// Each with its name in the API, the end of its files, and the hypervisors that take it, the usual one first.
/// (`fetchFormat` in the server's user interface)
const FORMATS: &[(ImageFormat, &str, &str, &[&str])] = &[
    (ImageFormat::Qcow2, "QCOW2", "qcow2", &["KVM"]),
    (ImageFormat::Ova, "OVA", "ova", &["VMware"]),
    (ImageFormat::Vhd, "VHD", "vhd", &["XenServer", "Hyperv", "KVM", "Simulator"]),
];

/// A storage VM unpacks these.
const PACKED: [&str; 3] = [".gz", ".bz2", ".zip"];

impl ImageFormat {
    fn row(self) -> &'static (Self, &'static str, &'static str, &'static [&'static str]) {
        FORMATS.iter().find(|(format, ..)| *format == self).unwrap_or(&FORMATS[0])
    }

    /// As the API calls it.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// How its files end, by which storage VMs know them.
    pub fn end(self) -> &'static str {
        self.row().2
    }

    /// By its name in any case.
    pub fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name)).map(|(format, ..)| *format)
    }

    /// What the end of an address says; a storage VM unpacks `.gz`, `.bz2` and `.zip`.
    pub fn of_address(path: &str) -> Option<Self> {
        let path = path.to_lowercase();
        let path = PACKED.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(&path);
        FORMATS.iter().find(|(_, _, end, _)| path.ends_with(&format!(".{end}"))).map(|(format, ..)| *format)
    }

    /// The hypervisor of a zone for it: the one that is said, or the first that takes it.
    pub(super) fn hypervisor(
        self,
        zone: &Named,
        there: &[Named],
        said: Option<&str>,
    ) -> Result<String, CloudStackError> {
        let (name, takers) = (self.name(), self.row().3);
        let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
        let takes = |name: &str| takers.iter().any(|taker| taker.eq_ignore_ascii_case(name));
        if let Some(said) = said {
            let found = crate::cloudstack::choose("hypervisor", there, said)?;
            return if takes(&found.name) {
                Ok(found.name)
            } else {
                Err(CloudStackError::new(
                    CloudStackErrorKind::Usage,
                    format!("make a template for {} of a {name}", found.name),
                )
                .because(format!("a {name} is for {}", takers.join(", ")))
                .hint(format!("`goldsmith convert` makes {}", for_whom(&found.name))))
            };
        }
        takers
            .iter()
            .find_map(|taker| there.iter().find(|one| one.name.eq_ignore_ascii_case(taker)))
            .map(|one| one.name.clone())
            .ok_or_else(|| {
                let attempt = format!("find a hypervisor for a {name} in the zone `{}`", zone.name);
                CloudStackError::new(CloudStackErrorKind::Usage, attempt)
                    .because(format!("it has: {}; a {name} is for {}", names.join(", "), takers.join(", ")))
                    .hint("`goldsmith convert` makes a qcow2 for KVM, an OVA for VMware, a VHD for XenServer")
            })
    }
}

fn for_whom(hypervisor: &str) -> &'static str {
    match hypervisor.to_lowercase().as_str() {
        "kvm" => "a qcow2 for KVM",
        "vmware" => "an OVA for VMware",
        _ => "a VHD for XenServer and Hyper-V",
    }
}

/// A file on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What it is.
    pub format: ImageFormat,
    /// The size of the disk in bytes; of an OVA with several, the server counts in its own way.
    pub disk_bytes: Option<u64>,
    /// The length of the file in bytes.
    pub file_bytes: u64,
}

impl Image {
    /// Looks into a file.
    pub fn open(path: &Path) -> Result<Self, CloudStackError> {
        let attempt = || format!("publish `{}`", path.display());
        let wrong = |why: String, hint: String| {
            CloudStackError::new(CloudStackErrorKind::Usage, attempt()).because(why).hint(hint)
        };
        let unreadable = |error: disk::DiskError| {
            CloudStackError::new(CloudStackErrorKind::Usage, format!("read `{}`", path.display()))
                .because(error)
        };
        let convert = || format!("make a qcow2 of it: `goldsmith convert {} -o disk.qcow2`", path.display());
        let format = match disk::detect(path).map_err(unreadable)? {
            Detected::Image(Format::Qcow2) => ImageFormat::Qcow2,
            Detected::Image(Format::Ova) => ImageFormat::Ova,
            Detected::Image(Format::Vhd) => ImageFormat::Vhd,
            Detected::Image(other) => {
                return Err(wrong(
                    format!("it is {other}, and CloudStack makes templates of QCOW2, OVA and VHD"),
                    convert(),
                ));
            }
            Detected::Packed(packing) => {
                return Err(wrong(format!("it is compressed with {packing}"), convert()));
            }
            Detected::Foreign(name) => {
                return Err(wrong(
                    format!("it is {name}, and CloudStack makes templates of QCOW2, OVA and VHD"),
                    "qemu-img may make a qcow2 of it".to_owned(),
                ));
            }
        };
        let options = OpenOptions { backing: BackingPolicy::Never, ..OpenOptions::default() };
        let disk_bytes = if format == ImageFormat::Ova {
            let ova = disk::ova::Ova::open_path(path).map_err(unreadable)?;
            if ova.disks().is_empty() {
                return Err(wrong("there is no disk in it".to_owned(), convert()));
            }
            ova.capacities().filter(|sizes| sizes.len() == 1).map(|sizes| sizes[0])
        } else {
            Some(disk::open(path, None, &options).map_err(unreadable)?.size())
        };
        let file_bytes = std::fs::metadata(path)
            .map_err(|error| {
                CloudStackError::new(CloudStackErrorKind::Usage, format!("read `{}`", path.display()))
                    .because(error)
            })?
            .len();
        Ok(Self { format, disk_bytes, file_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_format_by_its_end() {
        assert_eq!(ImageFormat::of_address("/a/web.QCOW2.bz2"), Some(ImageFormat::Qcow2));
        assert_eq!(ImageFormat::of_address("/web.ova"), Some(ImageFormat::Ova));
        assert_eq!(ImageFormat::of_address("/web.vhd.gz"), Some(ImageFormat::Vhd));
        assert_eq!(ImageFormat::of_address("/web.raw"), None);
    }

    #[test]
    fn a_hypervisor_must_take_the_format() {
        let zone = Named { id: "z".into(), name: "Z".into() };
        let named = |names: &[&str]| -> Vec<Named> {
            names.iter().map(|name| Named { id: (*name).into(), name: (*name).into() }).collect()
        };
        let both = named(&["VMware", "KVM"]);
        assert_eq!(ImageFormat::Qcow2.hypervisor(&zone, &both, None).unwrap(), "KVM");
        assert_eq!(ImageFormat::Qcow2.hypervisor(&zone, &both, Some("kvm")).unwrap(), "KVM");
        assert_eq!(ImageFormat::Ova.hypervisor(&zone, &both, None).unwrap(), "VMware");
        let error = ImageFormat::Qcow2.hypervisor(&zone, &both, Some("VMware")).unwrap_err();
        assert!(error.hint_text().unwrap().contains("OVA"), "{error:?}");
        let error = ImageFormat::Qcow2.hypervisor(&zone, &named(&["XenServer"]), None).unwrap_err();
        assert_eq!(error.kind(), CloudStackErrorKind::Usage);
    }
}
