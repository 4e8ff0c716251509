//! Removing through a daemon what a build made there. Gone already is fine.
use super::{
    connection::{Connection, blocking, failed, is_gone},
    remote,
};
use crate::driver::DriverError;
use std::{sync::Arc, time::Duration};
use virt::domain::Domain;

/// Removing gigabytes takes some file systems a while.
const FILES_LIMIT: Duration = Duration::from_secs(120);

/// Ends and forgets the machine, then removes its files on another host: those of a role in a pool.
pub(super) async fn machine(
    connection: Arc<Connection>,
    uuid: uuid::Uuid,
    files: Option<(uuid::Uuid, String)>,
) -> Result<(), DriverError> {
    domain(Arc::clone(&connection), uuid).await?;
    let Some((pool, role)) = files else { return Ok(()) };
    blocking("remove the disks of the machine", FILES_LIMIT, move || {
        remote::remove_files_of(&connection, pool, &role)
    })
    .await
}

/// Removes the folder of a build on another host.
pub(super) async fn pool(connection: Arc<Connection>, uuid: uuid::Uuid) -> Result<(), DriverError> {
    blocking("remove the folder of the build", FILES_LIMIT, move || remote::remove_pool(&connection, uuid))
        .await
}

async fn domain(connection: Arc<Connection>, uuid: uuid::Uuid) -> Result<(), DriverError> {
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
