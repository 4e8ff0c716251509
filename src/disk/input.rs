//! Sources of a conversion, whatever holds them: image files, compressed files, pipes.
//!
//! ```text
//!  file ── an image ─────────────────────────────────► Input::Disk
//!       └─ compressed ─► unpack ─┐
//!  pipe ─────────────────────────┴─ raw ─────────────► Input::Stream ── convert_stream ──► outputs from front to end
//!                                └─ any other format ► Input::Stream ── spool ──► a disk, in a file without a name
//! ```
//!
//! What the user states is believed; otherwise the format is detected once, by the first bytes of the file and, if that
//! is compressed, by the first bytes of its content.
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::detect::{HEAD, detect_head, detect_in, refuse};
use super::open::{OpenOptions, open, open_file_as};
use super::stream::{RawStream, Zeroes};
use super::{Detected, DiskError, DiskRead, Format, Packing, Stated, unpack};

/// How much is read of a compressed file at once.
const READ: usize = 1 << 20;
/// How often someone who waits for a pipe asks whether to stop.
const ASK_EVERY_MS: u16 = 100;

/// Whether to stop; asked from any thread.
pub type Cancelled<'a> = &'a (dyn Fn() -> bool + Sync);

/// What the user says about a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputOptions {
    /// Its format; otherwise it is detected.
    pub stated: Option<Stated>,
    /// Rules for backing files. An image in a compressed file or a pipe has none but [`super::BackingPolicy::Anywhere`]
    /// ones: it lies in no folder.
    pub open: OpenOptions,
    /// What the zeroes of a raw source mean that has no map, because it is compressed or a pipe.
    pub zeroes: Zeroes,
}

/// An opened source.
#[derive(Debug)]
pub enum Input<'a> {
    /// An image that is read in place.
    Disk(Box<dyn DiskRead>),
    /// Something that is read once, from front to end.
    Stream(RawStream<'a>),
}

impl<'a> Input<'a> {
    /// Opens a file. A pipe with a name is read as [`Input::from_pipe`] does.
    pub fn open(path: &Path, options: &InputOptions, cancelled: Cancelled<'a>) -> Result<Self, DiskError> {
        use std::os::unix::fs::FileTypeExt;
        let io = |error| DiskError::io("could not open the file", error).in_file(path);
        if std::fs::metadata(path).map_err(io)?.file_type().is_fifo() {
            return Self::from_pipe(File::open(path).map_err(io)?, path, options, cancelled);
        }
        let packing = match options.stated {
            Some(stated) => stated.packing,
            None => match super::detect(path)? {
                Detected::Packed(packing) => Some(packing),
                Detected::Image(_) | Detected::Foreign(_) => None,
            },
        };
        match packing {
            None => open(path, options.stated.map(|stated| stated.format), &options.open).map(Self::Disk),
            Some(packing) => Self::unpack(super::open::open_file(path)?, packing, path, options, cancelled),
        }
    }

    /// Reads what comes through `file`, called `name` in messages. A regular file is read in place instead.
    pub fn from_pipe(
        mut file: File,
        name: &Path,
        options: &InputOptions,
        cancelled: Cancelled<'a>,
    ) -> Result<Self, DiskError> {
        let fail = |error| DiskError::io("could not look at the input", error).in_file(name);
        let kind = file.metadata().map_err(fail)?;
        if kind.is_file() && file.stream_position().map_err(fail)? == 0 {
            return Self::from_file(file, name, options, cancelled);
        }
        if kind.is_dir() {
            return Err(DiskError::unsupported("a folder is no disk").in_file(name));
        }
        let read = Arc::new(AtomicU64::new(0));
        let patient = Patient { file, cancelled };
        let mut input = BufReader::with_capacity(READ, Counted { inner: patient, read: Arc::clone(&read) });
        let head = peek(&mut input).map_err(|error| {
            if cancelled() {
                return DiskError::cancelled();
            }
            DiskError::io("could not read the input", error).in_file(name)
        })?;
        let found = said(options).unwrap_or_else(|| detect_head(&head));
        let input = io::Cursor::new(head).chain(input);
        let source = Begun { name, packing: None, read, total: None, cancelled };
        match found {
            Detected::Packed(packing) => source.unpacked(input, packing, options),
            Detected::Image(format) => Ok(source.stream(Box::new(input), format, options)),
            Detected::Foreign(_) => Err(refuse(found).in_file(name)),
        }
    }

