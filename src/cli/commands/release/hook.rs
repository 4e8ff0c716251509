//! `goldsmith download hook`: HookOS on this host.
use super::{Shown, run as run_task};
use crate::{
    cli::{
        args::DownloadHook,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    cx::Cx,
    eksa::{EksaError, EksaErrorKind, HookFile, Manifests},
    value::{Arch, HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `download hook --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    release: Option<&'a str>,
    files: &'a [HookFile],
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &DownloadHook, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let folder = std::path::absolute(&arguments.output)
        .and_then(|folder| std::fs::create_dir_all(&folder).map(|()| folder))
        .map_err(|error| {
            Problem::host(format!("could not make the folder `{}`", arguments.output.display()), error)
        })?;
    let mut arches = arguments.arches.clone();
    if arches.is_empty() {
        arches = vec![Arch::X86_64, Arch::Aarch64];
    }
    arches.dedup();
    let work = async |cx: &Cx, manifests: &Manifests| {
        let chosen = manifests.bundle(cx).await?;
        let kube = match arguments.release_channel {
            Some(channel) => chosen.bundle.channel(channel)?,
            None => chosen.bundle.kubes.first().ok_or_else(|| {
                EksaError::new(EksaErrorKind::Manifest, "find HookOS").because("the bundle has no channels")
            })?,
        };
        let files = Box::pin(manifests.download_hook(cx, kube, &arches, &folder)).await?;
        Ok((chosen.release.map(|release| release.version), files))
    };
    let (made, exit) = run_task(
        console,
        (&arguments.manifests, arguments.eksa_release.as_ref()),
        ("download-hook", &folder, Shown::Progress),
        work,
    )?;
    let Some((release, files)) = made else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "downloaded", release: release.as_deref(), files: &files, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    for file in &files {
        if console.verbosity() != Verbosity::Quiet {
            let theme = console.err_theme();
            let compared = if file.digest_compared { "as the bundle states it" } else { "nobody states it" };
            console.note(&format!(
                "{} {} ({}, sha256 {}: {compared})",
                theme.mark(true),
                theme.paint(Tone::Strong, file.path.display().to_string()),
                Size::bytes(file.bytes),
                file.sha256,
            ));
        }
        if !console.out_is_terminal() {
            console.out(&file.path.display().to_string());
        }
    }
    Ok(exit)
}
