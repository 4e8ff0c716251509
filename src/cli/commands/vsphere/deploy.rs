//! `goldsmith vsphere deploy`: an item of a content library as a machine or a template.
use super::{
    ending::{summary, tell},
    run as run_task,
};
use crate::{
    cli::{args::DeployVsphere, console::Console, exit::Exit, problem::Problem},
    publish::vsphere::Deploy,
    value::Size,
};
use std::{path::Path, time::Instant};

pub(super) fn run(arguments: &DeployVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let target = arguments.vcenter.target(&arguments.spot, &config);
    let finish = arguments.finish.finish(&config);
    let deploy = Deploy {
        item: &arguments.item,
        name: &arguments.name,
        target: &target,
        provisioning: arguments.provisioning.said(),
        accept_licences: arguments.accept_licences,
        finish: &finish,
        replace: arguments.finish.replace,
    };
    let work =
        async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| Box::pin(deploy.run(cx, vcenter)).await;
    let subject = Path::new(&arguments.name);
    let (made, exit) = run_task(console, &place, ("deploy-vsphere", subject), work)?;
    let Some(made) = made else { return Ok(exit) };
    tell(console, begun, ("deployed", &made), &made.path, |theme, seconds| {
        let what = if made.template { "template" } else { "machine" };
        let version = made.version.as_deref().map(|version| format!(", version {version}"));
        let disks: Vec<String> = made.disks.iter().map(|bytes| Size::bytes(*bytes).to_string()).collect();
        let mut rows = vec![
            (what, format!("{} in {}", made.machine.id, made.server)),
            ("item", format!("{}/{}{}", made.library, made.item, version.unwrap_or_default())),
            ("disk", format!("{} on {}", disks.join(", "), made.datastore)),
        ];
        rows.extend(made.snapshot.iter().map(|snapshot| ("snapshot", snapshot.id.clone())));
        let more = if made.replaced { ", in place of the one before" } else { "" };
        summary(theme, &made.path, seconds, more, &rows)
    })?;
    Ok(exit)
}
