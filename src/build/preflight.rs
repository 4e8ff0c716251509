//! What is looked at before anything is made: the hypervisor, the inputs, the room on the disks, the target folders.
use super::{BuildError, BuildErrorKind, login, recipe::machine_spec, world::World};
use crate::{
    cx::Cx,
    driver::{Boot, Hypervisor, MachineSpec, Readiness},
    plan::{AnswerPlace, Plan, SourcePlan},
    provision::Secrets,
    value::Size,
};
use std::{path::Path, sync::Arc};

/// The hypervisor, and what it said it can do.
pub(super) struct Ready {
    pub(super) hypervisor: Arc<dyn Hypervisor>,
    pub(super) readiness: Readiness,
    pub(super) secrets: Secrets,
}

/// Looks at everything; the first thing that is missing is the error.
pub(super) async fn check(cx: &Cx, world: &dyn World, plan: &Plan) -> Result<Ready, BuildError> {
    look(cx, world, plan).await.map_err(|error| error.kind_unless_interrupted(BuildErrorKind::Preflight))
}

async fn look(cx: &Cx, world: &dyn World, plan: &Plan) -> Result<Ready, BuildError> {
    for output in &plan.outputs {
        let folder = output.path.parent().unwrap_or(Path::new("/"));
        writable(folder)?;
    }
    let secrets = Secrets::load(&plan.secrets);
    for name in plan.secrets.keys() {
        secrets
            .get(cx, name)
            .await
            .map_err(|error| BuildError::because("a secret of the definition cannot be had", error))?;
    }
    if let Some(own) = login::own_login(cx, plan, &secrets).await? {
        own.check("guest.login")
            .map_err(|error| BuildError::because("the login of `guest.login` is not ready", error))?;
    }
    world.preflight(cx, plan).await?;
    hypervisor(cx, world, plan, secrets).await
}

/// Looks at the hypervisor only, for a proof of an image that exists.
pub(super) async fn machine(cx: &Cx, world: &dyn World, plan: &Plan) -> Result<Ready, BuildError> {
    let ready = hypervisor(cx, world, plan, Secrets::load(&plan.secrets)).await;
    ready.map_err(|error| error.kind_unless_interrupted(BuildErrorKind::Preflight))
}

async fn hypervisor(cx: &Cx, world: &dyn World, plan: &Plan, secrets: Secrets) -> Result<Ready, BuildError> {
    let hypervisor = world.hypervisor(cx, plan, &secrets).await?;
    let mut spec = machine_spec(plan, "build");
    if matches!(plan.source, SourcePlan::Iso(_)) {
        // The machine of the installer asks more of a hypervisor than the one that is built in.
        spec = MachineSpec { boot: Boot::Optical, ends_at_restart: true, ..spec };
    }
    let served = matches!(&plan.source, SourcePlan::Iso(iso) if iso.answers.place == AnswerPlace::Served);
    if served && hypervisor.loopback_for_guests().is_none() {
        let why = "answers cannot be served to an installer on another host: its network ends there";
        return Err(BuildError::new(BuildErrorKind::Preflight, why)
            .hint("leave `serve` out of `[source.iso.answers]`: a volume of answers travels there"));
    }
    if served && plan.offline {
        let why = "answers cannot be served to the installer of an offline build: its machine has no route to this host";
        return Err(BuildError::new(BuildErrorKind::Preflight, why)
            .hint("leave `serve` out of `[source.iso.answers]`: a volume of answers needs no network"));
    }
    let readiness = hypervisor.preflight(&spec).await?;
    cx.events().notice(if plan.machine.keeps_its_disks() {
        readiness.hypervisor.clone()
    } else {
        format!("{}, {}", readiness.hypervisor, readiness.accelerator)
    });
    if let Some(notice) = &readiness.notice {
        cx.events().warn(notice.clone(), None);
    }
    Ok(Ready { hypervisor, readiness, secrets })
}

/// The nearest folder that exists must be writable; what is missing below it can be made later.
fn writable(folder: &Path) -> Result<(), BuildError> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if existing.is_dir() && nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).is_ok() {
        return Ok(());
    }
    Err(BuildError::new(
        BuildErrorKind::Preflight,
        format!("the output folder `{}` cannot be written to", folder.display()),
    )
    .hint(format!("make `{}` writable, or choose another folder with `--out`", existing.display())))
}

/// An error when `folder` has less room than `need`; `variable` names another folder.
pub(super) fn room(folder: &Path, need: Size, what: &str, variable: &str) -> Result<(), BuildError> {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let Ok(stat) = nix::sys::statvfs::statvfs(existing) else { return Ok(()) };
    let free = Size::bytes(stat.blocks_available() * stat.fragment_size());
    if free >= need {
        return Ok(());
    }
    Err(BuildError::new(
        BuildErrorKind::Preflight,
        format!("`{}` has {free} free, and {what} needs {need}", folder.display()),
    )
    .hint(format!("free some room, or set {variable} to a folder on a larger file system")))
}
