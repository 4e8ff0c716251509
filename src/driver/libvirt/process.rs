//! QEMU processes of this host, found through /proc: the way to remove a machine without libvirt, after the process that
//! ran the embedded driver is gone.
use crate::cx::BuildId;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// A running QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QemuProcess {
    /// Process id.
    pid: i32,
    /// Start time in clock ticks since boot; with the pid it names the process for ever.
    started: u64,
    arguments: Vec<Vec<u8>>,
}

impl QemuProcess {
    /// The machine's UUID.
    pub(super) fn uuid(&self) -> Option<uuid::Uuid> {
        let text = self.value_of(b"-uuid")?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// The name that libvirt gave the guest.
    pub(super) fn name(&self) -> Option<&str> {
        // guest=NAME,debug-threads=on
        let text = std::str::from_utf8(self.value_of(b"-name")?).ok()?;
        let name = text.strip_prefix("guest=")?;
        Some(name.split(',').next().unwrap_or(name))
    }

    /// The root of the embedded libvirt that started it, if one did.
    pub(super) fn embed_root(&self) -> Option<PathBuf> {
        // -object {"qom-type":"secret","id":"masterKey0","format":"raw","file":"ROOT/lib/qemu/domain-1-NAME/master-key.aes"}
        const FOLDER: &[u8] = b"/lib/qemu/domain-";
        const KEY: &[u8] = b"\"file\":\"";
        self.arguments.iter().find_map(|argument| {
            let start = find(argument, KEY)? + KEY.len();
            let path = &argument[start..];
            let end = find(path, FOLDER)?;
            let root = Path::new(OsStr::from_bytes(&path[..end]));
            find(path, b"/master-key.aes")?;
            root.is_absolute().then(|| root.to_owned())
        })
    }

    /// Whether `folder` is mentioned on its command line, as a probe of libvirt's does with its monitor socket.
    pub(super) fn uses(&self, folder: &Path) -> bool {
        let mut inside = folder.as_os_str().as_bytes().to_vec();
        inside.push(b'/');
        self.arguments.iter().any(|argument| find(argument, &inside).is_some())
    }

    /// Whether it was started only to learn what QEMU can do.
    pub(super) fn is_probe(&self) -> bool {
        self.uuid().is_none()
            && self.value_of(b"-machine").is_some_and(|machine| machine.starts_with(b"none"))
    }

    fn value_of(&self, option: &[u8]) -> Option<&[u8]> {
        let at = self.arguments.iter().position(|argument| argument == option)?;
        self.arguments.get(at + 1).map(Vec::as_slice)
    }

    fn read(pid: i32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let started = start_time(pid)?;
        let line = std::fs::read(folder.join("cmdline")).ok()?;
        let arguments: Vec<_> = line
            .split(|byte| *byte == 0)
            .filter(|argument| !argument.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let program = arguments.first()?;
        // The link is unreadable for other users' processes; their command line is not.
        let executable = std::fs::read_link(folder.join("exe")).ok();
        let qemu = match &executable {
            Some(path) => is_qemu(path),
            None => is_qemu(Path::new(OsStr::from_bytes(program))),
        };
        // Read again: the number may have gone to another process between the reads.
        (qemu && start_time(pid)? == started).then_some(Self { pid, started, arguments })
    }

    fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    fn signal(&self, signal: Signal) -> Result<(), Errno> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// All QEMU processes, whoever started them.
pub(super) fn qemu_processes() -> Vec<QemuProcess> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(QemuProcess::read)
        .collect()
}

/// Name of the domain of `build` for `role`; [`is_of`] recognises it.
pub(super) fn domain_name(build: &BuildId, role: &str) -> String {
    format!("goldsmith-{build}-{role}")
}

/// Whether a domain with this name belongs to `build`.
pub(super) fn is_of(name: &str, build: &BuildId) -> bool {
    name.strip_prefix("goldsmith-")
        .and_then(|rest| rest.strip_prefix(build.as_str()))
        .is_some_and(|rest| rest.starts_with('-'))
}

/// Ends the processes and waits until they are gone. `hurried` skips the polite signal.
pub(super) async fn end(processes: &[QemuProcess], hurried: bool) -> Result<(), EndError> {
    const POLITE: Duration = Duration::from_secs(5);
    const FORCED: Duration = Duration::from_secs(15);
    let steps = [(Signal::SIGTERM, POLITE), (Signal::SIGKILL, FORCED)];
    for (signal, limit) in steps.into_iter().skip(usize::from(hurried)) {
        for process in processes {
            process.signal(signal).map_err(|source| EndError::Signal { pid: process.pid, source })?;
        }
        let deadline = Instant::now() + limit;
        while processes.iter().any(QemuProcess::is_alive) {
            if Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    match processes.iter().find(|process| process.is_alive()) {
        Some(process) => Err(EndError::Alive { pid: process.pid }),
        None => Ok(()),
    }
}

/// A process could not be ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndError {
    /// No permission, most likely.
    #[error("could not send a signal to the QEMU process {pid}")]
    Signal {
        /// Which.
        pid: i32,
        /// Why not.
        #[source]
        source: Errno,
    },
    /// It hangs in the kernel.
    #[error("the QEMU process {pid} did not end after SIGKILL")]
    Alive {
        /// Which.
        pid: i32,
    },
}

/// Field 22 of `/proc/PID/stat`; `None` also for a zombie, which is gone but for its number.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so count from its end: state is field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn is_qemu(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    // An upgrade while it runs appends " (deleted)".
    name.starts_with(b"qemu-system-") || name.starts_with(b"qemu-kvm") || name == b"kvm"
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn process(arguments: &[&str]) -> QemuProcess {
        let arguments = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        QemuProcess { pid: 1, started: 1, arguments }
    }

    #[test]
    fn a_machine_is_known_by_its_command_line() {
        let qemu = process(&[
            "/usr/bin/qemu-system-x86_64",
            "-name",
            "guest=goldsmith-0123456789ab-build,debug-threads=on",
            "-object",
            r#"{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/run/g/lv/lib/qemu/domain-1-goldsmith-0123456789/master-key.aes"}"#,
            "-uuid",
            "6f1b5c6a-1111-5222-8333-444455556666",
        ]);
        assert_eq!(qemu.uuid(), Some(uuid::Uuid::from_u128(0x6f1b_5c6a_1111_5222_8333_4444_5555_6666)));
        assert_eq!(qemu.name(), Some("goldsmith-0123456789ab-build"));
        assert_eq!(qemu.embed_root(), Some("/run/g/lv".into()));
        assert!(qemu.uses(Path::new("/run/g/lv")) && !qemu.uses(Path::new("/run/g/l")));
        assert!(!qemu.is_probe());
    }

    #[test_case("/var/lib/libvirt/qemu/domain-1-x/master-key.aes"; "the system driver")]
    #[test_case("/home/u/.config/libvirt/qemu/lib/domain-1-x/master-key.aes"; "the session driver")]
    fn machines_of_other_drivers_have_no_embed_root(file: &str) {
        let qemu = process(&["qemu-system-x86_64", "-object", &format!(r#"{{"file":"{file}"}}"#)]);
        assert_eq!(qemu.embed_root(), None);
    }

    #[test]
    fn a_probe_of_libvirt_is_no_machine() {
        let probe = process(&[
            "/usr/bin/qemu-system-x86_64",
            "-S",
            "-machine",
            "none,accel=kvm:tcg",
            "-qmp",
            "unix:/run/g/lv/lib/qemu/qmp-XXXX/qmp.monitor,server=on,wait=off",
        ]);
        assert!(probe.is_probe() && probe.uses(Path::new("/run/g/lv")));
    }

    #[test]
    fn names_carry_the_build() {
        let build: BuildId = "0123456789ab".parse().unwrap();
        assert!(is_of(&domain_name(&build, "verify-raw-efi"), &build));
        assert!(!is_of("goldsmith-0123456789ac-build", &build));
        assert!(!is_of("goldsmith-0123456789abc-build", &build));
        assert!(!is_of("0123456789ab-build", &build));
    }

    #[test]
    fn a_stranger_with_the_right_arguments_is_not_qemu() {
        let uuid = uuid::Uuid::new_v4();
        let mut stranger =
            std::process::Command::new("sleep").arg("60").env("IGNORED", uuid.to_string()).spawn().unwrap();
        let pid = i32::try_from(stranger.id()).unwrap();
        assert!(start_time(pid).is_some());
        assert_eq!(QemuProcess::read(pid), None);
        stranger.kill().unwrap();
        // Not waited for yet: a zombie counts as gone.
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while start_time(pid).is_some() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(start_time(pid), None);
        stranger.wait().unwrap();
    }
}
