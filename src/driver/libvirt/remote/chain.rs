//! What the header of an overlay says, as far as bringing it to another host needs it. QEMU's qcow2 specification,
//! `docs/interop/qcow2.rst`: fields big-endian, extensions after the header up to one of type 0.
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// The two facts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overlay {
    /// Size of the disk, in bytes.
    pub(super) virtual_size: u64,
    /// Format of the file below it.
    pub(super) backing_format: Option<String>,
}

/// Reads them; `None` for what is no qcow2 file.
pub(super) fn overlay(path: &Path) -> io::Result<Option<Overlay>> {
    const MOST: u64 = 64 << 10;
    let mut head = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut head)?;
    Ok(parse(&head))
}

fn parse(head: &[u8]) -> Option<Overlay> {
    const BACKING_FORMAT: u32 = 0xe279_2aca;
    const SHORT_HEADER: usize = 72;
    let u32_at = |at: usize| Some(u32::from_be_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?));
    if head.get(..4)? != b"QFI\xfb" {
        return None;
    }
    let virtual_size = u64::from_be_bytes(head.get(24..32)?.try_into().ok()?);
    let mut at = match u32_at(4)? {
        2 => SHORT_HEADER,
        _ => u32_at(100)? as usize,
    };
    let mut backing_format = None;
    while let (Some(kind), Some(length)) = (u32_at(at), u32_at(at + 4)) {
        if kind == 0 {
            break;
        }
        let length = length as usize;
        let content = head.get(at + 8..at + 8 + length)?;
        if kind == BACKING_FORMAT {
            backing_format = Some(String::from_utf8(content.to_vec()).ok()?);
        }
        at += 8 + length.next_multiple_of(8);
    }
    Some(Overlay { virtual_size, backing_format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_of_qemu_img_says_its_size_and_what_is_below() {
        let dir = tempfile::tempdir().unwrap();
        let create = |arguments: &[&str]| {
            let status = std::process::Command::new("qemu-img")
                .args(["create", "-q", "-f", "qcow2"])
                .args(arguments)
                .current_dir(dir.path())
                .status()
                .expect("qemu-img is missing: apt-get install qemu-utils");
            assert!(status.success());
        };
        create(&["base", "16M"]);
        for compat in ["0.10", "1.1"] {
            create(&["-b", "base", "-F", "qcow2", "-o", &format!("compat={compat}"), compat, "32M"]);
            let expected = Overlay { virtual_size: 32 << 20, backing_format: Some("qcow2".into()) };
            assert_eq!(overlay(&dir.path().join(compat)).unwrap(), Some(expected), "{compat}");
        }
        let alone = Overlay { virtual_size: 16 << 20, backing_format: None };
        assert_eq!(overlay(&dir.path().join("base")).unwrap(), Some(alone));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_no_overlay() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(&[0; 512]), None);
        assert_eq!(parse(b"QFI\xfb\0\0\0\x03"), None);
    }
}
