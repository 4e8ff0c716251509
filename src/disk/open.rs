//! The one way into an image: opening it, and the rules for backing files.
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::detect::{detect_in, refuse};
use super::ova::Ova;
use super::qcow2::{self, Qcow2Disk};
use super::raw::RawDisk;
use super::section::Section;
use super::vmdk::VmdkDisk;
use super::{Detected, DiskError, DiskRead, Format, vhd};

/// Which backing files an image may pull in.
///
/// An image from elsewhere can name any file of this machine as its backing file, and would then carry that file's
/// content into the result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BackingPolicy {
    /// None: an image that has one is refused.
    Never,
    /// Those in or below the folder of the image that [`open`] was called with.
    #[default]
    SameFolder,
    /// As [`BackingPolicy::SameFolder`], or in or below one of these folders.
    Within(Vec<PathBuf>),
    /// Any. For images made on this machine.
    Anywhere,
}

/// Limits for [`open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// Which backing files are allowed.
    pub backing: BackingPolicy,
    /// How many images a chain may have, the first included. Each costs a file descriptor.
    pub max_depth: usize,
    /// Whether the format of a backing file may be detected where the image does not state it. A guest can write a
    /// qcow2 header into its raw disk, and so make a detected backing file read another file of this machine.
    pub detect_backing: bool,
    /// Which disk of an archive of several, counted from 1 as VMware does. An archive of one needs no choice.
    pub disk: Option<usize>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        // libvirt's limit for backing chains is 200 too.
        Self { backing: BackingPolicy::default(), max_depth: 200, detect_backing: false, disk: None }
    }
}

/// Opens an image and its backing files for reading.
///
/// A stated `format` is believed: a raw disk whose guest wrote a qcow2 header into it stays a raw disk. Without one the
/// format is detected once, and compressed or foreign files are refused with their name.
pub fn open(
    path: &Path,
    format: Option<Format>,
    limits: &OpenOptions,
) -> Result<Box<dyn DiskRead>, DiskError> {
    Opener::new(path, limits)?.open(path, format)
}

/// The same for a file that is open already and may have no name; `path` is what it is called in messages, and its
/// folder is where relative names of backing files begin.
pub(crate) fn open_file_as(
    file: File,
    path: &Path,
    format: Format,
    limits: &OpenOptions,
) -> Result<Box<dyn DiskRead>, DiskError> {
    Opener::new(path, limits)?.open_as(file, path, format)
}

struct Opener<'a> {
    limits: &'a OpenOptions,
    allowed: Vec<PathBuf>,
    /// Device and inode of every image of the chain so far.
    seen: Vec<(u64, u64)>,
}

impl<'a> Opener<'a> {
    fn new(path: &Path, limits: &'a OpenOptions) -> Result<Self, DiskError> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut allowed = vec![canonical(folder)?];
        if let BackingPolicy::Within(folders) = &limits.backing {
            for folder in folders {
                allowed.push(canonical(folder)?);
            }
        }
        Ok(Self { limits, allowed, seen: Vec::new() })
    }

    fn open(&mut self, path: &Path, format: Option<Format>) -> Result<Box<dyn DiskRead>, DiskError> {
        let file = open_file(path)?;
        let format = match format {
            Some(format) => format,
            None => match detect_in(&file, path)? {
                Detected::Image(format) => format,
                other => return Err(refuse(other).in_file(path)),
            },
        };
        self.open_as(file, path, format)
    }

    fn open_as(&mut self, file: File, path: &Path, format: Format) -> Result<Box<dyn DiskRead>, DiskError> {
        let metadata = file
            .metadata()
            .map_err(|error| DiskError::io("could not look at the image", error).in_file(path))?;
        let identity = (metadata.dev(), metadata.ino());
        if self.seen.contains(&identity) {
            return Err(DiskError::corrupt("the image is its own backing file").in_file(path));
        }
        self.seen.push(identity);
        if self.seen.len() > self.limits.max_depth {
            return Err(DiskError::refused(format!(
                "the chain of backing files is longer than {}",
                self.limits.max_depth
            ))
            .in_file(path));
        }
        match format {
            Format::Raw => Ok(Box::new(RawDisk::new(file, path)?)),
            Format::Qcow2 => {
                let found = qcow2::Header::read(&file, path)?;
                let backing = match &found.header.backing {
                    Some(backing) => Some(self.open_backing(backing, path)?),
                    None => None,
                };
                Ok(Box::new(Qcow2Disk::new(file, path, found, backing)?))
            }
            Format::Vhd => vhd::open(file, path),
            Format::Vmdk => {
                let section = Section::whole(file, path)?;
                let disk = VmdkDisk::open(section, &mut |name| {
                    let extent = self.allowed_file(Path::new(name), path, "extent")?;
                    Ok((open_file(&extent)?, extent))
                })?;
                Ok(Box::new(disk))
            }
            Format::Ova => Ova::open(Section::whole(file, path)?)?.disk(self.limits.disk),
        }
    }

    /// The place of a file that an image names, if the policy allows it; `what` is what the image calls it.
    fn allowed_file(&self, name: &Path, image: &Path, what: &str) -> Result<PathBuf, DiskError> {
        let shown = name.display();
        if self.limits.backing == BackingPolicy::Never {
            return Err(DiskError::refused(format!(
                "the image needs another file, the {what} `{shown}`, and may not"
            ))
            .in_file(image));
        }
        let path = canonical(&image.parent().unwrap_or(Path::new("")).join(name)).map_err(|error| {
            DiskError::new(error.kind(), format!("could not open the {what} `{shown}`"))
                .in_file(image)
                .because(error)
        })?;
        if self.limits.backing != BackingPolicy::Anywhere
            && !self.allowed.iter().any(|folder| path.starts_with(folder))
        {
            return Err(DiskError::refused(format!(
                "the {what} `{shown}` lies outside the folders that are allowed"
            ))
            .in_file(image));
        }
        Ok(path)
    }

    fn open_backing(
        &mut self,
        backing: &qcow2::Backing,
        image: &Path,
    ) -> Result<Box<dyn DiskRead>, DiskError> {
        let name = backing.name.display();
        let path = self.allowed_file(&backing.name, image, "backing file")?;
        let format = match backing.format.as_deref() {
            Some(stated) => Some(stated.parse::<Format>().map_err(|error| error.in_file(image))?),
            None if self.limits.detect_backing => None,
            None => {
                return Err(DiskError::refused(format!(
                    "the image does not state the format of its backing file `{name}`, and guessing is not allowed"
                ))
                .in_file(image));
            }
        };
        self.open(&path, format)
    }
}

pub(crate) fn open_file(path: &Path) -> Result<File, DiskError> {
    // Looked at before it is opened: opening a FIFO would wait for its other end.
    let kind = fs::metadata(path)
        .map_err(|error| DiskError::io("could not open the file", error).in_file(path))?
        .file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Err(DiskError::unsupported("neither a file nor a block device").in_file(path));
    }
    File::open(path).map_err(|error| DiskError::io("could not open the file", error).in_file(path))
}

fn canonical(path: &Path) -> Result<PathBuf, DiskError> {
    path.canonicalize().map_err(|error| DiskError::io("could not resolve the path", error).in_file(path))
}
