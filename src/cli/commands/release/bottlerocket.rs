//! `goldsmith download bottlerocket`: the image of a channel, verified, as EKS Anywhere names it.
use super::{Shown, with_dirs};
use crate::{
    cli::{
        args::DownloadBottlerocket,
        commands::{dirs, work::Work},
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    cx::Cx,
    disk::{
        self, ConvertOptions, DiskError, DiskErrorKind, Format, Input, InputOptions, OutputFormat, Packing,
        Progress, Stated, Target, Written,
    },
    eksa::{
        EksaError, EksaErrorKind, FetchedImage, HandedImage, ImageFormat, ImageName, RepositorySaid,
        RepositoryWanted,
    },
    value::{Arch, HumanDuration, Size},
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    num::NonZero,
    path::{Path, PathBuf},
    time::Instant,
};

/// The last line of `download bottlerocket --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    version: &'a str,
    variant: &'a str,
    arch: Arch,
    format: ImageFormat,
    #[serde(flatten)]
    file: &'a HandedImage,
    /// What was published.
    published: Published<'a>,
    seconds: HumanDuration,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Published<'a> {
    name: &'a str,
    url: &'a str,
    bytes: u64,
    sha256: &'a str,
    from_cache: bool,
    root_version: u64,
    root_sha512: &'a str,
    metadata_expire: Timestamp,
}

pub(in crate::cli::commands) fn run(
    arguments: &DownloadBottlerocket,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let (image, repository) = wanted(arguments).map_err(Problem::Eksa)?;
    let folder = std::path::absolute(&arguments.output)
        .and_then(|folder| std::fs::create_dir_all(&folder).map(|()| folder))
        .map_err(|error| {
            Problem::host(format!("could not make the folder `{}`", arguments.output.display()), error)
        })?;
    let dirs = dirs()?;
    let work = async |cx: &Cx| {
        let fetched = Box::pin(repository.fetch(cx, dirs.cache(), &image)).await?;
        let name = image.format.file_name();
        let file = match image.format {
            ImageFormat::Ova => Box::pin(fetched.hand_out(cx, &folder, name)).await?,
            ImageFormat::Raw | ImageFormat::Ami => repack(cx, &fetched, &folder, name).await?,
        };
        Ok((fetched, file))
    };
    let (made, exit) = with_dirs(console, &dirs, ("download-bottlerocket", &folder, Shown::Progress), work)?;
    let Some((fetched, file)) = made else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line {
            event: "downloaded",
            version: &image.version,
            variant: &image.variant,
            arch: image.arch,
            format: image.format,
            file: &file,
            published: Published {
                name: &fetched.file.name,
                url: fetched.file.url.as_str(),
                bytes: fetched.file.bytes,
                sha256: fetched.file.sha256.hex(),
                from_cache: fetched.from_cache,
                root_version: fetched.root_version,
                root_sha512: fetched.root_sha512.hex(),
                metadata_expire: fetched.expires,
            },
            seconds,
        };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    let theme = console.err_theme();
    console.note(&format!(
        "{} {} ({}, sha256 {}): Bottlerocket {} {} for {}, signed under version {} of the root",
        theme.mark(true),
        theme.paint(Tone::Strong, file.path.display().to_string()),
        Size::bytes(file.bytes),
        file.sha256,
        image.version,
        image.variant,
        image.arch,
        fetched.root_version,
    ));
    if !console.out_is_terminal() {
        console.out(&file.path.display().to_string());
    }
    Ok(exit)
}

/// What the arguments mean; wrong ones are told before anything is made.
fn wanted(arguments: &DownloadBottlerocket) -> Result<(ImageName, RepositoryWanted), EksaError> {
    let image = ImageName::choose(
        arguments.release_channel,
        arguments.format,
        arguments.arch.unwrap_or(Arch::X86_64),
        arguments.version.as_deref(),
        arguments.variant.as_deref(),
    )?;
    let said = RepositorySaid {
        metadata: arguments.metadata_url.clone(),
        targets: arguments.targets_url.clone(),
        root: arguments.root.clone(),
        root_digest: arguments.root_digest.clone(),
        offline: arguments.offline,
    };
    let repository = said.wanted(&image)?;
    Ok((image, repository))
}

/// Makes gzip of what is published as LZ4, straight from the file in the cache. The files get their names when all are whole.
async fn repack(
    cx: &Cx,
    fetched: &FetchedImage,
    folder: &Path,
    name: &'static str,
) -> Result<HandedImage, EksaError> {
    let attempt = || format!("make `{}`", folder.join(name).display());
    let failed = |why: std::io::Error| EksaError::new(EksaErrorKind::Other, attempt()).because(why);
    let aside = folder.join(format!(".goldsmith-{}", cx.id()));
    // Whatever is still in it at the end goes with it.
    let _ = cx.plan_path(&aside)?;
    tokio::fs::create_dir(&aside).await.map_err(failed)?;
    let (work, from, to) = (Work::of(cx), fetched.path.clone(), aside.join(name));
    let converted = tokio::task::spawn_blocking(move || convert(&work, &from, to)).await;
    let written = converted.map_err(|error| failed(error.into()))?.map_err(|error| {
        let kind = match error.kind() {
            DiskErrorKind::Cancelled => EksaErrorKind::Cancelled,
            _ => EksaErrorKind::Other,
        };
        EksaError::new(kind, attempt()).because(error)
    })?;
    for ending in ["", ".sha256", ".sha512"] {
        let file = format!("{name}{ending}");
        tokio::fs::rename(aside.join(&file), folder.join(&file)).await.map_err(failed)?;
    }
    let sha512 = written.sha512.unwrap_or_default();
    Ok(HandedImage { path: folder.join(name), bytes: written.file_bytes, sha256: written.sha256, sha512 })
}

/// One read of the source, one write of the result; synchronous.
fn convert(work: &Work, from: &Path, to: PathBuf) -> Result<Written, DiskError> {
    let cancelled = || work.cancelled();
    let lz4 = Stated { format: Format::Raw, packing: Some(Packing::Lz4) };
    let options = InputOptions { stated: Some(lz4), ..InputOptions::default() };
    let mut target = Target::new(OutputFormat::RawGz, to);
    target.sha512 = true;
    let targets = [target];
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get);
    let converted = work.stage("convert", |progress: &(dyn Fn(Progress) + Sync)| {
        let options_of = ConvertOptions { threads, needles: &[], progress, cancelled: &cancelled };
        match Input::open(from, &options, &cancelled)? {
            Input::Stream(mut stream) => disk::convert_stream(&mut stream, &targets, &options_of),
            Input::Disk(source) => disk::convert(&*source, &targets, &options_of),
        }
    })?;
    converted.outputs.into_iter().next().ok_or_else(DiskError::cancelled)
}
