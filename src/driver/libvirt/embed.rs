//! The private folder of libvirt's embedded driver.
//!
//! A process can open the driver with one root only, for as long as it lives, and two processes cannot share one. So each
//! process has its own folder, shared by all its builds and removed with the last of them. A lock in it tells a living
//! process from a dead one, whose folder the next process sweeps away.
use super::process::{self, qemu_processes};
use crate::driver::{DriverError, DriverErrorKind};
use std::{
    fs::{DirBuilder, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// `sun_path` of a UNIX socket, without its final zero.
const SOCKET_PATH: usize = 107;
/// The longest socket that libvirt makes below its root: `/lib/qemu/domain-ID-NAME/monitor.sock`, with the name cut to 20
/// bytes and an id of up to four digits.
const LONGEST_SOCKET: usize = "/lib/qemu/domain-9999-goldsmith-0123456789/monitor.sock".len();
const PREFIX: &str = "lv-";
const LOCK: &str = "owner.lock";
/// The folder beside the roots that they share; not one of them.
const CAPABILITIES: &str = "capabilities";
const CONFIG: &str = "etc/qemu.conf";

/// The right to use the folder; the last one that goes removes it.
#[derive(Debug)]
pub(super) struct Lease {
    root: PathBuf,
    moved: bool,
}

struct Root {
    path: PathBuf,
    moved: bool,
    leases: usize,
    /// Held while the folder exists.
    lock: Option<File>,
    /// What libvirt made below it. It makes its folders once per process, so we must if they are needed a second time.
    folders: Vec<PathBuf>,
}

static ROOT: Mutex<Option<Root>> = Mutex::new(None);

fn root() -> MutexGuard<'static, Option<Root>> {
    ROOT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// Makes this process's folder below `run_root`, or joins the one that it has already.
    pub(super) fn take(run_root: &Path) -> Result<Self, DriverError> {
        let mut guard = root();
        if let Some(root) = guard.as_mut() {
            if root.lock.is_none() {
                root.lock = Some(furnish(&root.path, &root.folders)?);
            }
            root.leases += 1;
            return Ok(Self { root: root.path.clone(), moved: root.moved });
        }
        let (base, moved) = base(run_root)?;
        let (path, lock) = make(&base)?;
        *guard = Some(Root { path: path.clone(), moved, leases: 1, lock: Some(lock), folders: Vec::new() });
        Ok(Self { root: path, moved })
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is not where the caller wanted it, because socket paths would have been too long.
    pub(super) fn moved(&self) -> bool {
        self.moved
    }

    /// The connection URI.
    pub(super) fn uri(&self) -> String {
        format!("qemu:///embed?root={}", percent_encode(self.root.as_os_str().as_bytes()))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut guard = root();
        let Some(root) = guard.as_mut() else { return };
        root.leases = root.leases.saturating_sub(1);
        // A machine that is still there needs its files; whoever removes it removes them.
        if root.leases == 0 && !qemu_processes().iter().any(|process| process.uses(&root.path)) {
            root.folders = folders_below(&root.path);
            root.lock = None;
            // What cannot be removed now is swept by the next process.
            let _ = remove(&root.path);
        }
    }
}

/// Whether this process has ever opened the embedded driver.
pub(super) fn is_open() -> bool {
    root().is_some()
}

/// Whether `path` is the folder of this process.
pub(super) fn is_ours(path: &Path) -> bool {
    root().as_ref().is_some_and(|root| root.path == path)
}

/// Removes the folder of a dead process when no machine needs it any more; returns whether it is gone.
pub(super) async fn remove_orphan(path: &Path) -> Result<bool, DriverError> {
    if is_ours(path) {
        return Ok(false);
    }
    // Held until the end, so that only one of several cleaners works.
    let Some(_lock) = lock_orphan(path) else { return Ok(!path.exists()) };
    // A process that dies while it learns what QEMU can do leaves a QEMU behind.
    let probes: Vec<_> =
        qemu_processes().into_iter().filter(|process| process.is_probe() && process.uses(path)).collect();
    let failed = || {
        let attempt = format!("remove the folder `{}` of a dead process", path.display());
        DriverError::new(DriverErrorKind::Other, attempt)
    };
    process::end(&probes, true).await.map_err(|error| failed().because(error))?;
    if qemu_processes().iter().any(|process| process.uses(path)) {
        return Ok(false);
    }
    remove(path).map(|()| true).map_err(|error| failed().because(error))
}

/// Removes the folder, its lock last: a removal that is cut short is taken up by the next sweep.
fn remove(path: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::remove_file(path.join(LOCK))?;
    std::fs::remove_dir(path)
}

/// The lock of a folder whose process is dead. `None` for one that is alive and for folders that are not ours at all.
fn lock_orphan(path: &Path) -> Option<File> {
    let named = path.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes()));
    if !named {
        return None;
    }
    let lock = File::open(path.join(LOCK)).ok()?;
    lock.try_lock().ok()?;
    Some(lock)
}

