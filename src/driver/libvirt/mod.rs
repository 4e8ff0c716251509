//! libvirt: QEMU and KVM on this host, or on another one.
//!
//! ```text
//!   Libvirt ── place      which libvirt a URI means
//!     ├─ preflight        firmware, kvm_probe: what will work, before anything is made
//!     ├─ link             the connection; connection: opening, blocking calls; embed: the private root; event: callbacks
//!     ├─ machine          one transient domain from xml; usernet: its SSH port; live: its state and events
//!     ├─ process          removing a machine after its process is gone, without libvirt
//!     └─ remote           what is different on another host: disks travel, and so do console and SSH
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
mod link;
mod live;
mod machine;
mod place;
mod png;
mod preflight;
mod process;
mod remote;
mod remove;
mod screen;
#[cfg(all(test, feature = "test-guest"))]
mod tests_real;
mod usernet;
mod xml;

use self::{
    connection::{Connection, blocking, failed, transfer},
    link::Link,
    live::Live,
    machine::LibvirtMachine,
    place::Place,
    process::{domain_name, is_of, qemu_processes},
    remote::{Brought, Far, Host, Pool, pool_name},
    xml::{DiskXml, DomainXml},
};
use super::{DiskAttachment, DriverError, DriverErrorKind, Hypervisor, Machine, MachineSpec, Readiness};
use crate::cx::{BuildId, Cx, ResourceRef, Stop, Undo};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;

/// The driver's name.
const NAME: &str = "libvirt";
/// A machine.
const DOMAIN: &str = "domain";
/// A folder for the disks of a build on another host.
const POOL: &str = "pool";

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
    link: Link,
    /// Folders on the other host, one per build.
    pools: Mutex<HashMap<BuildId, Arc<Pool>>>,
}

impl Libvirt {
    /// A driver for the connection `uri`: `qemu:///embed`, `qemu:///session`, `qemu:///system`, or one of the latter two on
    /// another host, `qemu+ssh://user@host/system`.
    ///
    /// Opens nothing yet: removing what a dead build left needs no libvirt. `run_root` is a folder for sockets and run-time
    /// files, made when needed; each process makes a private folder of its own in it. When it is so deep that socket paths
    /// would be too long, a folder in `/tmp` takes its place and the build is told.
    pub fn connect(uri: &str, run_root: impl Into<PathBuf>) -> Result<Self, DriverError> {
        let place = Place::parse(uri)?;
        let (link, pools) = (Link::default(), Mutex::default());
        Ok(Self { uri: uri.to_owned(), place, run_root: run_root.into(), link, pools })
    }

    /// Removes what dead processes of this user left in the run folder besides machines: folders, and QEMUs that were
    /// started only to learn what they can do. Opening a connection does so too; a clean-up that opens none calls this.
    pub async fn sweep(&self) -> Result<(), DriverError> {
        match self.place {
            Place::Embed if self.run_root.exists() => embed::sweep(&self.run_root).await,
            _ => Ok(()),
        }
    }

    /// The connection to `uri`, which may be another one than this driver's.
    async fn connection_to(&self, uri: &str) -> Result<Arc<Connection>, DriverError> {
        if uri == self.uri {
            return self.connection().await;
        }
        Self::connect(uri, &self.run_root)?.connection().await
    }

    async fn connection(&self) -> Result<Arc<Connection>, DriverError> {
        self.link.get(&self.uri, self.place, &self.run_root).await
    }

