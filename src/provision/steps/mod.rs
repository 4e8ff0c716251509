//! The kinds of steps, one file each: what is done, and what must hold afterwards. Where a kind is a script, the script is made
//! by a pure function.
mod file;
mod package;
mod service;
mod shell;
mod user;

use super::{
    Secrets,
    checks::CheckSpec,
    runner::{StepError, Worker},
};
use crate::plan::StepKind;

/// Does it.
pub(super) async fn run(worker: &Worker<'_>, kind: &StepKind, secrets: &Secrets) -> Result<(), StepError> {
    match kind {
        StepKind::Shell(step) => shell::run(worker, step, secrets).await,
        StepKind::File(step) => file::run(worker, step, secrets).await,
        // Resolving made a file of it.
        StepKind::Template(step) => Err(StepError::Unresolved { dest: step.dest.clone() }),
        StepKind::Package(step) => {
            let none = || StepError::NoPackageManager { os: worker.facts.os_name.clone() };
            let manager = worker.facts.package_manager.ok_or_else(none)?;
            worker.script(package::script(manager, step)).await
        }
        StepKind::Service(step) => worker.script(service::script(step)).await,
        StepKind::User(step) => {
            if step.name == worker.guest.login().user && step.name != "root" {
                return Err(StepError::BuildUser { user: step.name.clone() });
            }
            worker.script(user::script(step)).await
        }
        StepKind::Reboot(_) => Ok(worker.guest.reboot(worker.cx, worker.timeout, worker.trouble).await?),
    }
}

/// What must hold in the booted result.
pub(super) fn checks(kind: &StepKind) -> Vec<CheckSpec> {
    match kind {
        StepKind::Shell(step) => shell::checks(step),
        StepKind::File(step) => file::checks(step),
        StepKind::Package(step) => package::checks(step),
        StepKind::Service(step) => service::checks(step),
        StepKind::User(step) => user::checks(step),
        StepKind::Template(_) | StepKind::Reboot(_) => vec![],
    }
}
