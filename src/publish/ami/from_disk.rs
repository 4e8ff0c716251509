//! From a disk on this host to an AMI, in one go that can be interrupted and gone on with.
use super::{
    Ami,
    parent::{self, Base},
    register, spec,
};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, Tags},
    cx::Cx,
    disk::{self, ConvertOptions, DiskError, DiskErrorKind, DiskRead},
    plan::AmiPlan,
    publish::{
        ebs::{self, Identity, Parent, Resumable, SnapshotSpec, Traffic},
        stage::stage,
    },
};
use serde::Serialize;
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A disk to make an AMI of.
#[derive(Debug, Clone)]
pub struct DiskSource {
    /// The user's file, by which the upload is found again.
    pub path: PathBuf,
    /// What is read.
    pub disk: Arc<dyn DiskRead>,
}

/// How an AMI is made of a disk.
#[derive(Debug, Clone)]
pub struct FromDisk<'a> {
    /// What Amazon is told.
    pub ami: &'a AmiPlan,
    /// Where the records of uploads are kept.
    pub folder: &'a Path,
    /// Threads that read and hash.
    pub threads: usize,
    /// The most blocks that are on their way at once.
    pub connections: Option<usize>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published {
    /// The AMI.
    #[serde(flatten)]
    pub ami: Ami,
    /// Size of the disk.
    pub disk_bytes: u64,
    /// Blocks of 512 KiB that were sent now.
    pub blocks_sent: u64,
    /// Blocks that an earlier run had sent.
    pub blocks_known: u64,
    /// Blocks that are the parent's, and were not sent.
    pub blocks_unchanged: u64,
    /// Tries that failed and were made again.
    pub blocks_repeated: u64,
}

/// Why no AMI was made, and whether there is an upload to go on with.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub error: AwsError,
    /// What arrived is kept: the same call goes on with it, and `gc` removes it.
    pub kept: bool,
}

impl From<Stopped> for AwsError {
    fn from(stopped: Stopped) -> Self {
        const WAY: &str = "what arrived is kept: the same command goes on with it, `goldsmith gc` removes it";
        let Stopped { error, kept } = stopped;
        match error.hint_text().map(ToOwned::to_owned) {
            _ if !kept => error,
            None => error.hint(WAY),
            Some(hint) => error.hint(format!("{hint}; {WAY}")),
        }
    }
}

