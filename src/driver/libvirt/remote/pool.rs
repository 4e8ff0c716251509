//! A private folder on another host for the disks of one build: a storage pool of libvirt, so that the connection is all that is
//! needed to fill it, to read it, and to remove it.
//!
//! The pool is a defined one, not a transient one: libvirt can remove a folder only of a pool that it knows while it is not
//! active, and the folder must still be found when that host was restarted meanwhile.
use super::{
    facts,
    host::Host,
    transfer::{self, Report},
};
use crate::{
    cx::BuildId,
    driver::{
        DriverError, DriverErrorKind,
        libvirt::connection::{Connection, failed},
    },
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use virt::{error::ErrorNumber, storage_pool::StoragePool, storage_vol::StorageVol, sys};

/// Name of the pool of `build`.
pub(in super::super) fn pool_name(build: &BuildId) -> String {
    format!("goldsmith-{build}")
}

/// Where a pool is to be, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The new folder.
    pub(super) folder: PathBuf,
    /// User and group that QEMU runs as, where that is not the user of libvirt.
    pub(super) owner: Option<(u32, u32)>,
}

impl Place {
    /// In the pool `default`, which is where the owner of that host wants disks; else where libvirt has them by convention,
    /// or where every user may have large files. Blocks.
    pub(super) fn find(connection: &Connection, host: &Host, name: &str) -> Self {
        let parent = StoragePool::lookup_by_name(connection.connect(), "default")
            .ok()
            .filter(|pool| pool.is_active().unwrap_or(false))
            .and_then(|pool| facts::dir_of_pool(&pool.get_xml_desc(0).ok()?))
            .unwrap_or_else(|| {
                PathBuf::from(if host.is_system() { "/var/lib/libvirt/images" } else { "/var/tmp" })
            });
        let owner = connection.connect().get_capabilities().ok().and_then(|xml| facts::qemu_user(&xml));
        Self { folder: parent.join(name), owner: owner.filter(|_| host.is_system()) }
    }

    fn permissions(&self, mode: &str) -> String {
        let owner = self.owner.map(|(user, group)| format!("<owner>{user}</owner><group>{group}</group>"));
        format!("<permissions><mode>{mode}</mode>{}</permissions>", owner.unwrap_or_default())
    }

    fn xml(&self, name: &str, uuid: uuid::Uuid) -> String {
        format!(
            "<pool type='dir'><name>{name}</name><uuid>{uuid}</uuid><target><path>{}</path>{}</target></pool>",
            facts::escape(&self.folder.to_string_lossy()),
            self.permissions("0700")
        )
    }
}

/// The pool of one build.
#[derive(Debug)]
pub(in super::super) struct Pool {
    connection: Arc<Connection>,
    uuid: uuid::Uuid,
    place: Place,
    /// Files that nobody writes to are sent once for all machines.
    shared: Mutex<HashMap<Origin, PathBuf>>,
}

/// Which content a file has, as far as that shows without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin(PathBuf, u64, Option<SystemTime>);

impl Origin {
    fn of(path: &Path) -> Option<Self> {
        let found = path.metadata().ok()?;
        Some(Self(path.to_owned(), found.len(), found.modified().ok()))
    }
}

/// Begins the names of files that machines share; no role has this character.
const SHARED: &str = "_below";

impl Pool {
    /// Makes the pool with its folder. Its undo is planned by the caller. Blocks.
    pub(super) fn make(
        connection: Arc<Connection>,
        place: Place,
        name: &str,
        uuid: uuid::Uuid,
    ) -> Result<Self, DriverError> {
        let attempt = format!("make the folder `{}` on the remote host", place.folder.display());
        let why = |error: virt::error::Error| explained(&attempt, &error);
        let pool = StoragePool::define_xml(connection.connect(), &place.xml(name, uuid), 0).map_err(why)?;
        pool.build(sys::VIR_STORAGE_POOL_BUILD_NEW).map_err(why)?;
        pool.create(0).map_err(why)?;
        Ok(Self { connection, uuid, place, shared: Mutex::default() })
    }

    /// Its folder on the other host.
    pub(super) fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// Its UUID.
    pub(in super::super) fn uuid(&self) -> uuid::Uuid {
        self.uuid
    }

