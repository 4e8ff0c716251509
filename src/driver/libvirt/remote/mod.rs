//! libvirt on another host, through SSH.
//!
//! ```text
//!   host       which host, and how ssh gets there
//!   pool       a private folder there, as a storage pool ── transfer: files to and fro, holes as holes; chain: what lies below a disk
//!   facts      what that host says about itself
//!   console    the serial console, streamed into a file here
//!   tunnel     a port here that leads to the guest's SSH
//! ```
//!
//! Files are sent as they are and not as the disks that they stand for. So an overlay keeps its clusters, comes back as an overlay over
//! the file that never left, and what the guest gave back stays given back. Which file lies below which is said in the machine's
//! description, because the names in the overlays are those of this host.
mod chain;
mod console;
mod facts;
mod host;
mod pool;
mod transfer;
mod tunnel;

pub(super) use self::{
    host::{Host, explain},
    pool::{Pool, pool_name, pools_of, remove as remove_pool, remove_files_of},
};

#[cfg_attr(not(test), allow(unused_imports, reason = "tests open one without a machine"))]
pub(super) use self::tunnel::Tunnel;
use super::{
    connection::{Connection, failed},
    firmware::UefiFirmware,
    xml::{BelowXml, DiskXml},
};
use crate::{
    cx::{Cx, Event, Unit},
    driver::{Boot, Credential, DiskAttachment, DriverError, DriverErrorKind, KernelBoot, MachineSpec},
    plan::Firmware,
    value::{Arch, Size},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use virt::{domain::Domain, sys};

/// What a machine on another host needs besides its domain.
#[derive(Debug)]
pub(super) struct Far {
    host: Host,
    pool: Arc<Pool>,
    role: String,
    tunnel: tokio::sync::Mutex<Option<Tunnel>>,
}

/// The files of a machine, where they are there.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) disks: Vec<DiskXml>,
    pub(super) credentials: Vec<Credential>,
    pub(super) boot: Boot,
    pub(super) optical: Vec<PathBuf>,
}

/// Looks whether `spec` can work there, besides what is asked of every libvirt. Blocks.
pub(super) fn preflight(connection: &Connection, spec: &MachineSpec) -> Result<(), DriverError> {
    pool::check_storage(connection)?;
    uefi(connection, spec)?;
    let Ok(node) = connection.connect().get_node_info() else { return Ok(()) };
    let memory = Size::bytes(node.memory << 10);
    if spec.memory > memory {
        let attempt = format!("give the machine {} of memory", spec.memory);
        return Err(DriverError::new(DriverErrorKind::Unavailable, attempt)
            .because(format!("the remote host has {memory} altogether"))
            .hint("set a smaller `memory` in `[machine]`"));
    }
    Ok(())
}

/// The UEFI build there for `spec`, when it wants one. Blocks.
pub(super) fn uefi(connection: &Connection, spec: &MachineSpec) -> Result<Option<UefiFirmware>, DriverError> {
    if spec.firmware == Firmware::Bios {
        // Whether the architecture has one is no question of the host.
        return super::preflight::uefi(spec);
    }
    let (machine, package) = match spec.arch {
        Arch::X86_64 => ("q35", "ovmf"),
        Arch::Aarch64 => ("virt", "qemu-efi-aarch64"),
    };
    let attempt = format!("find an UEFI build for {} machines on the remote host", spec.arch);
    let arch = spec.arch.to_string();
    let said = connection
        .connect()
        .get_domain_capabilities(None, Some(&arch), Some(machine), Some("qemu"), 0)
        .map_err(|error| failed(&attempt, &error))?;
    facts::uefi(&said, spec.arch).map(Some).ok_or_else(|| {
        DriverError::new(DriverErrorKind::Unavailable, attempt)
            .because("its libvirt lists none without Secure Boot")
            .hint(format!("there: sudo apt-get install {package}"))
    })
}

/// Makes the folder of the build there. Its undo is planned by the caller. Blocks.
pub(super) fn make_pool(
    connection: &Arc<Connection>,
    host: &Host,
    name: &str,
    uuid: uuid::Uuid,
) -> Result<Pool, DriverError> {
    let place = pool::Place::find(connection, host, name);
    Pool::make(Arc::clone(connection), place, name, uuid)
}

/// How the undo data of a machine says where its files are.
pub(super) fn details(pool: uuid::Uuid, role: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("pool".to_owned(), pool.to_string()), ("role".to_owned(), role.to_owned())])
}

