//! Proof: every output is looked into as it is, then booted in a throw-away overlay and checked from inside.
use super::{
    BuildError, BuildErrorKind, LocalUndoer, Verified,
    convert::{Converted, Staged},
    login,
    preflight::Ready,
    recipe::{Live, machine_spec},
    view::RootImage,
    watch::Watch,
    world::World,
};
use crate::{
    cx::{Check, Cx, Event, ResourceRef, Unit},
    disk,
    driver::{DiskAttachment, DiskFormat, MachineSpec},
    guest::Login,
    plan::{Firmware, OutputFormat, Plan},
    provision,
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// What is known about the machine that was built.
pub(super) struct Built<'a> {
    /// Facts of its guest.
    pub(super) facts: &'a serde_json::Value,
    /// How the build logged in: none of it may be left.
    pub(super) login: &'a Login,
}

/// Proves every output, and the disk that was sent when there is none; the first check that does not hold fails the build, after all of its image were made.
#[allow(clippy::too_many_arguments, reason = "each is one thing that verification is about")]
pub(super) async fn all(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    ready: &Ready,
    staged: &Converted,
    built: &Built<'_>,
    undoer: &LocalUndoer<'_>,
    live: &mut Live,
) -> Result<Vec<Vec<Verified>>, BuildError> {
    let mut proofs = Vec::new();
    for output in staged.to_prove() {
        let image = Image::of(cx, output).await?;
        let mut verified = vec![hygiene(cx, plan, &image, built.login).await?];
        if plan.verify.boot {
            for firmware in &plan.verify.firmware {
                let machine = Proof { cx, world, plan, ready, built: built.facts, undoer };
                verified.push(machine.boot(&image, *firmware, live).await?);
            }
        }
        image.remove(cx, undoer).await?;
        proofs.push(verified);
    }
    Ok(proofs)
}

/// Looks into every output, of a build whose machines boot elsewhere.
pub(super) async fn look_into(
    cx: &Cx,
    plan: &Plan,
    staged: &Converted,
    login: &Login,
    undoer: &LocalUndoer<'_>,
) -> Result<Vec<Vec<Verified>>, BuildError> {
    let mut proofs = Vec::new();
    for output in staged.to_prove() {
        let image = Image::of(cx, output).await?;
        proofs.push(vec![hygiene(cx, plan, &image, login).await?]);
        image.remove(cx, undoer).await?;
    }
    Ok(proofs)
}

/// An output as a disk that can be read: itself, or its decompressed bytes.
struct Image {
    format: OutputFormat,
    path: PathBuf,
    disk: disk::Format,
    temporary: Option<crate::cx::UndoHandle>,
}

impl Image {
    async fn of(cx: &Cx, output: &Staged) -> Result<Self, BuildError> {
        let plain = |disk| Self { format: output.format, path: output.path.clone(), disk, temporary: None };
        match output.format {
            OutputFormat::Raw => Ok(plain(disk::Format::Raw)),
            OutputFormat::Qcow2 => Ok(plain(disk::Format::Qcow2)),
            OutputFormat::Vmdk => Ok(plain(disk::Format::Vmdk)),
            OutputFormat::Vhd => Ok(plain(disk::Format::Vhd)),
            OutputFormat::RawGz | OutputFormat::RawZst | OutputFormat::RawXz | OutputFormat::RawLz4 => {
                let path = cx.work().join(format!("verify-{}.raw", output.format));
                let temporary = Some(cx.plan_path(&path)?);
                decompress(cx, &output.path, &path).await?;
                Ok(Self { format: output.format, path, disk: disk::Format::Raw, temporary })
            }
            OutputFormat::Ova => {
                let path = cx.work().join("verify-ova.vmdk");
                let temporary = Some(cx.plan_path(&path)?);
                unpack_ova(cx, &output.path, &path).await?;
                Ok(Self { format: output.format, path, disk: disk::Format::Vmdk, temporary })
            }
        }
    }

    /// Decompressed gigabytes are not kept until the end of the build.
    async fn remove(self, cx: &Cx, undoer: &LocalUndoer<'_>) -> Result<(), BuildError> {
        let Some(handle) = self.temporary else { return Ok(()) };
        cx.undo()
            .undo_now(handle, undoer, cx.stop())
            .await
            .map_err(|error| BuildError::because("could not remove a temporary disk", error))
    }
}

/// Takes the disk out of an OVA as it is in there, and compares every file of it with its digest.
async fn unpack_ova(cx: &Cx, from: &Path, to: &Path) -> Result<(), BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not unpack `{}` again", from.display()), error)
    };
    let (source, target, cancelled) = (from.to_owned(), to.to_owned(), cx.stop().clone());
    let done = tokio::task::spawn_blocking(move || {
        let archive = disk::ova::Ova::open_path(&source)?;
        archive.check_manifest(&|_| {}, &|| cancelled.is_cancelled())?;
        archive.unpack_disk(None, &target, &|| cancelled.is_cancelled())
    })
    .await
    .map_err(|error| because(error.into()))?;
    cx.check()?;
    done.map_err(|error| because(error.into()))
}

async fn decompress(cx: &Cx, from: &Path, to: &Path) -> Result<(), BuildError> {
    let because = |error: Box<dyn std::error::Error + Send + Sync>| {
        BuildError::because(format!("could not decompress `{}` again", from.display()), error)
    };
    let (progress, cancelled) = (cx.clone(), cx.stop().clone());
    let (source, target) = (from.to_owned(), to.to_owned());
    let done = tokio::task::spawn_blocking(move || {
        let report = |step: disk::Progress| {
            progress.emit(Event::Progress {
                what: "decompress".to_owned(),
                done: step.done,
                total: Some(step.total),
                unit: Unit::Bytes,
            });
        };
        disk::decompress(&source, &target, &report, &|| cancelled.is_cancelled())
    })
    .await
    .map_err(|error| because(error.into()))?;
    cx.emit(Event::ProgressFinished { what: "decompress".to_owned() });
    cx.check()?;
    done.map(|_| ()).map_err(|error| because(error.into()))
}

