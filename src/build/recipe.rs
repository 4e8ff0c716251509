//! The recipe: how an image is built, in one function that reads like one.
//!
//! ```text
//! preflight → source → (install) → seed → create → power on → connect → provision → seal → shut down → convert → verify
//!   → publish
//! ```
//!
//! Where the disk stays with the hypervisor, [`super::kept`] goes on after the source; both share [`furnish`].
//!
//! Values flow from stage to stage as return values. Whatever a stage makes, it planned the removal of before.
use super::{
    Access, AmiArtifact, Artifact, BuildError, BuildErrorKind, BuildResult, LocalUndoer,
    convert::{self, Converted},
    install, install_there, kept,
    login::{self, Keys},
    preflight::{self, Ready},
    stage::Stages,
    verify,
    watch::Watch,
    world::{Session, Upload, World},
};
use crate::{
    cx::{Cx, Event},
    driver::{Boot, DiskAttachment, DiskFormat, InstanceSeed, Machine, MachineSpec},
    plan::{ImageFormat, Plan},
    source::{BaseDisk, Prepared},
};

/// What is alive while the recipe runs; the failure bundle looks at it.
#[derive(Default)]
pub(super) struct Live {
    /// The machine that runs now.
    pub(super) machine: Option<Box<dyn Machine>>,
    /// The session in its guest.
    pub(super) session: Option<Box<dyn Session>>,
    /// How a person would log in.
    pub(super) access: Option<Access>,
}

impl Live {
    /// The machine, of which the caller knows that it is there.
    pub(super) fn machine(&self) -> Result<&dyn Machine, BuildError> {
        let gone = || BuildError::new(BuildErrorKind::Failed, "the machine is gone");
        self.machine.as_deref().ok_or_else(gone)
    }
}

/// Builds the image of `plan`.
pub(super) async fn build(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    undoer: &LocalUndoer<'_>,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<BuildResult, BuildError> {
    let ready = stages.run("preflight", None, preflight::check(cx, world, plan)).await?;
    let source = async {
        // First what is sooner known to be missing.
        world.fetch(cx, plan, &ready.secrets).await?;
        world.prepare_source(cx, plan, &*ready.hypervisor, &ready.secrets).await
    };
    let base = match stages.run("source", None, source).await? {
        Prepared::Disk(base) => base,
        Prepared::Installer(installer) => {
            let installed = install::run(cx, world, plan, &ready, installer, undoer, live);
            stages.run("install", None, installed).await?
        }
        Prepared::Kept(source) => {
            let start = kept::Start { boot: Boot::Image(source.id), description: source.description };
            return Box::pin(kept::build(cx, world, plan, ready, start, undoer, stages, live)).await;
        }
        Prepared::Made(made) => {
            let start = kept::Start { boot: Boot::Made(made.machine), description: made.description };
            return Box::pin(kept::build(cx, world, plan, ready, start, undoer, stages, live)).await;
        }
        Prepared::Media(media) => {
            let installed = install_there::run(cx, plan, &ready, &media, live);
            let made = stages.run("install", None, installed).await?;
            let start = kept::Start { boot: Boot::Made(made), description: media.description };
            return Box::pin(kept::build(cx, world, plan, ready, start, undoer, stages, live)).await;
        }
    };
    let keys = stages.run("seed", None, login::write_seed(cx, plan, &ready.secrets, "build")).await?;

    let spec = keys.machine(machine_spec(plan, "build"), build_disk(&base));
    let facts = furnish(cx, world, plan, &ready, &spec, &keys, stages, live).await?;
    let access = live.access.clone();
    let disk = stages.run("shut-down", access, shut_down(cx, plan, live)).await?;
    *live = Live::default();

    let converted = convert::outputs(cx, world, plan, &disk, &base.backing, &facts, &keys, &ready.secrets);
    let (staged, uploads) = stages.run("convert", None, converted).await?;
    let built = verify::Built { facts: &facts, login: &keys.login(plan) };
    let proofs = stages
        .run("verify", None, verify::all(cx, world, plan, &ready, &staged, &built, undoer, live))
        .await?;
    let (artifacts, amis) = stages.run("publish", None, publish(cx, plan, staged, uploads, proofs)).await?;

    Ok(BuildResult {
        artifacts,
        amis,
        kept: Vec::new(),
        machine: ready.readiness,
        guest: facts,
        source: base.description,
    })
}