    /// An open regular file, such as stdin when it is one.
    fn from_file(
        file: File,
        name: &Path,
        options: &InputOptions,
        cancelled: Cancelled<'a>,
    ) -> Result<Self, DiskError> {
        let found = match said(options) {
            Some(found) => found,
            None => detect_in(&file, name)?,
        };
        match found {
            Detected::Image(format) => {
                open_file_as(file, name, format, &nowhere(&options.open)).map(Self::Disk)
            }
            Detected::Packed(packing) => Self::unpack(file, packing, name, options, cancelled),
            Detected::Foreign(_) => Err(refuse(found).in_file(name)),
        }
    }

    fn unpack(
        file: File,
        packing: Packing,
        name: &Path,
        options: &InputOptions,
        cancelled: Cancelled<'a>,
    ) -> Result<Self, DiskError> {
        let total = file
            .metadata()
            .map_err(|error| DiskError::io("could not look at the file", error).in_file(name))?
            .len();
        let read = Arc::new(AtomicU64::new(0));
        let input = BufReader::with_capacity(READ, Counted { inner: file, read: Arc::clone(&read) });
        let total = (total > 0).then_some(total);
        Begun { name, packing: None, read, total, cancelled }.unpacked(input, packing, options)
    }

    /// The disk, if need be by way of a temporary file in `folder`, which has no name and goes with the process however
    /// that ends. `limit` bounds what a source may unpack to, in bytes.
    pub fn into_disk(
        self,
        folder: &Path,
        limit: u64,
        progress: &dyn Fn(super::Progress),
    ) -> Result<Box<dyn DiskRead>, DiskError> {
        match self {
            Self::Disk(disk) => Ok(disk),
            Self::Stream(stream) => stream.spool(folder, limit, progress),
        }
    }
}

/// What the user says that a source is, which is believed instead of being looked for.
fn said(options: &InputOptions) -> Option<Detected> {
    let Stated { format, packing } = options.stated?;
    Some(packing.map_or(Detected::Image(format), Detected::Packed))
}

/// Backing files of an image without a folder: a relative name would mean one of the present folder, by chance.
pub(super) fn nowhere(options: &OpenOptions) -> OpenOptions {
    let backing = match &options.backing {
        super::BackingPolicy::SameFolder => super::BackingPolicy::Never,
        other => other.clone(),
    };
    OpenOptions { backing, ..options.clone() }
}

/// A source that is being opened.
struct Begun<'a, 'n> {
    name: &'n Path,
    packing: Option<Packing>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    cancelled: Cancelled<'a>,
}

impl<'a> Begun<'a, '_> {
    fn unpacked(
        mut self,
        input: impl io::BufRead + Send + 'a,
        packing: Packing,
        options: &InputOptions,
    ) -> Result<Input<'a>, DiskError> {
        let mut reader = unpack::reader(packing, input)
            .map_err(|error| DiskError::io("could not start to decompress", error).in_file(self.name))?;
        self.packing = Some(packing);
        let head = peek(&mut reader).map_err(|error| {
            if (self.cancelled)() {
                return DiskError::cancelled();
            }
            unpack::error(error).in_file(self.name)
        })?;
        let found = match options.stated {
            Some(stated) => Detected::Image(stated.format),
            None => detect_head(&head),
        };
        let Detected::Image(format) = found else {
            let what = format!("could not use what is compressed with {packing}");
            return Err(DiskError::new(super::DiskErrorKind::Unsupported, what)
                .in_file(self.name)
                .because(refuse(found)));
        };
        Ok(self.stream(Box::new(io::Cursor::new(head).chain(reader)), format, options))
    }

    fn stream(self, reader: Box<dyn Read + Send + 'a>, format: Format, options: &InputOptions) -> Input<'a> {
        Input::Stream(RawStream {
            reader,
            name: PathBuf::from(self.name),
            packing: self.packing,
            format,
            zeroes: options.zeroes,
            limits: nowhere(&options.open),
            read: self.read,
            total: self.total,
            cancelled: self.cancelled,
            at: 0,
            early: None,
        })
    }
}

fn peek(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let len = unpack::fill(reader, &mut head)?;
    head.truncate(len);
    Ok(head)
}

/// Counts what is read.
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

/// A pipe that is given up when asked to stop, also while nobody writes to it.
struct Patient<'a> {
    file: File,
    cancelled: Cancelled<'a>,
}

impl Read for Patient<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if (self.cancelled)() {
                return Err(io::Error::other(DiskError::cancelled()));
            }
            let mut wait = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut wait, PollTimeout::from(ASK_EVERY_MS)) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return self.file.read(buf),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
