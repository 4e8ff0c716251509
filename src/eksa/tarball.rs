//! A tar of manifests in one layer, as EKS Anywhere's `download manifests` writes it: read into memory, and written.
use super::ManifestFault;
use std::collections::BTreeMap;

/// Manifests by name, such as `eks-a-manifest.yaml`.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// tar's unit.
const BLOCK: usize = 512;

/// The regular files of a tar by the last part of their names; nothing is written anywhere. Other entries are passed over.
pub(super) fn read(bytes: &[u8]) -> Result<Files, ManifestFault> {
    let mut files = Files::new();
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let told = octal(&header[148..156]);
        if told != Some(checksum(header)) {
            return Err(ManifestFault::new("it is no tar, or a damaged one"));
        }
        let size = octal(&header[124..136]).and_then(|size| usize::try_from(size).ok());
        let (Some(size), kind) = (size, header[156]) else {
            return Err(ManifestFault::new("it has an entry without a size"));
        };
        let cut = || ManifestFault::new("it was cut off");
        let content = after.get(..size).ok_or_else(cut)?;
        if matches!(kind, b'0' | 0) {
            let name = text(&header[..100]);
            let name = name.rsplit('/').next().unwrap_or_default();
            files.insert(name.to_owned(), content.to_vec());
        }
        rest = after.get(size.next_multiple_of(BLOCK).min(after.len())..).ok_or_else(cut)?;
    }
    // Two empty blocks end a tar.
    Err(ManifestFault::new(if files.is_empty() { "it is no tar" } else { "it was cut off" }))
}

/// The same files are the same bytes, whenever and by whom it is written.
pub(super) fn write(files: &Files) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let name = name.as_bytes();
        put(0, &name[..name.len().min(99)]);
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(124, format!("{:011o}\0", content.len()).as_bytes());
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, b"0ustar\x0000");
        // Of both the checksum and its field, the field counts as blanks.
        let sum = checksum(&header);
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(text(field).trim(), 8).ok()
}

fn checksum(header: &[u8]) -> u64 {
    header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        [("a.yaml", "a: 1\n".to_owned()), ("eks-d-1-34.yaml", "x".repeat(1024)), ("empty", String::new())]
            .map(|(name, text)| (name.to_owned(), text.into_bytes()))
            .into()
    }

    #[test]
    fn what_was_written_is_read_and_tar_takes_it() {
        let tar = write(&files());
        assert_eq!(read(&tar).unwrap(), files());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.tar"), &tar).unwrap();
        let out =
            std::process::Command::new("tar").args(["-xf", "m.tar"]).current_dir(&folder).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        for (name, content) in files() {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content);
        }
        std::process::Command::new("tar")
            .args(["-cf", "n.tar", "./a.yaml", "empty"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let theirs = read(&std::fs::read(folder.path().join("n.tar")).unwrap()).unwrap();
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ["a.yaml", "empty"]);
    }

    #[test]
    fn what_is_no_tar_or_not_whole_is_refused() {
        let tar = write(&files());
        for bytes in [&b""[..], &b"apiVersion: v1\n".repeat(100), &tar[..700], &tar[1..]] {
            assert!(read(bytes).is_err());
        }
    }
}
