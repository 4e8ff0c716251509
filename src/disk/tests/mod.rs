//! Tests of `disk` against its peers: qemu-img, gzip, xz, zstd, sfdisk, mke2fs, sha256sum and Python.
mod decompress;
mod failure;
mod feed;
mod formats;
mod hostile;
mod input;
mod look;
mod ova;
mod qcow2_features;
mod qcow2_input;
mod roundtrip;
mod streams;
mod vhd;
mod vmdk;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

pub(super) const MIB: u64 = 1 << 20;

/// Runs a peer that must succeed; returns what it printed.
pub(super) fn run(program: &str, args: &[&str]) -> String {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A program of the Python packages that tests compare against.
pub(super) fn peer(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin").join(name);
    assert!(path.exists(), "{} is missing: run `make setup-test`", path.display());
    path.to_str().unwrap().to_owned()
}

/// A fresh folder; removed when dropped.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Bytes that no compressor shrinks, the same for the same seed (xorshift).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Bytes that shrink to about a third.
pub(crate) fn prose(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = noise(seed, len);
    for byte in &mut bytes {
        *byte = b"etaoin shrdlu\n.,"[usize::from(*byte & 15)];
    }
    bytes
}

/// Writes a sparse raw file.
pub(super) fn raw(path: &Path, size: u64, pieces: &[(u64, Vec<u8>)]) -> PathBuf {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for (offset, bytes) in pieces {
        file.write_all_at(bytes, *offset).unwrap();
    }
    path.to_path_buf()
}

/// A disk with text, noise, written zeroes, small and large holes, and a last chunk that is short.
pub(super) fn mixed(path: &Path) -> PathBuf {
    raw(
        path,
        80 * MIB + 70 * 1024,
        &[
            (0, prose(1, 300 * 1024)),
            (MIB - 4096, noise(2, 2 * MIB as usize)),
            (10 * MIB, vec![0; MIB as usize]),
            (20 * MIB + 128 * 1024, prose(3, 64 * 1024)),
            (30 * MIB, prose(4, 5 * MIB as usize)),
            (63 * MIB, prose(5, 2 * MIB as usize)),
            (80 * MIB, prose(6, 70 * 1024)),
        ],
    )
}

pub(super) fn opened(path: &Path) -> Box<dyn DiskRead> {
    open(path, None, &OpenOptions::default()).unwrap()
}

pub(super) fn target(format: OutputFormat, path: &Path, level: Option<u32>) -> Target {
    let mut target = Target::new(format, path);
    target.level = level;
    if format == OutputFormat::Qcow2 && level.is_some() {
        target.qcow2 = Qcow2Compression::Zlib;
    }
    target
}

pub(super) fn try_convert(
    src: &dyn DiskRead,
    targets: &[Target],
    threads: usize,
) -> Result<Converted, DiskError> {
    convert(src, targets, &ConvertOptions { threads, needles: &[], progress: &|_| {}, cancelled: &|| false })
}

/// Everything a disk reads as.
pub(super) fn content(disk: &dyn DiskRead) -> Vec<u8> {
    let mut bytes = vec![0; disk.size() as usize];
    disk.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// The holes of a disk as merged ranges.
pub(super) fn holes(disk: &dyn DiskRead) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < disk.size() {
        let extent = disk.extent_at(at).unwrap();
        assert!(extent.len > 0 && at + extent.len <= disk.size());
        if extent.kind == ExtentKind::Hole {
            match found.last_mut() {
                Some(last) if last.1 == at => last.1 = at + extent.len,
                _ => found.push((at, at + extent.len)),
            }
        }
        at += extent.len;
    }
    found
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
