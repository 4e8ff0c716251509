//! The text that describes a VMDK: what kind it is, and which files hold its bytes.
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::super::DiskError;

/// Its first line. Detection looks for it.
pub(super) const FIRST_LINE: &[u8] = b"# Disk DescriptorFile";
/// What a descriptor may take: those of thousands of extents are far below.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// Each costs a file descriptor; a terabyte in files of 2 GB needs 512.
const MAX_EXTENTS: usize = 800;

#[derive(Debug, Default)]
pub(super) struct Descriptor {
    /// `createType`, as in the file.
    pub(super) kind: String,
    pub(super) extents: Vec<ExtentLine>,
}

/// One line of the extent description.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExtentLine {
    pub(super) sectors: u64,
    pub(super) kind: ExtentType,
    /// Relative to the folder of the descriptor.
    pub(super) name: OsString,
    /// Where a flat extent begins in its file, in sectors.
    pub(super) start: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExtentType {
    /// The bytes of the disk.
    Flat,
    /// A file with header and tables.
    Sparse,
    /// Nothing: reads as zeroes.
    Zero,
}

impl Descriptor {
    /// Understands the text; `path` is for errors. Zero bytes end it, as in sparse extents.
    pub(super) fn parse(text: &[u8], path: &Path) -> Result<Self, DiskError> {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut found = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if let Some((key, value)) = setting(line) {
                if key.eq_ignore_ascii_case(b"createType") {
                    found.kind = String::from_utf8_lossy(value).into_owned();
                } else if key.eq_ignore_ascii_case(b"parentCID") && !value.eq_ignore_ascii_case(b"ffffffff") {
                    return Err(DiskError::unsupported(
                        "the VMDK holds only the changes to a parent disk (a snapshot or linked clone), which is not \
                         read here: export or consolidate it first",
                    )
                    .in_file(path));
                }
            } else {
                if found.extents.len() == MAX_EXTENTS {
                    return Err(DiskError::unsupported(format!(
                        "the VMDK has more than {MAX_EXTENTS} extents"
                    ))
                    .in_file(path));
                }
                found.extents.push(extent(line, path)?);
            }
        }
        Ok(found)
    }

    /// The descriptor of a stream for a disk of so many sectors, the same for the same `identity`.
    pub(super) fn stream(sectors: u64, name: &str, identity: &[u8]) -> String {
        const HEADS: u64 = 255;
        const TRACK: u64 = 63;
        // A content id ties snapshots to their parent; two values are reserved. The digest of a disk that is still to be
        // read is not known, and a random one would make every file different.
        let digest = Sha256::digest(identity);
        let id = hex::encode(&digest[..15]) + "5d";
        let cid = &id[24..];
        let cylinders = sectors.div_ceil(HEADS * TRACK).min(65535);
        // Quotes and line ends would end the name early.
        let name: String = name.chars().filter(|c| !c.is_control() && *c != '"').collect();
        let mut text = String::from_utf8_lossy(FIRST_LINE).into_owned();
        let _ = write!(
            text,
            "\nversion=1\nencoding=\"UTF-8\"\nCID={cid}\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
             # Extent description\nRW {sectors} SPARSE \"{name}\"\n\n\
             # The Disk Data Base\n#DDB\n\n\
             ddb.longContentID = \"{id}\"\n\
             ddb.virtualHWVersion = \"4\"\n\
             ddb.geometry.cylinders = \"{cylinders}\"\n\
             ddb.geometry.heads = \"{HEADS}\"\n\
             ddb.geometry.sectors = \"{TRACK}\"\n\
             ddb.adapterType = \"lsilogic\"\n\
             ddb.toolsInstallType = \"4\"\n\
             ddb.toolsVersion = \"2147483647\"\n"
        );
        text
    }
}

/// `key = "value"`, without the quotes; extents have no equals sign before their name.
fn setting(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let key = line[..at].trim_ascii();
    if key.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'"') {
        return None;
    }
    let value = line[at + 1..].trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    Some((key, value))
}