    /// The folder of the build on the other host, made when it is needed first.
    async fn pool(
        &self,
        cx: &Cx,
        connection: &Arc<Connection>,
        host: &Host,
    ) -> Result<Arc<Pool>, DriverError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let mut pools = self.pools.lock().await;
        if let Some(pool) = pools.get(cx.id()) {
            return Ok(Arc::clone(pool));
        }
        let (uuid, name) = (cx.id().uuid(POOL), pool_name(cx.id()));
        let _ = cx.undo().plan(Undo::Resource(self.pool_resource(uuid, &name)))?;
        let (connection, host) = (Arc::clone(connection), host.clone());
        let made = blocking("make a folder on the remote host", LIMIT, move || {
            remote::make_pool(&connection, &host, &name, uuid)
        })
        .await?;
        let pool = Arc::new(made);
        pools.insert(cx.id().clone(), Arc::clone(&pool));
        Ok(pool)
    }

    fn pool_resource(&self, uuid: uuid::Uuid, name: &str) -> ResourceRef {
        let details =
            BTreeMap::from([("uri".to_owned(), self.uri.clone()), ("name".to_owned(), name.to_owned())]);
        ResourceRef { driver: NAME.to_owned(), kind: POOL.to_owned(), id: uuid.to_string(), details }
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
    fn loopback_for_guests(&self) -> Option<IpAddr> {
        (self.place != Place::Remote).then_some(IpAddr::V4(usernet::HOST))
    }

    fn name(&self) -> &'static str {
        NAME
    }

    async fn preflight(&self, spec: &MachineSpec) -> Result<Readiness, DriverError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let connection = self.connection().await?;
        let (place, spec) = (self.place, spec.clone());
        blocking("look at the hypervisor", LIMIT, move || {
            preflight::check_files(&spec)?;
            match place {
                Place::Remote => remote::preflight(&connection, &spec)?,
                _ => preflight::uefi(&spec).map(drop)?,
            }
            preflight::look(&connection, place, &spec)
        })
        .await
    }

    async fn create(&self, cx: &Cx, spec: &MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        const LIMIT: Duration = Duration::from_secs(60);
        let connection = self.connection().await?;
        if let Some(lease) = connection.lease().filter(|lease| lease.moved()) {
            cx.events().notice(format!(
                "`{}` is too deep for socket paths, so run-time files are in `{}`",
                self.run_root.display(),
                lease.root().display()
            ));
        }
        let (place, opened, wanted) = (self.place, connection.clone(), spec.clone());
        let (choice, uefi, distrusted) = blocking("look at the hypervisor", LIMIT, move || {
            preflight::check_files(&wanted)?;
            let uefi = match place {
                Place::Remote => remote::uefi(&opened, &wanted)?,
                _ => preflight::uefi(&wanted)?,
            };
            Ok((preflight::choose(&opened, place, &wanted)?, uefi, preflight::distrusts_emulation(&opened)))
        })
        .await?;
        cx.check()?;

        let uuid = cx.id().uuid(&spec.role);
        let name = domain_name(cx.id(), &spec.role);
        let root = connection.lease().map(embed::Lease::root);
        let serial = cx.logs().join(format!("serial-{}.log", spec.role));
        let far = match self.place {
            Place::Remote => {
                let host = Host::parse(&self.uri)?;
                let pool = self.pool(cx, &connection, &host).await?;
                Some(Arc::new(Far::new(host, pool, &spec.role)))
            }
            _ => None,
        };
        let uefi = match (&far, uefi) {
            // Removed with the machine's other files there.
            (Some(far), uefi) => uefi.map(|build| (build, far.variables())),
            (None, uefi) => uefi.map(|build| (build, cx.work().join(format!("{}.nvram", spec.role)))),
        };
        if let Some((_, variables)) = uefi.as_ref().filter(|_| far.is_none()) {
            let _ = cx.plan_path(variables)?;
        }
        // libvirt's own place for this socket is longer than some of its versions can bear.
        let agent = root.map(|root| agent_socket(root, uuid));
        let mut resource = self.resource(uuid, &name, root);
        if let Some(far) = &far {
            resource.details.extend(far.details());
        }
        let _ = cx.undo().plan(Undo::Resource(resource.clone()))?;
        let Brought { disks, credentials, boot, optical } = match far.clone() {
            Some(far) => {
                let (asking, wanted) = (cx.clone(), spec.clone());
                transfer(move || far.bring(&asking, &wanted)).await?
            }
            None => Brought {
                disks: spec.disks.iter().map(local_disk).collect(),
                credentials: spec.credentials.clone(),
                boot: spec.boot.clone(),
                optical: spec.optical.iter().map(|medium| medium.path.clone()).collect(),
            },
        };
        cx.check()?;
        let xml = DomainXml {
            name,
            uuid,
            build: cx.id().to_string(),
            title: format!("{} ({})", spec.image, spec.role),
            arch: spec.arch,
            kvm: choice.kvm,
            distrusted,
            cpus: spec.cpus,
            memory_mib: spec.memory.as_mib_ceil(),
            uefi,
            disks,
            credentials,
            boot,
            optical,
            ends_at_restart: spec.ends_at_restart,
            isolated: spec.isolated,
            serial: far.is_none().then(|| serial.clone()),
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
            ssh: Mutex::new(None),
            far,
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
        let connection = self.connection().await?;
        let (place, wanted) = (self.place, build.clone());
        let (found, pools) = blocking(ATTEMPT, Duration::from_secs(30), move || {
            let why = |error: virt::error::Error| failed(ATTEMPT, &error);
            let mut found = Vec::new();
            for domain in connection.connect().list_all_domains(0).map_err(why)? {
                let (Ok(name), Ok(uuid)) = (domain.get_name(), domain.get_uuid()) else { continue };
                if is_of(&name, &wanted) {
                    found.push((uuid, name));
                }
            }
            let pools = match place {
                Place::Remote => remote::pools_of(&connection, &wanted)?,
                _ => Vec::new(),
            };
            Ok((found, pools))
        })
        .await?;
        let machines = found.into_iter().map(|(uuid, name)| {
            let mut resource = self.resource(uuid, &name, None);
            if self.place == Place::Remote
                && let Some(role) = name.strip_prefix(&domain_name(build, ""))
            {
                resource.details.extend(remote::details(build.uuid(POOL), role));
            }
            resource
        });
        // The folder goes last, as in an undo.
        Ok(machines.chain(pools.into_iter().map(|(uuid, name)| self.pool_resource(uuid, &name))).collect())
    }

    async fn destroy(&self, resource: &ResourceRef, stop: &Stop) -> Result<(), DriverError> {
        let attempt =
            || DriverError::new(DriverErrorKind::Other, format!("remove the machine `{}`", resource.id));
        if resource.driver != NAME || ![DOMAIN, POOL].contains(&resource.kind.as_str()) {
            return Err(DriverError::new(
                DriverErrorKind::Unsupported,
                format!("remove a {}", resource.kind),
            ));
        }
        let uuid: uuid::Uuid = resource.id.parse().map_err(|error: uuid::Error| attempt().because(error))?;
        let uri = resource.details.get("uri").unwrap_or(&self.uri);
        let place = Place::parse(uri)?;
        if resource.kind == POOL {
            let connection = self.connection_to(uri).await?;
            self.pools.lock().await.retain(|_, pool| pool.uuid() != uuid);
            return remove::pool(connection, uuid).await;
        }
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
        if place != Place::Embed {
            let connection = self.connection_to(uri).await?;
            return remove::machine(connection, uuid, remote::files_in(&resource.details)).await;
        }
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
}

fn local_disk(disk: &DiskAttachment) -> DiskXml {
    DiskXml {
        path: disk.path.clone(),
        format: disk.format,
        read_only: disk.read_only,
        has_backing: !disk.backing.is_empty(),
        below: Vec::new(),
    }
}

/// Socket of the guest agent's channel in an embedded root.
fn agent_socket(root: &Path, uuid: uuid::Uuid) -> PathBuf {
    let id = uuid.simple().to_string();
    root.join(format!("{}.agent", &id[..12]))
}
