//! What this host knows about finished snapshots: the digests of their blocks, which an upload leaves, so that the next one can be the
//! difference to it without reading anything back.
//!
//! ```text
//!   "gsblocks"  version: u8  size of the volume in GiB: u64  (index: u32, SHA-256: 32 bytes)…  SHA-256 of all before
//! ```
//!
//! Numbers are little-endian, indices rise. A file that is not exactly so tells nothing.
use super::record::Digests;
use crate::disk::FEED_BLOCK;
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

const MAGIC: &[u8; 8] = b"gsblocks";
const VERSION: u8 = 1;
/// Magic, version, size of the volume.
const HEAD: usize = 8 + 1 + 8;
/// Index and digest.
const ENTRY: usize = 4 + 32;
const SEAL: usize = 32;
/// So many files are kept, those that were used last: 36 bytes for each block of 512 KiB, 7 MB for 100 GiB of data.
const KEPT: usize = 32;
/// Blocks in a GiB.
const IN_GIB: u64 = (1 << 30) / FEED_BLOCK as u64;

/// The blocks of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Size of its volume.
    pub(super) volume_gib: u64,
    /// All blocks that it has, its parents' too.
    pub(super) digests: Digests,
}

impl Known {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.digests.len() * ENTRY + SEAL);
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.volume_gib.to_le_bytes());
        for (index, digest) in &self.digests {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(digest);
        }
        let seal = Sha256::digest(&bytes);
        bytes.extend_from_slice(&seal);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, seal) = bytes.split_last_chunk::<SEAL>()?;
        if Sha256::digest(content).as_slice() != seal {
            return None;
        }
        let content = content.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let (volume_gib, entries) = content.split_first_chunk::<8>()?;
        let volume_gib = u64::from_le_bytes(*volume_gib);
        let blocks = volume_gib.saturating_mul(IN_GIB);
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return None;
        }
        let mut digests = Digests::new();
        for entry in entries {
            let (index, digest) = entry.split_first_chunk::<4>()?;
            let index = u32::from_le_bytes(*index);
            let rises = digests.last_key_value().is_none_or(|(last, _)| *last < index);
            if !rises || u64::from(index) >= blocks {
                return None;
            }
            digests.insert(index, digest.try_into().ok()?);
        }
        Some(Self { volume_gib, digests })
    }
}

/// Where the file about a snapshot is: `<folder>/digests/<region>-<snapshot>`, with a mark of the server when that is not Amazon's.
/// `None` for names that are no names of files.
fn path(folder: &Path, place: (&str, Option<&str>), snapshot: &str) -> Option<PathBuf> {
    let (region, endpoint) = place;
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !plain(region) || !plain(snapshot) {
        return None;
    }
    let server = endpoint
        .map(|endpoint| format!("-{}", hex::encode(&Sha256::digest(endpoint)[..8])))
        .unwrap_or_default();
    Some(digests(folder).join(format!("{region}-{snapshot}{server}")))
}

fn digests(folder: &Path) -> PathBuf {
    folder.join("digests")
}

/// What `folder` knows about a snapshot, if that is whole.
pub(super) fn read(folder: &Path, place: (&str, Option<&str>), snapshot: &str) -> Option<Known> {
    let path = path(folder, place, snapshot)?;
    let known = Known::decode(&fs::read(&path).ok()?)?;
    // A parent of many images is not to be forgotten for the sake of its children. If that fails, it is only forgotten earlier.
    let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
    Some(known)
}

/// Writes down what a snapshot holds, and forgets the oldest.
pub(super) fn write(
    folder: &Path,
    place: (&str, Option<&str>),
    snapshot: &str,
    known: &Known,
) -> io::Result<()> {
    let path = path(folder, place, snapshot)
        .ok_or_else(|| io::Error::other(format!("`{snapshot}` in `{}` names no file", place.0)))?;
    let folder = digests(folder);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut file = tempfile::NamedTempFile::new_in(&folder)?;
    file.write_all(&known.encode())?;
    file.as_file().sync_data()?;
    file.persist(&path)?;
    forget(&folder, &path)
}

