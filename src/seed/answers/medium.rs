//! The answers as a volume or as a part of an initrd.
use super::{Answers, AnswersMedium};
use crate::seed::{SeedError, cpio, fat, write_private};
use std::{
    fs::File,
    io::{self, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes a new image file with the volume that the installer looks for, readable by its owner only: it holds the guest's
/// private host key. For [`AnswersMedium::Cidata`] and [`AnswersMedium::Oemdrv`].
pub fn write_volume(path: &Path, answers: &Answers) -> Result<(), SeedError> {
    let label = match answers.medium {
        AnswersMedium::Cidata => *b"CIDATA     ",
        AnswersMedium::Oemdrv => *b"OEMDRV     ",
        AnswersMedium::Initrd => {
            return Err(SeedError::Volume(io::Error::new(
                io::ErrorKind::Unsupported,
                "this installer reads its answers from its initrd",
            )));
        }
    };
    let files: Vec<_> =
        answers.files.iter().map(|file| (file.name.as_str(), file.text.expose().as_bytes())).collect();
    let bytes = fat::volume(label, &files).map_err(SeedError::Volume)?;
    write_private(path, &bytes)
}

/// Writes a new initrd: the installer's own at `initrd`, followed by an archive of the answers. The kernel unpacks all archives
/// of an initrd one after the other, whatever each is compressed with. Readable by its owner only. For
/// [`AnswersMedium::Initrd`].
pub fn write_initrd(path: &Path, initrd: &Path, answers: &Answers) -> Result<(), SeedError> {
    let files: Vec<_> =
        answers.files.iter().map(|file| (file.name.as_str(), file.text.expose().as_bytes())).collect();
    let archive = cpio::archive(&files).map_err(SeedError::Volume)?;
    let mut from = BufReader::new(
        File::open(initrd).map_err(|source| SeedError::Read { path: initrd.to_owned(), source })?,
    );
    let mut write = || {
        let mut out = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let length = io::copy(&mut from, &mut out)?;
        // An archive begins where a multiple of four bytes ends; the kernel skips zeroes.
        out.write_all(&[0; 4][..length.next_multiple_of(4).wrapping_sub(length) as usize])?;
        out.write_all(&archive)
    };
    write().map_err(|source| SeedError::Write { path: path.to_owned(), source })
}
