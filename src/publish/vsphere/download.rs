//! The files of an item of a content library, brought to this host: into a folder, or as an OVA.
use super::items::ItemName;
use crate::{
    cx::{Cx, Event, Undo, Unit},
    disk::{
        DiskError, DiskErrorKind, Progress,
        ova::{Assembled, Packed, pack},
    },
    publish::stage::stage,
    vsphere::{Downloaded, VCenter, VsphereError, VsphereErrorKind},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// An item to download.
#[derive(Debug, Clone)]
pub struct Download<'a> {
    /// The item.
    pub item: &'a ItemName,
    /// An OVA, as its end says, or a folder that is made.
    pub to: &'a Path,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fetched {
    /// The vCenter.
    pub server: String,
    /// The library's name.
    pub library: String,
    /// The item's name.
    pub item: String,
    /// The item's id.
    pub id: String,
    /// The version of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The archive first, or all files in the folder.
    pub files: Vec<PathBuf>,
    /// Length of the archive, or of all files.
    pub bytes: u64,
    /// SHA-256 of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Bytes that were fetched.
    pub bytes_fetched: u64,
    /// Of how many files the server told a digest, which was the same as here.
    pub digests_compared: usize,
}

impl Download<'_> {
    /// Whether an archive is wanted.
    fn is_ova(&self) -> bool {
        self.to.extension().is_some_and(|end| end.eq_ignore_ascii_case("ova"))
    }

    /// Makes the files. Nothing has its name before everything is complete.
    pub async fn run(&self, cx: &Cx, vcenter: &VCenter) -> Result<Fetched, VsphereError> {
        let item = stage(
            cx,
            "check",
            Box::pin(async {
                let (_, item) = self.item.find(vcenter).await?;
                let wrong = |why: String| VsphereError::new(VsphereErrorKind::Usage, self.attempt()).because(why);
                if item.kind == "vm-template" {
                    let why = "it is a template, which has no files".to_owned();
                    return Err(wrong(why).hint("`goldsmith vsphere deploy` makes a machine of it, and `goldsmith vsphere export` fetches that"));
                }
                if self.is_ova() && item.kind != "ovf" {
                    let why = format!("it is of the type `{}`, and an OVA is made of an `ovf`", item.kind);
                    return Err(wrong(why).hint("name a folder: `-o FOLDER`"));
                }
                Ok(item)
            }),
        )
        .await?;
        // Beside what is made of it, so that it is moved and not copied.
        let name = self.to.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.to.with_file_name(format!(".{name}.{}.partial", cx.id()));
        let undo = cx.undo().plan(Undo::Path { path: folder.clone() })?;
        let here = stage(
            cx,
            "download",
            Box::pin(async {
                tokio::fs::create_dir(&folder).await.map_err(|error| self.unwritten(error))?;
                vcenter.download(cx, &item, &folder).await
            }),
        )
        .await?;
        let bytes_fetched = here.iter().map(|file| file.size).sum();
        let digests_compared = here.iter().filter(|file| file.proved).count();
        let made = if self.is_ova() {
            let made = stage(cx, "assemble", Box::pin(self.archive(cx, here))).await?;
            tokio::fs::remove_dir_all(&folder).await.map_err(|error| self.unwritten(error))?;
            made
        } else {
            cx.check()?;
            // An empty folder of the name gives way.
            tokio::fs::rename(&folder, self.to).await.map_err(|error| self.unwritten(error))?;
            let name = |file: &Downloaded| self.to.join(file.path.file_name().unwrap_or_default());
            let files = here.iter().map(name).collect();
            Assembled { files, bytes: bytes_fetched, sha256: String::new() }
        };
        cx.undo().keep(undo)?;
        Ok(Fetched {
            server: vcenter.place().server.to_string(),
            library: self.item.library.clone(),
            item: item.name,
            id: item.id,
            version: item.content_version,
            files: made.files,
            bytes: made.bytes,
            sha256: Some(made.sha256).filter(|sha256| !sha256.is_empty()),
            bytes_fetched,
            digests_compared,
        })
    }

    fn attempt(&self) -> String {
        format!("download the item `{}` of the content library `{}`", self.item.item, self.item.library)
    }

    fn unwritten(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> VsphereError {
        let error = error.into();
        let full = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
        let kind = if full { VsphereErrorKind::NoSpace } else { VsphereErrorKind::Other };
        VsphereError::new(kind, format!("write `{}`", self.to.display())).because(error)
    }

    /// Makes the archive, on a thread of its own.
    async fn archive(&self, cx: &Cx, here: Vec<Downloaded>) -> Result<Assembled, VsphereError> {
        const TOLD_EVERY: Duration = Duration::from_millis(100);
        let files: Vec<Packed> = here
            .into_iter()
            .map(|file| Packed {
                path: file.path,
                bytes: file.size,
                sha256: file.sha256.map(|digest| digest.hex().to_owned()).unwrap_or_default(),
            })
            .collect();
        let (to, stop, shown) = (self.to.to_owned(), cx.stop().clone(), cx.clone());
        let packed = tokio::task::spawn_blocking(move || {
            let last = Mutex::new(None::<Instant>);
            let progress = |at: Progress| {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.is_some_and(|last| last.elapsed() < TOLD_EVERY) && at.done < at.total {
                    return;
                }
                *last = Some(Instant::now());
                let (what, total) = ("assemble".to_owned(), Some(at.total));
                shown.emit(Event::Progress { what, done: at.done, total, unit: Unit::Bytes });
            };
            let packed = pack(&to, &files, &progress, &|| stop.is_cancelled());
            shown.emit(Event::ProgressFinished { what: "assemble".to_owned() });
            packed
        })
        .await
        .map_err(|error| self.unwritten(error))?;
        cx.check()?;
        packed.map_err(|error: DiskError| match error.kind() {
            DiskErrorKind::NoSpace => {
                VsphereError::new(VsphereErrorKind::NoSpace, format!("write `{}`", self.to.display()))
                    .because(error)
            }
            _ => self.unwritten(error),
        })
    }
}
