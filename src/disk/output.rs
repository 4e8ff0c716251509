//! Outputs: what is wanted, files that appear under their name only when they are complete, and their digests.
//!
//! A [`Pending`] file lives under a temporary name in the target's folder and is removed when it is dropped, on error,
//! cancel and panic alike. [`commit`] renames a set of them, and leaves none behind if one cannot be renamed.
//! [`Stream`] is what a format writes to that goes from front to end: a pending file, or a pipe that the caller opened.
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sha2::{Digest, Sha256, Sha512};
use tempfile::NamedTempFile;

use super::{DiskError, OutputFormat, ova::OvaSpec};

/// An output of [`super::convert`].
#[derive(Debug, Clone)]
pub struct Target {
    /// What to write.
    pub format: OutputFormat,
    /// Where. An existing file is replaced once the new one is complete.
    pub path: PathBuf,
    /// Write here instead, from front to end, such as to stdout; `path` is then only what to call it, and there is no
    /// digest file. Only for [`OutputFormat::is_sequential`] formats.
    pub stream: Option<Arc<File>>,
    /// Compression level: 1 (fast) to 12 (small) for deflate (raw.gz, vmdk, ova, qcow2 with zlib), 1 to 19 for zstd,
    /// 0 to 9 for xz. Each format has a default; raw, raw.lz4, vhd and plain qcow2 have no level.
    pub level: Option<u32>,
    /// Only for qcow2.
    pub qcow2: Qcow2Compression,
    /// Also make a SHA-512 digest, with a `.sha512` next to the file. SHA-256 is always made.
    pub sha512: bool,
    /// Only for OVA; `None` is a description from the disk alone.
    pub ova: Option<Box<OvaSpec>>,
}

impl Target {
    /// A file with the format's defaults.
    pub fn new(format: OutputFormat, path: impl Into<PathBuf>) -> Self {
        Self {
            format,
            path: path.into(),
            stream: None,
            level: None,
            qcow2: Qcow2Compression::None,
            sha512: false,
            ova: None,
        }
    }
}

/// How the clusters of a qcow2 output are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Qcow2Compression {
    /// Not at all: what a hypervisor runs from.
    #[default]
    None,
    /// Every QEMU reads it.
    Zlib,
    /// Faster to read and write; QEMU reads it since 5.1.
    Zstd,
}

/// A finished output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// As in the target.
    pub path: PathBuf,
    /// As in the target.
    pub format: OutputFormat,
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// Bytes that the file takes on its file system; less than `file_bytes` if it has holes. For a stream, its length.
    pub allocated_bytes: u64,
    /// Size of the disk in bytes.
    pub virtual_bytes: u64,
    /// Digest of the file, in lower-case hexadecimal; also in the file's `.sha256`.
    pub sha256: String,
    /// Digest of the file if asked for; also in the file's `.sha512`.
    pub sha512: Option<String>,
}

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

/// Where a [`Stream`] goes.
#[derive(Debug)]
enum Place {
    Pending(Pending),
    /// An open file of the caller, and whether it is a pipe.
    Open {
        file: Arc<File>,
        pipe: bool,
    },
}

