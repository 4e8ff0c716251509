//! `goldsmith vsphere export`: a machine of a vCenter as an OVA on this host.
use super::{ending::tell, run as run_task};
use crate::{
    cli::{
        args::ExportVsphere,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    publish::vsphere::Export,
    value::{HumanDuration, Size},
};
use std::time::Instant;

pub(super) fn run(arguments: &ExportVsphere, console: &Console) -> Result<Exit, Problem> {
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
    let summary = |theme: &Theme, seconds: HumanDuration| {
        let disks: Vec<String> = exported.disks.iter().map(|bytes| Size::bytes(*bytes).to_string()).collect();
        format!(
            "{} {} of {} in {} ({} virtual, {} in files, sha256 {})",
            theme.mark(true),
            theme.path(&arguments.output),
            theme.paint(Tone::Strong, &exported.machine),
            theme.paint(Tone::Strong, seconds.to_string()),
            disks.join(" + "),
            Size::bytes(exported.bytes),
            exported.sha256,
        )
    };
    let name = arguments.output.display().to_string();
    tell(console, begun, ("exported", &exported), &name, summary)?;
    Ok(exit)
}
