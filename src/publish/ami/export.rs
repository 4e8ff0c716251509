//! An AMI as a disk in S3, and from there to this host: what Snow devices and other clouds want.
use super::wait::Patience;
use crate::{
    aws::{Aws, AwsError, AwsErrorKind, BUILD},
    cx::{Cx, Event, Look, Sight, Unit, WaitError, causes},
};
use aws_sdk_ec2::types::{
    DiskImageFormat, ExportImageTask, ExportTaskS3LocationRequest, ResourceType, Tag, TagSpecification,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is to be exported where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportPlan {
    /// The AMI in the session's region.
    pub ami: String,
    /// The bucket, which must be in the same region.
    pub bucket: String,
    /// What the object's name begins with; may be empty.
    pub prefix: String,
    /// `raw`, `vmdk` or `vhd`.
    pub format: String,
    /// The role that EC2 takes to write there [default: `vmimport`].
    pub role: Option<String>,
    /// How long to wait.
    pub patience: Patience,
}

/// An exported disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Exported {
    /// EC2's task.
    pub task: String,
    /// The AMI.
    pub ami: String,
    /// Where it is.
    pub bucket: String,
    /// Under which name.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// It was there before this run.
    pub found: bool,
    /// The file on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// SHA-256 of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Exports an AMI, and waits until the disk is there. A task that does the same already is followed instead of beginning another.
pub async fn export(cx: &Cx, aws: &Aws, plan: &ExportPlan) -> Result<Exported, AwsError> {
    let format = format(&plan.format)?;
    super::find::one(aws, &plan.ami).await?;
    bucket(aws, &plan.bucket).await?;
    let mut last = None;
    for task in known(aws, plan).await? {
        let id = task.export_image_task_id().unwrap_or_default().to_owned();
        match task.status() {
            Some("completed") => {
                if let Some((key, bytes)) = object(aws, plan, &id).await? {
                    return Ok(exported(plan, id, key, bytes, true));
                }
            }
            Some("active") => return follow(cx, aws, plan, id, true).await,
            _ => {}
        }
        last = last.max(Some(id));
    }
    cx.check()?;
    let task = begin(aws, plan, format, last.as_deref()).await?;
    follow(cx, aws, plan, task, false).await
}

fn exported(plan: &ExportPlan, task: String, key: String, bytes: u64, found: bool) -> Exported {
    let (ami, bucket) = (plan.ami.clone(), plan.bucket.clone());
    Exported { task, ami, bucket, key, bytes, found, path: None, sha256: None }
}

fn format(name: &str) -> Result<DiskImageFormat, AwsError> {
    match name {
        "raw" => Ok(DiskImageFormat::Raw),
        "vmdk" => Ok(DiskImageFormat::Vmdk),
        "vhd" => Ok(DiskImageFormat::Vhd),
        other => Err(AwsError::new(AwsErrorKind::Usage, format!("export an AMI as `{other}`"))
            .because("EC2 exports raw, vmdk and vhd")),
    }
}

/// Sees that the bucket is there, before anything is begun.
async fn bucket(aws: &Aws, name: &str) -> Result<(), AwsError> {
    aws.s3().head_bucket().bucket(name).send().await.map(drop).map_err(|error| {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let attempt = format!("use the bucket `{name}` from {}", aws.region());
        match status {
            Some(404) => AwsError::new(AwsErrorKind::NotFound, attempt).because("there is no such bucket"),
            Some(301) => AwsError::new(AwsErrorKind::Usage, attempt)
                .because("it is in another region")
                .hint("EC2 exports to buckets of the AMI's own region only"),
            _ => AwsError::of(attempt, "HeadBucket", error),
        }
    })
}

/// Tasks for the same image and place that EC2 still knows.
async fn known(aws: &Aws, plan: &ExportPlan) -> Result<Vec<ExportImageTask>, AwsError> {
    let attempt = || format!("list the exports in {}", aws.region());
    let mut pages = aws.ec2().describe_export_image_tasks().into_paginator().send();
    let mut tasks = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| AwsError::of(attempt(), "DescribeExportImageTasks", error))?;
        tasks.extend(page.export_image_tasks().iter().filter(|task| is_same(task, plan)).cloned());
    }
    Ok(tasks)
}

