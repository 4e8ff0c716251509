//! The formats that are written, and how their files are called.
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::DiskError;

/// Formats that [`super::convert`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputFormat {
    /// The bytes of the disk; holes stay holes of the file.
    #[serde(rename = "raw")]
    Raw,
    /// The bytes of the disk as gzip members.
    #[serde(rename = "raw.gz")]
    RawGz,
    /// The bytes of the disk as zstd frames.
    #[serde(rename = "raw.zst")]
    RawZst,
    /// The bytes of the disk as one xz stream of many blocks.
    #[serde(rename = "raw.xz")]
    RawXz,
    /// The bytes of the disk as one lz4 frame of independent blocks.
    #[serde(rename = "raw.lz4")]
    RawLz4,
    /// qcow2 version 3; holes stay unallocated.
    #[serde(rename = "qcow2")]
    Qcow2,
    /// VMDK, streamOptimized; holes stay unallocated.
    #[serde(rename = "vmdk")]
    Vmdk,
    /// A streamOptimized VMDK with its OVF description, in a tar file.
    #[serde(rename = "ova")]
    Ova,
    /// Fixed VHD: the bytes of the disk and a footer; holes stay holes of the file.
    #[serde(rename = "vhd")]
    Vhd,
}

impl OutputFormat {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Raw,
        Self::RawGz,
        Self::RawZst,
        Self::RawXz,
        Self::RawLz4,
        Self::Qcow2,
        Self::Vmdk,
        Self::Ova,
        Self::Vhd,
    ];

    /// The usual end of the file name, without the leading full stop.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawGz => "raw.gz",
            Self::RawZst => "raw.zst",
            Self::RawXz => "raw.xz",
            Self::RawLz4 => "raw.lz4",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::Vhd => "vhd",
        }
    }

    /// The format that the end of a file name says; `None` if it says nothing.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (_, end) = name.rsplit_once('.')?;
        Some(match end {
            "raw" | "img" => Self::Raw,
            "gz" => Self::RawGz,
            "zst" | "zstd" => Self::RawZst,
            "xz" => Self::RawXz,
            "lz4" => Self::RawLz4,
            "qcow2" => Self::Qcow2,
            "vmdk" => Self::Vmdk,
            "ova" => Self::Ova,
            "vhd" => Self::Vhd,
            _ => return None,
        })
    }

    /// Whether it can be written from front to end, hence also to a stream ([`super::Target::stream`]).
    pub fn is_sequential(self) -> bool {
        match self {
            Self::Raw | Self::RawGz | Self::RawZst | Self::RawXz | Self::RawLz4 | Self::Vmdk | Self::Vhd => {
                true
            }
            Self::Qcow2 | Self::Ova => false,
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for OutputFormat {
    type Err = DiskError;

    fn from_str(text: &str) -> Result<Self, DiskError> {
        Self::ALL.into_iter().find(|format| format.extension() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.extension()).collect();
            DiskError::unsupported(format!(
                "`{text}` is not a disk format that is written here ({})",
                known.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_and_formats_agree() {
        for format in OutputFormat::ALL {
            assert_eq!(format.to_string().parse::<OutputFormat>().unwrap(), format);
            assert_eq!(
                OutputFormat::of_path(&Path::new("a.b/disk").with_extension(format.extension())),
                Some(format)
            );
        }
        assert_eq!(OutputFormat::of_path(Path::new("Bottle.IMG.LZ4")), Some(OutputFormat::RawLz4));
        assert_eq!(OutputFormat::of_path(Path::new("disk.iso")), None);
        assert_eq!(OutputFormat::of_path(Path::new("raw")), None);
        assert!("tar".parse::<OutputFormat>().unwrap_err().to_string().contains("raw.zst"));
    }
}
