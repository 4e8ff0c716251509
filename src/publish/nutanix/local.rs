//! A disk on this host, as a Prism Central takes it.
use crate::{
    disk::{self, Format, OpenOptions},
    nutanix::{PrismError, PrismErrorKind},
};
use std::path::{Path, PathBuf};

/// A file that a Prism Central takes as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The size of its disk in bytes.
    pub disk_bytes: u64,
}

impl Local {
    /// Looks at a file. Only qcow2 without backing file and raw are taken.
    pub fn open(path: &Path) -> Result<Self, PrismError> {
        let refused = |why: String| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            PrismError::new(PrismErrorKind::Usage, format!("publish `{}`", path.display()))
                .because(why)
                .hint(format!("make it a qcow2 first: goldsmith convert {} -o {stem}.qcow2", path.display()))
        };
        let opened = disk::open(path, None, &OpenOptions::default());
        let opened = opened.map_err(|error| match error.kind() {
            disk::DiskErrorKind::NotFound => {
                PrismError::new(PrismErrorKind::Usage, format!("read `{}`", path.display())).because(error)
            }
            _ => refused(format!("it is no disk that Prism Central takes as it is: {error}")),
        })?;
        let layers = opened.layers();
        match layers.as_slice() {
            [one] if matches!(one.format, Format::Qcow2 | Format::Raw) => {
                Ok(Self { path: path.to_owned(), bytes: one.file_bytes, disk_bytes: opened.size() })
            }
            [one] => Err(refused(format!("it is {}, and Prism Central takes qcow2 and raw", one.format))),
            _ => Err(refused("it needs other files: its backing file, or the files of its disk".to_owned())),
        }
    }
}