impl FromDisk<'_> {
    /// Makes the AMI. After an error or an interruption the upload stays, and the same call goes on with it.
    pub async fn publish(&self, cx: &Cx, aws: &Aws, source: &DiskSource) -> Result<Published, Stopped> {
        let fresh = |error| Stopped { error, kept: false };
        spec::check(self.ami, Some(source.disk.size())).map_err(fresh)?;
        spec::uefi_data(self.ami).await.map_err(fresh)?;
        let mut identity = self.identity(cx, aws, source).await.map_err(fresh)?;
        let base = parent::base(aws, self.ami, Some(source.disk.size())).await;
        let open = ebs::is_open(self.folder, &self.ami.name, &identity);
        let base = base.map_err(|error| Stopped { error, kept: open })?;
        identity.parent = base.as_ref().map(|base| base.snapshot.clone());
        let is_open = || ebs::is_open(self.folder, &self.ami.name, &identity);
        if !is_open() {
            // Who goes on may have registered the AMI already.
            register::check(aws, self.ami, None).await.map_err(fresh)?;
        }
        // An upload that is open stays so when its parent cannot be read this time.
        let parent = self.parent(cx, aws, base.as_ref()).await;
        let parent = parent.map_err(|error| Stopped { kept: is_open(), error })?;
        let made = Box::pin(self.go_on(cx, aws, source, &identity, parent)).await;
        // Who may not even begin leaves nothing; what another process is at is not ours.
        made.map_err(|error| Stopped { kept: is_open() && error.kind() != AwsErrorKind::Usage, error })
    }

    /// The blocks of the parent, read if need be.
    async fn parent(&self, cx: &Cx, aws: &Aws, base: Option<&Base>) -> Result<Option<Parent>, AwsError> {
        let Some(base) = base else { return Ok(None) };
        base.tell(cx, self.ami);
        let opening = Parent::open(cx, aws, self.folder, &base.snapshot, base.volume_gib);
        stage(cx, "parent", Box::pin(opening)).await.map(Some)
    }

    async fn go_on(
        &self,
        cx: &Cx,
        aws: &Aws,
        source: &DiskSource,
        identity: &Identity,
        parent: Option<Parent>,
    ) -> Result<Published, AwsError> {
        let ami = self.ami;
        let mut upload = Resumable::open(cx, aws, self.folder, &ami.name, identity).await?;
        let snapshot = SnapshotSpec {
            disk_bytes: source.disk.size(),
            description: ami.description.clone().unwrap_or_else(|| format!("{}, by goldsmith", ami.name)),
            tags: Tags::default().and(&ami.tags),
            // With a parent, they are the parent's.
            encrypted: ami.volume.encrypted && parent.is_none(),
            kms_key: ami.volume.kms_key.clone().filter(|_| parent.is_none()),
            parent,
            token: String::new(),
        };
        let id = stage(
            cx,
            "upload",
            Box::pin(async {
                let id = upload.start(aws, snapshot, &ami.name).await?.snapshot().to_owned();
                cx.check()?;
                self.send(cx, source, &mut upload).await?;
                Ok::<_, AwsError>(id)
            }),
        )
        .await?;
        stage(cx, "complete", Box::pin(upload.complete(cx, aws))).await?;
        let tags = Tags::of(upload.id(), &ami.name);
        let registering = register(cx, aws, upload.log(), ami, &id, &tags);
        let (made, _kept) = stage(cx, "register", Box::pin(registering)).await?;
        let Traffic { sent, known, unchanged, repeated, .. } = upload.traffic();
        upload.finish(cx, aws, self.folder).await?;
        Ok(Published {
            ami: made,
            disk_bytes: source.disk.size(),
            blocks_sent: sent,
            blocks_known: known,
            blocks_unchanged: unchanged,
            blocks_repeated: repeated,
        })
    }

    /// Reads the disk and sends what is not there yet.
    async fn send(&self, cx: &Cx, source: &DiskSource, upload: &mut Resumable) -> Result<(), AwsError> {
        if let Some(feed) = upload.feed() {
            let (disk, threads, stop) = (Arc::clone(&source.disk), self.threads, cx.stop().clone());
            let reading = tokio::task::spawn_blocking(move || {
                let options = ConvertOptions {
                    threads,
                    needles: &[],
                    progress: &|_| {},
                    cancelled: &|| stop.is_cancelled(),
                };
                disk::convert_and_feed(&*disk, &[], &[&feed], &options).map(drop)
            });
            let (sent, read) = tokio::join!(upload.send(cx, self.connections), reading);
            cx.check()?;
            together(source, sent, read)?;
        }
        Ok(())
    }

    /// All but the parent.
    async fn identity(&self, cx: &Cx, aws: &Aws, source: &DiskSource) -> Result<Identity, AwsError> {
        let path = source.path.canonicalize().unwrap_or_else(|_| source.path.clone());
        let mut files = vec![path.clone()];
        files.extend(source.disk.files().into_iter().map(|file| file.canonicalize().unwrap_or(file)));
        let mut seen = Vec::new();
        for file in files {
            // A temporary file without a name is what the first file was unpacked to.
            let Ok(found) = std::fs::metadata(&file) else { continue };
            let changed = found.mtime().saturating_mul(1_000_000_000).saturating_add(found.mtime_nsec());
            let entry = (file, found.len(), changed);
            if !seen.contains(&entry) {
                seen.push(entry);
            }
        }
        let (disk, stop) = (Arc::clone(&source.disk), cx.stop().clone());
        let map = tokio::task::spawn_blocking(move || disk::map_digest(&*disk, &|| stop.is_cancelled()));
        let map = map.await.map_err(|error| reading(source, error))?;
        cx.check()?;
        Ok(Identity {
            source: path,
            files: seen,
            map: map.map_err(|error| reading(source, error))?,
            place: (aws.region().to_owned(), aws.account().endpoint.clone()),
            encrypted: self.ami.volume.encrypted,
            kms_key: self.ami.volume.kms_key.clone(),
            parent: None,
        })
    }
}

fn reading(source: &DiskSource, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AwsError {
    AwsError::new(AwsErrorKind::Other, format!("read `{}`", source.path.display())).because(error)
}

/// Which of two ends was the cause: an upload that ends makes the disk engine stop with [`DiskErrorKind::Closed`].
fn together(
    source: &DiskSource,
    sent: Result<(), AwsError>,
    read: Result<Result<(), DiskError>, tokio::task::JoinError>,
) -> Result<(), AwsError> {
    match (sent, read.map_err(|error| reading(source, error))?) {
        (Err(error), _) => Err(error),
        (Ok(()), Err(error)) if error.kind() == DiskErrorKind::Closed => {
            Err(AwsError::new(AwsErrorKind::Other, "upload the disk").because(error))
        }
        (Ok(()), read) => read.map_err(|error| reading(source, error)),
    }
}
