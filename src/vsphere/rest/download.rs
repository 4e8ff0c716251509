//! The files of an item, brought here within a download session.
use super::{
    answer::told,
    calls,
    endpoint::{self, Endpoint},
    library::{Checksum, Item},
    tags::parsed,
    transfer::{Bytes, Passing, Upload},
};
use crate::{
    cx::{Cx, Look, Sight},
    value::Digest,
    vsphere::{VCenter, VsphereError, VsphereErrorKind},
    wire::Bar,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{io::AsyncWriteExt as _, time::Instant};

/// A session without calls ends after five minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(45);
/// How long no byte may come.
const STALLED: Duration = Duration::from_mins(2);
/// How long the server may take to get a file ready, maybe from another server.
const PREPARING: Duration = Duration::from_hours(2);
/// How often a file is asked for.
const ATTEMPTS: u32 = 3;

/// A file that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Where.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Option<Digest>,
    /// Whether the server told a digest, which agrees.
    pub proved: bool,
}

/// What the server says of a file that it gives (`downloadsession.File.Info`).
#[derive(Debug, Deserialize)]
struct Slot {
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    status: String,
    #[serde(default)]
    download_endpoint: Option<endpoint::Told>,
    #[serde(default)]
    checksum_info: Option<Checksum>,
    #[serde(default)]
    error_message: Value,
}

/// A download session of one item.
struct Download<'a> {
    vcenter: &'a VCenter,
    cx: &'a Cx,
    item: &'a Item,
    id: String,
}

impl VCenter {
    /// Brings all files of an item into `folder`, by their names there. The folder is the caller's: what is in it goes with it.
    pub async fn download(
        &self,
        cx: &Cx,
        item: &Item,
        folder: &Path,
    ) -> Result<Vec<Downloaded>, VsphereError> {
        let attempt = format!("download the item `{}` of the content library", item.name);
        let spec = json!({ "library_item_id": item.id });
        let files = self.item_files(item).await?;
        if files.is_empty() {
            return Err(VsphereError::new(VsphereErrorKind::NotFound, attempt).because("it has no files"));
        }
        let begun = self.rest(&attempt, &calls::BEGIN_DOWNLOAD, &[], Some(spec)).await?;
        let download = Download { vcenter: self, cx, item, id: parsed(&attempt, begun)? };
        let mut here = Vec::new();
        let mut failed = None;
        for file in files {
            match download.file(&file.name, file.size, file.checksum_info.as_ref(), folder).await {
                Ok(file) => here.push(file),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let _ = self.rest(&attempt, &calls::END_DOWNLOAD, &download.id(), None).await;
        failed.map_or(Ok(here), Err)
    }
}

impl Download<'_> {
    fn id(&self) -> [(&str, &str); 1] {
        [("download_session_id", &self.id)]
    }

    async fn file(
        &self,
        name: &str,
        size: Option<u64>,
        checksum: Option<&Checksum>,
        folder: &Path,
    ) -> Result<Downloaded, VsphereError> {
        let attempt = format!("download `{name}` of the item `{}`", self.item.name);
        // A server's names become ours.
        Upload { name: name.to_owned(), size: 0, sha256: None, bytes: Bytes::Path(PathBuf::new()) }
            .check_name(&attempt)?;
        let slot = self.prepared(&attempt, name).await?;
        // Of files that are still elsewhere, servers say 0.
        let size = slot.size.or(size).filter(|size| *size > 0);
        let path = folder.join(name);
        let mut tries = 0;
        let passed = loop {
            tries += 1;
            match self.get(&attempt, name, &slot, size, &path).await {
                Ok(passed) => break passed,
                Err(error) if tries < ATTEMPTS && is_worth_it(&error) => {
                    let wait = Duration::from_millis(500 << tries);
                    self.cx.stop().unless_cancelled(tokio::time::sleep(wait)).await?;
                }
                Err(error) => return Err(error),
            }
        };
        let hashes = passed.hashes();
        let told = slot.checksum_info.as_ref().or(checksum);
        let agrees = told.and_then(|told| told.agrees(&hashes.all()));
        if agrees == Some(false) {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because("what came has another digest than the server tells"));
        }
        Ok(Downloaded { path, size: passed.done(), sha256: hashes.sha256(), proved: agrees.is_some() })
    }