/// What every build does, wherever its disk is: makes the machine of `spec`, logs in, carries out the steps, and seals. The machine is in
/// `live` afterwards, ready to be shut down. Returns the facts of its guest.
#[allow(clippy::too_many_arguments, reason = "each is one thing that a machine is furnished with")]
pub(super) async fn furnish(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    ready: &Ready,
    spec: &MachineSpec,
    keys: &Keys,
    stages: &mut Stages<'_>,
    live: &mut Live,
) -> Result<serde_json::Value, BuildError> {
    let machine = stages.run("create", None, async { Ok(ready.hypervisor.create(cx, spec).await?) }).await?;
    let machine = &**live.machine.insert(machine);
    let watch = Watch::over(machine);
    stages.run("power-on", None, async { Ok(machine.power_on(cx).await?) }).await?;
    let session = stages
        .run("connect", None, login::connect(cx, world, plan, machine, keys, &watch, &mut live.access))
        .await?;
    let session = live.session.insert(session);
    let access = live.access.clone();
    let facts = session.facts();

    stages
        .run("provision", access.clone(), session.provision(cx, plan, &ready.secrets, &|| watch.trouble()))
        .await?;
    let seal = async {
        // The image may not be of this guest's disk.
        if kept::has_surrogate(plan) { Ok(()) } else { session.seal(cx, plan).await }
    };
    stages.run("seal", access, seal).await?;
    session.close().await;
    Ok(facts)
}

/// The disk to build on.
fn build_disk(base: &BaseDisk) -> DiskAttachment {
    let format = match base.format {
        ImageFormat::Raw => DiskFormat::Raw,
        ImageFormat::Qcow2 => DiskFormat::Qcow2,
    };
    DiskAttachment { path: base.path.clone(), format, read_only: false, backing: base.backing.clone() }
}

/// A machine as the plan wants it, without disks: the one that is built in, or one that proves an output.
pub(super) fn machine_spec(plan: &Plan, role: &str) -> MachineSpec {
    MachineSpec {
        role: role.to_owned(),
        image: plan.name.clone(),
        arch: plan.arch,
        firmware: plan.machine.firmware,
        cpus: plan.machine.cpus,
        memory: plan.machine.memory,
        accelerator: plan.machine.accelerator,
        disks: Vec::new(),
        credentials: Vec::new(),
        boot: Boot::Disk,
        optical: Vec::new(),
        ends_at_restart: false,
        isolated: plan.offline,
        instance: InstanceSeed::default(),
    }
}

/// Powers the guest off and returns its disk.
async fn shut_down(cx: &Cx, plan: &Plan, live: &Live) -> Result<crate::driver::ExportedDisk, BuildError> {
    let machine = live.machine()?;
    machine.shut_down(cx, plan.guest.shutdown_timeout).await?;
    Ok(machine.export(cx, 0).await?)
}

/// Registers the AMIs, then moves the proved files to where the user wants them: what may fail comes first, and only what is all there
/// is kept. Each rename is atomic; an older file of the same name is replaced.
async fn publish(
    cx: &Cx,
    plan: &Plan,
    staged: Converted,
    mut uploads: Vec<Box<dyn Upload>>,
    proofs: Vec<Vec<super::Verified>>,
) -> Result<(Vec<Artifact>, Vec<AmiArtifact>), BuildError> {
    // All outputs are of one disk, and so is what was sent.
    let of_disk = (staged.to_prove().next().map(|staged| staged.virtual_bytes), proofs.first().cloned());
    let mut amis = Vec::new();
    for (upload, ami) in uploads.iter_mut().zip(&plan.amis) {
        let ami = upload.register(cx, ami).await?;
        let (virtual_bytes, verified) = of_disk.clone();
        amis.push(AmiArtifact { ami, virtual_bytes, verified: verified.unwrap_or_default() });
    }
    let artifacts = deliver(cx, staged, proofs).await?;
    for upload in &mut uploads {
        upload.keep(cx)?;
    }
    for made in &amis {
        cx.emit(made.ami.event());
    }
    Ok((artifacts, amis))
}

/// Moves proved files to where the user wants them.
pub(super) async fn deliver(
    cx: &Cx,
    staged: Converted,
    proofs: Vec<Vec<super::Verified>>,
) -> Result<Vec<Artifact>, BuildError> {
    let mut artifacts = Vec::new();
    for (output, verified) in staged.outputs.into_iter().zip(proofs) {
        let path = output.destination.clone();
        output.deliver().await.map_err(|error| {
            BuildError::because(format!("could not put `{}` in place", path.display()), error)
                .kind_unless_interrupted(BuildErrorKind::Failed)
        })?;
        cx.emit(Event::Artifact {
            path: path.clone(),
            format: output.format.name().to_owned(),
            bytes: output.file_bytes.as_bytes(),
            sha256: output.sha256.clone(),
        });
        artifacts.push(Artifact {
            path,
            format: output.format,
            file_bytes: output.file_bytes,
            allocated_bytes: output.allocated_bytes,
            virtual_bytes: output.virtual_bytes,
            sha256: output.sha256,
            verified,
        });
    }
    Ok(artifacts)
}
