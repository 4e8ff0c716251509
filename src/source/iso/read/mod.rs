//! Reads ISO 9660 volumes: names of Rock Ridge and Joliet, files of more than 4 GiB, moved folders, the boot catalog.
//!
//! The bytes are somebody else's: every place is checked before it is read, nothing is allocated by a number that the medium
//! names without a bound, and nothing recurses.
mod field;
mod folder;
mod image;
mod record;
mod rock;
mod torito;
mod volume;

pub use torito::{BootImage, Platform};
pub use volume::Origin;

use super::IsoError;
use folder::Tree;
use image::Image;
use record::Encoding;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
};
use volume::Volume;

/// How many bytes are read at once.
const CHUNK: u64 = 1 << 20;
/// How many links a path may lead over.
const MOST_LINKS: usize = 40;
/// How many names a path may have, with those of its links: each is looked for in a folder.
const MOST_NAMES: usize = 256;

/// A range of bytes of the ISO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    at: u64,
    len: u64,
}

/// Which of its names a medium is read by: the best that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// POSIX names, with links.
    RockRidge,
    /// Windows' names.
    Joliet,
    /// Capital letters.
    Plain,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link, and where it leads.
    Link(String),
}

/// A file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name; never has a `/` or a control character.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of a file; 0 for anything else.
    pub size: u64,
    extents: Vec<Extent>,
    packed: bool,
    interleaved: bool,
}

/// An ISO 9660 volume.
#[derive(Debug)]
pub struct Iso {
    image: Image,
    volume: Volume,
    tree: Tree,
    names: Names,
    boot_images: Vec<BootImage>,
}

impl Iso {
    /// Opens a file. One that is shorter than its volume is [`IsoError::Truncated`].
    pub fn open(path: &Path) -> Result<Self, IsoError> {
        Self::new(Image::open(path)?)
    }

    /// Whether the file at `path` says that it is an ISO 9660 volume. One that cannot be read does not say so.
    pub fn is_one(path: &Path) -> bool {
        let mut magic = [0; 5];
        // Opening anything but a file could wait for ever.
        path.is_file()
            && File::open(path).and_then(|file| file.read_exact_at(&mut magic, volume::MAGIC)).is_ok()
            && magic == *b"CD001"
    }

