//! A Debian-family system from packages: needs no loop device, no mount on this host, and not root.
//!
//! ```text
//!   archive   which mirrors, checked to answer
//!   layout    where the partitions lie
//!   build.sh  in namespaces of its own: mmdebstrap -> customize.sh -> mke2fs -d into the raw disk
//!   boot      partition table, BIOS boot code, EFI system partition
//! ```
//!
//! An ordinary user becomes the mapped root of a user namespace (subordinate ids of /etc/subuid), so that owners in the
//! file systems are right. Shim and GRUB come out of the new system itself.
mod apt;
mod archive;
mod boot;
mod detour;
mod esp;
mod files;
mod layout;

pub(super) use apt::{Entry as AptEntry, parse_deb822, parse_list};

use super::{BaseDisk, Needs, SourceError, tool};
use crate::{
    cx::{Cx, Event, Unit},
    fetch::Gate,
    plan::{BootstrapPlan, ImageFormat, Plan},
    value::{Arch, Size},
};
use archive::Archive;
use layout::Layout;
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

const BUILD: &str = include_str!("build.sh");
const CUSTOMIZE: &str = include_str!("customize.sh");

/// Name of the progress of the whole bootstrap.
const WHAT: &str = "bootstrap";

/// What every image gets. Names that not every release has are patterns, which may match nothing.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "openssh-server",
    "ca-certificates",
    "iproute2",
    "netbase",
    "kmod",
    "sudo",
    "e2fsprogs",
    "qemu-guest-agent",
    "initramfs-tools",
    "grub2-common",
    "grub-pc-bin",
    "grub-efi-amd64-signed",
    "shim-signed",
];
/// cloud-init, and what it needs to grow a root file system.
const CLOUD_PACKAGES: &[&str] = &["cloud-init", "cloud-guest-utils", "python3"];
/// Part of systemd's own package before Debian 12.
const OPTIONAL_PACKAGES: &[&str] = &["systemd-resolved"];

/// Programs of this host, with the Debian packages that hold them.
const PROGRAMS: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("unshare", "util-linux"),
];
/// The same, for ordinary users.
const USER_PROGRAMS: &[(&str, &str)] = &[("newuidmap", "uidmap"), ("newgidmap", "uidmap")];

/// Space for the unpacked system and its packages, besides the disk itself.
const TREE: u64 = 2 << 30;

/// What apt is told while the system is assembled.
const APT_CONF: &str = "setup/etc/apt/apt.conf.d/00goldsmith";

/// How mmdebstrap announces its phases, in order.
const PHASES: &[&str] = &[
    "I: running apt-get update",
    "I: downloading packages with apt",
    "I: extracting archives",
    "I: installing essential packages",
    "I: installing remaining packages",
    "I: running --customize-hook",
    "I: cleaning package lists",
    "I: making file systems",
];

/// What apt is to install on top of the minimum.
fn packages(plan: &BootstrapPlan) -> Vec<String> {
    let cloud = if plan.cloud_init { CLOUD_PACKAGES } else { &[] };
    let mut names: Vec<String> = PACKAGES.iter().chain(cloud).map(|name| (*name).to_owned()).collect();
    names.extend(OPTIONAL_PACKAGES.iter().map(|name| format!("?exact-name({name})")));
    names.push(plan.kernel.clone());
    names.extend(plan.packages.iter().cloned());
    names
}

/// What a bootstrap tells apt, for who works out its packages.
pub(super) struct Base {
    /// The file of the new system that names the archives.
    pub(super) path: String,
    /// Its text.
    pub(super) sources: String,
    /// Settings of this host about what is believed of archives.
    pub(super) validity: Vec<String>,
    /// What is installed on top of the minimum.
    pub(super) packages: Vec<String>,
}

/// Finds the archives of a bootstrap, and says what it takes of them.
pub(super) async fn base(bootstrap: &BootstrapPlan, arch: Arch, gate: &Gate) -> Result<Base, SourceError> {
    let archive = archive::resolve(bootstrap, arch, gate).await?;
    Ok(Base {
        path: format!("/etc/apt/sources.list.d/{}", sources_name(&archive)),
        sources: archive.sources(),
        validity: archive.config.validity.clone(),
        packages: packages(bootstrap),
    })
}

/// Looks whether a bootstrap can work.
pub(super) async fn preflight(
    plan: &Plan,
    bootstrap: &BootstrapPlan,
    gate: &Gate,
) -> Result<Needs, SourceError> {
    supported(plan.arch)?;
    Layout::new(bootstrap, plan.machine.disk, &crate::cx::BuildId::random())?;
    let tools = tools()?;
    try_namespace().await?;
    let archive = archive::resolve(bootstrap, plan.arch, gate).await?;
    Ok(Needs {
        bytes_work: Size::bytes(TREE + TREE / 2),
        bytes_cache: Size::bytes(0),
        tools,
        reads: archive.entries.iter().map(|entry| entry.uri.clone()).collect(),
    })
}