    /// Bytes that are free on its file system. Blocks.
    pub(super) fn free(&self) -> Result<u64, DriverError> {
        let attempt = "ask for the room on the remote host";
        let pool = self.look_up(attempt)?;
        Ok(pool.get_info().map_err(|error| failed(attempt, &error))?.available)
    }

    fn look_up(&self, attempt: &str) -> Result<StoragePool, DriverError> {
        StoragePool::lookup_by_uuid(self.connection.connect(), self.uuid)
            .map_err(|error| failed(attempt, &error))
    }

    /// Sends `path` as the volume `name`; returns its path there. Blocks.
    pub(super) fn send(&self, path: &Path, name: &str, report: Report<'_>) -> Result<PathBuf, DriverError> {
        let attempt = format!("send `{}` to the remote host", path.display());
        let pool = self.look_up(&attempt)?;
        let size = path
            .metadata()
            .map_err(|error| DriverError::new(DriverErrorKind::NotFound, &attempt).because(error))?
            .len();
        // Raw, whatever it is: libvirt is to store the file and not to make one of its own.
        let xml = format!(
            "<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation><target><format type='raw'/>{}</target></volume>",
            self.place.permissions("0600")
        );
        let volume = StorageVol::create_xml(&pool, &xml, 0).map_err(|error| failed(&attempt, &error))?;
        transfer::upload(self.connection.connect(), &volume, path, report)
            .map_err(|error| error.into_driver(&attempt))?;
        Ok(self.place.folder.join(name))
    }

    /// Whether such a file is there already.
    pub(super) fn has(&self, path: &Path) -> bool {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        Origin::of(path).is_some_and(|origin| shared.contains_key(&origin))
    }

    /// Sends a file that nobody writes to, or says where it was sent before. Blocks.
    pub(super) fn share(&self, path: &Path, report: Report<'_>) -> Result<PathBuf, DriverError> {
        let origin = Origin::of(path);
        let known = || self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = origin.as_ref().and_then(|origin| known().get(origin).cloned()) {
            return Ok(there);
        }
        let name = format!("{SHARED}.{}", uuid::Uuid::new_v4().simple());
        let there = self.send(path, &name, report)?;
        if let Some(origin) = origin {
            known().insert(origin, there.clone());
        }
        Ok(there)
    }

    /// Fetches the volume `name` into the file `path`, replacing it at the end. Blocks.
    pub(super) fn fetch(&self, name: &str, path: &Path, report: Report<'_>) -> Result<(), DriverError> {
        let attempt = format!("fetch `{}` from the remote host", path.display());
        let pool = self.look_up(&attempt)?;
        let volume = StorageVol::lookup_by_name(&pool, name).map_err(|error| failed(&attempt, &error))?;
        let unfinished = path.with_extension("fetched");
        transfer::download(self.connection.connect(), &volume, &unfinished, report)
            .map_err(|error| error.into_driver(&attempt))?;
        std::fs::rename(&unfinished, path)
            .map_err(|error| DriverError::new(DriverErrorKind::Other, &attempt).because(error))
    }
}

/// Whether libvirt says that there is no such pool or volume.
fn is_gone(error: &virt::error::Error) -> bool {
    matches!(error.code(), ErrorNumber::NoStoragePool | ErrorNumber::NoStorageVolume)
}

/// What a host lacks whose libvirt has no storage.
fn explained(attempt: &str, error: &virt::error::Error) -> DriverError {
    let error_of = failed(attempt, error);
    if error.code() == ErrorNumber::NoSupport {
        return error_of.hint("there: sudo apt-get install libvirt-daemon-driver-storage");
    }
    error_of
}

/// Whether the host's libvirt can store files at all. Blocks.
pub(super) fn check_storage(connection: &Connection) -> Result<(), DriverError> {
    let listed = connection.connect().list_all_storage_pools(0);
    listed.map(drop).map_err(|error| explained("keep disks on the remote host", &error))
}

