//! Output files that appear under their name only when they are complete.
//!
//! A [`Pending`] file lives under a temporary name in the target's folder and is removed when it is dropped, on error,
//! cancel and panic alike. [`commit`] renames a set of them, and leaves none behind if one cannot be renamed.
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{DiskError, Target, Written};

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Pending {
    file: NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Creates the temporary file next to `path`, with the permissions of any new file.
    pub(crate) fn create(path: &Path) -> Result<Self, DiskError> {
        let name = path
            .file_name()
            .ok_or_else(|| DiskError::unsupported("the output has no file name").in_file(path))?
            .to_string_lossy();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".partial")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))
            .map_err(|error| DiskError::io("could not create the output", error).in_file(path))?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// The final name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn error(&self, source: io::Error) -> DiskError {
        DiskError::io("could not write the output", source).in_file(&self.path)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file().sync_all().map_err(|error| self.error(error))
    }
}

/// A finished output and the digest of its file.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) pending: Pending,
    pub(crate) sha256: String,
}

/// Brings the outputs of one conversion to their names, with a `.sha256` next to each. All or none.
pub(crate) fn commit(
    finished: Vec<Finished>,
    targets: &[Target],
    virtual_bytes: u64,
) -> Result<Vec<Written>, DiskError> {
    let mut pending = Vec::new();
    let mut written = Vec::new();
    for (output, target) in finished.into_iter().zip(targets) {
        output.pending.sync()?;
        let metadata = output.pending.file().metadata().map_err(|error| output.pending.error(error))?;
        written.push(Written {
            path: target.path.clone(),
            format: target.format,
            file_bytes: metadata.len(),
            // st_blocks counts 512-byte units whatever the block size.
            allocated_bytes: metadata.blocks() * 512,
            virtual_bytes,
            sha256: output.sha256.clone(),
        });
        let digest = digest_file(&target.path, &output.sha256)?;
        pending.push(output.pending);
        pending.push(digest);
    }
    persist(pending)?;
    Ok(written)
}

/// Renames every file, or removes those that were renamed before one failed.
pub(crate) fn persist(pending: Vec<Pending>) -> Result<(), DiskError> {
    let mut done: Vec<PathBuf> = Vec::new();
    for Pending { file, path } in pending {
        if let Err(error) = file.persist(&path) {
            for path in done {
                // The first failure is the one to report.
                let _ = fs::remove_file(path);
            }
            return Err(DiskError::io("could not rename the finished output", error.error).in_file(&path));
        }
        done.push(path);
    }
    // Without this, a crash of the machine may forget the names.
    let mut folders: Vec<&Path> = done.iter().map(|path| folder_of(path)).collect();
    folders.dedup();
    for folder in folders {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| {
            DiskError::io("could not sync the folder of the output", error).in_file(folder)
        })?;
    }
    Ok(())
}

pub(crate) fn sync(pending: &Pending) -> Result<(), DiskError> {
    pending.sync()
}

/// Where the digest of an output goes: its name with `.sha256` appended.
pub(crate) fn digest_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    PathBuf::from(name)
}

fn digest_file(path: &Path, sha256: &str) -> Result<Pending, DiskError> {
    let pending = Pending::create(&digest_path(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // sha256sum escapes names with these bytes and says so with a backslash in front of the line.
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    pending
        .file()
        .write_all(format!("{mark}{sha256}  {escaped}\n").as_bytes())
        .map_err(|error| pending.error(error))?;
    pending.sync()?;
    Ok(pending)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// SHA-256 in the making.
#[derive(Debug, Default)]
pub(crate) struct Digester(Sha256);

impl Digester {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Lower-case hexadecimal, as `sha256sum` prints it.
    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}
