//! `goldsmith publish vsphere`: an OVA on this host as a template or a machine of a vCenter.
use super::run as run_task;
use crate::{
    cli::{
        args::PublishVsphere,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    disk::ova::Ova,
    publish::vsphere::{Job, Published},
    value::{HumanDuration, Size},
    vsphere::{machine::Provisioning, result::Finish},
};
use serde::Serialize;
use std::{path::Path, time::Instant};

/// The last line of `publish vsphere --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `published`
    event: &'static str,
    #[serde(flatten)]
    published: &'a Published,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &PublishVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let target = arguments.vcenter.target(&arguments.spot, &config);
    let image = std::path::absolute(&arguments.image)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.image.display()), error))?;
    let ova = Ova::open_path(&image).map_err(|error| {
        Problem::disk(format!("could not read `{}` as an OVA", arguments.image.display()), error)
    })?;
    let by_file = || image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.name.clone().unwrap_or_else(by_file);
    let snapshot = arguments.snapshot.clone().or_else(|| config.snapshot.then(|| "goldsmith".to_owned()));
    let finish = Finish {
        snapshot,
        tags: arguments.tags.clone(),
        attributes: arguments.attributes.clone(),
        template: arguments.template || (config.template && !arguments.no_template),
    };
    let job = Job {
        image: &image,
        ova: &ova,
        name: &name,
        target: &target,
        provisioning: match (arguments.thick, arguments.eager_zeroed) {
            (true, _) => Provisioning::Thick,
            (_, true) => Provisioning::EagerZeroed,
            _ => Provisioning::Thin,
        },
        properties: &arguments.properties,
        finish: &finish,
        replace: arguments.replace,
    };
    let work = async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| {
        Box::pin(job.publish(cx, vcenter)).await
    };
    let (published, exit) = run_task(console, &place, ("publish-vsphere", &image), work)?;
    let Some(published) = published else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "published", published: &published, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        console.note(&summary(console.err_theme(), &published, &image, seconds));
    }
    if !console.out_is_terminal() {
        console.out(&published.path);
    }
    Ok(exit)
}

/// ```text
/// ✓ /DC0/vm/templates/web in 12 s
///
///   template  vm-42 in vc.example.com
/// ```
fn summary(theme: &Theme, published: &Published, image: &Path, seconds: HumanDuration) -> String {
    let what = if published.template { "template" } else { "machine" };
    let disks: Vec<String> = published.disks.iter().map(|bytes| Size::bytes(*bytes).to_string()).collect();
    let sent = Size::bytes(published.bytes_sent);
    let mut rows = vec![
        (what, format!("{} in {}", published.machine.id, published.server)),
        ("image", format!("{} ({sent} sent)", theme.path(image))),
        ("disk", format!("{} on {}", disks.join(", "), published.datastore)),
    ];
    if let Some(snapshot) = &published.snapshot {
        rows.push(("snapshot", snapshot.id.clone()));
    }
    let mut text = format!(
        "{} {} in {}{}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, &published.path),
        theme.paint(Tone::Strong, seconds.to_string()),
        if published.replaced { ", in place of the one before" } else { "" },
    );
    for (label, value) in rows {
        text.push_str(&format!("\n  {} {value}", theme.paint(Tone::Dim, format!("{label:<9}"))));
    }
    text
}