fn is_same(task: &ExportImageTask, plan: &ExportPlan) -> bool {
    let place = task.s3_export_location();
    task.image_id() == Some(plan.ami.as_str())
        && place.and_then(|place| place.s3_bucket()) == Some(plan.bucket.as_str())
        && place.and_then(|place| place.s3_prefix()).unwrap_or_default() == plan.prefix
        // The task does not tell its format.
        && task.description() == Some(description(plan).as_str())
}

fn description(plan: &ExportPlan) -> String {
    format!("goldsmith: {} as {}", plan.ami, plan.format)
}

async fn begin(
    aws: &Aws,
    plan: &ExportPlan,
    format: DiskImageFormat,
    last: Option<&str>,
) -> Result<String, AwsError> {
    let attempt =
        || format!("export `{}` from {} to `s3://{}/{}`", plan.ami, aws.region(), plan.bucket, plan.prefix);
    let same = (&plan.ami, &plan.bucket, &plan.prefix, &plan.format, last);
    let token = hex::encode(Sha256::digest(format!("{same:?}")));
    let place =
        ExportTaskS3LocationRequest::builder().s3_bucket(&plan.bucket).s3_prefix(&plan.prefix).build();
    // No run's id: a repeated request must be the same to the letter.
    let tag = Tag::builder().key(BUILD).value("export").build();
    let tags = TagSpecification::builder().resource_type(ResourceType::ExportImageTask).tags(tag).build();
    let answer = aws
        .ec2()
        .export_image()
        .client_token(token)
        .image_id(&plan.ami)
        .description(description(plan))
        .disk_image_format(format)
        .s3_export_location(place)
        .set_role_name(plan.role.clone())
        .tag_specifications(tags)
        .send()
        .await
        .map_err(|error| {
            AwsError::of(attempt(), "ExportImage", error).hint(
                "EC2 writes with the role `vmimport` or the one of `--role`, which must be allowed to write to the bucket: \
                 https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html",
            )
        })?;
    answer.export_image_task_id().map(ToOwned::to_owned).ok_or_else(|| {
        AwsError::new(AwsErrorKind::Other, attempt()).because("ExportImage answered without a task")
    })
}

async fn follow(
    cx: &Cx,
    aws: &Aws,
    plan: &ExportPlan,
    id: String,
    found: bool,
) -> Result<Exported, AwsError> {
    let what = format!("export of {}", plan.ami);
    let attempt = || format!("see the end of the export `{id}` in {}", aws.region());
    let looked = cx
        .wait_for(&what, plan.patience.limit, plan.patience.every, async || {
            let answer = aws.ec2().describe_export_image_tasks().export_image_task_ids(&id).send().await;
            let answer = answer.map_err(|error| AwsError::of(attempt(), "DescribeExportImageTasks", error));
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if matches!(error.kind(), AwsErrorKind::Unavailable | AwsErrorKind::Throttled) => {
                    let why = causes(&error).pop().unwrap_or_default();
                    return Look::NotYet(vec![Sight::unknown("no answer", why)]);
                }
                Err(error) => return Look::Ready(Err(error)),
            };
            let Some(task) = answer.export_image_tasks().first() else {
                return Look::NotYet(vec![Sight::unknown("not known yet", "")]);
            };
            let message = task.status_message().unwrap_or_default();
            match task.status() {
                Some("completed") => Look::Ready(Ok(())),
                Some("deleting" | "deleted") => Look::Ready(Err(AwsError::new(
                    AwsErrorKind::Other,
                    format!("export `{}` from {}", plan.ami, aws.region()),
                )
                .because(
                    if message.is_empty() { "EC2 gave it up without a reason" } else { message }.to_owned(),
                ))),
                status => {
                    if let Some(done) =
                        task.progress().and_then(|text| text.trim_end_matches('%').parse().ok())
                    {
                        let (what, unit) = (what.clone(), Unit::Items);
                        cx.emit(Event::Progress { what, done, total: Some(100), unit });
                    }
                    Look::NotYet(vec![Sight::no(status.unwrap_or("no state").to_owned(), message)])
                }
            }
        })
        .await;
    cx.emit(Event::ProgressFinished { what: what.clone() });
    match looked {
        Ok(ended) => ended?,
        Err(WaitError::Cancelled(cancelled)) => {
            return Err(AwsError::new(AwsErrorKind::Cancelled, attempt())
                .because(cancelled)
                .hint("EC2 exports on; the same command goes on waiting"));
        }
        Err(error) => {
            return Err(AwsError::new(AwsErrorKind::Timeout, attempt())
                .because(error)
                .hint("EC2 exports on; the same command goes on waiting"));
        }
    }
    match object(aws, plan, &id).await? {
        Some((key, bytes)) => Ok(exported(plan, id, key, bytes, found)),
        None => Err(AwsError::new(AwsErrorKind::NotFound, format!("find what `{id}` exported"))
            .because(format!("`s3://{}/{}{id}…` does not exist", plan.bucket, plan.prefix))),
    }
}

