//! The formats of sources: what they are called, and how a file tells which one it is.
//!
//! A new image format is a variant of [`Format`], a row of [`NAMES`], a row of [`MAGICS`], and an arm in
//! `open::Opener::open_as`.
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::open::open_file;
use super::{DiskError, vhd};

/// Formats of images that are read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's copy-on-write format, versions 2 and 3.
    Qcow2,
    /// VMware's format: sparse, streamOptimized, flat and split.
    Vmdk,
    /// An archive of a machine's description and its disks; one of the disks is read.
    Ova,
    /// Microsoft's older format, fixed or dynamic. QEMU calls it `vpc`.
    Vhd,
}

/// What each format is called; the first name of a format is the one that is shown.
const NAMES: &[(&str, Format)] = &[
    ("raw", Format::Raw),
    ("qcow2", Format::Qcow2),
    ("vmdk", Format::Vmdk),
    ("ova", Format::Ova),
    ("vhd", Format::Vhd),
    ("vpc", Format::Vhd),
];

impl Format {
    /// What QEMU calls it, in overlays and on its command line. It reads no OVA.
    pub(crate) const fn qemu_name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::Vhd => "vpc",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(_, format)| format == self).map_or("?", |(name, _)| name))
    }
}

impl FromStr for Format {
    type Err = DiskError;

    fn from_str(text: &str) -> Result<Self, DiskError> {
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            DiskError::unsupported(format!(
                "`{text}` is not a disk format that is read here ({})",
                names.join(", ")
            ))
        })
    }
}

/// How the file that holds an image is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// gzip, of one or many members.
    Gzip,
    /// xz, of one or many streams.
    Xz,
    /// zstd, of one or many frames.
    Zstd,
    /// LZ4 frames, also those of the legacy format.
    Lz4,
    /// bzip2, of one or many streams.
    Bzip2,
}

/// The ends of file names by which people name a packing.
const SUFFIXES: &[(&str, Packing)] = &[
    ("gz", Packing::Gzip),
    ("xz", Packing::Xz),
    ("zst", Packing::Zstd),
    ("lz4", Packing::Lz4),
    ("bz2", Packing::Bzip2),
];

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// What a user says about a source: `raw`, `qcow2`, `raw.lz4`. Believed, never checked against the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// The format of the image.
    pub format: Format,
    /// How the file around it is compressed.
    pub packing: Option<Packing>,
}

impl From<Format> for Stated {
    fn from(format: Format) -> Self {
        Self { format, packing: None }
    }
}

impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.format)?;
        match SUFFIXES.iter().find(|(_, packing)| Some(*packing) == self.packing) {
            Some((suffix, _)) => write!(f, ".{suffix}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Stated {
    type Err = DiskError;

    fn from_str(text: &str) -> Result<Self, DiskError> {
        let Some((format, suffix)) = text.split_once('.') else { return Ok(Format::from_str(text)?.into()) };
        let Some((_, packing)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) else {
            let names: Vec<&str> = SUFFIXES.iter().map(|(name, _)| *name).collect();
            return Err(DiskError::unsupported(format!(
                "`.{suffix}` is not a compression that is read here ({})",
                names.join(", ")
            )));
        };
        Ok(Self { format: format.parse()?, packing: Some(*packing) })
    }
}

/// What the first bytes of a file say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// A disk image; [`Format::Raw`] where there is no known magic.
    Image(Format),
    /// A compressed file, with anything inside.
    Packed(Packing),
    /// Something that must not be taken for a raw disk, but is not read here; its name.
    Foreign(&'static str),
}

/// Where a magic stands, its bytes, and what it means.
const MAGICS: &[(usize, &[u8], Detected)] = &[
    (0, b"QFI\xfb", Detected::Image(Format::Qcow2)),
    (0, b"conectix", Detected::Image(Format::Vhd)),
    (0, b"\x1f\x8b\x08", Detected::Packed(Packing::Gzip)),
    (0, b"\xfd7zXZ\x00", Detected::Packed(Packing::Xz)),
    (0, b"\x28\xb5\x2f\xfd", Detected::Packed(Packing::Zstd)),
    // A frame that is skipped; LZ4 has the same, but only pzstd and seekable zstd begin with one.
    (0, b"\x50\x2a\x4d\x18", Detected::Packed(Packing::Zstd)),
    (0, b"\x04\x22\x4d\x18", Detected::Packed(Packing::Lz4)),
    (0, b"\x02\x21\x4c\x18", Detected::Packed(Packing::Lz4)),
    (0, b"BZh", Detected::Packed(Packing::Bzip2)),
    (0, b"KDMV", Detected::Image(Format::Vmdk)),
    (0, b"# Disk DescriptorFile", Detected::Image(Format::Vmdk)),
    // Relatives, of which the reader says more precisely what they are.
    (0, b"COWD", Detected::Image(Format::Vmdk)),
    (0, b"\xbe\xba\xfe\xca\x00\x00\x00\x00", Detected::Image(Format::Vmdk)),
    (0, b"vhdxfile", Detected::Foreign("vhdx")),
    (0x40, b"\x7f\x10\xda\xbe", Detected::Foreign("vdi")),
    (0, b"7z\xbc\xaf\x27\x1c", Detected::Foreign("7z")),
    (0, b"PK\x03\x04", Detected::Foreign("zip")),
    // A tar archive, which is an OVA if it is anything for us.
    (257, b"ustar", Detected::Image(Format::Ova)),
];

/// How much of a file [`detect_head`] wants to see.
pub(super) const HEAD: usize = 512;

/// Looks at the first bytes of `path`, and at the last ones for a fixed VHD, whose only mark is there.
pub fn detect(path: &Path) -> Result<Detected, DiskError> {
    detect_in(&open_file(path)?, path)
}

pub(super) fn detect_in(file: &File, path: &Path) -> Result<Detected, DiskError> {
    let mut head = [0; HEAD];
    let mut len = 0;
    while len < HEAD {
        match file.read_at(&mut head[len..], len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) => {
                return Err(DiskError::io("could not read the start of the file", error).in_file(path));
            }
        }
    }
    match detect_head(&head[..len]) {
        Detected::Image(Format::Raw) if vhd::is_fixed(file) => Ok(Detected::Image(Format::Vhd)),
        found => Ok(found),
    }
}

/// What the first [`HEAD`] bytes (or all, if there are fewer) of a file say about it.
pub(super) fn detect_head(head: &[u8]) -> Detected {
    MAGICS
        .iter()
        .find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)))
        .map_or(Detected::Image(Format::Raw), |(_, _, found)| *found)
}

/// Why a file that is no image cannot be read, with what to do about it.
pub(super) fn refuse(found: Detected) -> DiskError {
    match found {
        Detected::Image(format) => DiskError::unsupported(format!("{format} cannot be read here")),
        Detected::Packed(packing) => {
            DiskError::unsupported(format!("the file is compressed with {packing}, and not a disk itself"))
        }
        Detected::Foreign(name @ ("vhdx" | "vdi")) => DiskError::unsupported(format!(
            "the file looks like {name}, which is not read here; `qemu-img convert -O qcow2` makes a qcow2 of it"
        )),
        Detected::Foreign(name) => DiskError::unsupported(format!(
            "the file looks like {name}, not like a disk image that is read here"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stated_reads_back_as_it_is_shown() {
        for text in ["raw", "qcow2", "vhd", "raw.gz", "raw.lz4", "qcow2.xz", "vhd.bz2", "raw.zst"] {
            assert_eq!(text.parse::<Stated>().unwrap().to_string(), text);
        }
        assert_eq!("vpc".parse::<Format>().unwrap(), Format::Vhd);
        let unknown = "raw.rar".parse::<Stated>().unwrap_err().to_string();
        assert!(unknown.contains("gz, xz, zst, lz4, bz2"), "{unknown}");
        let unknown = "vdi".parse::<Stated>().unwrap_err().to_string();
        assert!(unknown.contains("raw, qcow2"), "{unknown}");
    }

    #[test]
    fn short_and_empty_files_are_raw() {
        assert_eq!(detect_head(b""), Detected::Image(Format::Raw));
        assert_eq!(detect_head(b"QF"), Detected::Image(Format::Raw));
    }
}
