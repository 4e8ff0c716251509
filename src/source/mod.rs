//! Where the first disk comes from: an existing image, or a system assembled from packages.
//!
//! [`prepare`] leaves one writable disk in the build's work folder; whatever it needs on the way is temporary, planned in
//! the undo log before it is made, and never outside that folder. [`preflight`] says beforehand what would be missing.
//!
//! [`iso`] looks into installer media.
mod bootstrap;
mod error;
mod image;
mod install;
pub mod iso;
mod origin;
mod packages;
mod rpms;
#[cfg(test)]
mod tests;
mod tool;

pub use error::SourceError;
pub use install::{Installer, Kernel};
pub use packages::{Choice, PackageFile, Packages};
pub use rpms::{RpmRepo, RpmRepos, RpmTaken, RpmWanted, is_rpm_metadata, rpm_repos};

use crate::{
    cx::{Cancelled, Cx, ResourceRef},
    fetch::Fetcher,
    plan::{ImageFormat, Plan, SourcePlan},
    value::{Digest, Size},
};
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The first disk of a build: writable, of the machine's size, in the build's work folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseDisk {
    /// The image file.
    pub path: PathBuf,
    /// Its format.
    pub format: ImageFormat,
    /// Images below it, nearest first. They are only read.
    pub backing: Vec<PathBuf>,
    /// For people and for the record: what it was made from.
    pub description: String,
    /// Digest of the image it was made from, if it was one.
    pub digest: Option<Digest>,
}

/// What a source gives.
#[derive(Debug)]
pub enum Prepared {
    /// A disk to build on.
    Disk(BaseDisk),
    /// An installer that must make it first. What it made is handed to [`adopt`].
    Installer(Installer),
    /// An image that the hypervisor keeps: no disk comes here.
    Kept(KeptSource),
    /// A machine that is there already, and off: of an OVA that was imported.
    Made(MadeSource),
    /// An installer for a machine whose disk stays with its hypervisor.
    Media(Media),
}

/// An image that a hypervisor keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSource {
    /// Its name there: `ami-0123456789abcdef0`.
    pub id: String,
    /// For people and for the record: what it is.
    pub description: String,
}

/// A machine that the build goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeSource {
    /// It, as undo data names it.
    pub machine: ResourceRef,
    /// For people and for the record: what it is.
    pub description: String,
}

/// What is in the drives of a machine that an installer fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The installer's medium.
    pub iso: PathBuf,
    /// Its digest.
    pub digest: Digest,
    /// Its answers, as a medium of their own.
    pub answers: Option<PathBuf>,
    /// For people and for the record: where the medium came from.
    pub description: String,
}

/// What a source needs, as far as that can be known beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Space in the work folder, besides what the guest will write.
    pub bytes_work: Size,
    /// Space in the cache, for what is not there yet.
    pub bytes_cache: Size,
    /// Programs of this host that will be run.
    pub tools: Vec<PathBuf>,
    /// Files and addresses that will be read. They answered.
    pub reads: Vec<String>,
}

impl Needs {
    /// How much room is needed where: in the work folder first, with what the cache needs if that is on the same file system.
    pub fn room<'a>(&self, work: &'a Path, cache: &'a Path) -> Vec<(&'a Path, Size)> {
        let device = |folder: &Path| {
            let there = folder.ancestors().find_map(|folder| folder.metadata().ok());
            there.map(|found| std::os::unix::fs::MetadataExt::dev(&found))
        };
        if device(work) == device(cache) {
            let both = self.bytes_work.as_bytes().saturating_add(self.bytes_cache.as_bytes());
            return vec![(work, Size::bytes(both))];
        }
        vec![(work, self.bytes_work), (cache, self.bytes_cache)]
    }
}

/// Looks whether the source of `plan` can work: programs, permissions, addresses, sizes. Makes nothing. `fetcher` says where
/// downloads are kept, and what may be asked.
pub async fn preflight(plan: &Plan, fetcher: &Fetcher) -> Result<Needs, SourceError> {
    match &plan.source {
        SourcePlan::Bootstrap(bootstrap) => bootstrap::preflight(plan, bootstrap, fetcher.gate()).await,
        SourcePlan::Disk(disk) => image::preflight(plan, disk, fetcher).await,
        SourcePlan::Iso(iso) => install::preflight(plan, iso, fetcher).await,
        // Whoever keeps it is asked.
        SourcePlan::Ami(_) | SourcePlan::Vsphere(_) | SourcePlan::Nutanix(_) | SourcePlan::Cloudstack(_) => {
            Ok(Needs::default())
        }
    }
}

/// Makes the first disk, or all that an installer needs to make it.
pub async fn prepare(cx: &Cx, plan: &Plan, fetcher: &Fetcher) -> Result<Prepared, SourceError> {
    match &plan.source {
        SourcePlan::Bootstrap(bootstrap) => {
            bootstrap::prepare(cx, plan, bootstrap, fetcher.gate()).await.map(Prepared::Disk)
        }
        SourcePlan::Disk(disk) => image::prepare(cx, plan, disk, fetcher).await.map(Prepared::Disk),
        SourcePlan::Iso(iso) => install::prepare(cx, plan, iso, fetcher).await,
        SourcePlan::Ami(_) | SourcePlan::Vsphere(_) | SourcePlan::Nutanix(_) | SourcePlan::Cloudstack(_) => {
            Err(SourceError::Kept)
        }
    }
}

/// Takes the disk that `installer` made, keeps it for later builds, and puts the first disk on it.
pub async fn adopt(cx: &Cx, plan: &Plan, installer: Installer) -> Result<BaseDisk, SourceError> {
    install::adopt(cx, plan, installer).await
}

/// Removes a file or folder of a build with all that is in it. A bootstrap by an ordinary user leaves files of its mapped
/// users behind when it is killed; only inside a user namespace can that user remove them. Gone already is `Ok`.
pub async fn remove_tree(path: &Path) -> io::Result<()> {
    // Processes that were killed a moment ago may still write.
    const ATTEMPTS: u32 = 5;
    for attempt in 1.. {
        let target = path.to_owned();
        let removed = tokio::task::spawn_blocking(move || match target.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(&target),
            Ok(_) => std::fs::remove_file(&target),
            Err(error) => Err(error),
        })
        .await
        .map_err(io::Error::other)?;
        match removed {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let (succeeded, said) = tool::ask(bootstrap::remove_command(path), REMOVAL).await?;
                return if succeeded { Ok(()) } else { Err(io::Error::new(error.kind(), said)) };
            }
            Err(error) if attempt >= ATTEMPTS => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    Ok(())
}

/// The longest that removing a tree may take.
const REMOVAL: Duration = Duration::from_secs(120);

/// Runs blocking work aside; a panic in it goes on here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Cancelled.into()),
    }
}
