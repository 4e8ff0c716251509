//! Answers of an installer, where it finds them.
use crate::{
    plan::AnswerFile,
    seed::{SeedError, cpio, fat, write_private},
};
use std::{fs::OpenOptions, io, path::Path};

/// Bytes of a volume label.
const LABEL: usize = 11;

/// Writes a new volume called `label` (at most 11 bytes) with `files` in its root folder.
pub fn write_answers(path: &Path, label: &str, files: &[AnswerFile]) -> Result<(), SeedError> {
    let mut padded = [b' '; LABEL];
    for (to, from) in padded.iter_mut().zip(label.bytes()) {
        *to = from;
    }
    let files: Vec<_> = files.iter().map(bytes).collect();
    let bytes = fat::volume(padded, &files).map_err(SeedError::Volume)?;
    write_private(path, &bytes)
}

/// Puts `files` into the root of the initial RAM disk `path`. The kernel unpacks one archive after the other
/// ([initramfs buffer format](https://docs.kernel.org/driver-api/early-userspace/buffer-format.html)).
pub fn append_answers(path: &Path, files: &[AnswerFile]) -> Result<(), SeedError> {
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(path)?;
        cpio::append(&mut file, files.iter().map(bytes))
    };
    append().map_err(|source| SeedError::Write { path: path.to_owned(), source })
}

fn bytes(file: &AnswerFile) -> (&str, &[u8]) {
    (file.name.as_str(), file.text.as_bytes())
}
