//! Files that belong together, an OVF and what it names, put into an archive as they are.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::output::{Digester, Pending, digest_file, digest_path, persist, sync};
use super::super::section::Section;
use super::super::{DiskError, Progress};
use super::assemble::Assembled;
use super::front::{manifest_of, write_at};
use super::read::{Ova, has_end};
use super::tar;

/// What is copied between two questions whether to stop.
const STEP: usize = 1 << 20;

/// A file for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Where it is. Its name there is that in the archive.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Packed {
    fn name(&self) -> Result<&str, DiskError> {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.ok_or_else(|| DiskError::unsupported("its name is not UTF-8").in_file(&self.path))
    }
}

/// Makes the archive `to` of files, one of which is a description (`.ovf`): that comes first, then a manifest of ours, then the others
/// in their order. Manifests and certificates among them are left out. Then all of it is read again, and compared with the manifest:
/// `progress` counts each byte twice.
pub fn pack(
    to: &Path,
    files: &[Packed],
    progress: &dyn Fn(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Assembled, DiskError> {
    let mut named = Vec::new();
    for file in files {
        let name = file.name()?;
        if !has_end(name, ".mf") && !has_end(name, ".cert") {
            named.push((name, file));
        }
    }
    let (first, others): (Vec<_>, Vec<_>) = named.into_iter().partition(|(name, _)| has_end(name, ".ovf"));
    let [(description, _)] = first[..] else {
        let why = format!("{} of its files are descriptions (.ovf), and one is needed", first.len());
        return Err(DiskError::unsupported(why).in_file(to));
    };
    let all: Vec<(&str, &Packed)> = first.into_iter().chain(others).collect();
    let listed: Vec<(String, String)> =
        all.iter().map(|(name, file)| ((*name).to_owned(), file.sha256.clone())).collect();
    let manifest = manifest_of(&listed);
    let stem = &description[..description.len() - ".ovf".len()];
    let bytes: u64 = all.iter().map(|(_, file)| file.bytes).sum();
    let total = 2 * bytes;
    let mut archive = Archive { pending: Pending::create(to)?, at: 0, digester: Digester::default() };
    let mut copied = 0;
    let mut add = |len: u64| {
        copied += len;
        progress(Progress { done: copied, total });
    };
    for (index, (name, file)) in all.into_iter().enumerate() {
        archive.file(name, file, &mut add, cancelled)?;
        if index == 0 {
            archive.text(&format!("{stem}.mf"), &manifest)?;
        }
    }
    archive.finish(&|at| progress(Progress { done: bytes + at.done, total }), cancelled)
}

struct Archive {
    pending: Pending,
    at: u64,
    digester: Digester,
}

impl Archive {
    fn begin(&mut self, name: &str, len: u64) -> Result<(), DiskError> {
        self.put(&tar::header(name, len)?)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        write_at(&self.pending, bytes, self.at)?;
        self.digester.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn pad(&mut self) -> Result<(), DiskError> {
        let short = self.at.next_multiple_of(tar::BLOCK) - self.at;
        self.put(&vec![0; short as usize])
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), DiskError> {
        self.begin(name, text.len() as u64)?;
        self.put(text.as_bytes())?;
        self.pad()
    }

    fn file(
        &mut self,
        name: &str,
        from: &Packed,
        add: &mut dyn FnMut(u64),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), DiskError> {
        let failed =
            |error| DiskError::io("could not read a file for the archive", error).in_file(&from.path);
        let mut file = File::open(&from.path).map_err(failed)?.take(from.bytes);
        self.begin(name, from.bytes)?;
        let mut buffer = vec![0; STEP];
        let mut left = from.bytes;
        while left > 0 {
            if cancelled() {
                return Err(DiskError::cancelled());
            }
            let len = file.read(&mut buffer).map_err(failed)?;
            if len == 0 {
                return Err(DiskError::corrupt("it is shorter than it was").in_file(&from.path));
            }
            self.put(&buffer[..len])?;
            add(len as u64);
            left -= len as u64;
        }
        self.pad()
    }

    /// Ends the archive, reads it, and gives it its name.
    fn finish(
        mut self,
        progress: &dyn Fn(Progress),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Assembled, DiskError> {
        self.put(&tar::END)?;
        let path = self.pending.path().to_owned();
        let again = self.pending.file().try_clone().map_err(|error| self.pending.error(error))?;
        let ova = Ova::open(Section::whole(again, &path)?)?;
        if !ova.check_manifest(progress, cancelled)? {
            return Err(
                DiskError::corrupt("the OVA was not written well: its manifest is missing").in_file(&path)
            );
        }
        let sha256 = self.digester.finish().sha256;
        sync(&self.pending)?;
        let sum = digest_file(&path, "sha256", &sha256)?;
        persist(vec![self.pending, sum])?;
        Ok(Assembled { files: vec![path.clone(), digest_path(&path, "sha256")], bytes: self.at, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ConvertOptions, OpenOptions, OutputFormat, Target, convert, open};
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// The files of an OVA of ours, each for itself.
    fn files(folder: &Path) -> Vec<Packed> {
        let (raw, ova) = (folder.join("a.raw"), folder.join("a.ova"));
        let bytes: Vec<u8> =
            (0..(3_u32 << 20)).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        std::fs::write(&raw, bytes).unwrap();
        let disk = open(&raw, None, &OpenOptions::default()).unwrap();
        let options = ConvertOptions { threads: 1, needles: &[], progress: &|_| {}, cancelled: &|| false };
        convert(&*disk, &[Target::new(OutputFormat::Ova, &ova)], &options).unwrap();
        let mut files = vec![];
        for file in Ova::open_path(&ova).unwrap().files().unwrap() {
            let mut bytes = Vec::new();
            let take = &mut |piece: Vec<u8>| {
                bytes.extend(piece);
                true
            };
            file.read(take).unwrap();
            let path = folder.join(file.name());
            std::fs::write(&path, &bytes).unwrap();
            files.push(Packed {
                path,
                bytes: bytes.len() as u64,
                sha256: hex::encode(Sha256::digest(&bytes)),
            });
        }
        files
    }

    #[test]
    fn files_become_an_archive_that_holds_them_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = files(folder.path());
        let theirs = folder.path().join("a.mf");
        std::fs::write(&theirs, "SHA1(x)= 0\n").unwrap();
        files.push(Packed { path: theirs, bytes: 11, sha256: String::new() });
        files.reverse();
        let to = folder.path().join("b.ova");
        let made = pack(&to, &files, &|_| {}, &|| false).unwrap();
        assert_eq!(made.bytes, std::fs::metadata(&to).unwrap().len());
        assert_eq!(made.sha256, hex::encode(Sha256::digest(std::fs::read(&to).unwrap())));
        let ova = Ova::open_path(&to).unwrap();
        assert_eq!(ova.names(), ["a.ovf", "a.mf", "a-disk1.vmdk"]);
        let unpacked = folder.path().join("x.vmdk");
        ova.unpack_disk(None, &unpacked, &|| false).unwrap();
        assert!(
            std::fs::read(unpacked).unwrap() == std::fs::read(folder.path().join("a-disk1.vmdk")).unwrap()
        );
    }

    #[test]
    fn what_is_wrong_leaves_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let to = out.join("b.ova");
        let error = pack(&to, &files[1..], &|_| {}, &|| false).unwrap_err();
        assert!(error.to_string().contains("0 of its files are descriptions"), "{error}");
        let mut wrong = files.clone();
        wrong[1].sha256 = "0".repeat(64);
        let error = pack(&to, &wrong, &|_| {}, &|| false).unwrap_err();
        assert!(error.to_string().contains("does not have the digest"), "{error}");
        assert!(pack(&to, &files, &|_| {}, &|| true).is_err());
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }
}
