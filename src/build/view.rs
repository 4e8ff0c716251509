//! The files of an image, for the hygiene checks.
use crate::{
    disk::look::{FileKind, RootView},
    provision::{Entry, EntryKind, ImageView},
};
use std::io;

/// Adapts the disk engine's view to what the checks ask for: the two modules do not know each other.
pub(super) struct RootImage(RootView);

impl RootImage {
    pub(super) fn new(view: RootView) -> Self {
        Self(view)
    }
}

impl ImageView for RootImage {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        if self.0.exists(path).map_err(io::Error::other)? {
            self.0.read(path).map(Some).map_err(io::Error::other)
        } else {
            Ok(None)
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<Entry>> {
        if !self.0.exists(path).map_err(io::Error::other)? {
            return Ok(Vec::new());
        }
        let names = self.0.list_dir(path).map_err(io::Error::other)?;
        let entry = |name: String| {
            let inode = self.0.symlink_metadata(&format!("{}/{name}", path.trim_end_matches('/')))?;
            let kind = match inode.kind {
                FileKind::File => EntryKind::File,
                FileKind::Dir => EntryKind::Folder,
                FileKind::Symlink => EntryKind::Link,
                FileKind::Other => EntryKind::Other,
            };
            Ok(Entry { name, kind, size: inode.size, mode: inode.mode })
        };
        names
            .into_iter()
            .map(|name| entry(name).map_err(|error: crate::disk::DiskError| io::Error::other(error)))
            .collect()
    }
}
