//! What an image says about itself, for `inspect`: one entry for each file of a chain.
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{DiskError, DiskRead, Extent, Format};

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
        let mut layer = Self::bare(format, path, virtual_bytes);
        if let Ok(metadata) = file.metadata() {
            layer.measure(&metadata);
        }
        layer
    }

    /// The same for who has no open file at hand.
    pub(crate) fn of(format: Format, path: &Path, virtual_bytes: u64, metadata: &Metadata) -> Self {
        let mut layer = Self::bare(format, path, virtual_bytes);
        layer.measure(metadata);
        layer
    }

    fn bare(format: Format, path: &Path, virtual_bytes: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            format,
            virtual_bytes,
            file_bytes: 0,
            allocated_bytes: 0,
            facts: Map::new(),
        }
    }

    fn measure(&mut self, metadata: &Metadata) {
        self.file_bytes = metadata.len();
        // st_blocks counts 512-byte units whatever the block size.
        self.allocated_bytes = metadata.blocks() * 512;
    }

    /// Adds a fact.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

/// A disk whose reader knows nothing of layers, with what is said about it.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) disk: Box<dyn DiskRead>,
    pub(crate) layer: Layer,
}

impl DiskRead for Described {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        self.disk.read_at(buf, offset)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        self.disk.extent_at(offset)
    }

    fn files(&self) -> Vec<PathBuf> {
        self.disk.files()
    }

    fn layers(&self) -> Vec<Layer> {
        std::iter::once(self.layer.clone()).chain(self.disk.layers()).collect()
    }
}
