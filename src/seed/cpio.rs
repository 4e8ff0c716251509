//! Small cpio archives ("newc", which Linux unpacks as an initrd) with reproducible bytes.
use std::{
    collections::BTreeSet,
    io::{self, Write},
};

const FOLDER: u32 = 0o040_755;
/// Readable by root only: one of the files is a private key.
const FILE: u32 = 0o100_600;

/// An archive with `files` and the folders that they are in.
pub(super) fn archive(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut folders = BTreeSet::new();
    let mut inode = 0;
    for (name, content) in files {
        for (at, _) in name.match_indices('/') {
            let folder = &name[..at];
            if folders.insert(folder) {
                inode += 1;
                entry(&mut out, inode, folder, FOLDER, &[])?;
            }
        }
        inode += 1;
        entry(&mut out, inode, name, FILE, content)?;
    }
    entry(&mut out, 0, "TRAILER!!!", 0, &[])?;
    Ok(out)
}

fn entry(out: &mut Vec<u8>, inode: u32, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a file in an initrd is at most 4 GiB"))?;
    let links = if mode == FOLDER { 2 } else { 1 };
    write!(out, "070701")?;
    // Inode, mode, user, group, links, time, size, device and its kind (twice), length of the name with its end, no checksum.
    let fields = [inode, mode, 0, 0, links, 0, length, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    for field in fields {
        write!(out, "{field:08X}")?;
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(content);
    pad(out);
    Ok(())
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn cpio(arguments: &[&str], folder: &std::path::Path, archive: &[u8]) -> String {
        let mut child = Command::new("cpio")
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("cpio, of the package cpio");
        child.stdin.take().unwrap().write_all(archive).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    #[test]
    fn cpio_unpacks_what_we_pack() {
        let folder = tempfile::tempdir().unwrap();
        let long = vec![7; 4097];
        let files: &[(&str, &[u8])] = &[("a", b""), ("goldsmith/b", b"x\n"), ("goldsmith/c/d", &long)];
        let archive = archive(files).unwrap();
        assert_eq!(archive.len() % 4, 0);
        let listed = cpio(&["-t", "--quiet"], folder.path(), &archive);
        assert_eq!(listed, "a\ngoldsmith\ngoldsmith/b\ngoldsmith/c\ngoldsmith/c/d\n");
        cpio(&["-i", "--quiet", "--no-absolute-filenames"], folder.path(), &archive);
        for (name, content) in files {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), *content, "{name}");
        }
        let mode = std::fs::metadata(folder.path().join("goldsmith/b")).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        assert_eq!(archive, super::archive(files).unwrap());
    }
}
