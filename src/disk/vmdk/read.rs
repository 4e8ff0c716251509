//! A VMDK as one disk: a sparse file, or a descriptor and the files that it names.
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::raw::RawDisk;
use super::super::section::Section;
use super::super::{DiskError, DiskRead, Extent, ExtentKind, Format, Layer, check_range};
use super::SECTOR;
use super::descriptor::{Descriptor, ExtentLine, ExtentType, FIRST_LINE, MAX_BYTES};
use super::sparse::Sparse;

/// Opens a file that a descriptor names, or refuses to.
pub(crate) type OpenExtent<'a> = &'a mut dyn FnMut(&OsStr) -> Result<(File, PathBuf), DiskError>;

/// An open VMDK.
#[derive(Debug)]
pub(crate) struct VmdkDisk {
    path: PathBuf,
    size: u64,
    /// Without gaps, in the order of the disk.
    parts: Vec<Part>,
    layer: Layer,
}

#[derive(Debug)]
struct Part {
    start: u64,
    end: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sparse(Sparse),
    Flat { file: RawDisk, path: PathBuf, start: u64 },
    Zero,
}

impl VmdkDisk {
    /// Opens the image in `section`; other files that it needs come from `extents`.
    pub(crate) fn open(section: Section, extents: OpenExtent<'_>) -> Result<Self, DiskError> {
        let path = section.path().to_path_buf();
        let mut head = [0; FIRST_LINE.len()];
        section.read(&mut head, 0, "the start of the VMDK")?;
        if head == FIRST_LINE {
            if section.len() > MAX_BYTES {
                return Err(section.corrupt("the VMDK's descriptor is too long", 0));
            }
            let mut text = vec![0; section.len() as usize];
            section.read(&mut text, 0, "the VMDK's descriptor")?;
            return Self::split(&text, section, extents);
        }
        refuse_foreign(&head, &section)?;
        let (sparse, text) = Sparse::open(section)?;
        // For what it says about parents; the sizes are in the header.
        let descriptor = Descriptor::parse(&text, &path)?;
        if sparse.size() == 0 {
            return Err(DiskError::unsupported("the VMDK has no disk of its own").in_file(&path));
        }
        let size = sparse.size();
        let layer = Layer::new(Format::Vmdk, &path, size, sparse.section().file())
            .with("kind", descriptor.kind)
            .with("grain_bytes", sparse.grain())
            .with("compressed", sparse.compressed());
        Ok(Self { path, size, parts: vec![Part { start: 0, end: size, kind: Kind::Sparse(sparse) }], layer })
    }

    fn split(text: &[u8], section: Section, extents: OpenExtent<'_>) -> Result<Self, DiskError> {
        let path = section.path().to_path_buf();
        let descriptor = Descriptor::parse(text, &path)?;
        if descriptor.extents.is_empty() {
            return Err(DiskError::corrupt("the VMDK's descriptor names no extents").in_file(&path));
        }
        let layer = Layer::new(Format::Vmdk, &path, 0, section.file())
            .with("kind", descriptor.kind.clone())
            .with("extents", descriptor.extents.len());
        let mut disk = Self { path, size: 0, parts: Vec::new(), layer };
        for line in &descriptor.extents {
            let end = line
                .sectors
                .checked_mul(SECTOR)
                .and_then(|len| disk.size.checked_add(len))
                .filter(|end| i64::try_from(*end).is_ok())
                .ok_or_else(|| DiskError::corrupt("the VMDK's sizes make no sense").in_file(&disk.path))?;
            let kind = open_part(line, end - disk.size, &disk.path, extents)?;
            if end > disk.size {
                disk.parts.push(Part { start: disk.size, end, kind });
            }
            disk.size = end;
        }
        disk.layer.virtual_bytes = disk.size;
        Ok(disk)
    }

    fn part_at(&self, offset: u64) -> &Part {
        // Callers have checked that the offset lies in the disk, which has at least one part then.
        &self.parts[self.parts.partition_point(|part| part.end <= offset)]
    }
}

fn open_part(line: &ExtentLine, len: u64, image: &Path, extents: OpenExtent<'_>) -> Result<Kind, DiskError> {
    if line.kind == ExtentType::Zero {
        return Ok(Kind::Zero);
    }
    let (file, path) = extents(&line.name)?;
    let short = |is: u64| {
        let name = line.name.display();
        DiskError::corrupt(format!("the extent `{name}` holds {is} bytes, less than the descriptor says"))
            .in_file(image)
    };
    if line.kind == ExtentType::Flat {
        let flat = RawDisk::new(file, &path)?;
        let start = line.start.checked_mul(SECTOR);
        return match start.and_then(|start| start.checked_add(len)) {
            Some(end) if end <= flat.size() => Ok(Kind::Flat { file: flat, path, start: end - len }),
            _ => Err(short(flat.size())),
        };
    }
    let section = Section::whole(file, &path)?;
    let mut head = [0; FIRST_LINE.len()];
    section.read(&mut head, 0, "the start of the extent")?;
    refuse_foreign(&head, &section)?;
    let (sparse, text) = Sparse::open(section)?;
    Descriptor::parse(&text, &path)?;
    if sparse.size() < len { Err(short(sparse.size())) } else { Ok(Kind::Sparse(sparse)) }
}

/// Names relatives of the format that are not read here.
fn refuse_foreign(head: &[u8], section: &Section) -> Result<(), DiskError> {
    if head.starts_with(b"COWD") {
        return Err(section.unsupported("a snapshot in ESXi's format (vmfsSparse), which is not read here"));
    }
    if head.starts_with(&0xcafe_babe_u64.to_le_bytes()) {
        return Err(section.unsupported("a snapshot in ESXi's format (seSparse), which is not read here"));
    }
    Ok(())
}

impl DiskRead for VmdkDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), DiskError> {
        check_range(self.size, offset, buf.len()).map_err(|error| error.in_file(&self.path))?;
        let (mut rest, mut at) = (buf, offset);
        while !rest.is_empty() {
            let part = self.part_at(at);
            let (now, later) = rest.split_at_mut((part.end - at).min(rest.len() as u64) as usize);
            match &part.kind {
                Kind::Sparse(sparse) => sparse.read_at(now, at - part.start)?,
                Kind::Flat { file, start, .. } => file.read_at(now, start + at - part.start)?,
                Kind::Zero => now.fill(0),
            }
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent, DiskError> {
        check_range(self.size, offset, 1).map_err(|error| error.in_file(&self.path))?;
        let part = self.part_at(offset);
        let left = part.end - offset;
        let found = match &part.kind {
            Kind::Sparse(sparse) => sparse.extent_at(offset - part.start)?,
            Kind::Flat { file, start, .. } => file.extent_at(start + offset - part.start)?,
            Kind::Zero => Extent { len: left, kind: ExtentKind::Hole },
        };
        Ok(Extent { len: found.len.min(left), kind: found.kind })
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.path.clone()];
        for part in &self.parts {
            let path = match &part.kind {
                Kind::Sparse(sparse) => sparse.section().path(),
                Kind::Flat { path, .. } => path,
                Kind::Zero => continue,
            };
            if path != self.path {
                files.push(path.to_path_buf());
            }
        }
        files
    }

    fn layers(&self) -> Vec<Layer> {
        vec![self.layer.clone()]
    }
}
