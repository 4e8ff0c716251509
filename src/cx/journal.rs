//! The journal of one build: an append-only file of undo data, written before each side effect.
//!
//! The first line says which build this is and who runs it; `gc` needs nothing else. A lock on the file tells a living
//! build from a dead one: it goes with the process, however that ends.
use super::{BuildId, Undo};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

/// The first line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Which build.
    pub build: BuildId,
    /// The definition's name.
    pub name: String,
    /// The user's file.
    pub definition: PathBuf,
    /// When the build began, in UTC.
    pub created: jiff::Timestamp,
    /// Process that runs it.
    pub pid: u32,
}

/// The further lines. Legal order for one number: plan, resolve*, then keep or undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Header(Header),
    /// About to create something.
    Plan {
        /// Number of the entry, from 0.
        entry: u64,
        /// How to remove it.
        undo: Undo,
    },
    /// It exists, and this names it better.
    Resolve {
        /// Number of the entry.
        entry: u64,
        /// How to remove it.
        undo: Undo,
    },
    /// It is a result: never remove it.
    Keep {
        /// Number of the entry.
        entry: u64,
    },
    /// It is gone.
    Undone {
        /// Number of the entry.
        entry: u64,
    },
}

/// Why the journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An I/O error.
    #[error("could not {action} the journal `{path}`")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A line does not parse or comes in an order that cannot be.
    #[error("line {line} of the journal `{path}` makes no sense: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
}

/// An open journal. Its lock is held as long as this lives.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Starts a journal at `path`, which must not exist, and locks it.
    pub fn create(path: &Path, header: &Header) -> Result<Self, JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let file = OpenOptions::new().create_new(true).append(true).open(path).map_err(io("create"))?;
        file.try_lock().map_err(|error| io("lock")(error.into()))?;
        let journal = Self { path: path.to_owned(), file: Mutex::new(file) };
        journal.append(&Line::Header(header.clone()))?;
        // The folder entry must survive too.
        if let Some(parent) = path.parent() {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(io("sync"))?;
        }
        Ok(journal)
    }

    /// Opens a dead build's journal to finish its undo. `None` when its build is alive.
    pub fn adopt(path: &Path) -> Result<Option<(Self, Replay)>, JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).open(path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
            Err(std::fs::TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        let replay = Replay::read(path)?;
        Ok(Some((Self { path: path.to_owned(), file: Mutex::new(file) }, replay)))
    }

    /// Writes one line and waits until it is on the disk.
    pub fn append(&self, line: &Line) -> Result<(), JournalError> {
        let io = |source| JournalError::Io { action: "write", path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(line).map_err(|error| io(error.into()))?;
        bytes.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(io)
    }

    /// Removes the journal: its build owes nothing any more. Gone already is `Ok`.
    pub fn remove(&self) -> Result<(), JournalError> {
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::Io { action: "remove", path: self.path.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

/// What a journal says after its build died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Whose journal it is; `None` when the build died before the first line was whole.
    pub header: Option<Header>,
    /// What is still to be undone, oldest first, with its entry number.
    pub owed: Vec<(u64, Undo)>,
    /// The next free entry number.
    pub next: u64,
}

impl Replay {
    /// Reads the journal at `path`. A last line that was cut by the crash is ignored: its side effect never began.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let mut reader = BufReader::new(File::open(path).map_err(io("open"))?);
        let mut replay = Self { header: None, owed: Vec::new(), next: 0 };
        let mut text = Vec::new();
        for number in 1.. {
            text.clear();
            if reader.read_until(b'\n', &mut text).map_err(io("read"))? == 0 || text.last() != Some(&b'\n') {
                break;
            }
            let corrupt =
                |reason: String| JournalError::Corrupt { path: path.to_owned(), line: number, reason };
            let line: Line = serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
            replay.apply(line, number).map_err(corrupt)?;
        }
        Ok(replay)
    }

    fn apply(&mut self, line: Line, number: usize) -> Result<(), String> {
        let position = |owed: &[(u64, Undo)], entry: u64| {
            owed.iter().position(|(n, _)| *n == entry).ok_or_else(|| format!("entry {entry} is not open"))
        };
        match line {
            Line::Header(header) if number == 1 => self.header = Some(header),
            Line::Header(_) => return Err("a second header".to_owned()),
            _ if self.header.is_none() => return Err("no header".to_owned()),
            Line::Plan { entry, undo } if entry == self.next => {
                self.owed.push((entry, undo));
                self.next += 1;
            }
            Line::Plan { entry, .. } => return Err(format!("entry {entry} is out of order")),
            Line::Resolve { entry, undo } => {
                let at = position(&self.owed, entry)?;
                self.owed[at].1 = undo;
            }
            Line::Keep { entry } | Line::Undone { entry } => {
                let at = position(&self.owed, entry)?;
                self.owed.remove(at);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            build: BuildId::random(),
            name: "demo".into(),
            definition: "demo.toml".into(),
            created: jiff::Timestamp::UNIX_EPOCH,
            pid: 1,
        }
    }

    fn path(name: &str) -> Undo {
        Undo::Path { path: name.into() }
    }

    #[test]
    fn a_replay_knows_what_is_still_owed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("j");
        let journal = Journal::create(&file, &header()).unwrap();
        for (entry, name) in ["a", "b", "c"].into_iter().enumerate() {
            journal.append(&Line::Plan { entry: entry as u64, undo: path(name) }).unwrap();
        }
        journal.append(&Line::Resolve { entry: 1, undo: path("b2") }).unwrap();
        journal.append(&Line::Keep { entry: 0 }).unwrap();
        journal.append(&Line::Undone { entry: 2 }).unwrap();
        let replay = Replay::read(&file).unwrap();
        assert_eq!(replay.owed, vec![(1, path("b2"))]);
        assert_eq!(replay.next, 3);
    }

    #[test]
    fn a_living_build_cannot_be_adopted_and_a_dead_one_can() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("j");
        let journal = Journal::create(&file, &header()).unwrap();
        assert!(Journal::adopt(&file).unwrap().is_none());
        drop(journal);
        assert!(Journal::adopt(&file).unwrap().is_some());
    }

    #[test]
    fn a_line_cut_by_a_crash_is_ignored_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("j");
        let journal = Journal::create(&file, &header()).unwrap();
        journal.append(&Line::Plan { entry: 0, undo: path("a") }).unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&whole[..], b"{\"plan\":{\"ent"].concat()).unwrap();
        assert_eq!(Replay::read(&file).unwrap().owed.len(), 1);
        std::fs::write(&file, [&whole[..], b"{\"keep\":{\"entry\":7}}\n"].concat()).unwrap();
        let error = Replay::read(&file).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("entry 7 is not open"), "{error}");
    }

    #[test]
    fn every_prefix_of_a_journal_replays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("j");
        let journal = Journal::create(&file, &header()).unwrap();
        journal.append(&Line::Plan { entry: 0, undo: path("a") }).unwrap();
        journal.append(&Line::Undone { entry: 0 }).unwrap();
        let whole = std::fs::read(&file).unwrap();
        for cut in 0..whole.len() {
            let cut_file = dir.path().join("cut");
            std::fs::write(&cut_file, &whole[..cut]).unwrap();
            Replay::read(&cut_file).unwrap();
        }
    }
}