/// Assembles the system on a raw disk.
pub(super) async fn prepare(
    cx: &Cx,
    plan: &Plan,
    bootstrap: &BootstrapPlan,
    gate: &Gate,
) -> Result<BaseDisk, SourceError> {
    supported(plan.arch)?;
    tools()?;
    let layout = Layout::new(bootstrap, plan.machine.disk, cx.id())?;
    let phase = |done: usize| {
        cx.emit(Event::Progress {
            what: WHAT.to_owned(),
            done: done as u64,
            total: Some(PHASES.len() as u64),
            unit: Unit::Items,
        });
    };
    phase(0);
    let result = assemble(cx, plan, (bootstrap, gate), &layout, phase).await;
    cx.emit(Event::ProgressFinished { what: WHAT.to_owned() });
    let (path, archive) = result?;
    Ok(BaseDisk {
        path,
        format: ImageFormat::Raw,
        backing: Vec::new(),
        description: format!(
            "{} {} from {}",
            archive.distribution.name(),
            bootstrap.suite,
            archive.entries.iter().map(|entry| entry.uri.as_str()).collect::<Vec<_>>().join(", ")
        ),
        digest: None,
    })
}

async fn assemble(
    cx: &Cx,
    plan: &Plan,
    (bootstrap, gate): (&BootstrapPlan, &Gate),
    layout: &Layout,
    phase: impl Fn(usize),
) -> Result<(PathBuf, Archive), SourceError> {
    let archive = cx.stop().unless_cancelled(archive::resolve(bootstrap, plan.arch, gate)).await??;
    let (here, disk) = (cx.work().join("bootstrap"), cx.work().join("base.raw"));
    let _ = cx.plan_path(&disk)?;
    let folder = cx.plan_path(&here)?;
    File::create_new(&disk)
        .and_then(|file| file.set_len(layout.disk_bytes))
        .map_err(|source| SourceError::io("create", &disk, source))?;
    stage(&here, bootstrap, &archive, layout)?;
    if let Some(detour) = gate.detour() {
        let ca = here.join(detour::CA);
        std::fs::write(&ca, &detour.ca).map_err(|source| SourceError::io("write", &ca, source))?;
        let conf = here.join(APT_CONF);
        std::fs::write(&conf, detour::apt_conf(detour, &ca, &archive.config.validity))
            .map_err(|source| SourceError::io("write", &conf, source))?;
    }

    let mut command = build_command(&here, &disk, plan.arch, bootstrap, &archive, layout);
    if gate.detour().is_some() {
        detour::alone(&mut command);
    }
    let mut at = 0;
    tool::run(cx, "bootstrap", "bootstrap the system", command, |line| {
        if let Some(next) = PHASES.iter().rposition(|prefix| line.starts_with(prefix))
            && next >= at
        {
            at = next + 1;
            phase(next);
        }
    })
    .await?;

    let (target, parts, distribution, layout) =
        (disk.clone(), here.join("boot"), archive.distribution, layout.clone());
    super::blocking(move || boot::write(&target, &parts, &layout, distribution)).await?;
    super::remove_tree(&here).await.map_err(|source| SourceError::io("remove", &here, source))?;
    tool::settled(cx, folder).await;
    Ok((disk, archive))
}

/// Puts everything that the scripts read into `here`.
fn stage(here: &Path, plan: &BootstrapPlan, archive: &Archive, layout: &Layout) -> Result<(), SourceError> {
    let write = |path: &str, content: &[u8]| {
        let path = here.join(path);
        let folder = path.parent().unwrap_or(here);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, content))
            .map_err(|source| SourceError::io("write", &path, source))
    };
    write("build.sh", BUILD.as_bytes())?;
    write("customize.sh", CUSTOMIZE.as_bytes())?;
    write("grub.cfg", files::grub_cfg(plan, layout).as_bytes())?;
    write("early.cfg", files::early_cfg(layout).as_bytes())?;
    write("file-systems", files::file_system_lines(layout).as_bytes())?;
    write(&sources_name(archive), archive.sources().as_bytes())?;
    // Gone again before the image is finished.
    let mut transport = archive.config.transport.join("\n");
    transport.push('\n');
    transport.push_str(&archive.config.validity.join("\n"));
    write(APT_CONF, transport.as_bytes())?;
    write("setup/etc/dpkg/dpkg.cfg.d/00goldsmith", b"force-unsafe-io\n")?;
    for (path, content) in files::initramfs(plan) {
        write(&format!("setup/{path}"), content.as_bytes())?;
    }
    for (path, content) in files::overlay(plan, archive, layout) {
        write(&format!("overlay/{path}"), content.as_bytes())?;
    }
    std::fs::create_dir_all(here.join("keyrings"))
        .map_err(|source| SourceError::io("create", here, source))?;
    for keyring in archive.keyrings() {
        let content = std::fs::read(&keyring).map_err(|_| SourceError::Archive {
            reason: format!("the keys that sign it are not on this host: `{}` is missing", keyring.display()),
            hint: "install the package that holds them, often called …-archive-keyring".to_owned(),
        })?;
        write(&format!("keyrings{}", keyring.display()), &content)?;
    }
    std::fs::create_dir(here.join("tmp")).map_err(|source| SourceError::io("create", here, source))
}

