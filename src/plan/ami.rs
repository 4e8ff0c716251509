//! An AMI: what Amazon is told about an image.
use crate::value::{Arch, Size};
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

/// How instances of an AMI start
/// ([boot modes](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-boot.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// By BIOS.
    Bios,
    /// By UEFI.
    Uefi,
    /// By UEFI where the type of the instance has it, else by BIOS: the image can do both.
    UefiPreferred,
}

impl BootMode {
    /// As in a definition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
        }
    }
}

/// The type of an EBS volume ([volume types](https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// SSD, the older one.
    Gp2,
    /// SSD.
    #[default]
    Gp3,
    /// SSD with a stated number of operations a second, the older one.
    Io1,
    /// SSD with a stated number of operations a second.
    Io2,
    /// Magnetic.
    Standard,
}

impl VolumeKind {
    /// As in a definition, and as Amazon writes it. Types that no system boots from (`st1`, `sc1`) are left out.
    pub const ALL: [(&'static str, Self); 5] = [
        ("gp3", Self::Gp3),
        ("gp2", Self::Gp2),
        ("io1", Self::Io1),
        ("io2", Self::Io2),
        ("standard", Self::Standard),
    ];

    /// As Amazon writes it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("gp3", |(name, _)| name)
    }
}

/// The volume that instances of an AMI start from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AmiVolume {
    /// Its size when it is to be larger than the disk.
    pub size: Option<Size>,
    /// Its type.
    pub kind: VolumeKind,
    /// Operations a second.
    pub iops: Option<u32>,
    /// Throughput in MiB a second.
    pub throughput: Option<u32>,
    /// Whether it stays when its instance goes.
    pub keep: bool,
    /// Whether the snapshot is encrypted, and so all volumes that are made from it.
    pub encrypted: bool,
    /// With which key, as an ARN; the account's own key for EBS when this does not say.
    pub kms_key: Option<String>,
}

/// One AMI to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AmiPlan {
    /// Its name, which is there once in an account and region.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The architecture of its instances.
    pub arch: Arch,
    /// How its instances start.
    pub boot_mode: BootMode,
    /// Whether the guest has a driver for Amazon's network card (ENA), without which newer types of instances do not start.
    pub ena: bool,
    /// Whether the guest has a driver for Intel's 82599 virtual functions, which older types of instances have.
    pub sriov: bool,
    /// Whether instances ask for a session before they tell their metadata (IMDSv2).
    pub imds_v2: bool,
    /// Whether instances have a TPM 2.0.
    pub tpm: bool,
    /// A file with a store of UEFI variables as Amazon wants it (base64), absolute.
    pub uefi_data: Option<PathBuf>,
    /// What the guest calls the first disk in Amazon's words.
    pub root_device: String,
    /// The volume of the root device.
    pub volume: AmiVolume,
    /// The snapshot, or the AMI with that snapshot, that only the difference to is sent.
    pub parent: Option<String>,
    /// Tags of the AMI and its snapshot.
    pub tags: BTreeMap<String, String>,
}

/// The name of the root device that Linux images of Amazon's own have.
pub const ROOT_DEVICE: &str = "/dev/sda1";

/// A value of an [`AmiPlan`] that Amazon would refuse, found before anything is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmiFault {
    /// The key of the definition that it is about, also the option of the command line.
    pub key: &'static str,
    /// What is wrong, as a sentence.
    pub why: String,
}

impl AmiPlan {
    /// An AMI with the usual values.
    pub fn new(name: impl Into<String>, arch: Arch, boot_mode: BootMode) -> Self {
        Self {
            name: name.into(),
            description: None,
            arch,
            boot_mode,
            ena: true,
            sriov: false,
            imds_v2: true,
            tpm: false,
            uefi_data: None,
            root_device: ROOT_DEVICE.to_owned(),
            volume: AmiVolume::default(),
            parent: None,
            tags: BTreeMap::new(),
        }
    }

