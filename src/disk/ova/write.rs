//! Writes an OVA in one pass, though its first files tell the length and digest of the last.
//!
//! Room for the description and the manifest is kept at the front. Their lengths are known beforehand: the manifest's
//! because digests are of one length, the description's because it is filled up with blanks, which XML allows at its
//! end, to what it would take with the largest numbers. When the disks are written, the front is filled in; this is why an
//! OVA cannot go to a pipe. Then the file is read back, for its own digest and to prove it: our reader compares the
//! manifest and walks the disks' markers.
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};

use super::super::convert::{BLOCK as GRAIN, Chunk, Encode, Payload, Plan, Sink};
use super::super::open::open_file;
use super::super::output::{Digester, Digests, Finished, Pending};
use super::super::section::Section;
use super::super::vmdk::{GrainSink, check_stream};
use super::super::{DiskError, Target};
use super::front::{Front, write_at};
use super::ovf::{DiskFigures, FileFigures};
use super::read::{Ova, has_end};
use super::spec::{ExtraDisk, OvaSpec};
use super::tar;

/// What is read back or copied between two questions whether to stop.
const STEP: usize = 1 << 20;

pub(crate) struct OvaSink<'a> {
    pending: Pending,
    spec: OvaSpec,
    grains: Option<GrainSink>,
    /// What the archive says about its disks; the first one's figures are known at the end.
    disks: Vec<DiskFigures>,
    /// The VMDKs to copy behind the first disk, by the index of their figures.
    copies: Vec<(usize, Section)>,
    /// SHA-256 of the disk that is being written.
    hash: Sha256,
    front: Front,
    /// Where the next byte goes.
    at: u64,
    /// For the digests of the whole file.
    digester: Digester,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> OvaSink<'a> {
    pub(crate) fn new(
        target: &Target,
        size: u64,
        plan: &Plan,
        cancelled: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self, DiskError> {
        let in_file = |error: DiskError| error.in_file(&target.path);
        let spec = match &target.ova {
            Some(spec) => (**spec).clone(),
            None => OvaSpec::new(target.path.file_stem().unwrap_or_default().to_string_lossy()),
        };
        spec.check().map_err(in_file)?;
        let stem = spec.stem();
        let name = |index: usize| format!("{stem}-disk{}.vmdk", index + 1);
        // The largest numbers there are, to learn how long the description may become.
        let largest = |index: usize| FileFigures { name: name(index), bytes: u64::MAX, populated: u64::MAX };
        let mut disks = vec![DiskFigures { capacity: size, file: Some(largest(0)) }];
        let mut copies = Vec::new();
        for (index, disk) in (1..).zip(&spec.disks) {
            disks.push(match disk {
                ExtraDisk::Empty { bytes } => DiskFigures { capacity: *bytes, file: None },
                ExtraDisk::Vmdk(path) => {
                    let section = Section::whole(open_file(path)?, path)?;
                    let facts = check_stream(&section, &cancelled)?;
                    let file = FileFigures {
                        name: name(index),
                        bytes: section.len(),
                        populated: populated(facts.grains, facts.virtual_bytes),
                    };
                    copies.push((index, section));
                    DiskFigures { capacity: facts.virtual_bytes, file: Some(file) }
                }
            });
        }
        let front = Front::for_largest(&spec, &disks);
        let (grains, head) = GrainSink::new(target, size, plan)?;
        let mut sink = Self {
            pending: Pending::create(&target.path)?,
            spec,
            grains: Some(grains),
            disks,
            copies,
            hash: Sha256::new(),
            front,
            at: front.disk + tar::BLOCK,
            digester: Digester::for_target(target),
            cancelled,
        };
        sink.append(&head)?;
        Ok(sink)
    }

    /// Writes and hashes bytes of a disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.hash.update(bytes);
        self.write(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        write_at(&self.pending, bytes, at)
    }

    fn hex(&mut self) -> String {
        hex::encode(std::mem::take(&mut self.hash).finalize())
    }

    /// Copies a VMDK behind what there is.
    fn copy(&mut self, name: &str, from: &Section) -> Result<String, DiskError> {
        self.write(&tar::header(name, from.len())?, self.at)?;
        self.at += tar::BLOCK;
        let mut buffer = vec![0; STEP];
        let mut done = 0;
        while done < from.len() {
            if (self.cancelled)() {
                return Err(DiskError::cancelled());
            }
            let now = &mut buffer[..(from.len() - done).min(STEP as u64) as usize];
            from.read(now, done, "the disk to copy")?;
            self.append(now)?;
            done += now.len() as u64;
        }
        // A whole number of sectors, as the walk has shown, hence of blocks.
        Ok(self.hex())
    }

    /// Reads the file back: its digests, and the proof that it is what it should be, side by side.
    fn read_back(&mut self) -> Result<Digests, DiskError> {
        let digester = std::mem::take(&mut self.digester);
        let (file, path, cancelled) = (self.pending.file(), self.pending.path(), self.cancelled);
        let proof = file.try_clone().map_err(|error| self.pending.error(error))?;
        let disks = &self.disks;
        thread::scope(|scope| {
            let proof = scope.spawn(move || prove(proof, path, disks, cancelled));
            let digests = digest(file, path, digester, cancelled);
            let proof = proof.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            proof.and(digests)
        })
    }
}

