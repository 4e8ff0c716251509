//! How machines and folders that a build made are removed: only what bears its mark, only folders that are empty.
use super::{
    Machine, PowerState,
    create::{MOREF, ON, TASK, result_moref},
};
use crate::{
    cx::{ResourceRef, Stop},
    vsphere::{BUILD, Moref, Node, VCenter, VsphereError, VsphereErrorKind, is_marked},
};
use std::time::Duration;

const POWER_OFF: Duration = Duration::from_mins(2);
const DESTROY: Duration = Duration::from_mins(15);
/// How long a machine that is in the making is waited for.
const MADE: Duration = Duration::from_mins(10);
const MADE_HURRIED: Duration = Duration::from_secs(5);

/// Removes a machine with its disks, if it bears the build's mark, or the build's id in its name. Without it, it is somebody else's, or a result: it stays, which is `Ok`.
pub(in crate::vsphere) async fn remove_machine(
    vcenter: &VCenter,
    resource: &ResourceRef,
    stop: &Stop,
) -> Result<(), VsphereError> {
    let attempt = format!("remove {resource}");
    let build = resource.details.get(BUILD).map(String::as_str).unwrap_or_default();
    let Some(moref) = find(vcenter, resource, &attempt, stop).await? else { return Ok(()) };
    let properties = vcenter.properties(&moref, &["config.annotation", "name"]).await?;
    let marked = is_marked(properties.text("config.annotation").unwrap_or_default(), build);
    // A copy may get its annotation a moment after its name. A build's id in both names is as good as a mark.
    let named = !build.is_empty() && resource.id.contains(build);
    if !(marked || named && properties.text("name").is_some_and(|name| name.contains(build))) {
        return Ok(());
    }
    let machine = Machine::new(vcenter, moref, &resource.id);
    if machine.power().await?.0 != PowerState::Off {
        let off = undone(vcenter, &attempt, "PowerOffVM_Task", &machine.moref, POWER_OFF).await;
        machine.unless_off(off).await?;
    }
    undone(vcenter, &attempt, "Destroy_Task", &machine.moref, DESTROY).await
}

/// The machine: by itself, by the task that made it, or by its path.
async fn find(
    vcenter: &VCenter,
    resource: &ResourceRef,
    attempt: &str,
    stop: &Stop,
) -> Result<Option<Moref>, VsphereError> {
    let detail = |name: &str| resource.details.get(name).and_then(|text| text.parse::<Moref>().ok());
    if let Some(moref) = detail(MOREF) {
        return Ok(Some(moref));
    }
    if let Some(task) = detail(TASK) {
        let limit = if stop.is_hurried() { MADE_HURRIED } else { MADE };
        match vcenter.finish_undoing(attempt, "the task that makes it", &task, limit).await {
            Ok(result) => {
                if let Some(moref) = result_moref(&result) {
                    return Ok(Some(moref));
                }
            }
            // It goes on still: what it makes would stay.
            Err(error) if error.kind() == VsphereErrorKind::Timeout => return Err(error),
            // It failed, or it is forgotten by now.
            Err(_) => {}
        }
    }
    if let Some(on) = detail(ON) {
        settle(vcenter, attempt, &on, stop).await?;
    }
    let found = vcenter.at_path(&resource.id).await?;
    Ok(found.filter(|moref| moref.kind == "VirtualMachine"))
}

/// Waits for the end of tasks on an object: the answer that named ours was lost, and what it makes is not there before its end.
async fn settle(vcenter: &VCenter, attempt: &str, on: &Moref, stop: &Stop) -> Result<(), VsphereError> {
    let recent = vcenter.properties(&vcenter.service("taskManager")?, &["recentTask"]).await?;
    let recent = recent.morefs("recentTask");
    let limit = if stop.is_hurried() { MADE_HURRIED } else { MADE };
    for (task, info) in vcenter.properties_of_all(&recent, &["info.entity", "info.state"]).await? {
        let goes_on = matches!(info.text("info.state"), Some("queued" | "running"));
        if goes_on && info.moref("info.entity").as_ref() == Some(on) {
            match vcenter.finish_undoing(attempt, "a task that may make it", &task, limit).await {
                Err(error) if error.kind() == VsphereErrorKind::Timeout => return Err(error),
                // Whatever it made is found by its path.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes a folder for machines if it is empty. One that is in use stays, which is `Ok`.
pub(in crate::vsphere) async fn remove_folder(
    vcenter: &VCenter,
    resource: &ResourceRef,
) -> Result<(), VsphereError> {
    let attempt = format!("remove {resource}");
    let made = resource.details.get(MOREF).and_then(|text| text.parse::<Moref>().ok());
    let found = match made {
        Some(moref) => Some(moref),
        None => vcenter.at_path(&resource.id).await?,
    };
    let Some(folder) = found.filter(|moref| moref.kind == "Folder") else { return Ok(()) };
    let properties = vcenter.properties(&folder, &["childEntity"]).await?;
    // What may not be read may be anything; a list without entries may be left out.
    let is_empty = properties.missing().is_empty()
        && properties.get("childEntity").is_none_or(|children| children.nodes.is_empty());
    if !is_empty {
        return Ok(());
    }
    undone(vcenter, &attempt, "Destroy_Task", &folder, DESTROY).await
}

async fn undone(
    vcenter: &VCenter,
    attempt: &str,
    method: &'static str,
    this: &Moref,
    limit: Duration,
) -> Result<(), VsphereError> {
    let task = vcenter.begin(attempt, method, this, |_| {}).await?;
    vcenter.finish_undoing(attempt, method, &task, limit).await.map(|_: Node| ())
}
