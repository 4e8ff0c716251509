//! What is in a machine's drives, and what it is told about who gets in: brought before it starts, forgotten before it is a result.
use super::Vsphere;
use crate::{
    cx::{Cx, Stop, Undo, UndoError, UndoHandle, Undoer, causes},
    driver::{DriverError, DriverErrorKind, MachineSpec, Optical},
    value::Secret,
    vsphere::{
        self, Spot,
        machine::{Change, Machine},
    },
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::sync::PoisonError;

/// What was brought to one machine, which it does not keep.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// Images, as the vCenter names them.
    pub(super) images: Vec<String>,
    /// Undo of those that are of this build alone.
    files: Vec<UndoHandle>,
    /// Keys of CD drives that were made for them.
    pub(super) drives: Vec<i32>,
    /// Keys of its configuration.
    pub(super) keys: Vec<String>,
}

/// Brings images to the datastore of `spot`. Their undo is planned before the machine's, so that they go after it: a file in a drive of a
/// machine is held.
pub(super) async fn bring(
    driver: &Vsphere,
    cx: &Cx,
    spot: &Spot,
    optical: &[Optical],
) -> Result<Brought, DriverError> {
    let mut brought = Brought::default();
    if optical.is_empty() {
        return Ok(brought);
    }
    let datastore = driver.vcenter.datastore(&spot.datacenter, &spot.datastore).await?;
    for Optical { path, digest } in optical {
        cx.check()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(digest) = digest {
            brought.images.push(datastore.cached(cx, path, digest, &name).await?);
        } else {
            let file = datastore.upload_temporary(cx, path, &name).await?;
            brought.files.push(file.undo);
            brought.images.push(file.full_path);
        }
    }
    Ok(brought)
}

/// What a guest is told by way of its machine's configuration:
/// [cloud-init](https://docs.cloud-init.io/en/latest/reference/datasources/vmware.html) reads `guestinfo.metadata` and
/// `guestinfo.userdata`, [Ignition](https://coreos.github.io/ignition/supported-platforms/) `guestinfo.ignition.config.data`.
pub(super) async fn seed(spec: &MachineSpec) -> Result<Vec<(String, Secret)>, DriverError> {
    let Some(path) = &spec.instance.user_data else { return Ok(Vec::new()) };
    let data = tokio::fs::read(path).await.map_err(|error| {
        DriverError::new(DriverErrorKind::Other, format!("read the user data `{}`", path.display()))
            .because(error)
    })?;
    let encoded = |key: &str, data: &[u8]| {
        [
            (format!("guestinfo.{key}"), Secret::new(STANDARD.encode(data))),
            (format!("guestinfo.{key}.encoding"), Secret::new("base64")),
        ]
    };
    if spec.instance.ignition {
        return Ok(encoded("ignition.config.data", &data).into());
    }
    let about = json!({ "instance-id": spec.instance.id, "local-hostname": HOSTNAME }).to_string();
    Ok(encoded("metadata", about.as_bytes()).into_iter().chain(encoded("userdata", &data)).collect())
}

/// What a guest is called while it is built.
const HOSTNAME: &str = "goldsmith-build";

impl Vsphere {
    /// From now on, this is what `machine` is to forget.
    pub(super) fn brought_to(&self, machine: &Machine, brought: Brought) {
        let mut all = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(machine.moref().clone(), brought);
    }

    /// What `machine` was brought, which nobody remembers any more; nothing if it was not made here.
    pub(super) fn taken_from(&self, machine: &Machine) -> Option<Brought> {
        let mut all = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(machine.moref())
    }
}

/// Takes from a machine, which is off, what it was brought: its seed, the media in its drives, the drives that were made for them.
pub(super) async fn forget(driver: &Vsphere, cx: &Cx, machine: &Machine) -> Result<(), DriverError> {
    let Brought { images, files, drives, keys } = driver.taken_from(machine).unwrap_or_default();
    let forgotten = async {
        if !keys.is_empty() {
            // A key without a value is removed.
            let extra = keys.iter().map(|key| (key.clone(), Secret::new(""))).collect();
            machine.reconfigure(cx, &Change { extra, ..Change::default() }).await?;
        }
        machine.release_cds(cx, &drives, &images).await
    };
    if let Err(error) = forgotten.await {
        driver.brought_to(machine, Brought { images, files, drives, keys });
        return Err(error.into());
    }
    discard(driver, cx, files).await;
    Ok(())
}

impl Brought {
    /// What is left of it when other media take the place of its images, whose files go.
    pub(super) async fn emptied(self, driver: &Vsphere, cx: &Cx) -> Self {
        discard(driver, cx, self.files).await;
        Self { images: Vec::new(), files: Vec::new(), ..self }
    }

    /// With what was brought later.
    pub(super) fn and(mut self, later: Self) -> Self {
        self.images.extend(later.images);
        self.files.extend(later.files);
        self.drives.extend(later.drives);
        self.keys.extend(later.keys);
        self
    }
}

/// Removes files that nobody needs any more. One that cannot be removed now goes at the end of the build.
async fn discard(driver: &Vsphere, cx: &Cx, files: Vec<UndoHandle>) {
    for file in files {
        if let Err(error) = cx.undo().undo_now(file, &Remover(driver), cx.stop()).await {
            let why = causes(&error).join(": ");
            cx.events().notice(format!("{why}; it is tried again at the end of the build"));
        }
    }
}

/// Removes through the driver's session.
struct Remover<'a>(&'a Vsphere);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| UndoError { what: undo.to_string(), source };
        match undo {
            Undo::Resource(resource) => vsphere::remove_with(&self.0.vcenter, resource, stop)
                .await
                .map_err(|error| failed(error.into())),
            Undo::Path { .. } | Undo::Process { .. } => Err(failed("it is not in a vCenter".into())),
        }
    }
}