impl Sink for OvaSink<'_> {
    fn encoder(&self) -> Result<Option<Box<dyn Encode>>, DiskError> {
        Ok(self.grains.as_ref().map(|grains| grains.encoder()))
    }

    fn hole(&mut self, _offset: u64, _len: u64) -> Result<(), DiskError> {
        Ok(())
    }

    fn chunk(&mut self, chunk: &Chunk, payload: Payload) -> Result<(), DiskError> {
        match &mut self.grains {
            Some(grains) => {
                let bytes = grains.chunk(chunk, payload)?;
                self.append(&bytes)
            }
            None => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<Option<Finished>, DiskError> {
        let mut listed = Vec::new();
        if let Some(grains) = self.grains.take() {
            let (tail, grains) = grains.finish()?;
            self.append(&tail)?;
            let bytes = self.at - self.front.disk - tar::BLOCK;
            let hex = self.hex();
            let DiskFigures { capacity, file } = &mut self.disks[0];
            if let Some(file) = file {
                (file.bytes, file.populated) = (bytes, populated(grains, *capacity));
                listed.push((file.name.clone(), hex));
            }
        }
        for (index, section) in std::mem::take(&mut self.copies) {
            let Some(file) = self.disks[index].file.clone() else { continue };
            let hex = self.copy(&file.name, &section)?;
            listed.push((file.name, hex));
        }
        self.write(&tar::END, self.at)?;
        self.front.fill(&self.pending, &self.spec, &self.disks, &listed)?;
        let digests = self.read_back()?;
        Ok(Some(Finished::file(self.pending, digests)))
    }
}

/// Bytes of a disk that so many grains hold; the last one may be cut short by the end of the disk.
fn populated(grains: u64, capacity: u64) -> u64 {
    (grains * GRAIN).min(capacity)
}

pub(super) fn digest(
    file: &File,
    path: &Path,
    mut digester: Digester,
    cancelled: &dyn Fn() -> bool,
) -> Result<Digests, DiskError> {
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        if cancelled() {
            return Err(DiskError::cancelled());
        }
        let len = file
            .read_at(&mut buffer, at)
            .map_err(|error| DiskError::io("could not read back the output", error).in_file(path))?;
        if len == 0 {
            return Ok(digester.finish());
        }
        digester.update(&buffer[..len]);
        at += len as u64;
    }
}

/// Proves a finished archive with our own reader.
fn prove(
    file: File,
    path: &Path,
    disks: &[DiskFigures],
    cancelled: &dyn Fn() -> bool,
) -> Result<(), DiskError> {
    let wrong =
        |what: &str| DiskError::corrupt(format!("the OVA was not written well: {what}")).in_file(path);
    let ova = Ova::open(Section::whole(file, path)?)?;
    let names = ova.names();
    let order = names.len() > 2 && has_end(names[0], ".ovf") && has_end(names[1], ".mf");
    let files: Vec<&FileFigures> = disks.iter().filter_map(|disk| disk.file.as_ref()).collect();
    if !order || !names[2..].iter().eq(files.iter().map(|file| &file.name)) {
        return Err(wrong("its files are not in their order"));
    }
    if !ova.check_manifest(&|_| {}, cancelled)? {
        return Err(wrong("its manifest is missing"));
    }
    let with_file = disks.iter().filter(|disk| disk.file.is_some());
    for (index, disk) in with_file.enumerate() {
        let facts = check_stream(&ova.disk_section(index)?, cancelled)?;
        if facts.virtual_bytes != disk.capacity || ova.disks()[index].virtual_bytes != Some(disk.capacity) {
            return Err(wrong("a disk has another size than its description says"));
        }
    }
    Ok(())
}
