//! An OVA, or the files of an OVF, around disks that somebody else makes: VMDKs that come from front to end, of unknown length.
//!
//! The first disk of an OVA is written straight into its place, behind room for what is known at the end; there is no second copy of
//! it. Others come at the same time, so they have nameless files beside the archive, and are copied behind it. The files of an OVF
//! are all in their places at once.
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use sha2::{Digest, Sha256};

use super::super::output::{Digester, Pending, digest_path, folder_of, persist, sync};
use super::super::section::Section;
use super::super::vmdk::VmdkDisk;
use super::super::{DiskError, DiskRead, ExtentKind, Progress};
use super::front::{Front, manifest_of, write_at};
use super::ovf::{DiskFigures, FileFigures, descriptor};
use super::read::Ova;
use super::spec::OvaSpec;
use super::tar;
use super::write::digest;

/// What is copied or read between two questions whether to stop.
const STEP: usize = 1 << 20;

/// An archive, or a description with its files, in the making. Nothing has its name before everything is complete.
#[derive(Debug)]
pub struct Assembly {
    spec: OvaSpec,
    disks: Vec<DiskFigures>,
    kind: Kind,
    /// The description or the archive.
    path: PathBuf,
}

#[derive(Debug)]
enum Kind {
    Ova { pending: Pending, front: Front, others: Vec<File> },
    Ovf { disks: Vec<Pending> },
}

/// Where the bytes of a disk go.
#[derive(Debug)]
pub struct Slot {
    file: File,
    base: u64,
    at: u64,
}