/// `RW 4192256 SPARSE "disk-s001.vmdk"`, or `RW 100 FLAT "disk-flat.vmdk" 0`.
fn extent(line: &[u8], path: &Path) -> Result<ExtentLine, DiskError> {
    let shown = || String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
    let odd = || {
        DiskError::corrupt(format!("could not understand the VMDK's descriptor: `{}`", shown())).in_file(path)
    };
    let unsupported = |what: &str| DiskError::unsupported(format!("{what} (`{}`)", shown())).in_file(path);
    let (head, tail) = match line.iter().position(|byte| *byte == b'"') {
        Some(at) => (&line[..at], &line[at..]),
        None => (line, &line[line.len()..]),
    };
    let head = std::str::from_utf8(head).map_err(|_| odd())?;
    let mut words = head.split_ascii_whitespace();
    let (Some(access), Some(sectors), Some(kind), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(odd());
    };
    match access {
        "RW" | "RDONLY" => {}
        "NOACCESS" => return Err(unsupported("the VMDK has an extent that must not be read")),
        _ => return Err(odd()),
    }
    let sectors: u64 = sectors.parse().map_err(|_| odd())?;
    let kind = match kind {
        // A flat file on VMware's file system is a flat file elsewhere.
        "FLAT" | "VMFS" => ExtentType::Flat,
        "SPARSE" => ExtentType::Sparse,
        "ZERO" => return Ok(ExtentLine { sectors, kind: ExtentType::Zero, name: OsString::new(), start: 0 }),
        "VMFSSPARSE" | "SESPARSE" => {
            return Err(unsupported(
                "the VMDK has an extent in ESXi's snapshot format, which is not read here",
            ));
        }
        "VMFSRDM" | "VMFSRAW" => {
            return Err(unsupported("the VMDK refers to a device of an ESXi host, which is not read here"));
        }
        _ => return Err(unsupported("the VMDK has an extent of an unknown kind")),
    };
    let tail = tail.strip_prefix(b"\"").ok_or_else(odd)?;
    let end = tail.iter().rposition(|byte| *byte == b'"').ok_or_else(odd)?;
    let (name, rest) = (&tail[..end], &tail[end + 1..]);
    if name.is_empty() {
        return Err(odd());
    }
    let rest = std::str::from_utf8(rest).map_err(|_| odd())?;
    // What may follow the offset (a partition, a device) belongs to kinds that were refused above.
    let start = match rest.split_ascii_whitespace().next() {
        Some(start) => start.parse().map_err(|_| odd())?,
        None => 0,
    };
    Ok(ExtentLine { sectors, kind, name: OsString::from_vec(name.to_vec()), start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskErrorKind;

    fn parse(text: &str) -> Result<Descriptor, DiskError> {
        Descriptor::parse(text.as_bytes(), Path::new("x.vmdk"))
    }

    #[test]
    fn extents_are_understood_with_odd_names_and_offsets() {
        let found = parse(
            "# Disk DescriptorFile\r\nversion=1\r\nparentCID=FFFFFFFF\r\ncreateType = \"custom\"\r\n\
             RW 63 FLAT \"a = b.raw\" 12\r\nRDONLY 7 ZERO\r\nRW 8 SPARSE \"x\"\\y.vmdk\"\r\n",
        )
        .unwrap();
        assert_eq!(found.kind, "custom");
        let lines: Vec<_> = found
            .extents
            .iter()
            .map(|line| (line.sectors, line.kind, line.name.to_str().unwrap(), line.start))
            .collect();
        assert_eq!(
            lines,
            [
                (63, ExtentType::Flat, "a = b.raw", 12),
                (7, ExtentType::Zero, "", 0),
                (8, ExtentType::Sparse, "x\"\\y.vmdk", 0)
            ]
        );
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (line, kind, word) in [
            ("parentCID=12345678", DiskErrorKind::Unsupported, "parent"),
            ("RW 1 SESPARSE \"x\"", DiskErrorKind::Unsupported, "snapshot"),
            ("RW 1 VMFSSPARSE \"x\"", DiskErrorKind::Unsupported, "snapshot"),
            ("RW 1 VMFSRDM \"x\"", DiskErrorKind::Unsupported, "device"),
            ("RW 1 HOLO \"x\"", DiskErrorKind::Unsupported, "unknown"),
            ("NOACCESS 1 FLAT \"x\" 0", DiskErrorKind::Unsupported, "must not"),
            ("RW -1 FLAT \"x\" 0", DiskErrorKind::Corrupt, "-1"),
            ("RW 1 FLAT x 0", DiskErrorKind::Corrupt, "FLAT x"),
            ("RW 1 FLAT \"\" 0", DiskErrorKind::Corrupt, "FLAT"),
            ("RW 1 FLAT \"x\" y", DiskErrorKind::Corrupt, "y"),
            ("rubbish", DiskErrorKind::Corrupt, "rubbish"),
        ] {
            let error = parse(&format!("# Disk DescriptorFile\n{line}\n")).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        let many = "RW 1 ZERO\n".repeat(MAX_EXTENTS + 1);
        assert_eq!(parse(&many).unwrap_err().kind(), DiskErrorKind::Unsupported);
    }

    #[test]
    fn our_own_descriptor_is_understood_and_fits_its_place() {
        let text = Descriptor::stream(1 << 40, &"x\"\n".repeat(200), b"id");
        let found = parse(&text).unwrap();
        assert_eq!((found.kind.as_str(), found.extents[0].sectors), ("streamOptimized", 1 << 40));
        assert_eq!(found.extents[0].name, OsString::from("x".repeat(200)));
        assert_ne!(text, Descriptor::stream(1 << 40, &"x".repeat(200), b"other"));
    }
}
