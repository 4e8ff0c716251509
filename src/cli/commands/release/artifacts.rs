//! `goldsmith download artifacts`: the files that a node is made of.
use super::{Shown, list::today, run as run_task};
use crate::{
    cli::{args::DownloadArtifacts, console::Console, exit::Exit, problem::Problem, theme::Tone},
    cx::Cx,
    eksa::{Collected, Manifests},
    value::{Arch, HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `download artifacts --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    eksd: &'a str,
    files: &'a [Collected],
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(
    arguments: &DownloadArtifacts,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let folder = std::path::absolute(&arguments.output)
        .and_then(|folder| std::fs::create_dir_all(&folder).map(|()| folder))
        .map_err(|error| {
            Problem::host(format!("could not make the folder `{}`", arguments.output.display()), error)
        })?;
    let arch = arguments.arch.unwrap_or(Arch::X86_64);
    let work = async |cx: &Cx, manifests: &Manifests| {
        let resolved = manifests.resolve(cx, arguments.release_channel, today()).await?;
        let files = Box::pin(manifests.collect(cx, &resolved, arch, &folder)).await?;
        Ok((resolved.distro.name, files))
    };
    let (made, exit) = run_task(
        console,
        (&arguments.manifests, arguments.eksa_release.as_ref()),
        ("download-artifacts", &folder, Shown::Progress),
        work,
    )?;
    let Some((eksd, files)) = made else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "downloaded", eksd: &eksd, files: &files, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    let theme = console.err_theme();
    let kept = files.iter().filter(|file| file.kept).count();
    let kept = if kept > 0 { format!(", {kept} of them were there") } else { String::new() };
    console.note(&format!(
        "{} {}: {} files of {eksd}, {}{kept}",
        theme.mark(true),
        theme.paint(Tone::Strong, arguments.output.display().to_string()),
        files.len(),
        Size::bytes(files.iter().map(|file| file.bytes).sum()),
    ));
    if !console.out_is_terminal() {
        for file in &files {
            console.out(&file.path.display().to_string());
        }
    }
    Ok(exit)
}