    /// Has the server get a file ready.
    async fn prepared(&self, attempt: &str, name: &str) -> Result<Slot, VsphereError> {
        const EVERY: Duration = Duration::from_secs(1);
        let named = [("download_session_id", self.id.as_str()), ("file_name", name)];
        let first = self.vcenter.rest(attempt, &calls::PREPARE, &named, None).await?;
        let first = std::sync::Mutex::new(Some(first));
        let look = || async {
            let answer = first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let answer = match answer {
                Some(answer) => Ok(answer),
                None => self.vcenter.rest(attempt, &calls::PREPARED, &named, None).await,
            };
            match answer.and_then(|answer| parsed::<Slot>(attempt, answer)) {
                Ok(slot) if slot.status == "PREPARED" && slot.download_endpoint.is_some() => {
                    Look::Ready(slot)
                }
                Ok(slot) if slot.status == "ERROR" => {
                    let why = told(&json!([slot.error_message]));
                    Look::Hopeless(Box::new(VsphereError::new(VsphereErrorKind::Other, attempt).because(why)))
                }
                Ok(slot) => Look::NotYet(vec![Sight::no("file", slot.status.to_lowercase())]),
                Err(error) => Look::Hopeless(Box::new(error)),
            }
        };
        let what = format!("the content library to prepare `{name}`");
        Ok(self.cx.wait_for(&what, PREPARING, EVERY, look).await?)
    }

    async fn get(
        &self,
        attempt: &str,
        name: &str,
        slot: &Slot,
        size: Option<u64>,
        path: &Path,
    ) -> Result<Passing, VsphereError> {
        let unwritable = |why: std::io::Error| {
            VsphereError::new(VsphereErrorKind::Other, format!("write `{}`", path.display())).because(why)
        };
        let Some(there) = &slot.download_endpoint else {
            return Err(VsphereError::new(VsphereErrorKind::Other, attempt)
                .because("the server did not say where it is"));
        };
        let endpoint = there.reach(self.vcenter, attempt)?;
        let session = self.vcenter.rest_session().await?;
        let request = endpoint.request(reqwest::Method::GET, &session).send();
        let mut response =
            self.in_time(attempt, request).await?.map_err(|error| endpoint.failed(attempt, error))?;
        let status = response.status();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            // For the next try.
            self.vcenter.rest_renew(&session).await?;
        }
        if !status.is_success() {
            return Err(Endpoint::refused(attempt, "GET", status));
        }
        let mut file = tokio::fs::File::create(path).await.map_err(unwritable)?;
        let mut bar = Bar::new(self.cx, format!("download {name}"), size);
        let passing = Passing::default();
        let mut kept = Instant::now();
        while let Some(chunk) =
            self.in_time(attempt, response.chunk()).await?.map_err(|error| endpoint.failed(attempt, error))?
        {
            passing.pass(&chunk);
            file.write_all(&chunk).await.map_err(unwritable)?;
            bar.show(passing.done());
            if kept.elapsed() >= KEEP_ALIVE {
                kept = Instant::now();
                // One that gets lost is made up for by the next.
                let _ = self.vcenter.rest(attempt, &calls::KEEP_DOWNLOAD, &self.id(), None).await;
            }
        }
        file.sync_all().await.map_err(unwritable)?;
        if let Some(size) = size.filter(|size| *size != passing.done()) {
            return Err(VsphereError::new(VsphereErrorKind::Unavailable, attempt)
                .because(format!("{} bytes came of {size}", passing.done())));
        }
        Ok(passing)
    }

    /// What comes in time, unless the user interrupts.
    async fn in_time<T>(&self, attempt: &str, coming: impl Future<Output = T>) -> Result<T, VsphereError> {
        let limited = tokio::time::timeout(STALLED, coming);
        self.cx.stop().unless_cancelled(limited).await?.map_err(|_| {
            VsphereError::new(VsphereErrorKind::Unavailable, attempt)
                .because(format!("nothing comes for {} minutes", STALLED.as_secs() / 60))
        })
    }
}

/// Whether asking once more may help.
fn is_worth_it(error: &VsphereError) -> bool {
    matches!(error.kind(), VsphereErrorKind::Unavailable | VsphereErrorKind::Auth)
}
