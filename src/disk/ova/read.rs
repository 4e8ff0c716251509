//! Reads OVAs: finds the description, its disks, and compares the digests.
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::super::output::{Pending, persist};
use super::super::section::Section;
use super::super::vmdk::VmdkDisk;
use super::super::{DiskError, DiskRead, Extent, Format, Layer, Progress};
use super::parse::Description;
use super::tar::{Member, members};
use super::{MAX_TEXT, manifest, manifest::Stated};

/// An archive whose description was understood.
#[derive(Debug)]
pub struct Ova {
    section: Section,
    members: Vec<Member>,
    description: Description,
    text: String,
    disks: Vec<OvaDisk>,
}

/// A disk of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OvaDisk {
    /// The file in the archive.
    pub file: String,
    /// Length of that file in bytes.
    pub file_bytes: u64,
    /// Size of the disk in bytes as the description states it, if it does.
    pub virtual_bytes: Option<u64>,
}

impl Ova {
    /// Opens an archive by its path. [`super::super::open`] opens one of its disks directly.
    pub fn open_path(path: &Path) -> Result<Self, DiskError> {
        let file = super::super::open::open_file(path)?;
        Self::open(Section::whole(file, path)?)
    }

    pub(crate) fn open(section: Section) -> Result<Self, DiskError> {
        let members = members(&section)?;
        let Some(ovf) = members.iter().find(|member| has_end(&member.name, ".ovf")) else {
            return Err(section.unsupported("a tar archive without an `.ovf` file, hence no OVA"));
        };
        let text = read_text(&section, ovf, "the description (.ovf)")?;
        let description = Description::parse(&text).map_err(|error| {
            section.corrupt("could not understand the description (.ovf)", ovf.start).because(error)
        })?;
        let lengths: HashMap<&str, u64> =
            members.iter().map(|member| (member.name.as_str(), member.len)).collect();
        for (name, stated) in &description.files {
            let there = lengths.get(name.as_str()).copied();
            if let (Some(stated), Some(there)) = (stated, there)
                && *stated != there
            {
                return Err(section.corrupt(
                    format!("`{name}` has {there} bytes in the archive, and {stated} in its description"),
                    ovf.start,
                ));
            }
        }
        let mut disks = Vec::new();
        for disk in &description.disks {
            disks.push(OvaDisk {
                file: disk.file.clone(),
                file_bytes: lengths.get(disk.file.as_str()).copied().unwrap_or(0),
                virtual_bytes: disk.capacity,
            });
        }
        Ok(Self { section, members, description, text, disks })
    }

    /// What the machine is called.
    pub fn name(&self) -> Option<&str> {
        self.description.name.as_deref()
    }

    /// The disks that have a file, in the order of the description.
    pub fn disks(&self) -> &[OvaDisk] {
        &self.disks
    }

    /// Sizes in bytes of all disks that the description names, also of empty ones; `None` if it does not tell one.
    pub fn capacities(&self) -> Option<Vec<u64>> {
        self.description.capacities.iter().copied().collect()
    }

    /// Opens a disk, counted from 1. Without a number there must be exactly one.
    pub fn disk(&self, number: Option<usize>) -> Result<Box<dyn DiskRead>, DiskError> {
        let names = || self.disks.iter().map(|disk| disk.file.as_str()).collect::<Vec<_>>().join(", ");
        let index = match (number, self.disks.len()) {
            (_, 0) => return Err(self.section.unsupported("the OVA describes no disk that has a file")),
            (None, 1) => 0,
            (None, count) => {
                return Err(self
                    .section
                    .unsupported(format!("the OVA has {count} disks, and one must be chosen: {}", names())));
            }
            (Some(number), count) if (1..=count).contains(&number) => number - 1,
            (Some(number), count) => {
                return Err(self
                    .section
                    .unsupported(format!("the OVA has no disk {number}, but {count}: {}", names())));
            }
        };
        let described = &self.description.disks[index];
        let name = &described.file;
        if let Some(how) = &described.compression {
            return Err(self.section.unsupported(format!("the disk `{name}` is compressed with {how}")));
        }
        if described.chunked {
            return Err(self.section.unsupported(format!("the disk `{name}` is cut into several files")));
        }
        let Some(member) = self.members.iter().find(|member| member.name == *name) else {
            return Err(self.section.corrupt(format!("the disk `{name}` is not in the archive"), 0));
        };
        let part = self.part(member)?;
        let mut magic = [0; 4];
        if part.read(&mut magic, 0, "the start of the disk").is_err() || &magic != b"KDMV" {
            return Err(self
                .section
                .unsupported(format!("the disk `{name}` is no sparse VMDK"))
                .at(member.start));
        }
        let disk = VmdkDisk::open(part, &mut |extent| {
            Err(DiskError::refused(format!("the disk `{name}` needs another file, `{}`", extent.display())))
        })?;
        let layer = Layer::new(Format::Ova, self.section.path(), disk.size(), self.section.file())
            .with("machine", self.name().unwrap_or_default())
            .with("disk", name.as_str())
            .with("disks", self.disks.len());
        Ok(Box::new(DiskOfOva { disk, layer }))
    }

    fn part(&self, member: &Member) -> Result<Section, DiskError> {
        self.section.part(member.start, member.len)
    }

