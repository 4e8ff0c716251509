//! The recipe where the disk stays with the hypervisor, which keeps images of its own: AMIs, machines and templates of a vCenter.
//!
//! ```text
//! preflight → source → (install) → seed → create → power on → connect → provision → seal → shut down → (convert) → image → verify
//!   → publish
//! ```
//!
//! Nothing of the disk comes here unless files are wanted of it. The proof starts a machine from the image, as everybody will.
use super::{
    AmiArtifact, AmiId, BuildError, BuildErrorKind, BuildResult, KeptArtifact, LocalUndoer, Verified,
    convert::{self, Converted},
    login::{self, Keys},
    preflight::{self, Ready},
    recipe::{Live, deliver, furnish, machine_spec},
    relaunch,
    stage::Stages,
    verify,
    world::World,
};
use crate::{
    cx::{Cx, Event, ResourceRef},
    driver::{Boot, Captured, KeptImage, KeptKind, Wanted},
    plan::{AmiSourcePlan, NutanixImageKind, Plan, SourcePlan, VsphereImageKind},
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

/// What the build's machine starts from.
pub(super) struct Start {
    /// An image, or a machine that was installed.
    pub(super) boot: Boot,
    /// For people and for the record.
    pub(super) description: String,
}

/// Goes on after the source was found.
#[allow(clippy::too_many_arguments, reason = "as of the recipe, whose second half this is")]
pub(super) async fn build(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    ready: Ready,
    start: Start,
    undoer: &LocalUndoer<'_>,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<BuildResult, BuildError> {
    let wanted = wanted(plan)?;
    let keys = stages.run("seed", None, login::write_seed(cx, plan, &ready.secrets, "build")).await?;
    let spec = keys.instance(machine_spec(plan, "build"), start.boot);
    let facts = furnish(cx, world, plan, &ready, &spec, &keys, stages, live).await?;
    let access = live.access.clone();
    stages.run("shut-down", access, shut_down(cx, plan, live)).await?;
    let files = if plan.outputs.is_empty() {
        Converted { outputs: Vec::new(), sent: None }
    } else {
        let bring = Box::pin(bring(cx, world, plan, &facts, &keys, &ready, live));
        stages.run("convert", None, bring).await?
    };
    let (captured, machine) = stages.run("image", None, capture(cx, wanted, undoer, live)).await?;

    let proof = relaunch::Proof { cx, world, plan, ready: &ready, undoer };
    let login = keys.login(plan);
    let prove = async {
        let looked = verify::look_into(cx, plan, &files, &login, undoer).await?;
        let built = relaunch::Built { facts: &facts, login: &login };
        Ok((looked, proof.of_build(&captured.image, &built, live).await?))
    };
    let (looked, verified) = stages.run("verify", None, Box::pin(prove)).await?;
    let publish = publish(cx, &ready, wanted, captured, &machine, undoer, verified.clone());
    let deliver = async {
        let made = publish.await?;
        let proofs = looked.into_iter().map(|mut proofs| {
            proofs.extend(verified.clone());
            proofs
        });
        Ok((made, deliver(cx, files, proofs.collect()).await?))
    };
    let (made, artifacts) = stages.run("publish", None, Box::pin(deliver)).await?;
    let (amis, kept) = match made {
        Made::Nothing => (Vec::new(), Vec::new()),
        Made::Ami(ami) => (vec![ami], Vec::new()),
        Made::Kept(kept) => (Vec::new(), vec![kept]),
    };
    Ok(BuildResult {
        artifacts,
        amis,
        kept,
        machine: ready.readiness,
        guest: facts,
        source: start.description,
    })
}

/// What is to be made of the machine.
fn wanted(plan: &Plan) -> Result<Wanted<'_>, BuildError> {
    let ami = plan.amis.first().filter(|_| plan.machine.ec2.is_some()).map(Wanted::Ami);
    let there = plan.vsphere.as_ref().map(Wanted::Vsphere);
    let in_prism = plan.nutanix.as_ref().map(Wanted::Nutanix);
    let in_cloud = plan.cloudstack.as_ref().map(Wanted::Cloudstack);
    ami.or(there).or(in_prism).or(in_cloud).ok_or_else(|| {
        BuildError::new(BuildErrorKind::Preflight, "the plan names no image to make of the machine")
    })
}