    /// Everything that Amazon would refuse
    /// ([RegisterImage](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html)).
    pub fn faults(&self) -> Vec<AmiFault> {
        let mut faults = Vec::new();
        let mut fault = |key, why: String| faults.push(AmiFault { key, why });
        if let Some(why) = name_fault(&self.name) {
            fault("name", why);
        }
        if let Some(text) = &self.description
            && (text.chars().count() > 255 || text.chars().any(char::is_control))
        {
            fault("description", "a description is one line of at most 255 characters".to_owned());
        }
        let uefi = self.boot_mode != BootMode::Bios;
        if self.arch == Arch::Aarch64 && self.boot_mode != BootMode::Uefi {
            fault("boot-mode", "instances of `aarch64` start by `uefi` only".to_owned());
        }
        if self.tpm && !uefi {
            fault("tpm", "a TPM needs a boot mode with UEFI".to_owned());
        }
        if self.uefi_data.is_some() && !uefi {
            fault("uefi-data", "UEFI variables need a boot mode with UEFI".to_owned());
        }
        let device = self.root_device.strip_prefix("/dev/").unwrap_or_default();
        if device.is_empty() || !device.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            fault(
                "root-device",
                format!("`{}` is not a device such as `/dev/sda1`", self.root_device.escape_debug()),
            );
        }
        if let Some(parent) = &self.parent {
            let id = parent.strip_prefix("snap-").or_else(|| parent.strip_prefix("ami-")).unwrap_or_default();
            if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                fault(
                    "parent",
                    format!(
                        "`{}` is neither the id of a snapshot (`snap-…`) nor of an AMI (`ami-…`)",
                        parent.escape_debug()
                    ),
                );
            }
        }
        for AmiFault { key, why } in self.volume.faults() {
            fault(key, why);
        }
        for (key, value) in &self.tags {
            if let Some(why) = tag_fault(key, value) {
                fault("tags", why);
            }
        }
        // Amazon takes 50; some of them are ours.
        if self.tags.len() > 40 {
            fault("tags", format!("{} tags are too many: at most 40", self.tags.len()));
        }
        faults
    }
}

impl AmiVolume {
    /// What of it Amazon would refuse.
    pub fn faults(&self) -> Vec<AmiFault> {
        let mut faults = Vec::new();
        self.look(&mut |key, why| faults.push(AmiFault { key, why }));
        faults
    }

