//! A folder of this host goes to the guest through one channel, as a tar archive that is made on the way.
use super::{
    CommError, Command, Content, Exit, Guest, capture,
    output::IntoWriter,
    quote, quote_all,
    tar::{self, Ids, Kind},
    transfer::{Meter, done},
};
use crate::cx::Cx;
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// The archive is made in pieces of this size, of which two may be ahead of the connection.
const PIECE: usize = 256 << 10;
/// With more names than this at its top, SELinux labels are restored in the whole folder.
const TOPS: usize = 500;

/// Where a tree goes, and what becomes of its owners and modes.
#[derive(Debug, Clone)]
pub struct TreeTarget {
    /// Absolute path of the folder that gets what is in the local one. It is made if it is missing (and so are its
    /// parents: mode 0755, root); what else is in it stays.
    pub folder: String,
    /// Owner of everything in the tree, by name or number.
    pub owner: String,
    /// Group of everything in the tree, by name or number.
    pub group: String,
    /// Permission bits of files. Files that this host's owner may execute get an x wherever there is an r.
    pub file_mode: u32,
    /// Permission bits of folders that are made; those that are there keep theirs, and their owners.
    pub folder_mode: u32,
    /// At most this long.
    pub timeout: Duration,
}

impl TreeTarget {
    /// A tree of root: files 0644, or 0755 when they are programs, folders 0755.
    pub fn new(folder: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            owner: "root".into(),
            group: "root".into(),
            file_mode: 0o644,
            folder_mode: 0o755,
            timeout: Duration::from_secs(600),
        }
    }
}

/// What a tree consisted of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSize {
    /// Files and symbolic links.
    pub files: usize,
    /// Folders.
    pub folders: usize,
    /// Bytes in the files.
    pub bytes: u64,
}

/// Something that [`Guest::upload_tree`] sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative to the folder.
    pub path: PathBuf,
    /// What it is.
    pub kind: TreeKind,
}

/// What is sent of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// A folder, before what is in it.
    Folder,
    /// A file.
    File,
    /// A symbolic link, as it is.
    Link,
}

/// All that [`Guest::upload_tree`] would send of the folder `local`, in its order.
pub fn tree(local: &Path) -> io::Result<Vec<TreeEntry>> {
    let kind = |what: &What| match what {
        What::Folder => TreeKind::Folder,
        What::File { .. } => TreeKind::File,
        What::Link(_) => TreeKind::Link,
    };
    let entries = walk(local)?.into_iter();
    Ok(entries.map(|entry| TreeEntry { kind: kind(&entry.what), path: entry.path }).collect())
}

/// One thing in the local folder.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// Relative to the folder.
    path: PathBuf,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Folder,
    File { size: u64, program: bool },
    Link(PathBuf),
}