impl Slot {
    /// What follows what came before.
    pub fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(bytes, self.base + self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Everything so far is void.
    pub fn restart(&mut self) -> std::io::Result<()> {
        self.at = 0;
        self.file.set_len(self.base)
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// All files, the archive or the description first.
    pub files: Vec<PathBuf>,
    /// Length of all of them.
    pub bytes: u64,
    /// SHA-256 of the first, in lower-case hexadecimal.
    pub sha256: String,
}

impl Assembly {
    /// Begins `path`, whose end is `.ova` or `.ovf`, for disks of these sizes.
    pub fn create(path: &Path, spec: OvaSpec, capacities: &[u64]) -> Result<Self, DiskError> {
        let in_file = |error: DiskError| error.in_file(path);
        spec.check().map_err(in_file)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_ovf = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("ovf"));
        if !is_ovf && !path.extension().is_some_and(|end| end.eq_ignore_ascii_case("ova")) {
            return Err(in_file(DiskError::unsupported("its name ends neither in `.ova` nor in `.ovf`")));
        }
        if capacities.is_empty() {
            return Err(in_file(DiskError::unsupported("a machine without disks makes no image")));
        }
        // Files beside a description are called after it, those in an archive after the machine.
        let stem = if is_ovf { stem } else { spec.stem() };
        let largest = |(index, capacity): (usize, &u64)| {
            let name = format!("{stem}-disk{}.vmdk", index + 1);
            let file = FileFigures { name, bytes: u64::MAX, populated: u64::MAX };
            DiskFigures { capacity: *capacity, file: Some(file) }
        };
        let disks: Vec<DiskFigures> = capacities.iter().enumerate().map(largest).collect();
        let kind = if is_ovf {
            let names = disks.iter().filter_map(|disk| disk.file.as_ref()).map(|file| &file.name);
            let pending = names.map(|name| Pending::create(&path.with_file_name(name)));
            Kind::Ovf { disks: pending.collect::<Result<_, _>>()? }
        } else {
            let pending = Pending::create(path)?;
            let mut others = Vec::new();
            for _ in 1..disks.len() {
                others.push(tempfile::tempfile_in(folder_of(path)).map_err(|error| pending.error(error))?);
            }
            Kind::Ova { pending, front: Front::for_largest(&spec, &disks), others }
        };
        Ok(Self { spec, disks, kind, path: path.to_owned() })
    }

    /// Where the disks go, in their order. They may be written at once.
    pub fn slots(&self) -> Result<Vec<Slot>, DiskError> {
        let slot = |file: &File, base: u64| {
            let file = file.try_clone().map_err(|error| {
                DiskError::io("could not open the output again", error).in_file(&self.path)
            })?;
            Ok(Slot { file, base, at: 0 })
        };
        match &self.kind {
            Kind::Ovf { disks } => disks.iter().map(|disk| slot(disk.file(), 0)).collect(),
            Kind::Ova { pending, front, others } => {
                let first = slot(pending.file(), front.disk + tar::BLOCK);
                std::iter::once(first).chain(others.iter().map(|other| slot(other, 0))).collect()
            }
        }
    }

    /// Everything came: each disk has so many bytes with this SHA-256 (lower-case hexadecimal). Reads it all once more, as a proof.
    pub fn finish(
        mut self,
        came: &[(u64, String)],
        progress: &(dyn Fn(Progress) + Sync),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Assembled, DiskError> {
        let mut listed = Vec::new();
        for (index, (bytes, sha256)) in came.iter().enumerate() {
            let disk = self.opened(index, *bytes)?;
            if disk.size() != self.disks[index].capacity {
                return Err(DiskError::corrupt(format!(
                    "disk {} has {} bytes, and was said to have {}",
                    index + 1,
                    disk.size(),
                    self.disks[index].capacity
                ))
                .in_file(&self.path));
            }
            let populated = populated(&disk)?;
            if let Some(file) = &mut self.disks[index].file {
                (file.bytes, file.populated) = (*bytes, populated);
                listed.push((file.name.clone(), sha256.clone()));
            }
        }
        if listed.len() != self.disks.len() {
            return Err(DiskError::corrupt("not all of its disks came").in_file(&self.path));
        }
        match self.kind {
            Kind::Ova { pending, front, others } => {
                let made = Archive { pending, front, spec: &self.spec, disks: &self.disks };
                made.finish(others, &listed, progress, cancelled)
            }
            Kind::Ovf { disks } => {
                folder(&self.path, &self.spec, &self.disks, disks, &listed, progress, cancelled)
            }
        }
    }

    /// A disk that came, by our own reader.
    fn opened(&self, index: usize, bytes: u64) -> Result<VmdkDisk, DiskError> {
        let (file, base) = match &self.kind {
            Kind::Ovf { disks } => (disks[index].file(), 0),
            Kind::Ova { pending, front, .. } if index == 0 => (pending.file(), front.disk + tar::BLOCK),
            Kind::Ova { others, .. } => (&others[index - 1], 0),
        };
        let file = file
            .try_clone()
            .map_err(|error| DiskError::io("could not open the output again", error).in_file(&self.path))?;
        vmdk(Section::whole(file, &self.path)?.part(base, bytes)?)
    }
}

fn vmdk(section: Section) -> Result<VmdkDisk, DiskError> {
    VmdkDisk::open(section, &mut |extent| {
        Err(DiskError::refused(format!("a disk needs another file, `{}`", extent.display())))
    })
}

/// Bytes of a disk that hold data.
fn populated(disk: &dyn DiskRead) -> Result<u64, DiskError> {
    let (mut at, mut data) = (0, 0);
    while at < disk.size() {
        let extent = disk.extent_at(at)?;
        if extent.kind == ExtentKind::Data {
            data += extent.len;
        }
        at += extent.len;
    }
    Ok(data)
}

/// Reads all that a disk holds. `done` is told how many more bytes were read.
fn read_all(
    disk: &dyn DiskRead,
    done: &mut dyn FnMut(u64),
    cancelled: &dyn Fn() -> bool,
) -> Result<(), DiskError> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    while at < disk.size() {
        let extent = disk.extent_at(at)?;
        let end = at + extent.len;
        while extent.kind == ExtentKind::Data && at < end {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let len = (end - at).min(STEP as u64);
            disk.read_at(&mut buffer[..len as usize], at)?;
            done(len);
            at += len;
        }
        at = end;
    }
    Ok(())
}

/// An archive whose first disk is in its place.
struct Archive<'a> {
    pending: Pending,
    front: Front,
    spec: &'a OvaSpec,
    disks: &'a [DiskFigures],
}

