//! Finds builds that died without cleaning up, and uploads that nobody went on with, and cleans up after them.
use super::{BuildError, Dirs, LocalUndoer, World};
use crate::{
    cx::{Event, Header, Journal, Replay, Stop, Undo, UndoLog, UnwindReport, causes},
    source,
};
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A build that died and what it left.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeadBuild {
    /// Its journal.
    pub journal: PathBuf,
    /// Who it was; `None` when it died before it could write that.
    pub header: Option<Header>,
    /// What it owes, newest first.
    pub owed: Vec<Undo>,
}

/// What a collection did.
#[derive(Debug, Default)]
pub struct Collected {
    /// Per dead build: what was removed and what stayed.
    pub builds: Vec<(DeadBuild, UnwindReport)>,
    /// Folders that no journal knows, removed.
    pub strays: Vec<PathBuf>,
    /// Journals and folders that could not be dealt with, and why.
    pub failures: Vec<(PathBuf, String)>,
}

impl Collected {
    /// Whether nothing is left behind.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.builds.iter().all(|(_, report)| report.leftovers.is_empty())
    }
}

/// Builds that died and left something. Touches nothing.
pub fn dead_builds(dirs: &Dirs) -> Result<Vec<DeadBuild>, BuildError> {
    let mut dead = Vec::new();
    for path in journals(dirs)? {
        if let Ok(Some((_journal, replay))) = Journal::adopt(&path) {
            dead.push(DeadBuild::new(path, &replay));
        }
    }
    Ok(dead)
}

/// Removes what dead builds left: first by their journals, then folders that no journal knows.
pub async fn collect(
    world: &dyn World,
    dirs: &Dirs,
    stop: &Stop,
    report: &(dyn Fn(&DeadBuild, Event) + Sync),
) -> Result<Collected, BuildError> {
    let mut collected = Collected::default();
    let undoer = LocalUndoer::new(world);
    for path in journals(dirs)? {
        match Journal::adopt(&path) {
            Ok(None) => {}
            Ok(Some((journal, replay))) => {
                let dead = DeadBuild::new(path.clone(), &replay);
                let log = UndoLog::adopt(journal, replay);
                let unwound = log.unwind(&undoer, stop, &|event| report(&dead, event)).await;
                if let Err(error) = log.close() {
                    collected.failures.push((path, error.to_string()));
                }
                collected.builds.push((dead, unwound));
            }
            Err(error) => collected.failures.push((path, causes(&error).join(": "))),
        }
    }
    strays(dirs, &mut collected).await;
    if let Err(error) = world.sweep().await {
        collected.failures.push((dirs.run_root(), causes(&error).join(": ")));
    }
    Ok(collected)
}

/// Journals of builds, and of uploads that nobody went on with.
fn journals(dirs: &Dirs) -> Result<Vec<PathBuf>, BuildError> {
    let mut paths = entries(&dirs.journals()).map_err(|error| unreadable(&dirs.journals(), error))?;
    let uploads = entries(&dirs.uploads()).map_err(|error| unreadable(&dirs.uploads(), error))?;
    paths.extend(uploads.into_iter().filter(|path| path.extension().is_some_and(|end| end == "journal")));
    Ok(paths)
}

impl DeadBuild {
    fn new(journal: PathBuf, replay: &Replay) -> Self {
        let owed = replay.owed.iter().rev().map(|(_, undo)| undo.clone()).collect();
        Self { journal, header: replay.header.clone(), owed }
    }
}

/// Work folders are named by build id; one without a journal belongs to nobody.
async fn strays(dirs: &Dirs, collected: &mut Collected) {
    let Ok(folders) = entries(dirs.work_root()) else { return };
    for folder in folders {
        let id = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let Some(id) = id else { continue };
        if dirs.journal(&id).exists() {
            continue;
        }
        match source::remove_tree(&folder).await {
            Ok(()) => collected.strays.push(folder),
            Err(error) => collected.failures.push((folder, error.to_string())),
        }
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = match std::fs::read_dir(folder) {
        Ok(entries) => {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    paths.sort();
    Ok(paths)
}

fn unreadable(folder: &Path, error: io::Error) -> BuildError {
    BuildError::because(format!("could not look into `{}`", folder.display()), error)
}
