//! libvirt: QEMU and KVM on this host.
//!
//! ```text
//!   Libvirt ── place      which libvirt a URI means
//!     ├─ preflight        firmware, kvm_probe: what will work, before anything is made
//!     ├─ connection       opening, blocking calls; embed: the private root; event: callbacks
//!     ├─ machine          one transient domain from xml; usernet: its SSH port; live: its state and events
//!     └─ process          removing a machine after its process is gone, without libvirt
//! ```
//!
//! The default is libvirt's QEMU driver inside this process (`qemu:///embed`): no daemon and no privileges, but nobody
//! ends the machine when this process dies. So the undo of a machine finds its QEMU by the UUID on its command line, which
//! follows from the build's id and was journaled before the machine existed.
mod connection;
mod embed;
mod event;
mod firmware;
mod kvm_probe;
mod live;
mod machine;
mod place;
mod png;
mod preflight;
mod process;
#[cfg(all(test, feature = "test-guest"))]
mod tests_real;
mod usernet;
mod xml;

use self::{
    connection::{Connection, blocking, failed, is_gone},
    live::Live,
    machine::LibvirtMachine,
    place::Place,
    process::{domain_name, is_of, qemu_processes},
    xml::{DiskXml, DomainXml},
};
use super::{DriverError, DriverErrorKind, Hypervisor, Machine, MachineSpec, Readiness};
use crate::cx::{BuildId, Cx, ResourceRef, Stop, Undo};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::OnceCell;
use virt::domain::Domain;

/// The driver's name.
const NAME: &str = "libvirt";
/// The only kind of resource that it makes.
const DOMAIN: &str = "domain";

/// Whether KVM provably runs a guest on this host; otherwise why not, and what to do about it. Blocks for three seconds at
/// most, once per process.
pub fn kvm() -> Result<(), (String, Option<String>)> {
    match kvm_probe::kvm_probe() {
        kvm_probe::KvmProbe::Usable => Ok(()),
        kvm_probe::KvmProbe::Unusable { reason, hint } => Err((reason.clone(), hint.clone())),
    }
}

/// Whether UEFI for guests of `arch` is installed on this host.
pub fn has_uefi(arch: crate::value::Arch) -> bool {
    firmware::find_uefi(arch).is_some()
}

/// QEMU through libvirt.
#[derive(Debug)]
pub struct Libvirt {
    uri: String,
    place: Place,
    run_root: PathBuf,
    connection: OnceCell<Arc<Connection>>,
}

impl Libvirt {
    /// A driver for the connection `uri`: `qemu:///embed`, `qemu:///session` or `qemu:///system`.
    ///
    /// Opens nothing yet: removing what a dead build left needs no libvirt. `run_root` is a folder for sockets and run-time
    /// files, made when needed; each process makes a private folder of its own in it. When it is so deep that socket paths
    /// would be too long, a folder in `/tmp` takes its place and the build is told.
    pub fn connect(uri: &str, run_root: impl Into<PathBuf>) -> Result<Self, DriverError> {
        let place = Place::parse(uri)?;
        Ok(Self { uri: uri.to_owned(), place, run_root: run_root.into(), connection: OnceCell::new() })
    }

    /// Removes what dead processes of this user left in the run folder besides machines: folders, and QEMUs that were
    /// started only to learn what they can do. Opening a connection does so too; a clean-up that opens none calls this.
    pub async fn sweep(&self) -> Result<(), DriverError> {
        match self.place {
            Place::Embed if self.run_root.exists() => embed::sweep(&self.run_root).await,
            _ => Ok(()),
        }
    }

    async fn connection(&self) -> Result<&Arc<Connection>, DriverError> {
        if self.place == Place::Remote {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                format!("build on another host through `{}`", self.uri),
            )
            .because("disks are not copied to other hosts yet")
            .hint("run goldsmith on that host"));
        }
        self.connection.get_or_try_init(|| Connection::open(&self.uri, self.place, &self.run_root)).await
    }

    fn resource(&self, uuid: uuid::Uuid, name: &str, root: Option<&Path>) -> ResourceRef {
        let mut details =
            BTreeMap::from([("uri".to_owned(), self.uri.clone()), ("name".to_owned(), name.to_owned())]);
        if let Some(root) = root {
            details.insert("root".to_owned(), root.display().to_string());
        }
        ResourceRef { driver: NAME.to_owned(), kind: DOMAIN.to_owned(), id: uuid.to_string(), details }
    }
}

#[async_trait]
impl Hypervisor for Libvirt {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let connection = self.connection().await?.clone();
        let spec = spec.clone();
        blocking("look at the hypervisor", LIMIT, move || {
            preflight::check_files(&spec)?;
            preflight::look(&connection, &spec)
        })
        .await
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let connection = self.connection().await?.clone();
        if let Some(lease) = connection.lease().filter(|lease| lease.moved()) {
            cx.events().notice(format!(
                "`{}` is too deep for socket paths, so run-time files are in `{}`",
                self.run_root.display(),
                lease.root().display()
            ));
        }
        let (opened, wanted) = (connection.clone(), spec.clone());
        let (choice, uefi, no_avx) = blocking("look at the hypervisor", LIMIT, move || {
            preflight::check_files(&wanted)?;
            Ok((
                preflight::choose(&opened, &wanted)?,
                preflight::uefi(&wanted)?,
                preflight::distrusts_avx(&opened),
            ))
        })
        .await?;
        cx.check()?;

