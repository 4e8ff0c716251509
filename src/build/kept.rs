//! The recipe where the disk stays with the hypervisor, which keeps images of its own: AMIs.
//!
//! ```text
//! preflight → source → seed → create → power on → connect → provision → seal → shut down → image → verify → publish
//! ```
//!
//! Nothing of the disk comes here, so it is neither converted nor looked into. The proof starts a machine from the image, as everybody will.
use super::{
    AmiArtifact, AmiId, BuildError, BuildErrorKind, BuildResult, LocalUndoer, Verified, login,
    preflight::{self, Ready},
    recipe::{Live, furnish, machine_spec},
    relaunch,
    stage::Stages,
    world::World,
};
use crate::{
    cx::Cx,
    driver::{Captured, KeptImage},
    plan::{AmiPlan, AmiSourcePlan, Plan},
    source::KeptSource,
};
use std::path::PathBuf;

/// An AMI that exists, and what is expected of it besides what the plan says.
#[derive(Debug, Clone, Default)]
pub struct AmiTest {
    /// Its id.
    pub id: String,
    /// A text that must be in `/etc/os-release` or in one of the distribution's own release files.
    pub os_release: Option<String>,
    /// Whether the package manager must have nothing newer.
    pub up_to_date: bool,
    /// Where the list of packages goes.
    pub packages: Option<PathBuf>,
}

/// Whether the image is made of a second volume, which the steps filled.
pub(super) fn has_surrogate(plan: &Plan) -> bool {
    plan.machine.ec2.as_ref().is_some_and(|ec2| ec2.surrogate.is_some())
}

/// Goes on after the source was found.
#[allow(clippy::too_many_arguments, reason = "as of the recipe, whose second half this is")]
pub(super) async fn build(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    ready: Ready,
    source: KeptSource,
    undoer: &LocalUndoer<'_>,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<BuildResult, BuildError> {
    let Some(ami) = plan.amis.first() else {
        return Err(BuildError::new(BuildErrorKind::Preflight, "the plan names no AMI to make"));
    };
    let keys = stages.run("seed", None, login::write_seed(cx, plan, &ready.secrets, "build")).await?;
    let spec = keys.instance(machine_spec(plan, "build"), &source.id);
    let facts = furnish(cx, world, plan, &ready, &spec, &keys, stages, live).await?;
    let access = live.access.clone();
    stages.run("shut-down", access, shut_down(cx, plan, live)).await?;
    let captured = stages.run("image", None, capture(cx, ami, undoer, live)).await?;

    let proof = relaunch::Proof { cx, world, plan, ready: &ready, undoer };
    let built = relaunch::Built { facts: &facts, login: &keys.login(plan) };
    let verified = stages.run("verify", None, proof.of_build(&captured.image, &built, live)).await?;
    let ami = stages.run("publish", None, publish(cx, captured, verified)).await?;
    Ok(BuildResult {
        artifacts: Vec::new(),
        amis: vec![ami],
        machine: ready.readiness,
        guest: facts,
        source: source.description,
    })
}

async fn shut_down(cx: &Cx, plan: &Plan, live: &Live) -> Result<(), BuildError> {
    Ok(live.machine()?.shut_down(cx, plan.guest.shutdown_timeout).await?)
}

/// Makes the image, and removes the machine, which nobody needs any more and somebody pays for.
async fn capture(
    cx: &Cx,
    ami: &AmiPlan,
    undoer: &LocalUndoer<'_>,
    live: &mut Live,
) -> Result<Captured, BuildError> {
    let machine = live.machine()?;
    let captured = machine.capture(cx, ami).await?;
    let resource = machine.resource().clone();
    *live = Live::default();
    cx.undo()
        .undo_resource(&resource, undoer, cx.stop())
        .await
        .map_err(|error| BuildError::because("could not remove the machine that was built in", error))?;
    Ok(captured)
}

/// The image is a result: it survives.
async fn publish(cx: &Cx, captured: Captured, verified: Vec<Verified>) -> Result<AmiArtifact, BuildError> {
    for handle in captured.undo {
        cx.undo().keep(handle)?;
    }
    let made = artifact(captured.image, verified);
    cx.emit(made.ami.event());
    Ok(made)
}

fn artifact(image: KeptImage, verified: Vec<Verified>) -> AmiArtifact {
    let KeptImage { id, place, name, disks, .. } = image;
    AmiArtifact { ami: AmiId { id, name, region: place, snapshots: disks }, virtual_bytes: None, verified }
}

/// Proves an AMI that exists already. Nothing of it is changed.
pub(super) async fn test(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    test: &AmiTest,
    undoer: &LocalUndoer<'_>,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<BuildResult, BuildError> {
    let ready = stages.run("preflight", None, preflight::machine(cx, world, plan)).await?;
    let find = async {
        let source = AmiSourcePlan::Id(test.id.clone());
        let found = ready.hypervisor.find_image(cx, &source, plan.arch).await;
        Ok(found
            .map_err(|error| BuildError::from(error).kind_unless_interrupted(BuildErrorKind::Preflight))?)
    };
    let image: KeptImage = stages.run("source", None, find).await?;
    let proof = relaunch::Proof { cx, world, plan, ready: &ready, undoer };
    let verified = stages.run("verify", None, proof.of_test(&image, test, live)).await?;
    let source = image.description.clone();
    Ok(BuildResult {
        artifacts: Vec::new(),
        amis: vec![artifact(image, verified)],
        machine: ready.readiness,
        guest: serde_json::Value::Null,
        source,
    })
}
