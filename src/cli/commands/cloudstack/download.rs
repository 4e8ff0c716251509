//! `goldsmith cloudstack download`: the file of a template on this host.
use super::{absolute, run as run_task};
use crate::{
    cli::{
        args::DownloadCloudStack,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    cloudstack::CloudStack,
    cx::Cx,
    publish::cloudstack::{Download, Downloaded},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `cloudstack download --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    #[serde(flatten)]
    downloaded: &'a Downloaded,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(
    arguments: &DownloadCloudStack,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let to = absolute(&arguments.output)?;
    if to.parent().is_none_or(|folder| !folder.is_dir()) || to.file_name().is_none() {
        return Err(Problem::usage(format!("there is no folder for `{}`", arguments.output.display())));
    }
    let place = arguments.cloud.place()?;
    let download = Download {
        template: &arguments.template,
        zone: arguments.zone.as_deref(),
        project: arguments.cloud.project.as_deref(),
        to: &to,
        limit: arguments.cloud.limit(),
    };
    let work = async |cx: &Cx, cloud: &CloudStack| Box::pin(download.run(cx, cloud)).await;
    let (downloaded, exit) = run_task(console, &place, ("download-cloudstack", &to), work)?;
    let Some(downloaded) = downloaded else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "downloaded", downloaded: &downloaded, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        let theme = console.err_theme();
        let compared =
            if downloaded.checksum_compared { "as the cloud tells it" } else { "the cloud tells none" };
        console.note(&format!(
            "{} {} of {} in {} ({}, sha256 {}: {compared})",
            theme.mark(true),
            theme.path(&arguments.output),
            theme.paint(Tone::Strong, &downloaded.name),
            theme.paint(Tone::Strong, seconds.to_string()),
            Size::bytes(downloaded.bytes),
            downloaded.sha256,
        ));
    }
    if !console.out_is_terminal() {
        console.out(&arguments.output.display().to_string());
    }
    Ok(exit)
}
