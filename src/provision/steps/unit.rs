//! `unit`: a systemd unit or a drop-in, and then what `service` does.
use super::{file, service};
use crate::guest::quote;
use crate::plan::{FileStep, ServiceStep, UnitStep};
use crate::provision::{
    Secrets,
    checks::{CheckSpec, Expect},
    runner::{StepError, Worker},
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &UnitStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    put(worker, step, secrets).await?;
    worker.script(service::parts_script(&[part(step)], "")).await
}

/// Writes the file.
pub(in crate::provision) async fn put(
    worker: &Worker<'_>,
    step: &UnitStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    file::run(worker, &as_file(step), secrets).await
}

/// What is to be done with the unit once the file is there.
pub(in crate::provision) fn part(step: &UnitStep) -> service::Part {
    service::Part { step: as_service(step), written: true }
}

fn as_file(step: &UnitStep) -> FileStep {
    let unit = service::unit(&step.name);
    let dest = match &step.drop_in {
        Some(name) => format!("/etc/systemd/system/{unit}.d/{name}"),
        None => format!("/etc/systemd/system/{unit}"),
    };
    let root = || "root".to_owned();
    FileStep { dest, content: step.content.clone(), mode: step.mode, owner: root(), group: root() }
}

fn as_service(step: &UnitStep) -> ServiceStep {
    ServiceStep { name: step.name.clone(), enabled: step.enabled, masked: step.masked, state: step.state }
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &UnitStep) -> Vec<CheckSpec> {
    let file = as_file(step);
    let mut specs = file::checks(&file);
    let unit = service::unit(&step.name);
    // A template is no unit before it has an instance.
    if !unit.contains("@.") && step.masked != Some(true) {
        let word = quote(&unit);
        let script = match &step.drop_in {
            None => format!("systemctl show -p LoadState {word} | sed 's/^LoadState=//'"),
            Some(_) => format!(
                "case \" $(systemctl show -p DropInPaths {word} | sed 's/^DropInPaths=//') \" in\n\
                 *\" \"{}\" \"*) echo loaded;; *) echo not read;; esac",
                quote(&file.dest)
            ),
        };
        let (subject, name) = match &step.drop_in {
            None => (format!("load {unit}"), format!("systemd takes the unit `{unit}`")),
            Some(drop_in) => {
                (format!("load {unit} {drop_in}"), format!("systemd reads `{drop_in}` of the unit `{unit}`"))
            }
        };
        specs.push(CheckSpec::new(subject, name, script, Expect::Text("loaded".into())));
    }
    specs.extend(service::checks(&as_service(step)));
    specs
}
