//! Looks into an image without booting or mounting it: finds the root file system and reads files from it.
//!
//! ext2, ext3 and ext4 are read, with their journal applied in memory; nothing is ever written.
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ext4_view::{Ext4, Ext4Error, Ext4Read, FileType};

use super::{DiskError, DiskErrorKind, DiskRead, gpt};

/// What identifies a root file system.
const OS_RELEASE: &str = "/etc/os-release";
/// Files larger than this are not read: what is looked at here are configuration files.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The root file system of an image. Not `Send`: use it on the thread that opened it.
pub struct RootView {
    fs: Ext4,
    /// Where the file system begins on the disk, in bytes.
    offset: u64,
}

/// What the inode of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, with set-user-id and the like: `0o644`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A device, FIFO or socket.
    Other,
}

/// Finds the file system that holds `/etc/os-release`, in any partition or without a partition table.
///
/// [`DiskErrorKind::Unsupported`] says which file systems are there instead (xfs, btrfs, LVM, LUKS);
/// [`DiskErrorKind::NotFound`] that those which can be read hold no operating system.
pub fn open_root(disk: impl Into<Arc<dyn DiskRead>>) -> Result<RootView, DiskError> {
    let disk = disk.into();
    let partitions = gpt::read(&*disk)?;
    let mut places: Vec<(String, u64, u64)> = partitions
        .iter()
        .enumerate()
        .map(|(index, partition)| (format!("partition {}", index + 1), partition.offset(), partition.len()))
        .collect();
    if places.is_empty() {
        places.push(("the disk".to_owned(), 0, disk.size()));
    }
    let mut unreadable = Vec::new();
    let mut problem = None;
    for (name, offset, len) in places {
        match identify(&*disk, offset, len)? {
            Some("ext4") => match open_ext4(&disk, offset, len) {
                Ok(Some(root)) => return Ok(root),
                Ok(None) => {}
                Err(error) => problem = Some((name, error)),
            },
            Some(other) => unreadable.push(format!("{name}: {other}")),
            None => {}
        }
    }
    if let Some((name, error)) = problem {
        return Err(describe(format!("could not read the file system of {name}"), error));
    }
    if unreadable.is_empty() {
        return Err(DiskError::new(DiskErrorKind::NotFound, "found no file system with `/etc/os-release`"));
    }
    Err(DiskError::unsupported(format!(
        "found no root file system that can be looked into without booting (there is {})",
        unreadable.join(", ")
    )))
}

fn open_ext4(disk: &Arc<dyn DiskRead>, offset: u64, len: u64) -> Result<Option<RootView>, Ext4Error> {
    let fs = Ext4::load(Box::new(Window { disk: Arc::clone(disk), offset, len }))?;
    Ok(fs.exists(OS_RELEASE)?.then_some(RootView { fs, offset }))
}

/// The name of what begins at `offset`, for what may hold a root file system and can be told by its magic.
fn identify(disk: &dyn DiskRead, offset: u64, len: u64) -> Result<Option<&'static str>, DiskError> {
    const MAGICS: [Magic; 7] = [
        (0, b"XFSB", "xfs"),
        (0, b"LUKS\xba\xbe", "LUKS"),
        (0, b"hsqs", "squashfs"),
        (0x200, b"LABELONE", "LVM"),
        (0x400, b"\x10\x20\xf5\xf2", "f2fs"),
        (0x438, b"\x53\xef", "ext4"),
        (0x1_0040, b"_BHRfS_M", "btrfs"),
    ];
    named(disk, offset, len, &MAGICS)
}

/// The name of what begins at `offset`: also what holds no root file system.
pub(super) fn content(disk: &dyn DiskRead, offset: u64, len: u64) -> Result<Option<&'static str>, DiskError> {
    const OTHERS: [Magic; 6] = [
        (0x36, b"FAT1", "fat"),
        (0x52, b"FAT32", "fat"),
        (3, b"NTFS    ", "ntfs"),
        (3, b"EXFAT   ", "exfat"),
        (4086, b"SWAPSPACE2", "swap"),
        (0x8001, b"CD001", "iso9660"),
    ];
    match identify(disk, offset, len)? {
        Some(name) => Ok(Some(name)),
        None => named(disk, offset, len, &OTHERS),
    }
}