/// Looks at the files of the image as they are before its first boot.
async fn hygiene(cx: &Cx, plan: &Plan, image: &Image, login: &Login) -> Result<Verified, BuildError> {
    let (path, format) = (image.path.clone(), image.disk);
    let (wanted, login) = (plan.clone(), login.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let disk = disk::open(&path, Some(format), &disk::OpenOptions::default())?;
        let root = disk::look::open_root(disk)?;
        Ok::<_, disk::DiskError>(provision::hygiene(&RootImage::new(root), &wanted, &login))
    })
    .await
    .map_err(|error| BuildError::because("could not look into the image", error))?;
    let checks = match looked {
        Ok(checks) => checks.map_err(|error| {
            BuildError::because(format!("could not look into the {}", image.format), error)
                .kind_unless_interrupted(BuildErrorKind::Unproven)
        })?,
        Err(error) if error.kind() == disk::DiskErrorKind::Unsupported => {
            cx.events().warn(
                format!("the files of the {} cannot be looked at without booting: {error}", image.format),
                None,
            );
            Vec::new()
        }
        Err(error) => {
            return Err(BuildError::because(format!("could not look into the {}", image.format), error)
                .kind_unless_interrupted(BuildErrorKind::Unproven));
        }
    };
    let subject = format!("{} as delivered", image.format);
    for check in &checks {
        cx.emit(Event::Checked { subject: subject.clone(), check: check.clone() });
    }
    judge(&subject, &checks)?;
    Ok(Verified { firmware: None, boot_seconds: None, checks })
}

/// An error when a check does not hold.
pub(super) fn judge(subject: &str, checks: &[Check]) -> Result<(), BuildError> {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let others = match failed.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Err(BuildError::new(
        BuildErrorKind::Unproven,
        format!(
            "{subject}: {} does not hold: expected {}, found {}{others}",
            first.name, first.expected, first.found
        ),
    ))
}

/// What booting one output needs.
struct Proof<'a> {
    cx: &'a Cx,
    world: &'a dyn World,
    plan: &'a Plan,
    ready: &'a Ready,
    built: &'a serde_json::Value,
    undoer: &'a LocalUndoer<'a>,
}

impl Proof<'_> {
    async fn boot(&self, image: &Image, firmware: Firmware, live: &mut Live) -> Result<Verified, BuildError> {
        let Self { cx, world, plan, ready, .. } = *self;
        let role = format!("verify-{}-{firmware}", image.format.name().replace('.', "-"));
        let subject = format!("{} booted with {firmware}", image.format);
        let overlay = self.overlay(image, &role).await?;
        let keys = login::write_seed(cx, plan, &ready.secrets, &role).await?;
        let disk = DiskAttachment {
            path: overlay,
            format: DiskFormat::Qcow2,
            read_only: false,
            backing: vec![image.path.clone()],
        };
        let spec = MachineSpec {
            firmware,
            accelerator: ready.readiness.accelerator,
            ..keys.machine(machine_spec(plan, &role), disk)
        };
        let machine = ready.hypervisor.create(cx, &spec).await?;
        let machine = &**live.machine.insert(machine);
        let watch = Watch::over(machine);
        let start = Instant::now();
        machine.power_on(cx).await?;
        let connected = login::connect(cx, world, plan, machine, &keys, &watch, &mut live.access).await;
        let session = connected.map_err(|error| unproven(error, &subject))?;
        let boot_seconds = start.elapsed().into();
        let session = live.session.insert(session);
        let checks = session.check(cx, &subject, plan, self.built).await?;
        judge(&subject, &checks)?;
        session.close().await;
        machine.shut_down(cx, plan.guest.shutdown_timeout).await?;
        let resource = machine.resource().clone();
        served(cx, &resource, self.undoer, live).await?;
        Ok(Verified { firmware: Some(firmware), boot_seconds: Some(boot_seconds), checks })
    }

    /// A throw-away layer over the output: the proof must not change what it proves.
    async fn overlay(&self, image: &Image, role: &str) -> Result<PathBuf, BuildError> {
        let path = self.cx.work().join(format!("{role}.qcow2"));
        let (target, backing, format) = (path.clone(), image.path.clone(), image.disk);
        tokio::task::spawn_blocking(move || {
            let size = disk::open(&backing, Some(format), &disk::OpenOptions::default())?.size();
            disk::qcow2::create_overlay(&target, &backing, format, size)
        })
        .await
        .map_err(|error| BuildError::because("could not make a throw-away disk", error))?
        .map_err(|error| BuildError::because("could not make a throw-away disk", error))?;
        Ok(path)
    }
}

/// The machine of a proof has served: it goes.
pub(super) async fn served(
    cx: &Cx,
    machine: &ResourceRef,
    undoer: &LocalUndoer<'_>,
    live: &mut Live,
) -> Result<(), BuildError> {
    *live = Live::default();
    cx.undo()
        .undo_resource(machine, undoer, cx.stop())
        .await
        .map_err(|error| BuildError::because("could not remove the machine of a proof", error))
}

pub(super) fn unproven(error: BuildError, subject: &str) -> BuildError {
    BuildError::because(format!("the proof of the {subject} failed"), error)
        .kind_unless_interrupted(BuildErrorKind::Unproven)
}
