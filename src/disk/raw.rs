//! Reads raw images and block devices. The file system's own map (SEEK_DATA, SEEK_HOLE) says what is a hole.
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::{DiskError, DiskRead, Extent, ExtentKind, Format, Layer, SECTOR, check_range};

/// A raw image. Its size is rounded up to whole sectors, as QEMU does; the missing tail reads as zeroes.
#[derive(Debug)]
pub(crate) struct RawDisk {
    file: File,
    path: PathBuf,
    /// Bytes in the file when it was opened.
    file_bytes: u64,
    size: u64,
    /// Everything is data, whatever the file system says.
    dense: bool,
    format: Format,
    kind: Option<&'static str>,
}

impl RawDisk {
    pub(crate) fn new(mut file: File, path: &Path) -> Result<Self, DiskError> {
        // Not the metadata's length, which is 0 for a block device.
        let file_bytes = file
            .seek(SeekFrom::End(0))
            .map_err(|error| DiskError::io("could not find the size of the disk", error).in_file(path))?;
        Self::part(file, path, file_bytes)
    }

    /// The first `file_bytes` of a file that holds more behind the disk. The caller knows that they are there.
    pub(crate) fn part(file: File, path: &Path, file_bytes: u64) -> Result<Self, DiskError> {
        let size = file_bytes
            .checked_next_multiple_of(SECTOR)
            .filter(|size| i64::try_from(*size).is_ok())
            .ok_or_else(|| DiskError::unsupported("the disk is too large").in_file(path))?;
        let path = path.to_path_buf();
        Ok(Self { file, path, file_bytes, size, dense: false, format: Format::Raw, kind: None })
    }

    /// For a file whose holes come from elsewhere, such as unpacking, and mean nothing.
    #[must_use]
    pub(crate) fn dense(mut self) -> Self {
        self.dense = true;
        self
    }

    /// For a format that is raw but for its name.
    #[must_use]
    pub(crate) fn called(mut self, format: Format, kind: &'static str) -> Self {
        (self.format, self.kind) = (format, Some(kind));
        self
    }
}

impl DiskRead for RawDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        check_range(self.size, offset, buf.len()).map_err(|error| error.in_file(&self.path))?;
        let in_file = buf.len().min(self.file_bytes.saturating_sub(offset) as usize);
        let (head, tail) = buf.split_at_mut(in_file);
        tail.fill(0);
        // A file that shrank since it was opened ends here with "failed to fill whole buffer": never zeroes instead.
        self.file
            .read_exact_at(head, offset)
            .map_err(|error| DiskError::io("could not read the disk", error).in_file(&self.path).at(offset))
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        check_range(self.size, offset, 1).map_err(|error| error.in_file(&self.path))?;
        let extent = |kind, end: u64| Ok(Extent { kind, len: end - offset });
        if self.dense {
            return extent(ExtentKind::Data, self.size);
        }
        if offset >= self.file_bytes {
            return extent(ExtentKind::Hole, self.size);
        }
        let fail = |errno: Errno| {
            DiskError::io("could not read the map of holes", errno.into()).in_file(&self.path).at(offset)
        };
        match lseek(&self.file, offset as i64, Whence::SeekData) {
            Ok(data) if data as u64 > offset => {
                extent(ExtentKind::Hole, if data as u64 >= self.file_bytes { self.size } else { data as u64 })
            }
            Ok(_) => match lseek(&self.file, offset as i64, Whence::SeekHole) {
                Ok(hole) if hole as u64 > offset && (hole as u64) < self.file_bytes => {
                    extent(ExtentKind::Data, hole as u64)
                }
                Ok(_) => extent(ExtentKind::Data, self.size),
                Err(errno) => Err(fail(errno)),
            },
            // No data from here to the end of the file; nor is there any beyond the end of one that shrank, which must
            // not pass for a hole.
            Err(Errno::ENXIO) => match lseek(&self.file, 0, Whence::SeekEnd) {
                Ok(end) if end as u64 >= self.file_bytes => extent(ExtentKind::Hole, self.size),
                Ok(_) => Err(DiskError::corrupt("the disk became shorter while it was read")
                    .in_file(&self.path)
                    .at(offset)),
                Err(errno) => Err(fail(errno)),
            },
            // Block devices and some file systems have no map: not sure, hence data.
            Err(Errno::EINVAL | Errno::ENOTSUP | Errno::ENOTTY | Errno::ESPIPE) => {
                extent(ExtentKind::Data, self.size)
            }
            Err(errno) => Err(fail(errno)),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn layers(&self) -> Vec<Layer> {
        let layer = Layer::new(self.format, &self.path, self.size, &self.file);
        vec![match self.kind {
            Some(kind) => layer.with("kind", kind),
            None => layer,
        }]
    }
}
