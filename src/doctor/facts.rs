//! What is so on this host. Looks, and judges nothing.
use super::packages::{Distro, Tool};
use crate::{
    build::{DeadBuild, Dirs, dead_builds},
    plan::Plan,
    source,
    value::{Arch, Size},
};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// What is so on this host.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its distribution.
    pub distro: Distro,
    /// Its architecture, as the kernel names it.
    pub machine: String,
    /// Its architecture, when goldsmith knows it.
    pub arch: Option<Arch>,
    /// Whether we are root.
    pub root: bool,
    /// Our user name.
    pub user: String,
    /// Whether KVM runs guests.
    pub kvm: Kvm,
    /// The tools that are there.
    pub tools: HashSet<Tool>,
    /// Whether our user has subordinate user and group ids (subuid(5), subgid(5)).
    pub subordinate_ids: bool,
    /// The kernel setting that keeps ordinary users from making user namespaces, if one does.
    pub no_user_namespaces: Option<&'static str>,
    /// Where the disks of running builds go.
    pub work: PathBuf,
    /// Room there.
    pub free_disk: Option<Size>,
    /// Memory of this host.
    pub memory: Option<Size>,
    /// Memory that could be had now.
    pub free_memory: Option<Size>,
    /// Folders of ours that cannot be written to, and why.
    pub unwritable: Vec<(PathBuf, String)>,
    /// Builds that died; or why nobody knows.
    pub dead: Result<Vec<DeadBuild>, String>,
    /// The definitions to judge by.
    pub subjects: Vec<Subject>,
}

/// Whether KVM runs guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kvm {
    /// A test guest ran.
    Runs,
    /// It did not.
    Fails {
        /// Why.
        reason: String,
        /// What to do about it, if anything.
        hint: Option<String>,
    },
}

/// A definition, and what was found out about its inputs.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it comes to.
    pub plan: Plan,
    /// Room that its source takes in the work folder; or the chain of messages when its inputs are not there, and what to
    /// do about it.
    pub source: Result<Size, (Vec<String>, Option<String>)>,
}

impl Subject {
    /// Looks whether the inputs of `plan` can be had. Asks the network where they are there.
    pub async fn look(plan: Plan, dirs: &Dirs) -> Self {
        let source = match source::preflight(&plan, &crate::fetch::Fetcher::new(dirs.cache())).await {
            Ok(needs) => {
                let room = needs.room(dirs.work_root(), dirs.cache());
                Ok(room.first().map_or(needs.bytes_work, |(_, size)| *size))
            }
            Err(error) => {
                let hint = error.hint();
                Err((chain(&error), hint))
            }
        };
        Self { plan, source }
    }
}

fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = error.to_string();
        // Transparent wrappers repeat their inner message.
        if chain.last() != Some(&text) {
            chain.push(text);
        }
    }
    chain
}

impl Facts {
    /// Looks at this host. Blocks for seconds at most: run it where that does not matter.
    pub fn gather(dirs: &Dirs, subjects: Vec<Subject>) -> Self {
        let arch = Arch::host();
        let root = nix::unistd::geteuid().is_root();
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
            .map_or_else(|| nix::unistd::geteuid().to_string(), |user| user.name);
        let wanted: HashSet<Arch> = subjects.iter().map(|subject| subject.plan.arch).chain(arch).collect();
        let tools = wanted.iter().flat_map(|arch| Tool::all(*arch)).filter(|tool| is_there(*tool)).collect();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            distro: Distro::parse(
                &fs::read_to_string("/etc/os-release")
                    .or_else(|_| fs::read_to_string("/usr/lib/os-release"))
                    .unwrap_or_default(),
            ),
            machine: nix::sys::utsname::uname().map_or_else(
                |_| std::env::consts::ARCH.to_owned(),
                |name| name.machine().to_string_lossy().into_owned(),
            ),
            arch,
            root,
            subordinate_ids: has_range(Path::new("/etc/subuid"), &user)
                && has_range(Path::new("/etc/subgid"), &user),
            user,
            kvm: kvm(),
            tools,
            no_user_namespaces: no_user_namespaces(),
            work: dirs.work_root().to_owned(),
            free_disk: free_disk(dirs.work_root()),
            memory: meminfo_value(&meminfo, "MemTotal:"),
            free_memory: meminfo_value(&meminfo, "MemAvailable:"),
            unwritable: [dirs.journals(), dirs.cache().to_owned(), dirs.work_root().to_owned()]
                .into_iter()
                .filter_map(|folder| writable(&folder).err().map(|why| (folder, why)))
                .collect(),
            dead: dead_builds(dirs).map_err(|error| error.chain().join(": ")),
            subjects,
        }
    }
}

