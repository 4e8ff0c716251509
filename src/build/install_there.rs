//! The stage "install" where the machine's disk stays with its hypervisor: the machine that is installed is the one that is built in.
//!
//! Its installer must power it off, not restart it: nothing else tells from outside that it is done, and what is in the drives has to be
//! changed before the system starts for the first time.
use super::{
    BuildError, BuildErrorKind,
    console::Console,
    install::wait,
    preflight::Ready,
    recipe::{Live, machine_spec},
    typing,
    watch::Watch,
};
use crate::{
    cx::{Cx, ResourceRef},
    driver::{Boot, MachineSpec, Optical},
    plan::{InstallerBoot, Plan, SourcePlan},
    source::Media,
};

/// Lets the installer in `media` fill the disk of a machine, which is off and has other things in its drives when the build goes on with it.
pub(super) async fn run(
    cx: &Cx,
    plan: &Plan,
    ready: &Ready,
    media: &Media,
    live: &mut Live,
) -> Result<ResourceRef, BuildError> {
    let SourcePlan::Iso(iso) = &plan.source else {
        return Err(BuildError::new(BuildErrorKind::Failed, "only an `[source.iso]` has an installer"));
    };
    let medium = Optical { path: media.iso.clone(), digest: Some(media.digest.clone()) };
    let answers = media.answers.clone().map(|path| Optical { path, digest: None });
    let spec = MachineSpec {
        boot: Boot::Optical,
        optical: std::iter::once(medium).chain(answers).collect(),
        ..machine_spec(plan, "build")
    };
    let machine = ready.hypervisor.create(cx, &spec).await?;
    let machine = &**live.machine.insert(machine);
    let watch = Watch::over(machine);
    machine.power_on(cx).await?;
    let mut console = Console::of(machine);
    if let InstallerBoot::Typed { steps } = &iso.boot {
        typing::run(cx, machine, steps, &mut console, &|| watch.trouble()).await?;
    }
    wait(cx, machine, &watch, iso, None, &mut console).await.map_err(|error| {
        error.hint("the installer must power the machine off when it is done, instead of restarting it")
    })?;
    let resource = machine.resource().clone();
    drop(watch);
    *live = Live::default();
    Ok(resource)
}