fn sources_name(archive: &Archive) -> String {
    format!("{}.sources", archive.distribution.name())
}

fn build_command(
    here: &Path,
    disk: &Path,
    arch: Arch,
    plan: &BootstrapPlan,
    archive: &Archive,
    layout: &Layout,
) -> Command {
    let mut command = namespaced();
    command
        .env("GOLDSMITH_BOOTSTRAP", here)
        .env("GOLDSMITH_DISK", disk)
        .env("GOLDSMITH_SOURCES", sources_name(archive))
        .env("GOLDSMITH_GRUB_FOLDER", files::grub_folder(layout))
        .env("GOLDSMITH_GRUB_MODULES", boot::BIOS_MODULES)
        .env("TMPDIR", here.join("tmp"))
        .current_dir(here)
        .arg("sh")
        .arg(here.join("build.sh"))
        .args(["--verbose", "--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--architectures={}", arch.debian()))
        .args(packages(plan).into_iter().map(|name| format!("--include={name}")))
        .arg("--skip=cleanup/apt/lists")
        // A hook with a shell metacharacter is given to a shell, with the root folder as $1.
        .arg(r#"--setup-hook=cp -R "$GOLDSMITH_BOOTSTRAP/setup/." "$1/""#)
        .arg(r#"--customize-hook=sh "$GOLDSMITH_BOOTSTRAP/customize.sh" "$1""#);
    if archive.entries.iter().any(|entry| entry.uri.starts_with("file:")) {
        command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount");
    }
    command.arg("--").arg(&plan.suite).arg(here.join("root")).arg(here.join(sources_name(archive)));
    command
}

/// A command line that goes on in namespaces of its own. They end with their first process, which ends with `unshare`.
fn namespaced() -> Command {
    let mut command = tool::command("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--"]);
    command
}

fn supported(arch: Arch) -> Result<(), SourceError> {
    if arch == Arch::X86_64 && Arch::host() == Some(arch) {
        return Ok(());
    }
    Err(SourceError::Boot {
        reason: format!(
            "bootstrapping {arch} is not supported on this host, only x86_64 on x86_64; use a disk image"
        ),
    })
}

fn tools() -> Result<Vec<PathBuf>, SourceError> {
    let user: &[_] = if nix::unistd::geteuid().is_root() { &[] } else { USER_PROGRAMS };
    let (mut found, mut programs, mut packages) = (Vec::new(), Vec::new(), Vec::new());
    for (program, package) in PROGRAMS.iter().chain(user) {
        if let Some(path) = tool::find(program) {
            found.push(path);
        } else {
            programs.push((*program).to_owned());
            packages.push((*package).to_owned());
        }
    }
    if !archive::has_apt() {
        programs.push("apt".to_owned());
        packages.push("apt".to_owned());
    }
    packages.dedup();
    if programs.is_empty() { Ok(found) } else { Err(SourceError::MissingTools { programs, packages }) }
}

/// Makes the namespaces for a moment and mounts in them, as the bootstrap will.
async fn try_namespace() -> Result<(), SourceError> {
    let mut command = namespaced();
    command.args(["mount", "-t", "proc", "proc", "/proc"]);
    let (succeeded, said) = tool::ask(command, Duration::from_secs(20))
        .await
        .map_err(|source| SourceError::Spawn { program: "unshare".to_owned(), source })?;
    if succeeded {
        return Ok(());
    }
    let hint = if nix::unistd::geteuid().is_root() {
        "in a container, give it CAP_SYS_ADMIN (docker run --privileged), or run as an ordinary user with \
         subordinate ids"
            .to_owned()
    } else if said.contains("map-auto") {
        "goldsmith needs util-linux 2.38 or newer for ordinary users; or run it as root".to_owned()
    } else if Path::new("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists() {
        "allow user namespaces: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; and give this user \
         subordinate ids: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\""
            .to_owned()
    } else {
        "give this user subordinate ids: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \
         \"$USER\""
            .to_owned()
    };
    Err(SourceError::Namespace { reason: said, hint })
}

/// A command that removes `path` with the rights of the mapped root, to whom the files of a bootstrap belong.
pub(super) fn remove_command(path: &Path) -> Command {
    let mut command = namespaced();
    command.args(["rm", "-rf", "--"]).arg(path);
    command
}
