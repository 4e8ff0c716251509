//! `goldsmith vsphere capture`: a machine as an item of a content library.
use super::{ending::tell, run as run_task, shelve};
use crate::{
    cli::{
        args::{CaptureVsphere, Captured},
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    publish::vsphere::{Capture, CaptureAs},
};
use std::{path::Path, time::Instant};

pub(super) fn run(arguments: &CaptureVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    if arguments.kind == Captured::Ovf && (arguments.folder.is_some() || arguments.resource_pool.is_some()) {
        return Err(Problem::usage("`--folder` and `--resource-pool` are about templates")
            .hint("say `--as template`, or leave them out"));
    }
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let capture = Capture {
        datacenter: arguments.vcenter.datacenter.as_deref().or(config.datacenter.as_deref()),
        machine: &arguments.machine,
        library: &arguments.library,
        name: arguments.name.as_deref(),
        kind: match arguments.kind {
            Captured::Ovf => CaptureAs::Ovf,
            Captured::Template => CaptureAs::Template,
        },
        description: arguments.description.as_deref(),
        new_version: arguments.new_version,
        folder: arguments.folder.as_deref(),
        pool: arguments.resource_pool.as_deref(),
    };
    let work = async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| {
        Box::pin(capture.run(cx, vcenter)).await
    };
    let subject = Path::new(&arguments.machine);
    let (made, exit) = run_task(console, &place, ("capture-vsphere", subject), work)?;
    let Some(made) = made else { return Ok(exit) };
    tell(console, begun, ("captured", &made), &shelve::name_of(&made.stored), |theme, seconds| {
        shelve::item(theme, &made.stored, seconds, ("machine", made.machine.clone()))
    })?;
    Ok(exit)
}
