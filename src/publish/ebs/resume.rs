//! An upload that outlives its process: interrupted or killed, the same command goes on with it, and `goldsmith gc` removes it.
//!
//! Two files say how far it is. The journal names what is to be removed, as that of a build does, and its lock tells whether somebody is
//! at it; the record names the blocks that arrived. Neither is removed by a task that fails.
use super::{
    Feed, SnapshotSpec, Traffic, Upload,
    record::{Found, Identity, Record},
    snapshot,
};
use crate::{
    aws::{self, Aws, AwsError, AwsErrorKind, Kind, Tags, resource},
    cx::{BuildId, Cx, Header, Journal, Stop, Undo, UndoError, UndoLog, Undoer},
};
use async_trait::async_trait;
use aws_sdk_ec2::types::SnapshotState;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The end of the names of journals in the folder of uploads; `goldsmith gc` looks for it.
const JOURNAL: &str = "journal";

/// An upload with its two files.
#[derive(Debug)]
pub struct Resumable {
    id: BuildId,
    log: UndoLog,
    record: Record,
    found: Found,
    upload: Option<Upload>,
}

impl Resumable {
    /// Goes on with the upload of `identity` as `name` that `folder` knows of, or begins one there.
    pub async fn open(
        cx: &Cx,
        aws: &Aws,
        folder: &Path,
        name: &str,
        identity: &Identity,
    ) -> Result<Self, AwsError> {
        let attempt = || format!("upload `{}` to {}", identity.source.display(), aws.region());
        let (journal_path, record_path) = paths(folder, name, identity);
        if journal_path.exists() {
            let Some((journal, replay)) = Journal::adopt(&journal_path)? else {
                return Err(AwsError::new(AwsErrorKind::Usage, attempt())
                    .because(format!("another goldsmith is uploading it as `{name}`")));
            };
            let log = UndoLog::adopt(journal, replay);
            if let Some(going) = Self::adopt(cx, aws, &log, &record_path, identity).await? {
                return Ok(going);
            }
            let unwound = log.unwind(&Remover(aws), cx.stop(), &|event| cx.emit(event)).await;
            if let Some(leftover) = unwound.leftovers.into_iter().next() {
                return Err(AwsError::new(AwsErrorKind::Other, attempt()).because(leftover.error));
            }
            log.close()?;
        }
        // A record without a journal is of an upload that was over.
        remove_file(&record_path)
            .map_err(|error| AwsError::new(AwsErrorKind::Other, attempt()).because(error))?;
        let id = BuildId::random();
        let header = Header {
            build: id.clone(),
            name: format!("upload of {name}"),
            definition: identity.source.clone(),
            created: jiff::Timestamp::now(),
            pid: std::process::id(),
        };
        let log = UndoLog::new(Journal::create(&journal_path, &header)?);
        let _ = log.plan(Undo::Path { path: record_path.clone() })?;
        let record = Record::create(&record_path, &id, identity)?;
        Ok(Self { id, log, record, found: Found::default(), upload: None })
    }

    /// The upload that the record tells of, when it is of the same disk and its snapshot is there.
    async fn adopt(
        cx: &Cx,
        aws: &Aws,
        log: &UndoLog,
        path: &Path,
        identity: &Identity,
    ) -> Result<Option<Self>, AwsError> {
        if !path.exists() {
            return Ok(None);
        }
        let (record, found) = Record::open(path)?;
        let Some(id) = found.id.clone() else { return Ok(None) };
        if found.identity.as_ref() != Some(identity) {
            cx.events()
                .notice("the disk or its settings changed since its upload was interrupted: it begins anew");
            return Ok(None);
        }
        if let Some(snapshot) = &found.snapshot
            && matches!(snapshot::state(aws, snapshot).await?, None | Some((SnapshotState::Error, _)))
        {
            cx.events().notice(format!(
                "the service gave up the snapshot `{snapshot}` meanwhile: the upload begins anew"
            ));
            return Ok(None);
        }
        cx.events().notice(format!("the upload goes on: {} blocks arrived before", found.digests.len()));
        Ok(Some(Self { id, log: log.clone(), record, found, upload: None }))
    }

    /// The undo log, which names all that `goldsmith gc` would remove.
    pub fn log(&self) -> &UndoLog {
        &self.log
    }

