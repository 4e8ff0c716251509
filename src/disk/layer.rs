//! What an image says about itself, for `inspect`: one entry for each file of a chain.
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Format;

/// One image of a chain: the image itself, its backing file, and so on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
    /// Size of its disk in bytes.
    pub virtual_bytes: u64,
    /// Length of its file in bytes; 0 for a block device.
    pub file_bytes: u64,
    /// Bytes that the file takes on its file system.
    pub allocated_bytes: u64,
    /// What only this format has, such as `cluster_bytes`; names are stable.
    pub facts: Map<String, Value>,
}

impl Layer {
    /// What every format knows. Figures of a file that cannot be asked any more are 0.
    pub(crate) fn new(format: Format, path: &Path, virtual_bytes: u64, file: &File) -> Self {
        let metadata = file.metadata().ok();
        Self {
            path: path.to_path_buf(),
            format,
            virtual_bytes,
            file_bytes: metadata.as_ref().map_or(0, |found| found.len()),
            // st_blocks counts 512-byte units whatever the block size.
            allocated_bytes: metadata.as_ref().map_or(0, |found| found.blocks() * 512),
            facts: Map::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
