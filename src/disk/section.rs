//! A part of a file that is read like a file of its own: a whole image, or a disk inside an archive.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::DiskError;

/// A range of an open file. Offsets are relative to its start; errors name those of the file.
#[derive(Debug)]
pub(crate) struct Section {
    file: File,
    path: PathBuf,
    start: u64,
    len: u64,
}

impl Section {
    /// The whole file, as long as it is now.
    pub(crate) fn whole(file: File, path: &Path) -> Result<Self, DiskError> {
        let len = file
            .metadata()
            .map_err(|error| DiskError::io("could not look at the image", error).in_file(path))?
            .len();
        Ok(Self { file, path: path.to_path_buf(), start: 0, len })
    }

    /// A range of this section, as a section of its own.
    pub(crate) fn part(&self, start: u64, len: u64) -> Result<Self, DiskError> {
        if start.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(self.corrupt("a part of the file ends behind its end", start));
        }
        let file = self
            .file
            .try_clone()
            .map_err(|error| DiskError::io("could not open the file again", error).in_file(&self.path))?;
        Ok(Self { file, path: self.path.clone(), start: self.start + start, len })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The file that this is a part of.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the range lies in the section. To be asked before memory is taken for it.
    pub(crate) fn holds(&self, offset: u64, len: u64) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.len)
    }

    /// Fills `buf`, or says that `what` could not be read.
    pub(crate) fn read(&self, buf: &mut [u8], offset: u64, what: &str) -> Result<(), DiskError> {
        if !self.holds(offset, buf.len() as u64) {
            return Err(self.corrupt(format!("{what} lies outside the file"), offset));
        }
        self.file.read_exact_at(buf, self.start + offset).map_err(|error| {
            DiskError::io(format!("could not read {what}"), error).in_file(&self.path).at(self.start + offset)
        })
    }

    pub(crate) fn corrupt(&self, what: impl Into<String>, offset: u64) -> DiskError {
        DiskError::corrupt(what).in_file(&self.path).at(self.start.saturating_add(offset))
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>) -> DiskError {
        DiskError::unsupported(what).in_file(&self.path)
    }
}
