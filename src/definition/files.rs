//! The one way in which the loader looks at this host's files.
use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

/// A script or a definition larger than this is a mistake, such as an image named in the wrong place.
const LARGEST_TEXT: u64 = 4 << 20;

/// Looks at files for the loader, so that resolving can also be done without any.
pub(super) trait Files: fmt::Debug {
    /// The text of a small file.
    fn read_text(&self, path: &Path) -> io::Result<String>;

    /// Whether a file can be read; says why not.
    fn check(&self, path: &Path) -> io::Result<()>;

    /// Whether a folder can be read; says why not.
    fn check_folder(&self, path: &Path) -> io::Result<()>;
}

/// This host's files.
#[derive(Debug)]
pub(super) struct HostFiles;

impl Files for HostFiles {
    fn read_text(&self, path: &Path) -> io::Result<String> {
        // Also a pipe, such as a shell's `<(…)`.
        let file = fs::File::open(path)?;
        let mut bytes = Vec::new();
        file.take(LARGEST_TEXT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_TEXT {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
        }
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
    }

    fn check(&self, path: &Path) -> io::Result<()> {
        // Opening a pipe would wait for a writer, so the type is looked at first.
        let kind = fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        if !kind.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        fs::File::open(path).map(drop)
    }

    fn check_folder(&self, path: &Path) -> io::Result<()> {
        fs::read_dir(path).map(drop)
    }
}

/// No files: nothing is looked at, and what would have to be read is an error.
#[derive(Debug)]
pub(super) struct NoFiles;

impl Files for NoFiles {
    fn read_text(&self, _: &Path) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "files are not read here"))
    }

    fn check(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn check_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