    /// Reads a volume in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, IsoError> {
        Self::new(Image::memory(bytes))
    }

    fn new(image: Image) -> Result<Self, IsoError> {
        let volume = Volume::read(&image)?;
        let plain = Tree { root: volume.root, encoding: Encoding::Plain, rock: None, block: volume.block };
        let (names, tree) = match (rock_ridge(&image, &volume)?, volume.joliet) {
            (Some(skip), _) => (Names::RockRidge, Tree { rock: Some(skip), ..plain }),
            (None, Some(root)) => (Names::Joliet, Tree { root, encoding: Encoding::Joliet, ..plain }),
            (None, None) => (Names::Plain, plain),
        };
        let boot_images = match volume.catalog {
            Some(sector) => torito::read(&image, sector)?,
            None => Vec::new(),
        };
        Ok(Self { image, volume, tree, names, boot_images })
    }

    /// The volume's name, by which installers find their medium.
    pub fn label(&self) -> &str {
        &self.volume.label
    }

    /// Who made it, and when.
    pub fn origin(&self) -> &Origin {
        &self.volume.origin
    }

    /// What Linux and GRUB take for the volume's UUID: a time, such as `2024-02-16-23-52-30-00`.
    pub fn uuid(&self) -> Option<&str> {
        self.volume.uuid.as_deref()
    }

    /// Bytes of the volume. The file may be longer: hybrid media have a partition table behind it.
    pub fn size(&self) -> u64 {
        self.volume.size
    }

    /// Bytes of the file.
    pub fn file_size(&self) -> u64 {
        self.image.len()
    }

    /// By which names it is read.
    pub fn names(&self) -> Names {
        self.names
    }

    /// What firmware would start.
    pub fn boot_images(&self) -> &[BootImage] {
        &self.boot_images
    }

    /// What is in a folder, in the medium's order; `None` if there is no such folder.
    pub fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, IsoError> {
        match self.entry(path)? {
            Some(Entry { kind: Kind::Folder, extents, .. }) => match extents.first() {
                Some(extent) => folder::list(&self.image, self.tree, *extent).map(Some),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Finds a file or folder. Small and capital letters are the same unless only they tell two names apart; links are
    /// followed, but not out of the medium.
    pub fn entry(&self, path: &str) -> Result<Option<Entry>, IsoError> {
        let root = Entry {
            name: String::new(),
            kind: Kind::Folder,
            size: 0,
            extents: vec![self.tree.root],
            packed: false,
            interleaved: false,
        };
        // The way so far, and the names that are left, the next one last.
        let mut way = vec![root];
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut links, mut names) = (0, 0);
        while let Some(name) = left.pop() {
            if name.is_empty() || name == "." {
                continue;
            }
            if name == ".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            let Some(Entry { kind: Kind::Folder, extents, .. }) = way.last() else { return Ok(None) };
            let Some(extent) = extents.first().filter(|_| names < MOST_NAMES) else { return Ok(None) };
            names += 1;
            let mut here = folder::list(&self.image, self.tree, *extent)?;
            let found = here
                .iter()
                .position(|entry| entry.name == name)
                .or_else(|| here.iter().position(|entry| entry.name.eq_ignore_ascii_case(&name)));
            let Some(found) = found else { return Ok(None) };
            let entry = here.swap_remove(found);
            if let Kind::Link(target) = &entry.kind {
                links += 1;
                if links > MOST_LINKS {
                    return Err(self.image.damaged(format!("links lead in a circle at `{path}`")));
                }
                if target.starts_with('/') {
                    way.truncate(1);
                }
                left.extend(target.split('/').rev().map(str::to_owned));
            } else {
                way.push(entry);
            }
        }
        Ok(way.pop())
    }

    /// Writes the content of a file to `out`, piece by piece.
    pub fn copy(&self, file: &Entry, out: &mut dyn Write) -> Result<(), IsoError> {
        self.pieces(file, &mut |piece| {
            out.write_all(piece).map_err(|source| IsoError::Write {
                file: file.name.clone(),
                to: "(a stream)".into(),
                source,
            })
        })
    }

    /// Writes the content of a file to the file `to`, which is made or replaced.
    pub fn extract(&self, file: &Entry, to: &Path) -> Result<(), IsoError> {
        let wrong =
            |source: io::Error| IsoError::Write { file: file.name.clone(), to: to.to_owned(), source };
        let mut out = File::create(to).map_err(wrong)?;
        self.pieces(file, &mut |piece| out.write_all(piece).map_err(wrong))
    }

    /// A small file as text; `None` if there is none at `path`. Of what is longer than `most` bytes only the beginning is read.
    pub fn text(&self, path: &str, most: u64) -> Result<Option<String>, IsoError> {
        let Some(mut file) = self.entry(path)?.filter(|entry| entry.kind == Kind::File) else {
            return Ok(None);
        };
        let mut left = most;
        for extent in &mut file.extents {
            extent.len = extent.len.min(left);
            left -= extent.len;
        }
        let mut bytes = Vec::new();
        self.pieces(&file, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn pieces(
        &self,
        file: &Entry,
        each: &mut dyn FnMut(&[u8]) -> Result<(), IsoError>,
    ) -> Result<(), IsoError> {
        if file.packed {
            return Err(self.image.unsupported(&file.name, "it is compressed (zisofs)"));
        }
        if file.interleaved {
            return Err(self.image.unsupported(&file.name, "it is interleaved"));
        }
        if file.kind != Kind::File {
            return Err(self.image.unsupported(&file.name, "it is no file"));
        }
        let mut buffer = Vec::new();
        for extent in &file.extents {
            let mut done = 0;
            while done < extent.len {
                let len = (extent.len - done).min(CHUNK);
                buffer.resize(len as usize, 0);
                self.image.read(&mut buffer, extent.at.saturating_add(done), &format!("`{}`", file.name))?;
                each(&buffer)?;
                done += len;
            }
        }
        Ok(())
    }
}

/// With Rock Ridge: how many bytes of each system use field are somebody else's.
fn rock_ridge(image: &Image, volume: &Volume) -> Result<Option<usize>, IsoError> {
    let found = folder::own_record(image, volume.root.at, |record| {
        let Some(skip) = rock::skip(record.system) else { return Ok(None) };
        // In this record the skip is not applied: it begins with the field that says how much to skip.
        let rock = rock::read(image, record.system, volume.block, &mut { rock::BUDGET })?;
        Ok(rock.recognised.then_some(skip))
    })?;
    Ok(found.flatten())
}
