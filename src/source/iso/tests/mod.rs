//! Tests of `iso` against media that xorriso and genisoimage make.
mod hostile;
mod large;
mod layout;
mod media;

use super::*;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A medium, and the folder that it was made from.
pub(super) struct Made {
    pub(super) folder: TempDir,
    pub(super) iso: PathBuf,
}

impl Made {
    pub(super) fn open(&self) -> Iso {
        Iso::open(&self.iso).unwrap()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.iso).unwrap()
    }
}

/// Runs a program that must succeed.
pub(super) fn run(program: &str, args: &[&str], at: &Path) -> String {
    let out = Command::new(program)
        .args(args)
        .current_dir(at)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: run `make setup-test`"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Puts files into `tree` below a new folder.
pub(super) fn tree(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join("tree").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Makes a medium of the folder's `tree`.
pub(super) fn make(folder: TempDir, tool: &str, options: &[&str]) -> Made {
    let iso = folder.path().join("medium.iso");
    let mut args = if tool == "xorriso" { vec!["-as", "mkisofs"] } else { Vec::new() };
    args.extend(["-quiet", "-o", "medium.iso"]);
    args.extend(options);
    args.push("tree");
    run(tool, &args, folder.path());
    Made { folder, iso }
}

/// What a file holds.
pub(super) fn content(iso: &Iso, path: &str) -> Vec<u8> {
    let entry = iso.entry(path).unwrap().unwrap_or_else(|| panic!("no `{path}`"));
    let mut bytes = Vec::new();
    iso.copy(&entry, &mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, entry.size);
    bytes
}

/// Every path of the medium with what it is, as far as `most` entries go; a hostile one may have no end.
pub(super) fn walk(iso: &Iso, most: usize) -> Result<Vec<(String, Entry)>, IsoError> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in iso.list(&folder)?.unwrap_or_default() {
            let path = format!("{folder}/{}", entry.name);
            if entry.kind == Kind::Folder && path.matches('/').count() < 20 {
                folders.push(path.clone());
            }
            found.push((path, entry));
            if found.len() >= most {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
