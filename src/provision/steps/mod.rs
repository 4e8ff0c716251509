//! The kinds of steps, one file each: what is done, and what must hold afterwards. Where a kind is a script, the script is made
//! by a pure function.
mod ansible;
mod archive;
mod assertion;
mod directory;
mod download;
mod edit;
mod file;
mod group;
mod hosts;
mod image;
mod line;
mod link;
mod module;
mod mount;
mod package;
pub(in crate::provision) mod repository;
pub(super) mod service;
mod shell;
mod sudoers;
mod swap;
mod sysctl;
#[cfg(test)]
mod tests;
pub(super) mod transfer;
pub(super) mod unit;
mod user;
mod wait_for;

pub(super) use package::APT_FRESH;

use super::{
    Secrets,
    checks::CheckSpec,
    runner::{StepError, Worker},
};
use crate::plan::StepKind;

/// Whether this host has what a step of this kind needs.
pub(super) fn missing(kind: &StepKind) -> Option<StepError> {
    match kind {
        StepKind::Ansible(_) if !ansible::is_there() => Some(StepError::NoAnsible),
        _ => None,
    }
}

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
            package::run(worker, manager, step).await
        }
        StepKind::Service(step) => worker.script(service::script(step)).await,
        StepKind::User(step) => {
            if step.name == worker.guest.login().user && step.name != "root" {
                return Err(StepError::BuildUser { user: step.name.clone() });
            }
            worker.script(user::script(step)).await
        }
        StepKind::Reboot(_) => Ok(worker.guest.reboot(worker.cx, worker.timeout, worker.trouble).await?),
        StepKind::Directory(step) => directory::run(worker, step).await,
        StepKind::Link(step) => worker.script(link::script(step)).await,
        StepKind::Line(step) => line::run(worker, step, secrets).await,
        StepKind::Unit(step) => unit::run(worker, step, secrets).await,
        StepKind::Sysctl(step) => worker.script(sysctl::script(step)).await,
        StepKind::Module(step) => worker.script(module::script(step)).await,
        StepKind::Group(step) => worker.script(group::script(step)).await,
        StepKind::Sudoers(step) => worker.script(sudoers::script(step)).await,
        StepKind::Hostname(step) => worker.script(hosts::hostname(step)).await,
        StepKind::Hosts(step) => worker.script(hosts::script(step)).await,
        StepKind::Swap(step) => worker.script(swap::script(step)?).await,
        StepKind::Mount(step) => worker.script(mount::script(step)).await,
        StepKind::WaitFor(step) => worker.script(wait_for::script(step)?).await,
        StepKind::Check(_) => Ok(()),
        StepKind::Repository(step) => repository::run(worker, step, secrets).await,
        StepKind::Download(step) => download::run(worker, step, secrets).await,
        StepKind::Archive(step) => archive::run(worker, step, secrets).await,
        StepKind::Image(step) => image::run(worker, step, secrets).await,
        StepKind::Ansible(step) => ansible::run(worker, step, secrets).await,
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
        StepKind::Directory(step) => directory::checks(step),
        StepKind::Link(step) => link::checks(step),
        StepKind::Line(step) => line::checks(step),
        StepKind::Unit(step) => unit::checks(step),
        StepKind::Sysctl(step) => sysctl::checks(step),
        StepKind::Module(step) => module::checks(step),
        StepKind::Group(step) => group::checks(step),
        StepKind::Sudoers(step) => sudoers::checks(step),
        StepKind::Hosts(step) => hosts::checks(step),
        StepKind::Swap(step) => swap::checks(step),
        StepKind::Mount(step) => mount::checks(step),
        StepKind::Check(step) => assertion::checks(step),
        StepKind::Repository(step) => repository::checks(step),
        StepKind::Download(step) => download::checks(step),
        StepKind::Archive(step) => archive::checks(step),
        StepKind::Image(step) => image::checks(step),
        // The seal takes the name of the build away.
        StepKind::Template(_)
        | StepKind::Reboot(_)
        | StepKind::WaitFor(_)
        | StepKind::Hostname(_)
        | StepKind::Ansible(_) => vec![],
    }
}