/// The pools of `build`. Blocks.
pub(in super::super) fn pools_of(
    connection: &Connection,
    build: &BuildId,
) -> Result<Vec<(uuid::Uuid, String)>, DriverError> {
    const ATTEMPT: &str = "list the storage pools of the build";
    let wanted = pool_name(build);
    let pools = match connection.connect().list_all_storage_pools(0) {
        // A host without storage has none.
        Err(error) if error.code() == ErrorNumber::NoSupport => return Ok(Vec::new()),
        other => other.map_err(|error| failed(ATTEMPT, &error))?,
    };
    let named = pools.iter().filter_map(|pool| Some((pool.get_uuid().ok()?, pool.get_name().ok()?)));
    Ok(named.filter(|(_, name)| *name == wanted).collect())
}

/// Removes the files of one machine; those that are shared stay with the pool. Blocks.
pub(in super::super) fn remove_files_of(
    connection: &Connection,
    pool: uuid::Uuid,
    role: &str,
) -> Result<(), DriverError> {
    let attempt = format!("remove the disks of `{role}` from the remote host");
    let pool = match StoragePool::lookup_by_uuid(connection.connect(), pool) {
        Ok(pool) => pool,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(failed(&attempt, &error)),
    };
    if !pool.is_active().unwrap_or(false) {
        // With its pool, then.
        return Ok(());
    }
    delete_volumes(&pool, &attempt, |name| name.strip_prefix(role).is_some_and(|rest| rest.starts_with('.')))
}

/// Removes the pool with its folder. Gone already is fine, in whole or in part. Blocks.
pub(in super::super) fn remove(connection: &Connection, uuid: uuid::Uuid) -> Result<(), DriverError> {
    let attempt = format!("remove the storage pool `{uuid}` from the remote host");
    let why = |error: virt::error::Error| failed(&attempt, &error);
    let pool = match StoragePool::lookup_by_uuid(connection.connect(), uuid) {
        Ok(pool) => pool,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(why(error)),
    };
    // After a restart of that host it is not active; without its folder it cannot become so.
    let active = pool.is_active().unwrap_or(false) || pool.create(0).is_ok();
    if active {
        delete_volumes(&pool, &attempt, |_| true)?;
        pool.destroy().map_err(why)?;
        pool.delete(sys::VIR_STORAGE_POOL_DELETE_NORMAL).map_err(why)?;
    }
    match pool.undefine() {
        Err(error) if !is_gone(&error) => Err(why(error)),
        _ => Ok(()),
    }
}

fn delete_volumes(
    pool: &StoragePool,
    attempt: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<(), DriverError> {
    let why = |error: virt::error::Error| failed(attempt, &error);
    refresh(pool).map_err(why)?;
    for volume in pool.list_all_volumes(0).map_err(why)? {
        if volume.get_name().is_ok_and(|name| wanted(&name)) {
            delete(&volume).map_err(why)?;
        }
    }
    Ok(())
}

/// Sees the files that libvirt did not make as volumes, such as UEFI variables.
fn refresh(pool: &StoragePool) -> Result<(), virt::error::Error> {
    patiently(|| pool.refresh(0).map(drop))
}

fn delete(volume: &StorageVol) -> Result<(), virt::error::Error> {
    patiently(|| match volume.delete(0) {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    })
}

/// A transfer that was cut off a moment ago still holds its volume and pool, until that host's libvirt has noticed.
fn patiently(mut work: impl FnMut() -> Result<(), virt::error::Error>) -> Result<(), virt::error::Error> {
    const ATTEMPTS: u32 = 40;
    for _ in 1..ATTEMPTS {
        match work() {
            Err(error)
                if matches!(error.code(), ErrorNumber::OperationInvalid | ErrorNumber::InternalError) =>
            {
                std::thread::park_timeout(Duration::from_millis(250));
            }
            outcome => return outcome,
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_belongs_to_whom_qemu_runs_as() {
        let mut place = Place { folder: "/var/tmp/a&b".into(), owner: None };
        let uuid = uuid::Uuid::nil();
        assert_eq!(
            place.xml("goldsmith-x", uuid),
            "<pool type='dir'><name>goldsmith-x</name><uuid>00000000-0000-0000-0000-000000000000</uuid><target>\
             <path>/var/tmp/a&amp;b</path><permissions><mode>0700</mode></permissions></target></pool>"
        );
        place.owner = Some((64055, 106));
        assert!(place.xml("x", uuid).contains("<owner>64055</owner><group>106</group>"));
    }
}
