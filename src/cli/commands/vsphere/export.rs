//! `goldsmith vsphere export`: a machine of a vCenter as an OVA on this host.
use super::run as run_task;
use crate::{
    cli::{
        args::ExportVsphere,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::Tone,
    },
    publish::vsphere::{Export, Exported},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::time::Instant;

/// The last line of `vsphere export --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `exported`
    event: &'static str,
    #[serde(flatten)]
    exported: &'a Exported,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &ExportVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let to = std::path::absolute(&arguments.output)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.output.display()), error))?;
    let end = to.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    if !matches!(end.as_deref(), Some("ova" | "ovf")) {
        return Err(Problem::usage(format!("`{}` is neither an OVA nor an OVF", arguments.output.display()))
            .hint("call it `x.ova`, or `x.ovf` for files beside each other"));
    }
    let folder = to.parent().filter(|folder| folder.is_dir());
    if folder.is_none() {
        return Err(Problem::usage(format!("there is no folder for `{}`", arguments.output.display())));
    }
    let export = Export {
        datacenter: arguments.vcenter.datacenter.as_deref().or(config.datacenter.as_deref()),
        machine: &arguments.machine,
        snapshot: arguments.snapshot.as_deref(),
        to: &to,
    };
    let work =
        async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| Box::pin(export.run(cx, vcenter)).await;
    let (exported, exit) = run_task(console, &place, ("export-vsphere", &to), work)?;
    let Some(exported) = exported else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "exported", exported: &exported, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        let theme = console.err_theme();
        let disks: Vec<String> = exported.disks.iter().map(|bytes| Size::bytes(*bytes).to_string()).collect();
        console.note(&format!(
            "{} {} of {} in {} ({} virtual, {} in files, sha256 {})",
            theme.mark(true),
            theme.path(&arguments.output),
            theme.paint(Tone::Strong, &exported.machine),
            theme.paint(Tone::Strong, seconds.to_string()),
            disks.join(" + "),
            Size::bytes(exported.bytes),
            exported.sha256,
        ));
    }
    if !console.out_is_terminal() {
        console.out(&arguments.output.display().to_string());
    }
    Ok(exit)
}
