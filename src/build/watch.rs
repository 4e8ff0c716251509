//! Listens to a machine, so that nobody waits for a guest that is dead.
use super::bundle::last_lines;
use crate::driver::{Machine, MachineEvent};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

/// A guest that restarts so often before anybody could log in will not stop doing so.
const RESTARTS: usize = 4;

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It went off; for an installer that is how it is done.
    Off,
    /// Something else, in words.
    Failed(String),
}

/// What happened so far.
#[derive(Debug, Default)]
struct Seen {
    ended: Option<Ended>,
    restarts: usize,
    /// What the console said last before the last restart.
    said: String,
}

/// Remembers how a machine ended, and how often it restarted. Stops listening when dropped.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn over(machine: &dyn Machine) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let (mut events, console) = (machine.events(), machine.serial_log());
        let slot = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let end = match events.recv().await {
                    Ok(MachineEvent::Off) => Ended::Off,
                    Ok(MachineEvent::Gone(why)) => {
                        Ended::Failed(format!("the machine was taken away: it is {why}"))
                    }
                    Ok(MachineEvent::Crashed(why)) => Ended::Failed(format!("the guest crashed ({why})")),
                    Ok(MachineEvent::IoError(why)) => Ended::Failed(format!(
                        "the machine cannot read or write its disk and was paused ({why})"
                    )),
                    Ok(MachineEvent::Paused(why)) => Ended::Failed(format!("the machine was paused ({why})")),
                    Ok(MachineEvent::Reset) => {
                        // At once: a boot menu draws over it soon.
                        let said = console.as_deref().map(end_of).unwrap_or_default();
                        let mut seen = slot.lock().unwrap_or_else(PoisonError::into_inner);
                        (seen.restarts, seen.said) = (seen.restarts + 1, said);
                        continue;
                    }
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                slot.lock().unwrap_or_else(PoisonError::into_inner).ended.get_or_insert(end);
            }
        });
        Self { seen, task }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What keeps the guest from coming up: what went wrong, or that it restarts again and again. A guest that is up may restart as
    /// often as it is told to.
    pub(super) fn trouble_at_boot(&self) -> Option<String> {
        if let Some(trouble) = self.trouble() {
            return Some(trouble);
        }
        let seen = self.seen();
        if seen.restarts < RESTARTS {
            return None;
        }
        let mut text = format!("the guest restarted {} times before anybody could log in", seen.restarts);
        if !seen.said.is_empty() {
            text.push_str(&format!("; the last time its console had said: {}", seen.said));
        }
        Some(text)
    }

    /// What went wrong, if anything did. A guest that is needed must not go off.
    pub(super) fn trouble(&self) -> Option<String> {
        Some(match self.ended()? {
            Ended::Off => "the machine went off".to_owned(),
            Ended::Failed(why) => why,
        })
    }

    /// How the machine ended, if it did.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.seen().ended.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last lines of the console in `path`, in one line.
fn end_of(path: &Path) -> String {
    /// A restart is behind the last messages of a kernel that goes down.
    const LINES: usize = 3;
    const BYTES: u64 = 16 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let (mut file, mut bytes) = (File::open(path)?, Vec::new());
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    // A console that cannot be read says nothing.
    let lines = last_lines(&String::from_utf8_lossy(&read().unwrap_or_default()));
    let quoted: Vec<_> = lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .map(|line| format!("\u{201c}{line}\u{201d}"))
        .collect();
    quoted.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_console_is_a_few_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "\u{fffd}".repeat(9000)
                + "\r\na\r\n\u{1b}[32mb\r\n\r\nsaid\r\n[    5.1] reboot: Restarting system\r\n",
        )
        .unwrap();
        let end = end_of(file.path());
        assert_eq!(
            end,
            "\u{201c}b\u{201d} \u{201c}said\u{201d} \u{201c}[    5.1] reboot: Restarting system\u{201d}"
        );
        assert_eq!(end_of(Path::new("/does/not/exist")), "");
    }
}