/// Removes what dead processes left in `run_root`, except for folders that a machine still needs. Best effort: it costs
/// nothing but a little space.
pub(super) async fn sweep(run_root: &Path) -> Result<(), DriverError> {
    let (base, _) = base(run_root)?;
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let _ = remove_orphan(&entry.path()).await;
    }
    Ok(())
}

/// The folder below which roots are made, and whether it is another one than asked for.
fn base(run_root: &Path) -> Result<(PathBuf, bool), DriverError> {
    let fits = |path: &Path| path.as_os_str().len() + "/lv-123456".len() + LONGEST_SOCKET <= SOCKET_PATH;
    let run_root = std::path::absolute(run_root).map_err(|error| cannot("make", run_root).because(error))?;
    if fits(&run_root) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&run_root)
            .map_err(|error| cannot("make", &run_root).because(error))?;
        return Ok((run_root, false));
    }
    let user = nix::unistd::geteuid();
    let fallback = PathBuf::from(format!("/tmp/goldsmith-{user}"));
    match DirBuilder::new().mode(0o700).create(&fallback) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(cannot("make", &fallback).because(error));
        }
        _ => {}
    }
    // Anybody may have made this name in /tmp; not followed, so a link is seen as one.
    let found =
        std::fs::symlink_metadata(&fallback).map_err(|error| cannot("use", &fallback).because(error))?;
    if !found.is_dir() || found.uid() != user.as_raw() || found.mode() & 0o077 != 0 {
        return Err(cannot("use", &fallback).because("it is not a private folder of this user").hint(
            format!("remove it, or choose a state folder with a path shorter than `{}`", run_root.display()),
        ));
    }
    Ok((fallback, true))
}

/// A new root with its configuration, locked by this process.
fn make(base: &Path) -> Result<(PathBuf, File), DriverError> {
    // The final name appears with the lock already held, so that no sweep can take it for a dead one.
    let unfinished = tempfile::Builder::new()
        .prefix("new-")
        .rand_bytes(6)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(base)
        .map_err(|error| cannot("make", base).because(error))?;
    let lock = furnish(unfinished.path(), &[])?;
    share_capabilities(base, unfinished.path())
        .map_err(|error| cannot("fill", unfinished.path()).because(error))?;
    let name = unfinished.path().file_name().map(OsStrExt::as_bytes).unwrap_or_default();
    let suffix = String::from_utf8_lossy(name.strip_prefix(b"new-").unwrap_or(name)).into_owned();
    let path = base.join(format!("{PREFIX}{suffix}"));
    std::fs::rename(unfinished.path(), &path).map_err(|error| cannot("make", &path).because(error))?;
    // It has moved away; there is nothing left to clean up.
    let _ = unfinished.keep();
    Ok((path, lock))
}

