//! `goldsmith doctor --vsphere`.
use crate::{
    cli::{
        args,
        commands::{block_on, doctor::text, pretty},
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
    },
    doctor::{
        self, Status,
        vsphere::{Missing, VsphereTarget, judge, look, missing},
    },
    vsphere::{Config, For, VCenter, VsphereError},
};
use serde_json::json;

/// Prints what the user lacks in a vCenter for what the file and the options name.
pub(in crate::cli::commands) fn run(arguments: &args::Doctor, console: &Console) -> Result<Exit, Problem> {
    let (said, spot) = (&arguments.vcenter, &arguments.spot);
    let file = match (arguments.files.as_slice(), said.config.as_deref()) {
        ([], file) => file,
        ([file], None) => Some(file.as_path()),
        _ => return Err(Problem::usage("`doctor --vsphere` takes one file at most")),
    };
    let config = file.map_or_else(|| Ok(Config::default()), Config::read).map_err(Problem::Vsphere)?;
    let place = said.place(&config)?;
    let target = said.target(spot, &config);
    let mut purposes = vec![For::Imports, For::Folders, For::Libraries, For::Tags, For::Attributes];
    purposes.extend(config.source.is_some().then_some(For::Copies));
    let target = VsphereTarget {
        datacenter: target.datacenter,
        cluster: target.cluster.or(target.host),
        resource_pool: target.pool,
        folder: target.folder,
        datastore: target.datastore,
        network: target.networks.into_iter().next().map(|network| network.here),
        template: config.source,
        linked_clone: config.linked_clone,
        purposes,
    };
    let seen = block_on(async {
        let vcenter = VCenter::connect(&place).await?;
        let seen = look(&vcenter, &target).await;
        let _ = vcenter.log_out().await;
        Ok::<_, VsphereError>(seen)
    })?
    .map_err(Problem::Vsphere)?;
    let findings = judge(&seen);
    let worst = doctor::worst(&findings);
    if console.json() {
        let missing: Vec<Missing> = missing(&seen);
        console.out(&pretty(&json!({ "status": worst, "checks": findings, "missing": missing }))?);
    } else {
        let quiet = console.verbosity() == Verbosity::Quiet;
        let text =
            text(console.out_theme(), "this vCenter is ready", &findings, None, console.out_width(), quiet);
        if !text.is_empty() {
            console.out(&text);
        }
    }
    Ok(if worst == Status::Failure { Exit::Preflight } else { Exit::Ok })
}
