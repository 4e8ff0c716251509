//! An existing disk image: fetched or local, unpacked when it is compressed, and never written to.
use super::{BaseDisk, Needs, SourceError, blocking};
use crate::{
    cx::{Cx, Event, Unit},
    disk::{self, BackingPolicy, Detected, DiskError, DiskErrorKind, Format, OpenOptions},
    fetch::{self, Fetched, Fetcher},
    plan::{DiskSourcePlan, ImageFormat, Origin, Plan},
    value::Size,
};
use std::path::{Path, PathBuf};
use url::Url;

/// How much larger an image becomes when it is unpacked; a guess, on the safe side for system images.
const UNPACKED: u64 = 4;

/// Looks whether one of the origins answers.
pub(super) async fn preflight(plan: &Plan, source: &DiskSourcePlan) -> Result<Needs, SourceError> {
    let mut tried = Vec::new();
    for origin in &source.origins {
        match origin {
            Origin::Path(path) => match look(path, source, plan.machine.disk).await {
                Ok(bytes_work) => return Ok(needs(bytes_work, path.display().to_string())),
                // It is there, but it is no good: another origin would not be what the user meant.
                Err(error) if path.exists() => return Err(error),
                Err(error) => tried.push(chain(&error)),
            },
            Origin::Url(url) => match fetch::probe(url).await {
                Ok(bytes) => {
                    let bytes = if is_packed(url.path()) { bytes.unwrap_or(0) * UNPACKED } else { 0 };
                    return Ok(needs(bytes, fetch::PlainUrl(url).to_string()));
                }
                Err(error) => tried.push(chain(&error)),
            },
        }
    }
    Err(SourceError::NoOrigin { tried })
}

fn needs(bytes: u64, read: String) -> Needs {
    Needs { bytes_work: Size::bytes(bytes), tools: Vec::new(), reads: vec![read] }
}

