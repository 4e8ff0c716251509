//! What comes before the disks of an archive: room that is kept for it, and filled in at the end.
use sha2::{Digest, Sha256};

use super::super::output::Pending;
use super::super::{DiskError, DiskErrorKind};
use super::manifest::manifest;
use super::ovf::{DiskFigures, descriptor};
use super::spec::OvaSpec;
use super::tar;

/// The lengths and places of what is written last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front {
    ovf_len: u64,
    manifest_len: u64,
    /// The header of the first disk's file.
    pub(super) disk: u64,
}

impl Front {
    /// The room for an archive whose disks have figures like these, and files of these names; the figures are the largest that can be.
    pub(super) fn for_largest(spec: &OvaSpec, disks: &[DiskFigures]) -> Self {
        let no_digest = "0".repeat(64);
        let mut listed = vec![(format!("{}.ovf", spec.stem()), no_digest.clone())];
        for file in disks.iter().filter_map(|disk| disk.file.as_ref()) {
            listed.push((file.name.clone(), no_digest.clone()));
        }
        Self::new(descriptor(spec, disks).len() as u64, manifest_of(&listed).len() as u64)
    }

    fn new(ovf_len: u64, manifest_len: u64) -> Self {
        let block = tar::BLOCK;
        let disk = 2 * block + ovf_len.next_multiple_of(block) + manifest_len.next_multiple_of(block);
        Self { ovf_len, manifest_len, disk }
    }

    /// Fills in what comes before the disks; `listed` has the names and digests of the disks' files.
    pub(super) fn fill(
        &self,
        pending: &Pending,
        spec: &OvaSpec,
        disks: &[DiskFigures],
        listed: &[(String, String)],
    ) -> Result<(), DiskError> {
        let stem = spec.stem();
        let write = |bytes: &[u8], at: u64| write_at(pending, bytes, at);
        let mut ovf = descriptor(spec, disks).into_bytes();
        let Self { ovf_len, manifest_len, disk } = *self;
        // Only digits can be missing.
        ovf.resize((ovf_len as usize).max(ovf.len()), b' ');
        let name = format!("{stem}.ovf");
        let mut all = vec![(name.clone(), hex::encode(Sha256::digest(&ovf)))];
        all.extend_from_slice(listed);
        let list = manifest_of(&all);
        if (ovf.len() as u64, list.len() as u64) != (ovf_len, manifest_len) {
            return Err(DiskError::new(
                DiskErrorKind::Io,
                "the description or the manifest is not as long as planned",
            ));
        }
        write(&tar::header(&name, ovf_len)?, 0)?;
        write(&ovf, tar::BLOCK)?;
        let at = tar::BLOCK + ovf_len.next_multiple_of(tar::BLOCK);
        write(&tar::header(&format!("{stem}.mf"), manifest_len)?, at)?;
        write(list.as_bytes(), at + tar::BLOCK)?;
        if let Some(file) = disks.first().and_then(|first| first.file.as_ref()) {
            write(&tar::header(&file.name, file.bytes)?, disk)?;
        }
        Ok(())
    }
}

pub(super) fn write_at(pending: &Pending, bytes: &[u8], at: u64) -> Result<(), DiskError> {
    use std::os::unix::fs::FileExt;
    pending.file().write_all_at(bytes, at).map_err(|error| pending.error(error).at(at))
}

pub(super) fn manifest_of(files: &[(String, String)]) -> String {
    let files: Vec<_> = files.iter().map(|(name, hex)| (name.as_str(), hex.as_str())).collect();
    manifest(&files)
}