async fn shut_down(cx: &Cx, plan: &Plan, live: &Live) -> Result<(), BuildError> {
    Ok(live.machine()?.shut_down(cx, plan.guest.shutdown_timeout).await?)
}

/// Brings the machine's disk here and makes the files of it.
async fn bring(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    facts: &serde_json::Value,
    keys: &Keys,
    ready: &Ready,
    live: &Live,
) -> Result<Converted, BuildError> {
    let disk = live.machine()?.export(cx, 0).await?;
    let converted = convert::outputs(cx, world, plan, &disk, &[], facts, keys, &ready.secrets);
    Ok(Box::pin(converted).await?.0)
}

/// Makes the image. The machine is removed, which nobody needs any more and somebody pays for, unless it is the image.
async fn capture(
    cx: &Cx,
    wanted: Wanted<'_>,
    undoer: &LocalUndoer<'_>,
    live: &mut Live,
) -> Result<(Captured, ResourceRef), BuildError> {
    let machine = live.machine()?;
    let captured = machine.capture(cx, wanted).await?;
    let resource = machine.resource().clone();
    *live = Live::default();
    if !captured.is_the_machine {
        remove(cx, &resource, undoer).await?;
    }
    Ok((captured, resource))
}

async fn remove(cx: &Cx, machine: &ResourceRef, undoer: &LocalUndoer<'_>) -> Result<(), BuildError> {
    cx.undo()
        .undo_resource(machine, undoer, cx.stop())
        .await
        .map_err(|error| BuildError::because("could not remove the machine that was built in", error))
}

/// Whether nothing is to stay with the hypervisor.
fn wants_files_only(wanted: Wanted<'_>) -> bool {
    match wanted {
        Wanted::Ami(_) => false,
        Wanted::Vsphere(image) => image.kind == VsphereImageKind::Nothing,
        Wanted::Nutanix(image) => image.kind == NutanixImageKind::Nothing,
        Wanted::Cloudstack(image) => !image.stays,
    }
}

/// What was delivered besides files.
enum Made {
    Nothing,
    Ami(AmiArtifact),
    Kept(KeptArtifact),
}

/// The image is a result: it survives. Where only files are wanted, it goes.
async fn publish(
    cx: &Cx,
    ready: &Ready,
    wanted: Wanted<'_>,
    captured: Captured,
    machine: &ResourceRef,
    undoer: &LocalUndoer<'_>,
    verified: Vec<Verified>,
) -> Result<Made, BuildError> {
    if wants_files_only(wanted) {
        // An image that was made for the proof only is undone with all that is not kept.
        if captured.is_the_machine {
            remove(cx, machine, undoer).await?;
        }
        return Ok(Made::Nothing);
    }
    let image = ready.hypervisor.keep(cx, captured).await?;
    if image.kind == KeptKind::Ami {
        let made = artifact(image, verified);
        cx.emit(made.ami.event());
        return Ok(Made::Ami(made));
    }
    let KeptImage { id, place, name, .. } = image.clone();
    cx.emit(Event::Kept { id, place, name });
    Ok(Made::Kept(KeptArtifact { image, verified }))
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
        let source = SourcePlan::Ami(AmiSourcePlan::Id(test.id.clone()));
        let found = ready.hypervisor.find_image(cx, &source, plan.arch).await;
        found.map_err(|error| BuildError::from(error).kind_unless_interrupted(BuildErrorKind::Preflight))
    };
    let image: KeptImage = stages.run("source", None, find).await?;
    let proof = relaunch::Proof { cx, world, plan, ready: &ready, undoer };
    let verified = stages.run("verify", None, proof.of_test(&image, test, live)).await?;
    let source = image.description.clone();
    Ok(BuildResult {
        artifacts: Vec::new(),
        amis: vec![artifact(image, verified)],
        kept: Vec::new(),
        machine: ready.readiness,
        guest: serde_json::Value::Null,
        source,
    })
}