fn is_packed(name: &str) -> bool {
    [".gz", ".xz", ".zst", ".lz4", ".bz2"].iter().any(|end| name.ends_with(end))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// Checks a local image as far as that is cheap; returns the space that unpacking it takes.
async fn look(path: &Path, source: &DiskSourcePlan, disk: Size) -> Result<u64, SourceError> {
    let (path, format) = (path.to_owned(), source.format);
    blocking(move || {
        let length = std::fs::metadata(&path).map_err(|source| SourceError::io("read", &path, source))?.len();
        match detect(&path)? {
            Detected::Packed(_) => Ok(length * UNPACKED),
            _ => {
                check(&path, format, disk)?;
                Ok(0)
            }
        }
    })
    .await
}

/// Gets the image and puts a fresh overlay of the machine's size on it.
pub(super) async fn prepare(
    cx: &Cx,
    plan: &Plan,
    source: &DiskSourcePlan,
    fetcher: &Fetcher,
) -> Result<BaseDisk, SourceError> {
    let (fetched, from) = obtain(cx, source, fetcher).await?;
    let image = unpack(cx, &fetched.path).await?;
    let overlay = cx.work().join("base.qcow2");
    let _ = cx.plan_path(&overlay)?;
    let (below, target, format, disk) = (image.clone(), overlay.clone(), source.format, plan.machine.disk);
    blocking(move || {
        let format = check(&below, format, disk)?;
        disk::qcow2::create_overlay(&target, &below, format, disk.as_bytes()).map_err(|source| {
            SourceError::Disk { attempt: format!("put an overlay on `{}`", below.display()), source }
        })
    })
    .await?;
    Ok(BaseDisk {
        path: overlay,
        format: ImageFormat::Qcow2,
        backing: vec![image],
        description: from,
        digest: Some(fetched.digest),
    })
}

/// The image as it was published, from the first origin that has it. Neighbouring URLs are mirrors of each other.
async fn obtain(
    cx: &Cx,
    source: &DiskSourcePlan,
    fetcher: &Fetcher,
) -> Result<(Fetched, String), SourceError> {
    let mut tried = Vec::new();
    let mut rest = source.origins.as_slice();
    while let Some((first, more)) = rest.split_first() {
        let result = match first {
            Origin::Path(path) => {
                rest = more;
                let result = fetcher.local(cx, path, source.digest.as_ref()).await;
                result.map(|fetched| (fetched, path.display().to_string()))
            }
            Origin::Url(_) => {
                let urls: Vec<Url> = rest
                    .iter()
                    .map_while(|origin| match origin {
                        Origin::Url(url) => Some(url.clone()),
                        Origin::Path(_) => None,
                    })
                    .collect();
                rest = &rest[urls.len()..];
                let from = urls.first().map(|url| fetch::PlainUrl(url).to_string()).unwrap_or_default();
                fetcher.get(cx, &urls, source.digest.as_ref()).await.map(|fetched| (fetched, from))
            }
        };
        match result {
            Ok(found) => return Ok(found),
            Err(error) => {
                cx.check()?;
                if tried.is_empty() && rest.is_empty() {
                    return Err(error.into());
                }
                tried.push(chain(&error));
            }
        }
    }
    Err(SourceError::NoOrigin { tried })
}

fn detect(path: &Path) -> Result<Detected, SourceError> {
    disk::detect(path)
        .map_err(|source| SourceError::Disk { attempt: format!("look at `{}`", path.display()), source })
}

/// The image itself: `path`, or a file in the work folder when that is compressed.
async fn unpack(cx: &Cx, path: &Path) -> Result<PathBuf, SourceError> {
    let from = path.to_owned();
    if !matches!(blocking(move || detect(&from)).await?, Detected::Packed(_)) {
        return Ok(path.to_owned());
    }
    let (from, to) = (path.to_owned(), cx.work().join("source.img"));
    let _ = cx.plan_path(&to)?;
    let (context, target) = (cx.clone(), to.clone());
    let what = "unpack the image".to_owned();
    let name = what.clone();
    let result = blocking(move || {
        let progress = |at: disk::Progress| {
            context.emit(Event::Progress {
                what: name.clone(),
                done: at.done,
                total: Some(at.total),
                unit: Unit::Bytes,
            });
        };
        match disk::decompress(&from, &target, &progress, &|| context.stop().is_cancelled()) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == DiskErrorKind::Cancelled => Err(crate::cx::Cancelled.into()),
            Err(source) => Err(SourceError::Disk { attempt: format!("unpack `{}`", from.display()), source }),
        }
    })
    .await;
    cx.emit(Event::ProgressFinished { what });
    result.map(|()| to)
}

/// Opens the image to see that it is one and that it fits. A stated format is believed. An image with a backing file is
/// refused: it is not whole, and from elsewhere it could name any file of this host.
fn check(path: &Path, format: Option<ImageFormat>, disk: Size) -> Result<Format, SourceError> {
    let wrong = |source| SourceError::Disk { attempt: format!("use the image `{}`", path.display()), source };
    let stated = format.map(|format| match format {
        ImageFormat::Raw => Format::Raw,
        ImageFormat::Qcow2 => Format::Qcow2,
    });
    // Without a stated format `open` refuses by name what is no image.
    let limits = OpenOptions { backing: BackingPolicy::Never, ..OpenOptions::default() };
    let image = disk::open(path, stated, &limits).map_err(wrong)?;
    let detected = match stated {
        Some(format) => Detected::Image(format),
        None => detect(path)?,
    };
    // The machine runs from an overlay, which only these two can carry.
    let Detected::Image(format @ (Format::Raw | Format::Qcow2)) = detected else {
        let what = "only raw and qcow2 images can be started from; `goldsmith convert` makes a qcow2 of it";
        return Err(wrong(DiskError::new(DiskErrorKind::Unsupported, what)));
    };
    let size = Size::bytes(image.size());
    if size > disk { Err(SourceError::Shrink { image: size, disk }) } else { Ok(format) }
}
