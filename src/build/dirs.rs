//! Where goldsmith keeps things on this host.
use crate::cx::BuildId;
use std::{
    ffi::OsString,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The folders of one installation. Nothing is created until a build needs it.
///
/// | folder | default | override | holds |
/// |---|---|---|---|
/// | state | `$XDG_STATE_HOME/goldsmith` | `GOLDSMITH_STATE_DIR` | journals of open builds and uploads, logs, libvirt's run folders |
/// | cache | `$XDG_CACHE_HOME/goldsmith` | `GOLDSMITH_CACHE_DIR` | downloads, by digest |
/// | work | `<cache>/work` | `GOLDSMITH_WORK_DIR` | disks of running builds |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    state: PathBuf,
    cache: PathBuf,
    work: PathBuf,
}

/// A folder could not be found or made.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Neither `HOME` nor the folder's own variable is set.
    #[error("`HOME` is not set; set it, or `{0}`")]
    NoHome(&'static str),
    /// It could not be made.
    #[error("could not make the folder `{path}`")]
    Create {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Dirs {
    /// Reads the environment through `var`, so that tests can have their own.
    pub fn from_env(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, DirError> {
        let set = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let place = |own: &'static str, xdg: &str, home: &str| {
            set(own)
                .or_else(|| set(xdg).filter(|path| path.is_absolute()).map(|path| path.join("goldsmith")))
                .or_else(|| set("HOME").map(|path| path.join(home).join("goldsmith")))
                .ok_or(DirError::NoHome(own))
                // A relative override means relative to here, not to where a driver runs.
                .map(|path| std::path::absolute(&path).unwrap_or(path))
        };
        let state = place("GOLDSMITH_STATE_DIR", "XDG_STATE_HOME", ".local/state")?;
        let cache = place("GOLDSMITH_CACHE_DIR", "XDG_CACHE_HOME", ".cache")?;
        let work = match set("GOLDSMITH_WORK_DIR") {
            Some(path) => std::path::absolute(&path).unwrap_or(path),
            None => cache.join("work"),
        };
        Ok(Self { state, cache, work })
    }

    /// All below one folder.
    pub fn under(root: &Path) -> Self {
        Self { state: root.join("state"), cache: root.join("cache"), work: root.join("work") }
    }

    /// Downloads, by digest.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Parent of the work folders.
    pub fn work_root(&self) -> &Path {
        &self.work
    }

    /// Temporary files of one build.
    pub fn work(&self, build: &BuildId) -> PathBuf {
        self.work.join(build.as_str())
    }

    /// Journals of builds that still owe something.
    pub fn journals(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// The journal of one build.
    pub fn journal(&self, build: &BuildId) -> PathBuf {
        self.journals().join(format!("{build}.jsonl"))
    }

    /// Journals and records of uploads that can go on. `gc` takes the journals (`*.journal`) for those of dead builds.
    pub fn uploads(&self) -> PathBuf {
        self.state.join("uploads")
    }

    /// [`Dirs::uploads`], made if need be.
    pub fn make_uploads(&self) -> Result<PathBuf, DirError> {
        let folder = self.uploads();
        make_private(&folder)?;
        Ok(folder)
    }

    /// Parent of the log folders.
    pub fn log_root(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Records of one build; kept after its end.
    pub fn logs(&self, name: &str, build: &BuildId) -> PathBuf {
        self.log_root().join(format!("{name}-{build}"))
    }

    /// Parent of the folders that hypervisors run in. Short, because socket paths end there.
    pub fn run_root(&self) -> PathBuf {
        self.state.join("run")
    }
}

/// Makes a folder that only its owner may enter, with its parents.
pub(super) fn make_private(path: &Path) -> Result<(), DirError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DirError::Create { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(vars: &[(&str, &str)]) -> Result<Dirs, DirError> {
        Dirs::from_env(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    #[test]
    fn folders_follow_xdg_and_can_be_overridden() {
        let plain = dirs(&[("HOME", "/home/u")]).unwrap();
        assert_eq!(plain.journals(), Path::new("/home/u/.local/state/goldsmith/journal"));
        assert_eq!(plain.work_root(), Path::new("/home/u/.cache/goldsmith/work"));
        let own =
            dirs(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/x"), ("GOLDSMITH_STATE_DIR", "/s")]).unwrap();
        assert_eq!(own.cache(), Path::new("/x/goldsmith"));
        assert_eq!(own.run_root(), Path::new("/s/run"));
    }

    #[test]
    fn without_a_home_the_error_names_the_variable_to_set() {
        assert_eq!(dirs(&[]).unwrap_err().to_string(), "`HOME` is not set; set it, or `GOLDSMITH_STATE_DIR`");
    }
}