impl Guest {
    /// Puts everything in `local` into a folder of the guest: files, folders and symbolic links, the links as they are.
    /// What is there under the same names is replaced. The order is that of the names, whatever the file system's.
    ///
    /// Each file is complete or not there, but an error in the middle leaves what had arrived.
    pub async fn upload_tree(
        &self,
        cx: &Cx,
        local: &Path,
        target: &TreeTarget,
    ) -> Result<TreeSize, CommError> {
        let label = format!("upload of {} to {}", local.display(), target.folder);
        let invalid = |reason: &str| CommError::Invalid { label: label.clone(), reason: reason.to_owned() };
        if !target.folder.starts_with('/') || target.folder.contains('\0') {
            return Err(invalid("the folder in the guest is not an absolute path"));
        }
        let here = |source| CommError::Local { label: label.clone(), source };
        let folder = local.to_owned();
        let walked = tokio::task::spawn_blocking(move || walk(&folder)).await;
        let entries = Arc::new(walked.map_err(|error| here(io::Error::other(error)))?.map_err(here)?);
        let (ids, gnu) = self.prepare(cx, &label, target).await?;

        let total: u64 = entries.iter().map(|entry| entry.packed(target, ids)).sum::<u64>() + tar::END as u64;
        let command = Command::script(&label, unpack(target, &entries, gnu)).timeout(target.timeout);
        let (to, mut pieces) = mpsc::channel(2);
        let packing = {
            let (root, entries, target) = (local.to_owned(), Arc::clone(&entries), target.clone());
            let mut to = Pieces { held: Vec::new(), to };
            tokio::task::spawn_blocking(move || pack(&root, &entries, &target, ids, &mut to))
        };
        let pieces = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
        let mut source = StreamReader::new(pieces.map(|piece| io::Result::Ok(Bytes::from(piece))));
        let mut output = tokio::io::sink();
        let mut complaint = IntoWriter::new(&mut output);
        let meter = Meter::new(cx, format!("upload {}", target.folder), total);
        let count = meter.count();
        let content = Content::Reader(&mut source, total);
        let exit = self.run(cx, &command, content, Some(meter), &mut complaint).await;
        drop(source);
        match packing.await {
            // The transfer failed first, and said why.
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Ok(Err(error)) => return Err(here(error)),
            Ok(Ok(())) => {}
            Err(error) => return Err(here(io::Error::other(error))),
        }
        done(label, exit, Some(&count), &complaint)?;
        let mut size = TreeSize::default();
        for entry in entries.iter() {
            match entry.what {
                What::Folder => size.folders += 1,
                What::Link(_) => size.files += 1,
                What::File { size: bytes, .. } => {
                    size.files += 1;
                    size.bytes += bytes;
                }
            }
        }
        Ok(size)
    }

    /// Asks who the owners are and whether there is a tar that knows GNU's options.
    async fn prepare(&self, cx: &Cx, label: &str, target: &TreeTarget) -> Result<(Ids, bool), CommError> {
        let command = Command::script(label, look(target)).timeout(target.timeout);
        let captured = capture(self, cx, &command).await?;
        let answer = captured.ok(label)?;
        let words: Vec<&str> = answer.split_whitespace().collect();
        if let [user, group, kind] = words[..]
            && let (Ok(user), Ok(group)) = (user.parse(), group.parse())
        {
            return Ok((Ids { user, group }, kind == "gnu"));
        }
        Err(CommError::Failed { label: label.to_owned(), exit: Exit::Code(0), said: answer })
    }
}

/// Prints the numbers of user and group and the kind of tar.
fn look(target: &TreeTarget) -> String {
    format!(
        "if ! command -v tar >/dev/null; then\n\
             \x20 echo 'there is no `tar` in the guest, which unpacks folders: install that package first' >&2; exit 1\n\
             fi\n\
             {}{}\
             if [ -e {folder} ] && [ ! -d {folder} ]; then echo 'there is a file at this path' >&2; exit 1; fi\n\
             case $(tar --version 2>/dev/null) in *GNU*) t=gnu;; *) t=other;; esac\n\
             echo \"$u $g $t\"\n",
        look_up('u', "passwd", &target.owner),
        look_up('g', "group", &target.group),
        folder = quote(&target.folder),
    )
}

/// Sets a variable to the number of a user or group. Only when it is neither a number nor root does that cost a program.
fn look_up(variable: char, database: &str, name: &str) -> String {
    if name == "root" {
        return format!("{variable}=0\n");
    }
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{variable}={name}\n");
    }
    let name = quote(name);
    format!(
        "{variable}=$(getent {database} {name} | cut -d: -f3)\n\
         if [ -z \"${variable}\" ]; then echo \"{database} of the guest has no \"{name} >&2; exit 1; fi\n"
    )
}

