//! `goldsmith nutanix download`: the bytes of an image on this host.
use super::run as run_task;
use crate::{
    cli::{
        args::DownloadNutanix,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    cx::Cx,
    nutanix::Prism,
    publish::nutanix::{Download, Downloaded},
    value::{DigestAlgorithm, HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `nutanix download --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `downloaded`
    event: &'static str,
    #[serde(flatten)]
    downloaded: &'a Downloaded,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &DownloadNutanix, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let to = super::place::absolute(&arguments.output)?;
    if to.parent().is_none_or(|folder| !folder.is_dir()) || to.file_name().is_none() {
        return Err(Problem::usage(format!("there is no folder for `{}`", arguments.output.display())));
    }
    if arguments.sha256.as_ref().is_some_and(|digest| digest.algorithm() != DigestAlgorithm::Sha256) {
        return Err(Problem::usage("`--sha256` takes a SHA-256 only"));
    }
    let config = arguments.prism.config()?;
    let place = arguments.prism.place(&config)?;
    let download = Download { image: &arguments.image, to: &to, sha256: arguments.sha256.as_ref() };
    let work = async |cx: &Cx, prism: &Prism| Box::pin(download.run(cx, prism)).await;
    let there = (&place, arguments.prism.api);
    let (downloaded, exit) = run_task(console, there, ("download-nutanix", &to), work)?;
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
        let compared = if downloaded.checksum_compared { "as expected" } else { "compared with none" };
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
