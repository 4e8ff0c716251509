//! The files of an archive for who sends them on: read where they are, never unpacked, their digests compared on the way.
use super::super::DiskError;
use super::super::section::Section;
use super::manifest::{Checker, Stated};
use super::read::Ova;

/// What is handed out at once.
const STEP: u64 = 1 << 20;

/// A file of an archive.
#[derive(Debug)]
pub struct OvaFile {
    name: String,
    section: Section,
    stated: Option<Stated>,
}

impl OvaFile {
    pub(super) fn new(name: String, section: Section, stated: Option<Stated>) -> Self {
        Self { name, section, stated }
    }

    /// Its name in the archive.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length.
    pub fn bytes(&self) -> u64 {
        self.section.len()
    }

    /// Whether the archive's manifest has a digest of it.
    pub fn has_digest(&self) -> bool {
        self.stated.is_some()
    }

    /// Its SHA-256 in lower-case hexadecimal, if the archive's manifest states that.
    pub fn sha256(&self) -> Option<&str> {
        self.stated.as_ref().and_then(Stated::sha256)
    }

    /// Hands out all bytes in order, until `take` says no. If they do not have the digest in the manifest, that is told in place of
    /// the last piece: who takes the pieces never has the whole of a wrong file.
    pub fn read(&self, take: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<(), DiskError> {
        let mut checker = self.stated.as_ref().map(Stated::checker);
        let mut at = 0;
        while at < self.section.len() {
            let mut piece = vec![0; STEP.min(self.section.len() - at) as usize];
            self.section.read(&mut piece, at, "a file of the archive")?;
            if let Some(checker) = &mut checker {
                checker.update(&piece);
            }
            at += piece.len() as u64;
            if at == self.section.len() && !checker.take().is_none_or(Checker::agrees) {
                let what = format!("`{}` does not have the digest in the manifest", self.name);
                return Err(self.section.corrupt(what, 0));
            }
            if !take(piece) {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Ova {
    /// All files of the archive but its manifest, in their order.
    pub fn files(&self) -> Result<Vec<OvaFile>, DiskError> {
        let stated = self.manifest()?.map(|(_, stated)| stated).unwrap_or_default();
        let mut files = Vec::new();
        for (name, section) in self.sections()? {
            let stated = stated.iter().find(|stated| stated.name == name).cloned();
            files.push(OvaFile::new(name, section, stated));
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{ConvertOptions, OutputFormat, Target, convert};
    use super::*;

    fn archive(folder: &std::path::Path) -> std::path::PathBuf {
        let (raw, ova) = (folder.join("a.raw"), folder.join("a.ova"));
        let bytes: Vec<u8> =
            (0..(3u32 << 20)).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        std::fs::write(&raw, bytes).unwrap();
        let disk =
            super::super::super::open(&raw, None, &super::super::super::OpenOptions::default()).unwrap();
        let options = ConvertOptions { threads: 1, needles: &[], progress: &|_| {}, cancelled: &|| false };
        convert(&*disk, &[Target::new(OutputFormat::Ova, &ova)], &options).unwrap();
        ova
    }

    #[test]
    fn files_are_read_where_they_are_and_a_wrong_one_never_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path());
        let ova = Ova::open_path(&path).unwrap();
        let files = ova.files().unwrap();
        assert_eq!(files.iter().map(OvaFile::name).collect::<Vec<_>>(), ["a.ovf", "a-disk1.vmdk"]);
        assert_eq!(ova.networks(), ["VM Network"]);
        let unpacked = folder.path().join("x.vmdk");
        ova.unpack_disk(None, &unpacked, &|| false).unwrap();
        let mut read = Vec::new();
        let all = |piece: Vec<u8>, into: &mut Vec<u8>| {
            into.extend(piece);
            true
        };
        files[1].read(&mut |piece| all(piece, &mut read)).unwrap();
        assert!(read == std::fs::read(&unpacked).unwrap());
        assert!(files.iter().all(|file| file.has_digest() && file.sha256().is_some()));

        // One bit of the disk.
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 4096;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let files = Ova::open_path(&path).unwrap().files().unwrap();
        let mut came = Vec::new();
        let error = files[1].read(&mut |piece| all(piece, &mut came)).unwrap_err();
        assert!(error.to_string().contains("does not have the digest"), "{error}");
        assert!((came.len() as u64) < files[1].bytes());
    }
}
