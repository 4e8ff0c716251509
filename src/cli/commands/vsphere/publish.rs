//! `goldsmith publish vsphere`: an OVA on this host as a template or a machine of a vCenter, or in a content library.
use super::{
    ending::{summary, tell},
    run as run_task, shelve,
};
use crate::{
    cli::{args::PublishVsphere, console::Console, exit::Exit, problem::Problem},
    disk::ova::Ova,
    publish::vsphere::Job,
    value::Size,
    vsphere::machine::Provisioning,
};
use std::time::Instant;

pub(in crate::cli::commands) fn run(arguments: &PublishVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let image = std::path::absolute(&arguments.image)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.image.display()), error))?;
    let ova = Ova::open_path(&image).map_err(|error| {
        Problem::disk(format!("could not read `{}` as an OVA", arguments.image.display()), error)
    })?;
    let by_file = || image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or_else(by_file);
    if let Some(library) = &arguments.shelf.library {
        return shelve::run(&arguments.shelf, library, (&image, &ova, &name), &place, console);
    }
    let target = arguments.vcenter.target(&arguments.spot, &config);
    let finish = arguments.finish.finish(&config);
    let job = Job {
        image: &image,
        ova: &ova,
        name: &name,
        target: &target,
        provisioning: arguments.provisioning.said().unwrap_or(Provisioning::Thin),
        properties: &arguments.properties,
        finish: &finish,
        replace: arguments.finish.replace,
    };
    let work = async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| {
        Box::pin(job.publish(cx, vcenter)).await
    };
    let (published, exit) = run_task(console, &place, ("publish-vsphere", &image), work)?;
    let Some(published) = published else { return Ok(exit) };
    tell(console, begun, ("published", &published), &published.path, |theme, seconds| {
        let what = if published.template { "template" } else { "machine" };
        let disks: Vec<String> =
            published.disks.iter().map(|bytes| Size::bytes(*bytes).to_string()).collect();
        let sent = Size::bytes(published.bytes_sent);
        let mut rows = vec![
            (what, format!("{} in {}", published.machine.id, published.server)),
            ("image", format!("{} ({sent} sent)", theme.path(&image))),
            ("disk", format!("{} on {}", disks.join(", "), published.datastore)),
        ];
        rows.extend(published.snapshot.iter().map(|snapshot| ("snapshot", snapshot.id.clone())));
        let more = if published.replaced { ", in place of the one before" } else { "" };
        summary(theme, &published.path, seconds, more, &rows)
    })?;
    Ok(exit)
}
