//! Archives that a kernel unpacks before it starts: cpio, "newc" format (cpio(5)).
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
};

/// A regular file that everybody may read.
const MODE: usize = 0o100_644;
/// A folder that everybody may look into.
const FOLDER: usize = 0o040_755;
/// Headers and contents begin at multiples of this.
const ALIGNMENT: usize = 4;
/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";

/// Appends an archive of `files` to what is in `file` already. Reproducible: owner root, no time.
pub(super) fn append<'a>(
    file: &mut File,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> io::Result<()> {
    // Archives may have zeroes between them.
    let mut bytes = vec![0; padding(file.metadata()?.len() as usize)];
    let mut folders = BTreeSet::new();
    let mut inode = 0;
    for (name, content) in files {
        // A kernel makes no folder that it was not told of.
        for (at, _) in name.match_indices('/') {
            if folders.insert(&name[..at]) {
                inode += 1;
                entry(&mut bytes, inode, FOLDER, &name[..at], &[]);
            }
        }
        inode += 1;
        entry(&mut bytes, inode, MODE, name, content);
    }
    entry(&mut bytes, 0, 0, TRAILER, &[]);
    file.write_all(&bytes)
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % ALIGNMENT
}

fn entry(out: &mut Vec<u8>, inode: usize, mode: usize, name: &str, content: &[u8]) {
    let links = usize::from(mode != 0) + usize::from(mode == FOLDER);
    // Inode, mode, uid, gid, links, time, size, four device numbers, length of the name with its end, no checksum.
    let fields = [inode, mode, 0, 0, links, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
    let start = out.len();
    out.extend(b"070701");
    for field in fields {
        out.extend(format!("{field:08x}").into_bytes());
    }
    out.extend(name.as_bytes());
    out.push(0);
    pad(out, start);
    out.extend(content);
    pad(out, start);
}

fn pad(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(out.len() + padding(length), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn cpio_unpacks_what_was_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("initrd");
        let files: [(&str, &[u8]); 4] =
            [("preseed.cfg", b"d-i x y z\n"), ("empty", b""), ("a/b/odd", b"12345"), ("a/c", b"6")];
        File::create(&path).unwrap();
        append(&mut File::options().append(true).open(&path).unwrap(), files.into_iter()).unwrap();
        let said = Command::new("cpio")
            .args(["-idv", "--quiet"])
            .stdin(File::open(&path).unwrap())
            .current_dir(folder.path())
            .output()
            .expect("cpio is missing: run scripts/setup.sh test");
        assert!(said.status.success(), "{said:?}");
        for (name, content) in files {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content, "{name}");
        }
    }

    #[test]
    fn an_archive_after_another_begins_where_the_kernel_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("initrd");
        std::fs::write(&path, b"first").unwrap();
        let mut file = File::options().append(true).open(&path).unwrap();
        append(&mut file, [("a", &b"1"[..])].into_iter()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..14], b"first\0\0\x00070701");
        assert_eq!(bytes.len() % ALIGNMENT, 0);
    }
}
