//! Answers of an installer, where it finds them.
use super::{Answers, AnswersFile, AnswersMedium};
use crate::{
    plan::AnswerFile,
    seed::{SeedError, cpio, fat, write_private},
};
use std::{fs::OpenOptions, io, path::Path};

/// Bytes of a volume label.
const LABEL: usize = 11;

/// Writes a new volume called `label` (at most 11 bytes) with `files` in its root folder.
pub fn write_answers(path: &Path, label: &str, files: &[AnswerFile]) -> Result<(), SeedError> {
    volume(path, label, files.iter().map(|file| (file.name.as_str(), file.text.as_bytes())))
}

/// Puts `files` into the root of the initial RAM disk `path`. The kernel unpacks one archive after the other
/// ([initramfs buffer format](https://docs.kernel.org/driver-api/early-userspace/buffer-format.html)).
pub fn append_answers(path: &Path, files: &[AnswerFile]) -> Result<(), SeedError> {
    append(path, files.iter().map(|file| (file.name.as_str(), file.text.as_bytes())))
}

/// Writes a new volume that the installer finds by its label, readable by its owner only: it holds the guest's private host
/// key. For answers that go on a volume.
pub fn write_volume(path: &Path, answers: &Answers) -> Result<(), SeedError> {
    let Some(label) = answers.medium.label() else {
        return Err(SeedError::Volume(io::Error::new(
            io::ErrorKind::Unsupported,
            "this installer reads its answers from its initial RAM disk",
        )));
    };
    volume(path, label, answers.files.iter().map(bytes))
}

/// Puts answers that belong there into a copy of the installer's initial RAM disk.
pub fn append_to_initrd(path: &Path, answers: &Answers) -> Result<(), SeedError> {
    append(path, answers.files.iter().map(bytes))
}

impl AnswersMedium {
    /// The label of the volume; none for an initial RAM disk.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Cidata => Some("CIDATA"),
            Self::Oemdrv => Some("OEMDRV"),
            Self::Initrd => None,
        }
    }
}

fn bytes(file: &AnswersFile) -> (&str, &[u8]) {
    (file.name.as_str(), file.text.expose().as_bytes())
}

fn volume<'a>(
    path: &Path,
    label: &str,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<(), SeedError> {
    let mut padded = [b' '; LABEL];
    for (to, from) in padded.iter_mut().zip(label.bytes()) {
        *to = from;
    }
    let files: Vec<_> = files.collect();
    let bytes = fat::volume(padded, &files).map_err(SeedError::Volume)?;
    write_private(path, &bytes)
}

fn append<'a>(path: &Path, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<(), SeedError> {
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(path)?;
        cpio::append(&mut file, files)
    };
    append().map_err(|source| SeedError::Write { path: path.to_owned(), source })
}