/// What is written from front to end, hashed on the way.
pub(crate) struct Stream<'a> {
    place: Place,
    path: PathBuf,
    digester: Digester,
    written: u64,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Stream<'a> {
    /// Starts the output of `target`.
    pub(crate) fn create(
        target: &Target,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let place = match &target.stream {
            None => Place::Pending(Pending::create(&target.path)?),
            Some(file) => {
                let kind = file.metadata().map_err(|error| {
                    DiskError::io("could not look at the output", error).in_file(&target.path)
                })?;
                Place::Open { file: Arc::clone(file), pipe: kind.file_type().is_fifo() }
            }
        };
        let digester = Digester::for_target(target);
        Ok(Self { place, path: target.path.clone(), digester, written: 0, cancelled })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.digester.update(bytes);
        match &self.place {
            Place::Pending(pending) => pending.file().write_all(bytes),
            Place::Open { file, pipe } => match write_patiently(file, bytes, *pipe, self.cancelled) {
                Ok(true) => Ok(()),
                Ok(false) => return Err(DiskError::cancelled()),
                Err(error) => Err(error),
            },
        }
        .map_err(|error| self.error(error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Appends the same bytes `count` times, in large writes.
    pub(crate) fn repeat(&mut self, bytes: &[u8], mut count: u64) -> Result<(), DiskError> {
        const BATCH: u64 = 256;
        let batch = bytes.repeat(count.min(BATCH) as usize);
        while count > 0 {
            if (self.cancelled)() {
                return Err(DiskError::cancelled());
            }
            let now = count.min(BATCH);
            self.append(&batch[..bytes.len() * now as usize])?;
            count -= now;
        }
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    pub(crate) fn error(&self, source: io::Error) -> DiskError {
        DiskError::io("could not write the output", source).in_file(&self.path)
    }

    pub(crate) fn finish(self) -> Finished {
        let pending = match self.place {
            Place::Pending(pending) => Some(pending),
            Place::Open { .. } => None,
        };
        Finished { pending, streamed: self.written, digests: self.digester.finish() }
    }
}

/// Writes all of `bytes`, asking now and then whether to stop; `false` if so. Whoever reads a pipe may never read on, so
/// a pipe is only written to when it has room, and then no more than surely fits.
fn write_patiently(
    file: &File,
    mut bytes: &[u8],
    pipe: bool,
    cancelled: &dyn Fn() -> bool,
) -> io::Result<bool> {
    const ASK_EVERY_MS: u16 = 100;
    /// What Linux takes without blocking once a pipe has any room.
    const PIPE_ROOM: usize = 4096;
    while !bytes.is_empty() {
        if cancelled() {
            return Ok(false);
        }
        let mut now = bytes.len();
        if pipe {
            let mut wait = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut wait, PollTimeout::from(ASK_EVERY_MS)) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            now = now.min(PIPE_ROOM);
        }
        let mut file = file;
        match file.write(&bytes[..now]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(done) => bytes = &bytes[done..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A finished output and the digests of its file.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` if it went to a stream.
    pub(crate) pending: Option<Pending>,
    /// How many bytes went to a stream; of no meaning for files.
    pub(crate) streamed: u64,
    pub(crate) digests: Digests,
}

impl Finished {
    /// A file that was not written through a [`Stream`].
    pub(crate) fn file(pending: Pending, digests: Digests) -> Self {
        Self { pending: Some(pending), streamed: 0, digests }
    }
}

/// Brings the outputs of one conversion to their names, with their digests next to each. All or none.
pub(crate) fn commit(
    finished: Vec<Finished>,
    targets: &[Target],
    virtual_bytes: u64,
) -> Result<Vec<Written>, DiskError> {
    let mut pending = Vec::new();
    let mut written = Vec::new();
    for (output, target) in finished.into_iter().zip(targets) {
        let (mut file_bytes, mut allocated_bytes) = (output.streamed, output.streamed);
        let Digests { sha256, sha512 } = output.digests;
        if let Some(file) = output.pending {
            file.sync()?;
            let metadata = file.file().metadata().map_err(|error| file.error(error))?;
            // st_blocks counts 512-byte units whatever the block size.
            (file_bytes, allocated_bytes) = (metadata.len(), metadata.blocks() * 512);
            pending.push(file);
            for (kind, digest) in [("sha256", Some(&sha256)), ("sha512", sha512.as_ref())] {
                if let Some(digest) = digest {
                    pending.push(digest_file(&target.path, kind, digest)?);
                }
            }
        }
        written.push(Written {
            path: target.path.clone(),
            format: target.format,
            file_bytes,
            allocated_bytes,
            virtual_bytes,
            sha256,
            sha512,
        });
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

/// Where a digest of an output goes: its name with `.sha256` or `.sha512` appended.
pub(crate) fn digest_path(path: &Path, kind: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(kind);
    PathBuf::from(name)
}

/// Every file that a target makes.
pub(crate) fn paths_of(target: &Target) -> Vec<PathBuf> {
    if target.stream.is_some() {
        return Vec::new();
    }
    let mut paths = vec![target.path.clone(), digest_path(&target.path, "sha256")];
    if target.sha512 {
        paths.push(digest_path(&target.path, "sha512"));
    }
    paths
}

pub(crate) fn digest_file(path: &Path, kind: &str, digest: &str) -> Result<Pending, DiskError> {
    let pending = Pending::create(&digest_path(path, kind))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // sha256sum escapes names with these bytes and says so with a backslash in front of the line.
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    pending
        .file()
        .write_all(format!("{mark}{digest}  {escaped}\n").as_bytes())
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

/// Digests in lower-case hexadecimal, as `sha256sum` prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) sha256: String,
    pub(crate) sha512: Option<String>,
}

/// The digests of one output in the making.
#[derive(Debug, Default)]
pub(crate) struct Digester {
    sha256: Sha256,
    sha512: Option<Sha512>,
}

impl Digester {
    /// Those that `target` asks for.
    pub(crate) fn for_target(target: &Target) -> Self {
        Self { sha256: Sha256::default(), sha512: target.sha512.then(Sha512::default) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            sha256: hex::encode(self.sha256.finalize()),
            sha512: self.sha512.map(|sha512| hex::encode(sha512.finalize())),
        }
    }
}