/// The pool and the role in such details; `None` when the machine has no files there.
pub(super) fn files_in(details: &BTreeMap<String, String>) -> Option<(uuid::Uuid, String)> {
    Some((details.get("pool")?.parse().ok()?, details.get("role")?.clone()))
}

impl Far {
    /// A machine with this role, whose files are in `pool`.
    pub(super) fn new(host: Host, pool: Arc<Pool>, role: &str) -> Self {
        Self { host, pool, role: role.to_owned(), tunnel: tokio::sync::Mutex::default() }
    }

    /// What the undo needs to find the machine's files.
    pub(super) fn details(&self) -> BTreeMap<String, String> {
        details(self.pool.uuid(), &self.role)
    }

    /// UEFI variables of the machine, there.
    pub(super) fn variables(&self) -> PathBuf {
        self.pool.folder().join(format!("{}.nvram", self.role))
    }

    fn disk_name(&self, index: usize) -> String {
        format!("{}.disk{index}", self.role)
    }

    /// Sends the files of `spec`: its disks with all that lies below them, credentials, kernel and media. Blocks.
    pub(super) fn bring(&self, cx: &Cx, spec: &MachineSpec) -> Result<Brought, DriverError> {
        self.check_room(cx, spec)?;
        let send = |file: &Path, what: &str| {
            self.pool.send(file, &format!("{}.{what}", self.role), &progress(cx, "upload", file))
        };
        let disks = spec.disks.iter().enumerate().map(|(index, disk)| self.bring_disk(cx, index, disk));
        let disks = disks.collect::<Result<_, _>>()?;
        let credentials = spec.credentials.iter().enumerate().map(|(index, credential)| {
            let path = send(&credential.path, &format!("credential{index}"))?;
            Ok(Credential { name: credential.name.clone(), path })
        });
        let credentials = credentials.collect::<Result<_, DriverError>>()?;
        let boot = match &spec.boot {
            Boot::Kernel(KernelBoot { kernel, initrd, cmdline }) => Boot::Kernel(KernelBoot {
                kernel: send(kernel, "kernel")?,
                initrd: send(initrd, "initrd")?,
                cmdline: cmdline.clone(),
            }),
            other @ (Boot::Disk | Boot::Optical | Boot::Image(_) | Boot::Made(_)) => other.clone(),
        };
        let media = spec.optical.iter().enumerate();
        let optical = media.map(|(index, medium)| send(&medium.path, &format!("medium{index}")));
        Ok(Brought { disks, credentials, boot, optical: optical.collect::<Result<_, _>>()? })
    }

    fn bring_disk(&self, cx: &Cx, index: usize, disk: &DiskAttachment) -> Result<DiskXml, DriverError> {
        let mut below = Vec::new();
        let mut above = &disk.path;
        for file in &disk.backing {
            let format = chain::overlay(above).ok().flatten().and_then(|overlay| overlay.backing_format);
            let format = format.ok_or_else(|| {
                DriverError::new(
                    DriverErrorKind::Unsupported,
                    format!("send `{}` to the remote host", above.display()),
                )
                .because("it does not state the format of the file below it")
            })?;
            let path = self.pool.share(file, &progress(cx, "upload", file))?;
            below.push(BelowXml { path, format });
            above = file;
        }
        let path = self.pool.send(&disk.path, &self.disk_name(index), &progress(cx, "upload", &disk.path))?;
        Ok(DiskXml {
            path,
            format: disk.format,
            read_only: disk.read_only,
            has_backing: !below.is_empty(),
            below,
        })
    }