    fn look(&self, fault: &mut impl FnMut(&'static str, String)) {
        let kind = self.kind.name();
        if let Some(iops) = self.iops {
            let range = match self.kind {
                VolumeKind::Gp3 => Some(3000..=80_000),
                VolumeKind::Io1 => Some(100..=64_000),
                VolumeKind::Io2 => Some(100..=256_000),
                VolumeKind::Gp2 | VolumeKind::Standard => None,
            };
            match range {
                None => fault("iops", format!("a volume of type `{kind}` has no number of operations")),
                Some(range) if !range.contains(&iops) => {
                    let (least, most) = (range.start(), range.end());
                    fault(
                        "iops",
                        format!("a volume of type `{kind}` has {least} to {most} operations a second"),
                    );
                }
                Some(_) => {}
            }
        } else if matches!(self.kind, VolumeKind::Io1 | VolumeKind::Io2) {
            fault("volume-type", format!("a volume of type `{kind}` needs `iops`"));
        }
        if let Some(throughput) = self.throughput {
            if self.kind != VolumeKind::Gp3 {
                fault("throughput", format!("only volumes of type `gp3` have a throughput, not `{kind}`"));
            } else if !(125..=2000).contains(&throughput) {
                fault("throughput", "a volume has a throughput of 125 to 2000 MiB a second".to_owned());
            }
        }
        if let Some(size) = &self.size
            && size.as_bytes() > 64 << 40
        {
            fault("volume-size", format!("{size} is more than the 64 TiB that a volume can have"));
        }
        if let Some(key) = &self.kms_key {
            if !self.encrypted {
                fault("kms-key", "a key is of no use when the snapshot is not encrypted".to_owned());
            }
            // StartSnapshot takes nothing but an ARN, whatever other calls take.
            if !key.starts_with("arn:") || key.contains(char::is_whitespace) {
                fault("kms-key", format!("`{}` is not the ARN of a key", key.escape_debug()));
            }
        }
    }
}

fn name_fault(name: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "()[] ./-'@_".contains(letter);
    let long = (3..=128).contains(&name.chars().count());
    (!long || !name.chars().all(fits)).then(|| {
        format!(
            "`{}` cannot name an AMI: 3 to 128 letters, digits, spaces and ( ) [ ] . / - ' @ _",
            name.escape_debug()
        )
    })
}

/// Why this cannot be a tag of what we make.
pub(crate) fn tag_fault(key: &str, value: &str) -> Option<String> {
    let shown = key.escape_debug();
    if key.is_empty() || key.chars().count() > 128 {
        Some(format!("`{shown}` cannot be the key of a tag: it has 1 to 128 characters"))
    } else if key.to_ascii_lowercase().starts_with("aws:") {
        Some(format!("the tag `{shown}` is Amazon's own"))
    } else if key.starts_with("goldsmith:") {
        Some(format!("the tag `{shown}` is goldsmith's own: by these it finds what it made"))
    } else if value.chars().count() > 256 {
        Some(format!("the tag `{shown}` has a value of more than 256 characters"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(ami: &AmiPlan) -> Vec<&'static str> {
        ami.faults().iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn the_usual_values_are_right() {
        assert_eq!(keys(&AmiPlan::new("web-1.2 (test)", Arch::X86_64, BootMode::UefiPreferred)), [""; 0]);
    }

    #[test]
    fn what_amazon_would_refuse_is_found_before() {
        let good = || AmiPlan::new("web", Arch::X86_64, BootMode::Bios);
        let volume = |volume| AmiPlan { volume, ..good() };
        let tag = |key: &str| AmiPlan { tags: BTreeMap::from([(key.to_owned(), "x".to_owned())]), ..good() };
        let cases = [
            (AmiPlan { name: "ab".into(), ..good() }, "name"),
            (AmiPlan { name: "web:1".into(), ..good() }, "name"),
            (AmiPlan { description: Some("x".repeat(256)), ..good() }, "description"),
            (AmiPlan { arch: Arch::Aarch64, ..good() }, "boot-mode"),
            (AmiPlan { tpm: true, ..good() }, "tpm"),
            (AmiPlan { uefi_data: Some("/vars".into()), ..good() }, "uefi-data"),
            (AmiPlan { root_device: "sda1".into(), ..good() }, "root-device"),
            (AmiPlan { parent: Some("vol-0123".into()), ..good() }, "parent"),
            (AmiPlan { parent: Some("snap-../x".into()), ..good() }, "parent"),
            (AmiPlan { parent: Some("ami-".into()), ..good() }, "parent"),
            (volume(AmiVolume { iops: Some(10), ..AmiVolume::default() }), "iops"),
            (volume(AmiVolume { kind: VolumeKind::Gp2, iops: Some(3000), ..AmiVolume::default() }), "iops"),
            (volume(AmiVolume { kind: VolumeKind::Io2, ..AmiVolume::default() }), "volume-type"),
            (volume(AmiVolume { throughput: Some(1), ..AmiVolume::default() }), "throughput"),
            (volume(AmiVolume { size: Some(Size::bytes(65 << 40)), ..AmiVolume::default() }), "volume-size"),
            (
                volume(AmiVolume { encrypted: true, kms_key: Some("k".into()), ..AmiVolume::default() }),
                "kms-key",
            ),
            (volume(AmiVolume { kms_key: Some("arn:aws:kms:x".into()), ..AmiVolume::default() }), "kms-key"),
            (tag("aws:x"), "tags"),
            (tag("goldsmith:build"), "tags"),
        ];
        for (ami, key) in cases {
            assert_eq!(keys(&ami), [key], "{ami:?}");
        }
    }
}