/// Where a magic stands, its bytes, and the name of what it marks.
type Magic = (u64, &'static [u8], &'static str);

fn named(
    disk: &dyn DiskRead,
    offset: u64,
    len: u64,
    magics: &[Magic],
) -> Result<Option<&'static str>, DiskError> {
    for (at, magic, name) in magics {
        if at + magic.len() as u64 > len {
            continue;
        }
        let mut bytes = vec![0; magic.len()];
        disk.read_at(&mut bytes, offset + at)?;
        if bytes == *magic {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

impl RootView {
    /// Where the file system begins on the disk, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The content of a file, of at most 64 MiB. Symbolic links are followed within the image.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, DiskError> {
        let size = self.metadata(path)?.size;
        if size > MAX_FILE_BYTES {
            return Err(DiskError::unsupported(format!("`{path}` is too large to look at ({size} bytes)")));
        }
        self.fs.read(path).map_err(|error| describe(format!("could not read `{path}` in the image"), error))
    }

    /// Whether the path exists; `false` for a symbolic link that leads nowhere.
    pub fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.fs
            .exists(path)
            .map_err(|error| describe(format!("could not look for `{path}` in the image"), error))
    }

    /// The names in a folder, sorted, without `.` and `..`. Bytes that are not UTF-8 are replaced.
    pub fn list_dir(&self, path: &str) -> Result<Vec<String>, DiskError> {
        let fail = |error| describe(format!("could not list `{path}` in the image"), error);
        let mut names = Vec::new();
        for entry in self.fs.read_dir(path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = String::from_utf8_lossy(entry.file_name().as_ref()).into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What the inode says, of the target of a symbolic link.
    pub fn metadata(&self, path: &str) -> Result<Metadata, DiskError> {
        self.fs.metadata(path).map(convert).map_err(|error| Self::cannot_look(path, error))
    }

    /// What the inode says, of a symbolic link itself.
    pub fn symlink_metadata(&self, path: &str) -> Result<Metadata, DiskError> {
        self.fs.symlink_metadata(path).map(convert).map_err(|error| Self::cannot_look(path, error))
    }

    /// Where a symbolic link points to. Bytes that are not UTF-8 are replaced.
    pub fn read_link(&self, path: &str) -> Result<String, DiskError> {
        self.fs
            .read_link(path)
            .map(|target| target.display().to_string())
            .map_err(|error| describe(format!("could not read the link `{path}` in the image"), error))
    }

    fn cannot_look(path: &str, error: Ext4Error) -> DiskError {
        describe(format!("could not look at `{path}` in the image"), error)
    }
}

impl fmt::Debug for RootView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootView").field("offset", &self.offset).finish_non_exhaustive()
    }
}

fn convert(metadata: ext4_view::Metadata) -> Metadata {
    Metadata {
        mode: u32::from(metadata.mode()) & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        size: metadata.len(),
        kind: match metadata.file_type() {
            FileType::Regular => FileKind::File,
            FileType::Directory => FileKind::Dir,
            FileType::Symlink => FileKind::Symlink,
            FileType::BlockDevice | FileType::CharacterDevice | FileType::Fifo | FileType::Socket => {
                FileKind::Other
            }
        },
    }
}

fn describe(what: String, error: Ext4Error) -> DiskError {
    let kind = match &error {
        Ext4Error::NotFound => DiskErrorKind::NotFound,
        Ext4Error::Corrupt(_) => DiskErrorKind::Corrupt,
        Ext4Error::Incompatible(_) | Ext4Error::Encrypted | Ext4Error::FileTooLarge => {
            DiskErrorKind::Unsupported
        }
        _ => DiskErrorKind::Io,
    };
    DiskError::new(kind, what).because(error)
}

/// One partition of a disk, as the file system reader wants it.
struct Window {
    disk: Arc<dyn DiskRead>,
    offset: u64,
    len: u64,
}

impl Ext4Read for Window {
    fn read(&mut self, start: u64, dst: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        super::check_range(self.len, start, dst.len())?;
        self.disk.read_at(dst, self.offset + start)?;
        Ok(())
    }
}