/// The object of a task: EC2 calls it after the task, and adds an end of its own.
async fn object(aws: &Aws, plan: &ExportPlan, task: &str) -> Result<Option<(String, u64)>, AwsError> {
    let begins = format!("{}{task}", plan.prefix);
    let answer =
        aws.s3().list_objects_v2().bucket(&plan.bucket).prefix(&begins).send().await.map_err(|error| {
            AwsError::of(format!("look for `{begins}` in `{}`", plan.bucket), "ListObjectsV2", error)
        })?;
    Ok(answer.contents().iter().find_map(|object| {
        let bytes = u64::try_from(object.size().unwrap_or_default()).ok()?;
        Some((object.key()?.to_owned(), bytes))
    }))
}

/// Bytes of one request. A cut connection costs at most so much.
const PIECE: u64 = 16 << 20;
/// Requests at once: one alone is bound by the distance.
const AT_ONCE: usize = 6;
/// How often a piece is asked for.
const ATTEMPTS: u32 = 6;

/// Brings an exported disk into `folder`, with a `.sha256` beside it. What an interrupted download left is gone on with, if the object is
/// the same still.
pub async fn download(cx: &Cx, aws: &Aws, exported: &mut Exported, folder: &Path) -> Result<(), AwsError> {
    let name = exported.key.rsplit('/').next().unwrap_or(&exported.key).to_owned();
    let path = folder.join(&name);
    let attempt = || format!("download `s3://{}/{}` to `{}`", exported.bucket, exported.key, path.display());
    let local = |error: io::Error| AwsError::new(AwsErrorKind::Other, attempt()).because(error);
    let head = aws
        .s3()
        .head_object()
        .bucket(&exported.bucket)
        .key(&exported.key)
        .send()
        .await
        .map_err(|error| AwsError::of(attempt(), "HeadObject", error))?;
    let total = head.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(exported.bytes);
    let tag = head.e_tag().unwrap_or_default().to_owned();
    let part = Part::open(&path, &tag, total).await.map_err(local)?;
    let Part { mut file, mut digest, done } = part;
    let what = name.clone();
    let progress = |done| {
        let (what, unit) = (what.clone(), Unit::Bytes);
        cx.emit(Event::Progress { what, done, total: Some(total), unit });
    };
    progress(done);
    let from = Piece { cx, aws, bucket: &exported.bucket, key: &exported.key, tag: &tag };
    let starts = (done..total).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
    let mut pieces =
        stream::iter(starts).map(|start| from.get(start, (start + PIECE).min(total))).buffered(AT_ONCE);
    let mut written = done;
    while let Some(piece) = pieces.try_next().await.map_err(|error| {
        if error.kind() == AwsErrorKind::Cancelled {
            error.hint("what is here is kept; the same command goes on")
        } else {
            error
        }
    })? {
        file.write_all(&piece).await.map_err(local)?;
        written += piece.len() as u64;
        // A disk's bytes take longer to hash than a thread of the runtime should be away.
        digest = tokio::task::spawn_blocking(move || {
            digest.update(&piece);
            digest
        })
        .await
        .map_err(|error| AwsError::new(AwsErrorKind::Other, attempt()).because(error))?;
        progress(written);
    }
    drop(pieces);
    file.flush().await.map_err(local)?;
    file.sync_all().await.map_err(local)?;
    drop(file);
    let digest = hex::encode(digest.finalize());
    let sums = format!("{digest}  {name}\n");
    tokio::fs::write(beside(&path, ".sha256"), sums).await.map_err(local)?;
    tokio::fs::rename(beside(&path, ".part"), &path).await.map_err(local)?;
    let _ = tokio::fs::remove_file(beside(&path, ".part.etag")).await;
    cx.emit(Event::ProgressFinished { what });
    (exported.path, exported.sha256) = (Some(path), Some(digest));
    Ok(())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A file that is not whole yet, and the digest of what is there.
struct Part {
    file: tokio::fs::File,
    digest: Sha256,
    done: u64,
}

impl Part {
    /// Goes on with what is there, if it belongs to the object with this tag; else begins anew.
    async fn open(path: &Path, tag: &str, total: u64) -> io::Result<Self> {
        let (part, mark) = (beside(path, ".part"), beside(path, ".part.etag"));
        let same = tokio::fs::read_to_string(&mark).await.is_ok_and(|known| known == tag && !tag.is_empty());
        if !same {
            // The mark last: a mark without its file would be taken for the next one's.
            tokio::fs::File::create(&part).await?;
            tokio::fs::write(&mark, tag).await?;
        }
        let mut file = tokio::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part)
            .await?;
        let mut digest = Sha256::new();
        let mut done = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            done += read as u64;
        }
        if done > total {
            file.set_len(0).await?;
            drop(file);
            let file = tokio::fs::File::create(&part).await?;
            return Ok(Self { file, digest: Sha256::new(), done: 0 });
        }
        Ok(Self { file, digest, done })
    }
}

