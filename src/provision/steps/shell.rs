//! `shell`: the user's own script.
use crate::provision::checks::{CheckSpec, Expect, lasts};
use crate::{
    guest::{Command, capture, quote},
    plan::ShellStep,
    provision::{
        Secrets,
        runner::{StepError, Worker},
        secrets::Place,
    },
};

pub(in crate::provision) async fn run(
    worker: &Worker<'_>,
    step: &ShellStep,
    secrets: &Secrets,
) -> Result<(), StepError> {
    if let Some(path) = &step.creates
        && exists(worker, path).await?
    {
        worker.cx.events().notice(format!("`{}` is skipped: `{path}` exists", worker.label));
        return Ok(());
    }
    let script = secrets.fill(worker.cx, &step.script, Place::Script).await?;
    let mut command = Command::script(worker.label, script.expose());
    for (name, value) in &step.env {
        command = command.env(name, secrets.fill(worker.cx, value, Place::Text).await?);
    }
    if let Some(user) = &step.user {
        command = command.user(user);
    }
    let codes = if step.exit_codes.is_empty() { &[0][..] } else { &step.exit_codes };
    worker.expect(command, codes).await?;
    match &step.creates {
        Some(path) if !exists(worker, path).await? => Err(StepError::NotCreated { path: path.clone() }),
        _ => Ok(()),
    }
}

pub(super) async fn exists(worker: &Worker<'_>, path: &str) -> Result<bool, StepError> {
    let label = format!("look for {path}");
    let path = quote(path);
    let command = Command::script(
        &label,
        format!("if [ -e {path} ] || [ -L {path} ]; then echo yes; else echo no; fi"),
    );
    Ok(capture(worker.guest, worker.cx, &command).await?.ok(&label)?.trim() == "yes")
}

/// What follows from `step`.
pub(in crate::provision) fn checks(step: &ShellStep) -> Vec<CheckSpec> {
    step.creates.as_deref().and_then(created).into_iter().collect()
}

pub(super) fn created(path: &str) -> Option<CheckSpec> {
    let script = format!("if [ -e {0} ] || [ -L {0} ]; then echo there; else echo missing; fi", quote(path));
    lasts(path).then(|| {
        CheckSpec::new(
            format!("path {path}"),
            format!("`{path}` exists"),
            script,
            Expect::Text("there".into()),
        )
    })
}
