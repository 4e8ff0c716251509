//! Carries out undo data: files, processes, and through the world what drivers made.
use super::World;
use crate::{
    cx::{Stop, Undo, UndoError, Undoer},
    source,
};
use async_trait::async_trait;
use std::{io, time::Duration};

/// Undoes on this host; resources go to their driver.
pub struct LocalUndoer<'a> {
    world: &'a dyn World,
}

impl std::fmt::Debug for LocalUndoer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalUndoer")
    }
}

impl<'a> LocalUndoer<'a> {
    /// Resources are removed through `world`.
    pub fn new(world: &'a dyn World) -> Self {
        Self { world }
    }
}

#[async_trait]
impl Undoer for LocalUndoer<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| UndoError { what: undo.to_string(), source };
        match undo {
            Undo::Path { path } => source::remove_tree(path).await.map_err(|error| failed(error.into())),
            Undo::Process { pid, started, .. } => {
                end_process(*pid, *started, stop).await.map_err(|error| failed(error.into()))
            }
            Undo::Resource(resource) => {
                self.world.destroy(resource, stop).await.map_err(|error| failed(error.into()))
            }
        }
    }
}

/// Ends a process of ours and its descendants: politely, then not. A process with another start time is a stranger.
async fn end_process(pid: u32, started: u64, stop: &Stop) -> io::Result<()> {
    const GRACE: Duration = Duration::from_secs(5);
    const LIMIT: Duration = Duration::from_secs(15);
    let Some(raw) = i32::try_from(pid).ok().filter(|pid| *pid > 1) else {
        return Err(io::Error::other(format!("{pid} is not a process id")));
    };
    let alive = || start_time(pid) == Some(started);
    if !alive() {
        return Ok(());
    }
    let target = nix::unistd::Pid::from_raw(raw);
    let send = |signal| match nix::sys::signal::killpg(target, signal) {
        // It leads no group: then it alone.
        Err(nix::errno::Errno::ESRCH) => nix::sys::signal::kill(target, signal),
        other => other,
    };
    let grace = if stop.is_hurried() { Duration::ZERO } else { GRACE };
    if !grace.is_zero() {
        let _ = send(nix::sys::signal::Signal::SIGTERM);
    }
    let begin = tokio::time::Instant::now();
    let mut killed = false;
    while alive() {
        if !killed && begin.elapsed() >= grace {
            let _ = send(nix::sys::signal::Signal::SIGKILL);
            killed = true;
        }
        if begin.elapsed() >= LIMIT {
            return Err(io::Error::other("it does not end although it was killed"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Start time of a process in clock ticks since boot (proc(5), `/proc/<pid>/stat` field 22); `None` when there is none,
/// or only its zombie.
pub(super) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;

    #[tokio::test]
    async fn a_process_group_ends_and_a_stranger_with_its_number_is_spared() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 300 & wait"])
            .process_group(0)
            .spawn()
            .unwrap();
        let started = start_time(child.id()).unwrap();
        end_process(child.id(), started + 1, &Stop::default()).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "a stranger was killed");
        let stop = Stop::default();
        stop.hurry();
        end_process(child.id(), started, &stop).await.unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[tokio::test]
    async fn removing_what_is_gone_is_fine_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("precious"), "x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        source::remove_tree(&link).await.unwrap();
        source::remove_tree(&link).await.unwrap();
        assert!(target.join("precious").exists());
        source::remove_tree(&target).await.unwrap();
        assert!(!target.exists());
    }
}
