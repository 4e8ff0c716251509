//! The files of an image, for the hygiene checks.
use crate::{disk::look::RootView, provision::ImageView};
use std::io;

/// Adapts the disk engine's view to what the checks ask for: the two modules do not know each other.
#[derive(Debug)]
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

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        if self.0.exists(path).map_err(io::Error::other)? {
            self.0.list_dir(path).map_err(io::Error::other)
        } else {
            Ok(Vec::new())
        }
    }
}