fn is_there(tool: Tool) -> bool {
    if let Some(program) = tool.program() {
        return on_path(program);
    }
    match tool {
        Tool::LibvirtQemu => libvirt_module().is_some(),
        Tool::Uefi(arch) => uefi(arch),
        Tool::DebianKeyring => Path::new("/usr/share/keyrings/debian-archive-keyring.gpg").exists(),
        _ => false,
    }
}

#[cfg(feature = "libvirt")]
fn kvm() -> Kvm {
    match crate::driver::libvirt::kvm() {
        Ok(()) => Kvm::Runs,
        Err((reason, hint)) => Kvm::Fails { reason, hint },
    }
}

#[cfg(not(feature = "libvirt"))]
fn kvm() -> Kvm {
    Kvm::Fails { reason: "goldsmith was built without libvirt".to_owned(), hint: None }
}

#[cfg(feature = "libvirt")]
fn uefi(arch: Arch) -> bool {
    crate::driver::libvirt::has_uefi(arch)
}

#[cfg(not(feature = "libvirt"))]
fn uefi(_: Arch) -> bool {
    false
}

/// Ordinary users of Debian do not have the sbin folders in their PATH, and mke2fs is there.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")])
        .any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// libvirt loads its drivers from a folder next to the library, whose place depends on the distribution.
fn libvirt_module() -> Option<PathBuf> {
    const MODULE: &str = "libvirt/connection-driver/libvirt_driver_qemu.so";
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    [multiarch.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"]
        .iter()
        .map(|folder| Path::new(folder).join(MODULE))
        .find(|path| path.exists())
}

/// Whether the file gives ids to `user` (`name:first:count`).
fn has_range(file: &Path, user: &str) -> bool {
    let uid = nix::unistd::geteuid().to_string();
    fs::read_to_string(file).is_ok_and(|text| {
        text.lines().filter_map(|line| line.split_once(':')).any(|(name, _)| name == user || name == uid)
    })
}

fn no_user_namespaces() -> Option<&'static str> {
    let value = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    if value("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return Some("kernel.unprivileged_userns_clone=1");
    }
    if value("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return Some("user.max_user_namespaces=15000");
    }
    None
}

/// The nearest folder that exists: what is missing below it is made when needed.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}

fn free_disk(folder: &Path) -> Option<Size> {
    let stat = nix::sys::statvfs::statvfs(existing(folder)).ok()?;
    Some(Size::bytes(stat.blocks_available() * stat.fragment_size()))
}

fn writable(folder: &Path) -> Result<(), String> {
    let existing = existing(folder);
    if !existing.is_dir() {
        return Err(format!("`{}` is not a folder", existing.display()));
    }
    nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).map_err(|error| error.desc().to_owned())
}

fn meminfo_value(text: &str, key: &str) -> Option<Size> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(Size::bytes(kib << 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        let text = "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n";
        assert_eq!(meminfo_value(text, "MemAvailable:"), Some(Size::bytes(8_000_000 * 1024)));
        assert_eq!(meminfo_value(text, "Nothing:"), None);
    }

    #[test]
    fn gathering_touches_nothing_and_knows_this_host() {
        let root = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(&root.path().join("not/yet"));
        let facts = Facts::gather(&dirs, Vec::new());
        assert!(!root.path().join("not").exists());
        assert_eq!(facts.unwritable, []);
        assert!(facts.memory.is_some() && facts.free_disk.is_some());
        assert!(facts.dead.unwrap().is_empty());
    }

    #[test]
    fn a_program_in_sbin_is_found() {
        assert!(on_path("sh") && !on_path("no-such-program-anywhere"));
    }
}