/// What libvirt found out about QEMU costs seconds of probing, so all roots share it. libvirt replaces these files whole, and
/// checks them against its own version, QEMU's and `/dev/kvm` before it believes them.
fn share_capabilities(base: &Path, root: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let shared = base.join(CAPABILITIES);
    builder.create(&shared)?;
    builder.create(root.join("cache/qemu"))?;
    std::os::unix::fs::symlink(shared, root.join("cache/qemu/capabilities"))
}

/// Fills `path`: folders, configuration and lock.
fn furnish(path: &Path, folders: &[PathBuf]) -> Result<File, DriverError> {
    let fill = || {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(path.join("etc"))?;
        for folder in folders {
            builder.create(folder)?;
        }
        std::fs::write(path.join(CONFIG), configuration(nix::unistd::geteuid().is_root()))?;
        let lock = File::create(path.join(LOCK))?;
        lock.try_lock()?;
        Ok::<_, std::io::Error>(lock)
    };
    fill().map_err(|error| cannot("fill", path).because(error))
}

/// `qemu.conf` of the embedded driver.
fn configuration(is_root: bool) -> String {
    // Without the first, libvirt starts virtlogd, which outlives us. The second: our machines are confined by their user.
    let mut text = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\n".to_owned();
    if is_root {
        // Without a user, root's machines run as another one that cannot open the files, and starting them takes minutes.
        text.push_str("user = \"root\"\ngroup = \"root\"\n");
        text.push_str("swtpm_user = \"root\"\nswtpm_group = \"root\"\n");
        // Owners need no change then, and no record of it in extended attributes, which would outlive a crash.
        text.push_str("dynamic_ownership = 0\nremember_owner = 0\n");
        text.push_str("namespaces = []\n");
    }
    text
}

fn folders_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
                found.push(entry.path());
            }
        }
    }
    found
}

fn percent_encode(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            // Writing to a String cannot fail.
            other => drop(write!(text, "%{other:02X}")),
        }
    }
    text
}

fn cannot(verb: &str, path: &Path) -> DriverError {
    DriverError::new(DriverErrorKind::Other, format!("{verb} the folder `{}` for libvirt", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_root_is_private_configured_and_locked() {
        let base = tempfile::tempdir().unwrap();
        let (path, lock) = make(base.path()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(
            std::fs::read_to_string(path.join(CONFIG)).unwrap().starts_with("stdio_handler = \"file\"\n")
        );
        sweep(base.path()).await.unwrap();
        assert!(path.exists(), "its process is alive");
        drop(lock);
        // A program that another test is just starting may hold a copy of the lock until it runs.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while path.exists() && std::time::Instant::now() < deadline {
            sweep(base.path()).await.unwrap();
        }
        assert!(!path.exists(), "its process is dead");
    }

    #[tokio::test]
    async fn a_folder_that_we_did_not_make_is_never_removed() {
        let base = tempfile::tempdir().unwrap();
        let stranger = base.path().join("lv-abcdef");
        std::fs::create_dir(&stranger).unwrap();
        sweep(base.path()).await.unwrap();
        assert!(!remove_orphan(&stranger).await.unwrap());
        assert!(stranger.exists());
        assert!(remove_orphan(&base.path().join("lv-gone00")).await.unwrap());
    }

    #[test]
    fn root_runs_its_machines_as_root_and_others_as_themselves() {
        assert!(configuration(true).contains("user = \"root\""));
        assert!(!configuration(false).contains("user"));
    }

    #[test]
    fn a_long_path_is_replaced_by_a_private_folder() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(80));
        let (chosen, moved) = base(&long).unwrap();
        assert!(moved && chosen.starts_with("/tmp") && chosen.as_os_str().len() < 30);
        let (chosen, moved) = base(&dir.path().join("run")).unwrap();
        assert!(!moved && chosen.is_dir());
    }

    #[test]
    fn odd_characters_survive_the_uri() {
        assert_eq!(percent_encode(b"/a b/c&d"), "/a%20b/c%26d");
    }
}
