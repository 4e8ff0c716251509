//! `goldsmith download manifests`: all manifests in a tar.
use super::{Shown, run as run_task};
use crate::{
    cli::{args::DownloadManifests, console::Console, exit::Exit, problem::Problem, theme::Tone},
    cx::Cx,
    eksa::{Carried, Manifests},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `download manifests --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    #[serde(flatten)]
    carried: &'a Carried,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(
    arguments: &DownloadManifests,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let to = std::path::absolute(&arguments.output)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.output.display()), error))?;
    if to.parent().is_none_or(|folder| !folder.is_dir()) || to.is_dir() {
        return Err(Problem::usage(format!("`{}` cannot be a file", arguments.output.display())));
    }
    if to.exists() && !arguments.force {
        return Err(Problem::usage(format!("`{}` is there already", arguments.output.display()))
            .hint("`--force` overwrites it"));
    }
    let work = async |cx: &Cx, manifests: &Manifests| Box::pin(manifests.carry(cx, &to)).await;
    let (carried, exit) = run_task(
        console,
        (&arguments.manifests, arguments.eksa_release.as_ref()),
        ("download-manifests", &to, Shown::Progress),
        work,
    )?;
    let Some(carried) = carried else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "downloaded", carried: &carried, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    let theme = console.err_theme();
    console.note(&format!(
        "{} {} ({} manifests, {}, sha256 {})",
        theme.mark(true),
        theme.paint(Tone::Strong, arguments.output.display().to_string()),
        carried.manifests.len(),
        Size::bytes(carried.bytes),
        carried.sha256,
    ));
    if !console.out_is_terminal() {
        console.out(&arguments.output.display().to_string());
    }
    Ok(exit)
}