        let uuid = cx.id().uuid(&spec.role);
        let name = domain_name(cx.id(), &spec.role);
        let root = connection.lease().map(embed::Lease::root);
        let serial = cx.logs().join(format!("serial-{}.log", spec.role));
        let uefi = uefi.map(|build| (build, cx.work().join(format!("{}.nvram", spec.role))));
        if let Some((_, variables)) = &uefi {
            let _ = cx.plan_path(variables)?;
        }
        // libvirt's own place for this socket is longer than some of its versions can bear.
        let agent = root.map(|root| agent_socket(root, uuid));
        let resource = self.resource(uuid, &name, root);
        let _ = cx.undo().plan(Undo::Resource(resource.clone()))?;
        let xml = DomainXml {
            name,
            uuid,
            build: cx.id().to_string(),
            title: format!("{} ({})", spec.image, spec.role),
            arch: spec.arch,
            kvm: choice.kvm,
            no_avx,
            cpus: spec.cpus,
            memory_mib: spec.memory.as_mib_ceil(),
            uefi,
            disks: spec
                .disks
                .iter()
                .map(|disk| DiskXml {
                    path: disk.path.clone(),
                    format: disk.format,
                    read_only: disk.read_only,
                    has_backing: !disk.backing.is_empty(),
                })
                .collect(),
            credentials: spec.credentials.clone(),
            serial: serial.clone(),
            agent,
        };
        Ok(Box::new(LibvirtMachine {
            resource,
            live: Live::register(uuid, connection.id()),
            connection,
            place: self.place,
            xml: xml.render(),
            spec: spec.clone(),
            serial,
            ssh: tokio::sync::Mutex::new(None),
        }))
    }

    async fn owned(&self, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
        const ATTEMPT: &str = "list the machines of the build";
        if self.place == Place::Embed {
            let found = qemu_processes().into_iter().filter_map(|process| {
                let (uuid, root) = (process.uuid()?, process.embed_root()?);
                let name = process.name().filter(|name| is_of(name, build))?;
                Some(self.resource(uuid, name, Some(&root)))
            });
            return Ok(found.collect());
        }
        let connection = self.connection().await?.clone();
        let wanted = build.clone();
        let found = blocking(ATTEMPT, Duration::from_secs(30), move || {
            let why = |error: virt::error::Error| failed(ATTEMPT, &error);
            let mut found = Vec::new();
            for domain in connection.connect().list_all_domains(0).map_err(why)? {
                let (Ok(name), Ok(uuid)) = (domain.get_name(), domain.get_uuid()) else { continue };
                if is_of(&name, &wanted) {
                    found.push((uuid, name));
                }
            }
            Ok(found)
        })
        .await?;
        Ok(found.into_iter().map(|(uuid, name)| self.resource(uuid, &name, None)).collect())
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        let attempt =
            || DriverError::new(DriverErrorKind::Other, format!("remove the machine `{}`", resource.id));
        if resource.driver != NAME || resource.kind != DOMAIN {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                format!("remove a {}", resource.kind),
            ));
        }
        let uuid: uuid::Uuid = resource.id.parse().map_err(|error: uuid::Error| attempt().because(error))?;
        let uri = resource.details.get("uri").unwrap_or(&self.uri);
        let place = Place::parse(uri)?;
        let end_qemu = async |hurried| {
            let found: Vec<_> =
                qemu_processes().into_iter().filter(|process| process.uuid() == Some(uuid)).collect();
            process::end(&found, hurried).await.map_err(|error| attempt().because(error))
        };
        if let Some(live) = Live::find(uuid) {
            // A machine of this process, perhaps just being started. What libvirt cannot end is ended below.
            live.doom();
            if place == Place::Embed && stop.is_hurried() {
                end_qemu(true).await?;
            }
            let _ = machine::end(&live).await;
        }
        match place {
            Place::Embed => {
                end_qemu(stop.is_hurried()).await?;
                if let Some(root) = resource.details.get("root").map(Path::new) {
                    let socket = agent_socket(root, uuid);
                    match std::fs::remove_file(&socket) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(attempt().because(error));
                        }
                        _ => {}
                    }
                    embed::remove_orphan(root).await?;
                }
                Ok(())
            }
            _ if *uri == self.uri => remove_from(self.connection().await?.clone(), uuid).await,
            _ => {
                let other = Self::connect(uri, &self.run_root)?;
                remove_from(other.connection().await?.clone(), uuid).await
            }
        }
    }
}

/// Ends and forgets the domain in a daemon.
async fn remove_from(connection: Arc<Connection>, uuid: uuid::Uuid) -> Result<(), DriverError> {
    let attempt = format!("remove the machine `{uuid}`");
    blocking(&attempt.clone(), Duration::from_secs(60), move || {
        let gone_is_fine = |outcome: Result<(), virt::error::Error>| match outcome {
            Err(error) if !is_gone(&error) => Err(failed(&attempt, &error)),
            _ => Ok(()),
        };
        let domain = match Domain::lookup_by_uuid(connection.connect(), uuid) {
            Ok(domain) => domain,
            Err(error) => return gone_is_fine(Err(error)),
        };
        let persistent = domain.is_persistent().unwrap_or(false);
        if domain.is_active().unwrap_or(false) {
            gone_is_fine(domain.destroy())?;
        }
        if persistent {
            let flags = virt::sys::VIR_DOMAIN_UNDEFINE_NVRAM | virt::sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE;
            gone_is_fine(domain.undefine_flags(flags))?;
        }
        Ok(())
    })
    .await
}

/// Socket of the guest agent's channel in an embedded root.
fn agent_socket(root: &Path, uuid: uuid::Uuid) -> PathBuf {
    let id = uuid.simple().to_string();
    root.join(format!("{}.agent", &id[..12]))
}