impl Archive<'_> {
    fn finish(
        self,
        others: Vec<File>,
        listed: &[(String, String)],
        progress: &(dyn Fn(Progress) + Sync),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Assembled, DiskError> {
        let length = |index: usize| self.disks[index].file.as_ref().map_or(0, |file| file.bytes);
        let mut at = self.front.disk + tar::BLOCK;
        at = self.padded(at, length(0))?;
        for (index, from) in (1..).zip(others) {
            let name = &listed[index].0;
            write_at(&self.pending, &tar::header(name, length(index))?, at)?;
            self.copy(&from, length(index), at + tar::BLOCK, cancelled)?;
            at = self.padded(at + tar::BLOCK, length(index))?;
        }
        write_at(&self.pending, &tar::END, at)?;
        self.front.fill(&self.pending, self.spec, self.disks, listed)?;
        let sha256 = self.proved(progress, cancelled)?;
        sync(&self.pending)?;
        let path = self.pending.path().to_owned();
        let sum = digest_file(&path, &sha256)?;
        persist(vec![self.pending, sum])?;
        let bytes = at + tar::END.len() as u64;
        Ok(Assembled { files: vec![path.clone(), digest_path(&path, "sha256")], bytes, sha256 })
    }

    /// Where the next header goes behind a file of `len` bytes at `start`; zeroes up to there.
    fn padded(&self, start: u64, len: u64) -> Result<u64, DiskError> {
        let (end, next) = (start + len, (start + len).next_multiple_of(tar::BLOCK));
        write_at(&self.pending, &vec![0; (next - end) as usize], end)?;
        Ok(next)
    }

    fn copy(&self, from: &File, len: u64, to: u64, cancelled: &dyn Fn() -> bool) -> Result<(), DiskError> {
        let mut buffer = vec![0; STEP];
        let mut done = 0;
        while done < len {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let piece = &mut buffer[..(len - done).min(STEP as u64) as usize];
            from.read_exact_at(piece, done).map_err(|error| self.pending.error(error))?;
            write_at(&self.pending, piece, to + done)?;
            done += piece.len() as u64;
        }
        Ok(())
    }

    /// The digest of the file, and the proof that our reader finds in it what should be there, side by side.
    fn proved(
        &self,
        progress: &(dyn Fn(Progress) + Sync),
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<String, DiskError> {
        let (file, path) = (self.pending.file(), self.pending.path());
        let again = file.try_clone().map_err(|error| self.pending.error(error))?;
        let disks = self.disks;
        thread::scope(|scope| {
            let proof = scope.spawn(move || -> Result<(), DiskError> {
                let wrong = |what: &str| {
                    DiskError::corrupt(format!("the OVA was not written well: {what}")).in_file(path)
                };
                let ova = Ova::open(Section::whole(again, path)?)?;
                if ova.capacities() != Some(disks.iter().map(|disk| disk.capacity).collect()) {
                    return Err(wrong("its description tells other disks"));
                }
                if !ova.check_manifest(&|_| {}, cancelled)? {
                    return Err(wrong("its manifest is missing"));
                }
                let mut meter = Meter::new(disks, progress);
                for (index, disk) in disks.iter().enumerate() {
                    let opened = ova.disk(Some(index + 1))?;
                    if opened.size() != disk.capacity {
                        return Err(wrong("a disk has another size than its description says"));
                    }
                    read_all(&*opened, &mut |len| meter.add(len), cancelled)?;
                }
                Ok(())
            });
            let digests = digest(file, path, Digester::default(), cancelled);
            let proof = proof.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            proof.and(digests).map(|digests| digests.sha256)
        })
    }
}

/// Writes description and manifest beside the disks.
fn folder(
    path: &Path,
    spec: &OvaSpec,
    disks: &[DiskFigures],
    pending: Vec<Pending>,
    listed: &[(String, String)],
    progress: &(dyn Fn(Progress) + Sync),
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Assembled, DiskError> {
    let mut meter = Meter::new(disks, progress);
    for disk in &pending {
        let file = disk.file().try_clone().map_err(|error| disk.error(error))?;
        read_all(&vmdk(Section::whole(file, path)?)?, &mut |len| meter.add(len), cancelled)?;
        sync(disk)?;
    }
    let ovf = descriptor(spec, disks);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = hex::encode(Sha256::digest(&ovf));
    let mut all = vec![(name, sha256.clone())];
    all.extend_from_slice(listed);
    let texts = [(path.to_owned(), ovf), (path.with_extension("mf"), manifest_of(&all))];
    let bytes = texts.iter().map(|(_, text)| text.len() as u64).sum::<u64>()
        + disks.iter().filter_map(|disk| disk.file.as_ref()).map(|file| file.bytes).sum::<u64>();
    let mut files = Vec::new();
    for (path, text) in texts {
        files.push(text_file(&path, &text)?);
    }
    // Who sees the description sees the disks, too.
    let names: Vec<PathBuf> = files.iter().chain(&pending).map(|file| file.path().to_owned()).collect();
    persist(pending.into_iter().chain(files.into_iter().rev()).collect())?;
    Ok(Assembled { files: names, bytes, sha256 })
}

fn text_file(path: &Path, text: &str) -> Result<Pending, DiskError> {
    let pending = Pending::create(path)?;
    pending.file().write_all(text.as_bytes()).map_err(|error| pending.error(error))?;
    sync(&pending)?;
    Ok(pending)
}

fn digest_file(path: &Path, sha256: &str) -> Result<Pending, DiskError> {
    super::super::output::digest_file(path, "sha256", sha256)
}

/// Progress of the proof.
struct Meter<'a> {
    done: u64,
    total: u64,
    progress: &'a dyn Fn(Progress),
}

impl<'a> Meter<'a> {
    fn new(disks: &[DiskFigures], progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        let total = disks.iter().filter_map(|disk| disk.file.as_ref()).map(|file| file.populated).sum();
        Self { done: 0, total, progress }
    }

    fn add(&mut self, len: u64) {
        self.done += len;
        (self.progress)(Progress { done: self.done, total: self.total });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ConvertOptions, OutputFormat, Target, convert, open};
    use super::*;

    /// A disk of `mib` with data here and there, as raw and as a streamed VMDK.
    fn disk(folder: &Path, name: &str, mib: u64) -> (Vec<u8>, Vec<u8>) {
        let (raw, vmdk) = (folder.join(format!("{name}.raw")), folder.join(format!("{name}.vmdk")));
        let file = File::create(&raw).unwrap();
        file.set_len(mib << 20).unwrap();
        let bytes: Vec<u8> =
            (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        file.write_all_at(&bytes, 1 << 20).unwrap();
        let disk = open(&raw, None, &super::super::super::OpenOptions::default()).unwrap();
        let options = ConvertOptions { threads: 1, needles: &[], progress: &|_| {}, cancelled: &|| false };
        convert(&*disk, &[Target::new(OutputFormat::Vmdk, &vmdk)], &options).unwrap();
        (std::fs::read(&raw).unwrap(), std::fs::read(&vmdk).unwrap())
    }

    fn all_of(disk: &dyn DiskRead) -> Vec<u8> {
        let mut bytes = vec![0; disk.size() as usize];
        disk.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn made(path: &Path, disks: &[(Vec<u8>, Vec<u8>)]) -> Result<Assembled, DiskError> {
        let capacities: Vec<u64> = disks.iter().map(|(raw, _)| raw.len() as u64).collect();
        let assembly = Assembly::create(path, OvaSpec::new("web"), &capacities)?;
        let mut came = Vec::new();
        for (mut slot, (_, vmdk)) in assembly.slots()?.into_iter().zip(disks) {
            // A first try that was cut.
            slot.append(&vmdk[..vmdk.len() / 2]).unwrap();
            slot.append(&vec![7; 100_000]).unwrap();
            slot.restart().unwrap();
            vmdk.chunks(70_001).for_each(|piece| slot.append(piece).unwrap());
            came.push((vmdk.len() as u64, hex::encode(Sha256::digest(vmdk))));
        }
        assembly.finish(&came, &|_| {}, &|| false)
    }

    #[test]
    fn an_archive_holds_the_disks_as_they_came() {
        let folder = tempfile::tempdir().unwrap();
        let disks = [disk(folder.path(), "one", 8), disk(folder.path(), "two", 5)];
        for count in [1, 2] {
            let path = folder.path().join(format!("{count}.ova"));
            let assembled = made(&path, &disks[..count]).unwrap();
            assert_eq!(assembled.bytes, std::fs::metadata(&path).unwrap().len());
            let ova = Ova::open_path(&path).unwrap();
            assert!(ova.check_manifest(&|_| {}, &|| false).unwrap());
            for (index, (raw, vmdk)) in disks[..count].iter().enumerate() {
                assert!(all_of(&*ova.disk(Some(index + 1)).unwrap()) == *raw);
                assert_eq!(ova.disks()[index].file_bytes, vmdk.len() as u64);
            }
        }
    }

    #[test]
    fn a_description_has_its_files_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let disks = [disk(folder.path(), "one", 8), disk(folder.path(), "two", 5)];
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let assembled = made(&out.join("node.ovf"), &disks).unwrap();
        let mut names: Vec<_> = assembled
            .files
            .iter()
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["node-disk1.vmdk", "node-disk2.vmdk", "node.mf", "node.ovf"]);
        assert!(std::fs::read(out.join("node-disk2.vmdk")).unwrap() == disks[1].1);
        let list = std::fs::read_to_string(out.join("node.mf")).unwrap();
        assert!(list.contains(&hex::encode(Sha256::digest(&disks[1].1))), "{list}");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn a_disk_that_is_not_what_it_was_said_to_be_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (raw, mut vmdk) = disk(folder.path(), "one", 8);
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        vmdk.truncate(vmdk.len() - 1024);
        assert!(made(&out.join("web.ova"), &[(raw, vmdk)]).is_err());
        let error = Assembly::create(&out.join("web.img"), OvaSpec::new("web"), &[1 << 20]).unwrap_err();
        assert!(error.to_string().contains("neither"), "{error}");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }
}