    /// Starts the snapshot, unless it is there. `spec` needs neither token nor the upload's own tags.
    pub async fn start(&mut self, aws: &Aws, spec: SnapshotSpec, image: &str) -> Result<&Upload, AwsError> {
        let upload = if let Some(snapshot) = self.found.snapshot.clone() {
            Upload::go_on(aws, snapshot, self.found.digests.clone(), &spec)
        } else {
            let tags = Tags::of(&self.id, image).and(&spec.tags.iter().map(own).collect());
            let token = self.id.uuid("snapshot").to_string();
            let spec = SnapshotSpec { tags, token, ..spec };
            let started = Upload::start(aws, &self.log, self.id.as_str(), spec).await;
            if let Err(error) = &started
                && matches!(error.kind(), AwsErrorKind::Auth | AwsErrorKind::Permission | AwsErrorKind::Usage)
            {
                // There is no snapshot for sure, and nobody would ever look for this upload.
                self.close(aws, &Stop::default()).await?;
            }
            let upload = started?;
            self.record.snapshot(upload.snapshot())?;
            upload
        };
        Ok(self.upload.insert(upload))
    }

    /// Where the disk engine puts the blocks; `None` when all of them arrived in an earlier run.
    pub fn feed(&mut self) -> Option<Feed> {
        if self.found.completing {
            return None;
        }
        self.upload.as_mut().map(Upload::feed)
    }

    /// As [`Upload::send`], and records what arrives.
    pub async fn send(&mut self, cx: &Cx, most: Option<usize>) -> Result<(), AwsError> {
        match &mut self.upload {
            Some(upload) => upload.send_recorded(cx, Some(&mut self.record), most).await,
            None => Ok(()),
        }
    }

    /// Says that all blocks are there, and waits until the snapshot can be used.
    pub async fn complete(&mut self, cx: &Cx, aws: &Aws) -> Result<(), AwsError> {
        let Some(upload) = &self.upload else { return Ok(()) };
        if !self.found.completed {
            let again = std::mem::replace(&mut self.found.completing, true);
            self.record.completing()?;
            let completed = snapshot::complete(cx, aws, &upload.snapshot, &upload.digests, again).await;
            if let Err(error) = completed {
                use AwsErrorKind::{Cancelled, Throttled, Timeout, Unavailable};
                if !matches!(error.kind(), Cancelled | Throttled | Timeout | Unavailable) {
                    self.record.refused()?;
                }
                return Err(error);
            }
            self.record.completed()?;
            self.found.completed = true;
        }
        snapshot::completed(cx, aws, &upload.snapshot).await
    }

    /// What was sent in this run.
    pub fn traffic(&self) -> Traffic {
        self.upload.as_ref().map(Upload::traffic).unwrap_or_default()
    }

    /// The id of the snapshot, once there is one.
    pub fn snapshot(&self) -> Option<&str> {
        self.upload.as_ref().map(Upload::snapshot)
    }

    /// The id of this upload, which its tags name.
    pub fn id(&self) -> &BuildId {
        &self.id
    }

    /// The snapshot, and what was made of it, is a result; the two files have served. What the snapshot holds is written down in `folder`.
    pub async fn finish(self, cx: &Cx, aws: &Aws, folder: &Path) -> Result<(), AwsError> {
        if let Some(upload) = &self.upload {
            upload.remember(cx, folder);
        }
        self.close(aws, cx.stop()).await
    }

    async fn close(&self, aws: &Aws, stop: &Stop) -> Result<(), AwsError> {
        self.log.keep_where(|undo| matches!(undo, Undo::Resource(_)))?;
        self.log.unwind(&Remover(aws), stop, &|_| {}).await;
        self.log.close()?;
        Ok(())
    }
}

fn own((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Whether `folder` knows of an upload of this source as `name`, for who says what is left.
pub(in crate::publish) fn is_open(folder: &Path, name: &str, identity: &Identity) -> bool {
    paths(folder, name, identity).0.exists()
}

/// Where journal and record of an upload are: the same for the same command.
fn paths(folder: &Path, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
    let mut hash = Sha256::new();
    for part in [
        identity.source.as_os_str().as_encoded_bytes(),
        identity.place.0.as_bytes(),
        identity.place.1.as_deref().unwrap_or_default().as_bytes(),
        name.as_bytes(),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let key = hex::encode(&hash.finalize()[..8]);
    (folder.join(format!("{key}.{JOURNAL}")), folder.join(format!("{key}.blocks")))
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what an upload made.
struct Remover<'a>(&'a Aws);

#[async_trait]
impl Undoer for Remover<'_> {
    async fn undo(&self, undo: &Undo, stop: &Stop) -> Result<(), UndoError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| UndoError { what: undo.to_string(), source };
        match undo {
            Undo::Path { path } => remove_file(path).map_err(|error| failed(error.into())),
            Undo::Resource(resource) => {
                aws::remove_with(self.0, resource, stop).await.map_err(|error| failed(error.into()))
            }
            Undo::Process { .. } => Err(failed("an upload starts no processes".into())),
        }
    }
}

/// Undo data for images that are made of a snapshot, before their ids are known.
pub(in crate::publish) fn image_of(aws: &Aws, snapshot: &str) -> Undo {
    Undo::Resource(resource(aws, Kind::ImageOf, snapshot))
}
