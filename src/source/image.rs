//! An existing disk image: fetched or local, unpacked when it is compressed, and never written to.
use super::{BaseDisk, Needs, SourceError, blocking, origin};
use crate::{
    cx::{Cx, Event, Unit},
    disk::{self, BackingPolicy, Detected, DiskError, DiskErrorKind, Format, OpenOptions},
    fetch::{self, Fetcher},
    plan::{DiskSourcePlan, ImageFormat, Origin, Plan},
    value::{Digest, Size},
};
use std::path::{Path, PathBuf};

/// How much larger an image becomes when it is unpacked; a guess, on the safe side for system images.
const UNPACKED: u64 = 4;

/// Looks whether one of the origins answers.
pub(super) async fn preflight(
    plan: &Plan,
    source: &DiskSourcePlan,
    cache: &Path,
) -> Result<Needs, SourceError> {
    let mut tried = Vec::new();
    for origin in &source.origins {
        match origin {
            Origin::Path(path) => match look(path, source, plan.machine.disk).await {
                Ok(bytes_work) => return Ok(needs(bytes_work, 0, path.display().to_string())),
                // It is there, but it is no good: another origin would not be what the user meant.
                Err(error) if path.exists() => return Err(error),
                Err(error) => tried.push(error),
            },
            Origin::Url(url) => match origin::ask(url, cache, source.digest.as_ref()).await {
                Ok(found) => {
                    let bytes = found.bytes.unwrap_or(0);
                    let unpacked = if is_packed(url.path()) { bytes.saturating_mul(UNPACKED) } else { 0 };
                    let download = origin::download(url, cache, source.digest.as_ref(), bytes);
                    return Ok(needs(unpacked, download, fetch::PlainUrl(&found.url).to_string()));
                }
                Err(error) => tried.push(error.into()),
            },
        }
    }
    Err(origin::nowhere(tried))
}

fn needs(work: u64, cache: u64, read: String) -> Needs {
    let (bytes_work, bytes_cache) = (Size::bytes(work), Size::bytes(cache));
    Needs { bytes_work, bytes_cache, tools: Vec::new(), reads: vec![read] }
}

fn is_packed(name: &str) -> bool {
    [".gz", ".xz", ".zst", ".lz4", ".bz2"].iter().any(|end| name.ends_with(end))
}

/// Checks a local image as far as that is cheap; returns the space that unpacking it takes.
async fn look(path: &Path, source: &DiskSourcePlan, disk: Size) -> Result<u64, SourceError> {
    let (path, format) = (path.to_owned(), source.format);
    blocking(move || {
        let length = origin::length(&path)?;
        if let Detected::Packed(_) = detect(&path)? {
            return Ok(length * UNPACKED);
        }
        check(&path, format, disk)?;
        Ok(0)
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
    let digest = match (&source.digest, &source.checksums) {
        (None, Some(list)) => Some(origin::listed(cx, &source.origins, list, fetcher).await?),
        (digest, _) => digest.clone(),
    };
    let (fetched, from) = origin::obtain(cx, &source.origins, digest.as_ref(), fetcher).await?;
    let image = unpack(cx, &fetched.path).await?;
    let (below, format, disk) = (image.clone(), source.format, plan.machine.disk);
    let format = blocking(move || check(&below, format, disk)).await?;
    overlay(cx, plan, image, format, from, Some(fetched.digest)).await
}

/// A fresh overlay of the machine's size on `image`, which nothing will write to.
pub(super) async fn overlay(
    cx: &Cx,
    plan: &Plan,
    image: PathBuf,
    format: Format,
    description: String,
    digest: Option<Digest>,
) -> Result<BaseDisk, SourceError> {
    let path = cx.work().join("base.qcow2");
    let _ = cx.plan_path(&path)?;
    let (below, target, size) = (image.clone(), path.clone(), plan.machine.disk.as_bytes());
    blocking(move || {
        disk::qcow2::create_overlay(&target, &below, format, size).map_err(|source| SourceError::Disk {
            attempt: format!("put an overlay on `{}`", below.display()),
            source,
        })
    })
    .await?;
    Ok(BaseDisk { path, format: ImageFormat::Qcow2, backing: vec![image], description, digest })
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

fn detect(path: &Path) -> Result<Detected, SourceError> {
    disk::detect(path)
        .map_err(|source| SourceError::Disk { attempt: format!("look at `{}`", path.display()), source })
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