/// Removes all but the newest; temporary files of who was killed are among them and grow old like the others.
fn forget(folder: &Path, new: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(_, path)| path != new)
        .collect();
    files.sort_by(|a, b| b.cmp(a));
    for (_, path) in files.into_iter().skip(KEPT - 1) {
        match fs::remove_file(path) {
            // Another goldsmith was faster.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HERE: (&str, Option<&str>) = ("eu-west-1", None);

    fn known() -> Known {
        Known { volume_gib: 2, digests: Digests::from([(0, [1; 32]), (7, [2; 32]), (4095, [3; 32])]) }
    }

    /// The bytes with a seal that is right.
    fn sealed(mut content: Vec<u8>) -> Vec<u8> {
        let seal = Sha256::digest(&content);
        content.extend_from_slice(&seal);
        content
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), HERE, "snap-1"), None);
        write(folder.path(), HERE, "snap-1", &known()).unwrap();
        assert_eq!(read(folder.path(), HERE, "snap-1"), Some(known()));
        let empty = Known { volume_gib: 1, digests: Digests::new() };
        write(folder.path(), HERE, "snap-1", &empty).unwrap();
        assert_eq!(read(folder.path(), HERE, "snap-1"), Some(empty));
    }

    #[test]
    fn other_regions_and_servers_are_other_places() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), HERE, "snap-1", &known()).unwrap();
        for place in [("eu-west-2", None), ("eu-west-1", Some("http://a")), ("eu-west-1", Some("http://b"))] {
            assert_eq!(read(folder.path(), place, "snap-1"), None);
            write(folder.path(), place, "snap-1", &known()).unwrap();
        }
        assert_eq!(fs::read_dir(digests(folder.path())).unwrap().count(), 4);
        assert!(digests(folder.path()).join("eu-west-1-snap-1").exists());
        assert!(write(folder.path(), ("../..", None), "snap-1", &known()).is_err());
        assert!(write(folder.path(), HERE, "../snap-1", &known()).is_err());
    }

    #[test]
    fn foreign_bytes_tell_nothing() {
        let whole = known().encode();
        assert_eq!(Known::decode(&whole), Some(known()));
        for cut in 0..whole.len() {
            assert_eq!(Known::decode(&whole[..cut]), None, "cut at {cut}");
            // Also when somebody sealed what is left.
            if let Some(found) = Known::decode(&sealed(whole[..cut].to_vec())) {
                let entries = (cut - HEAD) / ENTRY;
                assert!((cut - HEAD).is_multiple_of(ENTRY) && entries <= 3, "cut at {cut}");
                assert_eq!(found.digests.len(), entries);
            }
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(Known::decode(&flipped), None, "bit {bit} of byte {at}");
            }
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(Known::decode(&longer), None);
    }

    #[test]
    fn indices_rise_and_lie_in_the_volume() {
        let content = |gib: u64, indices: &[u32]| {
            let mut bytes = [&MAGIC[..], &[VERSION], &gib.to_le_bytes()].concat();
            for index in indices {
                bytes.extend_from_slice(&index.to_le_bytes());
                bytes.extend_from_slice(&[9; 32]);
            }
            Known::decode(&sealed(bytes))
        };
        assert!(content(1, &[0, 2047]).is_some());
        assert_eq!(content(1, &[0, 2048]), None);
        assert_eq!(content(1, &[5, 5]), None);
        assert_eq!(content(1, &[6, 5]), None);
        assert_eq!(content(0, &[0]), None);
        assert!(content(u64::MAX, &[u32::MAX]).is_some());
    }

    #[test]
    fn the_last_used_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let name = |number: usize| format!("snap-{number}");
        for number in 0..KEPT {
            write(folder.path(), HERE, &name(number), &known()).unwrap();
            let path = path(folder.path(), HERE, &name(number)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            fs::File::open(path).unwrap().set_modified(time).unwrap();
        }
        // The oldest is used again.
        assert!(read(folder.path(), HERE, &name(0)).is_some());
        write(folder.path(), HERE, &name(KEPT), &known()).unwrap();
        assert!(read(folder.path(), HERE, &name(0)).is_some());
        assert!(read(folder.path(), HERE, &name(1)).is_none());
        assert!(read(folder.path(), HERE, &name(2)).is_some());
        assert_eq!(fs::read_dir(digests(folder.path())).unwrap().count(), KEPT);
    }
}