fn unpack(target: &TreeTarget, entries: &[Entry], gnu: bool) -> String {
    let folder = quote(&target.folder);
    // Folders that are there keep their modes, and links to folders stay links: /lib is one.
    let options = if gnu { " --no-overwrite-dir --keep-directory-symlink" } else { "" };
    let tops: Vec<&Path> = entries
        .iter()
        .map(|entry| entry.path.as_path())
        .filter(|path| path.components().count() == 1)
        .collect();
    let names: Option<Vec<&str>> = tops.iter().map(|path| path.to_str()).collect();
    let base = target.folder.trim_end_matches('/');
    let labels = match names {
        Some(names) if names.len() <= TOPS => quote_all(names.iter().map(|name| format!("{base}/{name}"))),
        _ => folder.clone(),
    };
    format!(
        "umask 022\n\
         if [ ! -d {folder} ]; then\n\
         \x20 mkdir -p -- {folder}\n\
         \x20 chown -- {owner} {folder}\n\
         \x20 chmod {mode:04o} {folder}\n\
         fi\n\
         tar -x -p -m --numeric-owner{options} -f - -C {folder}\n\
         if command -v restorecon >/dev/null; then restorecon -R -- {labels} || true; fi\n",
        owner = quote(&format!("{}:{}", target.owner, target.group)),
        mode = target.folder_mode & 0o7777,
    )
}

impl Entry {
    fn header(&self, target: &TreeTarget, ids: Ids) -> Vec<u8> {
        let (kind, mode) = match &self.what {
            What::Folder => (Kind::Folder, target.folder_mode),
            What::Link(to) => (Kind::Link(to), 0o777),
            What::File { size, program } => {
                let execute = if *program { (target.file_mode & 0o444) >> 2 } else { 0 };
                (Kind::File(*size), target.file_mode | execute)
            }
        };
        tar::header(&self.path, kind, mode & 0o7777, ids)
    }

    /// So many bytes it takes in the archive.
    fn packed(&self, target: &TreeTarget, ids: Ids) -> u64 {
        let content = match self.what {
            What::File { size, .. } => size + tar::padding(size) as u64,
            _ => 0,
        };
        self.header(target, ids).len() as u64 + content
    }
}

/// Writes the archive.
fn pack(
    root: &Path,
    entries: &[Entry],
    target: &TreeTarget,
    ids: Ids,
    to: &mut impl io::Write,
) -> io::Result<()> {
    for entry in entries {
        to.write_all(&entry.header(target, ids))?;
        if let What::File { size, .. } = entry.what {
            let path = root.join(&entry.path);
            let named = |error: io::Error| about(&path, error);
            let file = std::fs::File::open(&path).map_err(named)?;
            if io::copy(&mut file.take(size), to).map_err(named)? != size {
                return Err(about(&path, io::Error::other("it became smaller while it was read")));
            }
            to.write_all(&[0; tar::BLOCK][..tar::padding(size)])?;
        }
    }
    to.write_all(&[0; tar::END])?;
    to.flush()
}

/// Hands what is written to a task, in large pieces.
struct Pieces {
    held: Vec<u8>,
    to: mpsc::Sender<Vec<u8>>,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.held);
        self.to.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Everything below `root` in the order of the names, folders before what is in them.
fn walk(root: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    descend(root, Path::new(""), &mut entries)?;
    Ok(entries)
}

fn descend(root: &Path, folder: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    let full = root.join(folder);
    let named = |error| about(&full, error);
    let mut names = std::fs::read_dir(&full)
        .map_err(named)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(named)?;
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    for name in names {
        let path = folder.join(name);
        let full = root.join(&path);
        let named = |error| about(&full, error);
        let metadata = full.symlink_metadata().map_err(named)?;
        let what = if metadata.is_dir() {
            What::Folder
        } else if metadata.is_symlink() {
            What::Link(full.read_link().map_err(named)?)
        } else if metadata.is_file() {
            What::File { size: metadata.len(), program: metadata.permissions().mode() & 0o100 != 0 }
        } else {
            return Err(named(io::Error::other("it is neither a file nor a folder nor a symbolic link")));
        };
        let is_folder = what == What::Folder;
        entries.push(Entry { path: path.clone(), what });
        if is_folder {
            descend(root, &path, entries)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