    /// An error when the data does not fit; a warning when the disks could grow beyond what is free.
    fn check_room(&self, cx: &Cx, spec: &MachineSpec) -> Result<(), DriverError> {
        let free = self.pool.free()?;
        let (mut need, mut most) = (0_u64, 0_u64);
        for disk in &spec.disks {
            let shared = disk.backing.iter().filter(|file| !self.pool.has(file));
            for file in std::iter::once(&disk.path).chain(shared) {
                need += transfer::data_bytes(file).unwrap_or(0);
            }
            if !disk.read_only {
                let length = || disk.path.metadata().map_or(0, |found| found.len());
                most += chain::overlay(&disk.path)
                    .ok()
                    .flatten()
                    .map_or_else(length, |overlay| overlay.virtual_size);
            }
        }
        let kernel = match &spec.boot {
            Boot::Kernel(boot) => vec![&boot.kernel, &boot.initrd],
            Boot::Disk | Boot::Optical | Boot::Image(_) | Boot::Made(_) => Vec::new(),
        };
        for file in spec.optical.iter().map(|medium| &medium.path).chain(kernel) {
            need += file.metadata().map_or(0, |found| found.len());
        }
        let (free, need, most) = (Size::bytes(free), Size::bytes(need), Size::bytes(need + most));
        let folder = self.pool.folder().display();
        let hint =
            "make the pool `default` of that libvirt one on a larger file system: disks go where it is";
        if free < need {
            return Err(DriverError::new(DriverErrorKind::Unavailable, "send the disks to the remote host")
                .because(format!("`{folder}` has {free} free there, and they need {need}"))
                .hint(hint));
        }
        if free < most {
            let text =
                format!("`{folder}` on the remote host has {free} free, and the disks may grow to {most}");
            cx.events().warn(text, Some(hint.to_owned()));
        }
        Ok(())
    }

    /// Starts the machine so that no output of it is lost: stopped at first, with somebody who reads its console. Blocks.
    pub(super) fn start(
        &self,
        connection: &Connection,
        xml: &str,
        serial: &Path,
    ) -> Result<Domain, DriverError> {
        let attempt = format!("start the machine `{}`", self.role);
        let flags = sys::VIR_DOMAIN_START_AUTODESTROY | sys::VIR_DOMAIN_START_PAUSED;
        let domain =
            Domain::create_xml(connection.connect(), xml, flags).map_err(|error| failed(&attempt, &error))?;
        let going = console::follow(connection, &domain, serial)
            .and_then(|()| domain.resume().map(drop).map_err(|error| failed(&attempt, &error)));
        match going {
            Ok(()) => Ok(domain),
            Err(error) => {
                // The undo looks for it once more.
                let _ = domain.destroy();
                Err(error)
            }
        }
    }

    /// The port on this host that leads to `port` of that host's loopback.
    pub(super) async fn lead_to(&self, port: u16, cx: &Cx) -> Result<SocketAddr, DriverError> {
        /// What is left of the 107 bytes of a socket's path for the folder.
        const LONGEST_FOLDER: usize = 60;
        let attempt =
            || DriverError::new(DriverErrorKind::Other, "open a port of this host for the guest's SSH");
        let mut tunnel = self.tunnel.lock().await;
        if let Some(open) = tunnel.as_ref() {
            return Ok(open.address());
        }
        // ssh adds a suffix of its own while it makes the socket.
        let base = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() <= LONGEST_FOLDER);
        let folder =
            base.unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("gs-{}-{}", cx.id(), self.role));
        let _ = cx.plan_path(&folder)?;
        let opened = Tunnel::open(self.host.clone(), port, &folder, cx.events().clone())
            .await
            .map_err(|error| attempt().because(error))?;
        Ok(tunnel.insert(opened).address())
    }

    /// Fetches the disk with this index over the file that was sent. Blocks.
    pub(super) fn fetch(&self, cx: &Cx, index: usize, disk: &DiskAttachment) -> Result<(), DriverError> {
        if disk.read_only {
            return Ok(());
        }
        self.pool.fetch(&self.disk_name(index), &disk.path, &progress(cx, "download", &disk.path))
    }
}

/// Says at its end that a transfer is over.
struct Bar(Cx, String);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.emit(Event::ProgressFinished { what: self.1.clone() });
    }
}

/// Emits the progress of one file, some times a second, and stops it when the build was interrupted.
fn progress(cx: &Cx, verb: &str, path: &Path) -> impl Fn(u64, Option<u64>) -> bool + use<> {
    const OFTEN: std::time::Duration = std::time::Duration::from_millis(200);
    let bar = Bar(cx.clone(), format!("{verb} {}", path.file_name().unwrap_or_default().to_string_lossy()));
    let last = std::cell::Cell::new(None::<Instant>);
    move |done, total| {
        let finished = Some(done) == total;
        if finished || last.get().is_none_or(|at| at.elapsed() >= OFTEN) {
            last.set(Some(Instant::now()));
            bar.0.emit(Event::Progress { what: bar.1.clone(), done, total, unit: Unit::Bytes });
        }
        !bar.0.stop().is_cancelled()
    }
}