    /// Copies the file of a disk, counted from 1, out of the archive to the new file `to`, as it is in there. Without a
    /// number there must be exactly one. On error and on cancel nothing stays.
    pub fn unpack_disk(
        &self,
        number: Option<usize>,
        to: &Path,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), DiskError> {
        const STEP: u64 = 1 << 20;
        // Whether there is such a disk, and whether it can be read.
        drop(self.disk(number)?);
        let part = self.disk_section(number.unwrap_or(1) - 1)?;
        let pending = Pending::create(to)?;
        let mut buffer = vec![0; STEP as usize];
        let mut done = 0;
        while done < part.len() {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let step = &mut buffer[..STEP.min(part.len() - done) as usize];
            part.read(step, done, "the disk in the archive")?;
            pending.file().write_all(step).map_err(|error| pending.error(error))?;
            done += step.len() as u64;
        }
        persist(vec![pending])
    }

    /// The file of a disk, counted from 0.
    pub(super) fn disk_section(&self, index: usize) -> Result<Section, DiskError> {
        let name = &self.disks[index].file;
        match self.members.iter().find(|member| member.name == *name) {
            Some(member) => self.part(member),
            None => Err(self.section.corrupt(format!("the disk `{name}` is not in the archive"), 0)),
        }
    }

    /// The names of the files in the archive, in their order.
    pub(super) fn names(&self) -> Vec<&str> {
        self.members.iter().map(|member| member.name.as_str()).collect()
    }

    /// What the description says.
    pub fn descriptor(&self) -> &str {
        &self.text
    }

    /// The networks that the description names.
    pub fn networks(&self) -> &[String] {
        &self.description.networks
    }

    /// The keys of the properties that the description lets be set.
    pub fn settable_properties(&self) -> &[String] {
        &self.description.settable
    }

    /// Every file but the manifest.
    pub(super) fn sections(&self) -> Result<Vec<(String, Section)>, DiskError> {
        let files = self.members.iter().filter(|member| !has_end(&member.name, ".mf"));
        files.map(|member| Ok((member.name.clone(), self.part(member)?))).collect()
    }

    /// The digests that the archive lists, and where in it; `None` if it has no manifest.
    pub(super) fn manifest(&self) -> Result<Option<(u64, Vec<Stated>)>, DiskError> {
        let Some(list) = self.members.iter().find(|member| has_end(&member.name, ".mf")) else {
            return Ok(None);
        };
        let text = read_text(&self.section, list, "the manifest (.mf)")?;
        let stated = manifest::parse(&text).ok_or_else(|| {
            self.section.corrupt("could not understand the manifest (.mf)".to_owned(), list.start)
        })?;
        Ok(Some((list.start, stated)))
    }

    /// Compares every file that the manifest lists with its digest; `false` if the archive has no manifest. The
    /// description and every disk must be listed. Reads the whole archive.
    pub fn check_manifest(
        &self,
        progress: &dyn Fn(Progress),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<bool, DiskError> {
        let Some((start, stated)) = self.manifest()? else { return Ok(false) };
        let wrong = |what: String| self.section.corrupt(what, start);
        let needed = self.members.iter().filter(|member| {
            has_end(&member.name, ".ovf") || self.disks.iter().any(|disk| disk.file == member.name)
        });
        for member in needed {
            if !stated.iter().any(|stated| stated.name == member.name) {
                return Err(wrong(format!("the manifest does not list `{}`", member.name)));
            }
        }
        let mut files = Vec::new();
        let mut listed = HashSet::new();
        for stated in &stated {
            // Else a short list could make us hash for ever.
            if !listed.insert(&stated.name) {
                return Err(wrong(format!("the manifest lists `{}` twice", stated.name)));
            }
            let member = self.members.iter().find(|member| member.name == stated.name);
            let member = member
                .ok_or_else(|| wrong(format!("the manifest lists `{}`, which is missing", stated.name)))?;
            files.push((stated, self.part(member)?));
        }
        let total = files.iter().map(|(_, part)| part.len()).sum();
        let mut hashed = 0;
        for (stated, part) in files {
            let mut done = |len| {
                hashed += len;
                progress(Progress { done: hashed, total });
            };
            if !stated.matches(&part, &mut done, cancelled)? {
                return Err(wrong(format!("`{}` does not have the digest in the manifest", stated.name)));
            }
        }
        Ok(true)
    }
}

/// A disk that is read within its archive.
#[derive(Debug)]
struct DiskOfOva {
    disk: VmdkDisk,
    layer: Layer,
}

impl DiskRead for DiskOfOva {
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
        vec![self.layer.clone()]
    }
}

pub(super) fn has_end(name: &str, end: &str) -> bool {
    name.len() >= end.len() && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

fn read_text(section: &Section, member: &Member, what: &str) -> Result<String, DiskError> {
    if member.len > MAX_TEXT {
        return Err(section.corrupt(format!("{what} is too long"), member.start));
    }
    let mut bytes = vec![0; member.len as usize];
    section.read(&mut bytes, member.start, what)?;
    // Some writers begin with a byte order mark, and pad the end with zeroes.
    let text = String::from_utf8(bytes)
        .map_err(|error| section.corrupt(format!("{what} is not UTF-8"), member.start).because(error))?;
    Ok(text.trim_start_matches('\u{feff}').trim_end_matches('\0').to_owned())
}