/// What all pieces of an object share.
struct Piece<'a> {
    cx: &'a Cx,
    aws: &'a Aws,
    bucket: &'a str,
    key: &'a str,
    tag: &'a str,
}

impl Piece<'_> {
    /// The bytes from `start` to `end`. The SDK repeats requests; a body that breaks off is ours to repeat.
    async fn get(&self, start: u64, end: u64) -> Result<Bytes, AwsError> {
        let mut pause = Duration::from_millis(500);
        let mut attempts = 1;
        loop {
            let error = match self.cx.stop().unless_cancelled(self.once(start, end)).await? {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            if attempts >= ATTEMPTS || error.kind() != AwsErrorKind::Unavailable {
                return Err(error);
            }
            attempts += 1;
            self.cx.stop().unless_cancelled(tokio::time::sleep(pause)).await?;
            pause *= 2;
        }
    }

    async fn once(&self, start: u64, end: u64) -> Result<Bytes, AwsError> {
        let attempt = || format!("read bytes {start} to {end} of `s3://{}/{}`", self.bucket, self.key);
        let answer = self
            .aws
            .s3()
            .get_object()
            .bucket(self.bucket)
            .key(self.key)
            .range(format!("bytes={start}-{}", end - 1))
            .if_match(self.tag)
            .send()
            .await
            .map_err(|error| AwsError::of(attempt(), "GetObject", error))?;
        let cut = |why: String| AwsError::new(AwsErrorKind::Unavailable, attempt()).because(why);
        let bytes = answer.body.collect().await.map_err(|error| cut(causes(&error).join(": ")))?.into_bytes();
        if bytes.len() as u64 == end - start {
            Ok(bytes)
        } else {
            Err(cut(format!("{} bytes came", bytes.len())))
        }
    }
}
