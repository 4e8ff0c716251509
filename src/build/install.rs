//! The stage "install": a machine of its own, in which an installer fills a disk.
//!
//! The machine ends when the installer restarts or powers it off. What it left is looked at by the source, which keeps it; whether
//! it boots shows when the build goes on with it.
use super::{
    BuildError, BuildErrorKind, LocalUndoer,
    console::Console,
    preflight::Ready,
    recipe::{Live, machine_spec},
    serve::Served,
    typing,
    watch::{Ended, Watch},
    world::World,
};
use crate::{
    cx::{Cx, Look, Sight, WaitError},
    driver::{Boot, DiskAttachment, DiskFormat, KernelBoot, Machine, MachineSpec, MachineState, Optical},
    plan::{AnswerPlace, InstallerBoot, IsoPlan, Plan, SourcePlan, TypedStep},
    source::{BaseDisk, Installer, Kernel},
    value::{HumanDuration, Size},
};
use std::{os::unix::fs::MetadataExt, path::Path, time::Duration};
use tokio::time::Instant;

/// How often the console is read.
const EVERY: Duration = Duration::from_millis(500);
/// A machine that writes neither to its console nor to its disk for so long is stuck, or asks something on its screen.
const STALL: Duration = Duration::from_secs(300);

/// Lets `installer` fill its disk and makes the first disk of it.
pub(super) async fn run(
    cx: &Cx,
    world: &dyn World,
    plan: &Plan,
    ready: &Ready,
    installer: Installer,
    undoer: &LocalUndoer<'_>,
    live: &mut Live,
) -> Result<BaseDisk, BuildError> {
    let SourcePlan::Iso(iso) = &plan.source else {
        return Err(BuildError::new(BuildErrorKind::Failed, "only an `[source.iso]` has an installer"));
    };
    let served = match (&iso.answers.place, ready.hypervisor.loopback_for_guests()) {
        (AnswerPlace::Served, Some(host)) => Some(
            Served::start(cx, host, &iso.answers.files)
                .await
                .map_err(|error| BuildError::because("could not serve the installer's answers", error))?,
        ),
        _ => None,
    };
    let mut spec = spec(plan, &installer);
    if let (Some(served), Boot::Kernel(kernel)) = (&served, &mut spec.boot) {
        kernel.cmdline = served.told(&kernel.cmdline);
    }
    let machine = ready.hypervisor.create(cx, &spec).await?;
    let machine = &**live.machine.insert(machine);
    let watch = Watch::over(machine);
    machine.power_on(cx).await?;
    let mut console = Console::of(machine);
    let mut installs = async || {
        if let InstallerBoot::Typed { steps } = &iso.boot {
            let steps: Vec<TypedStep> = steps.iter().map(|step| told(step, served.as_ref())).collect();
            typing::run(cx, machine, &steps, &mut console, &|| watch.trouble()).await?;
        }
        wait(cx, machine, &watch, iso, Some(&installer.disk), &mut console).await
    };
    let installed = installs().await;
    let never = served.as_ref().and_then(Served::never_fetched);
    drop((watch, served));
    match (installed, never) {
        (Err(error), Some(never)) => return Err(error.hint(never)),
        (Err(error), None) => return Err(error),
        (Ok(()), Some(never)) => cx.events().warn(never, None),
        (Ok(()), None) => {}
    }
    let resource = machine.resource().clone();
    cx.undo()
        .undo_resource(&resource, undoer, cx.stop())
        .await
        .map_err(|error| BuildError::because("could not remove the installer's machine", error))?;
    // Kept until here: what the console of an installer that gave up said last is the best that is known about why.
    let adopted = world.adopt_installed(cx, plan, installer).await?;
    *live = Live::default();
    Ok(adopted)
}

/// `step`, with the address of the answers that are served.
fn told(step: &TypedStep, served: Option<&Served>) -> TypedStep {
    let keys = served.map_or_else(|| step.keys.clone(), |served| served.told(&step.keys));
    TypedStep { keys, ..step.clone() }
}

/// The machine of an installer: the disk to fill, the answers after it, and the medium in a drive.
fn spec(plan: &Plan, installer: &Installer) -> MachineSpec {
    let disk = |path: &Path, format, read_only| DiskAttachment {
        path: path.to_owned(),
        format,
        read_only,
        backing: Vec::new(),
    };
    let mut disks = vec![disk(&installer.disk, DiskFormat::Qcow2, false)];
    disks.extend(installer.answers.as_deref().map(|path| disk(path, DiskFormat::Raw, true)));
    let boot = match installer.kernel.clone() {
        Some(Kernel { kernel, initrd, cmdline }) => Boot::Kernel(KernelBoot { kernel, initrd, cmdline }),
        None => Boot::Optical,
    };
    MachineSpec {
        disks,
        boot,
        optical: vec![Optical { path: installer.iso.clone(), digest: None }],
        ends_at_restart: true,
        ..machine_spec(plan, "install")
    }
}

/// Waits until the machine is off. An installer that says why it cannot go on is believed at once. `disk` is the one that it fills, if that is
/// here.
pub(super) async fn wait(
    cx: &Cx,
    machine: &dyn Machine,
    watch: &Watch,
    iso: &IsoPlan,
    disk: Option<&Path>,
    console: &mut Console,
) -> Result<(), BuildError> {
    let mut stall = Stall::new();
    // What was typed before may have been answered already.
    let mut symptom = console.symptom();
    let waited = cx
        .wait_for("the installer to finish", iso.timeout.get(), EVERY, || {
            let fresh = console.read();
            let written = disk.map(written);
            let stalled = stall.see(fresh, written.map_or(0, Size::as_bytes));
            if fresh {
                symptom = console.symptom();
            }
            let (last, symptom) = (cx.redactor().redact(console.last_line()), symptom.clone());
            async move {
                match watch.ended() {
                    Some(Ended::Off) => return Look::Ready(()),
                    Some(Ended::Failed(why)) => return Look::Hopeless(why.into()),
                    None => {}
                }
                // Events tell at once; asking is the net below them.
                if matches!(machine.state().await, Ok(MachineState::Off)) {
                    return Look::Ready(());
                }
                if let Some(symptom) = symptom {
                    return Look::Hopeless(symptom.into());
                }
                if stalled {
                    picture(cx, machine).await;
                }
                let said = if last.is_empty() { "no output yet" } else { &last };
                let detail = match written {
                    Some(written) => format!("{written} on the disk; {said}"),
                    None => said.to_owned(),
                };
                Look::NotYet(vec![Sight::no("finished", detail)])
            }
        })
        .await;
    waited.map_err(|error| {
        let slow = matches!(error, WaitError::TimedOut { .. });
        let failed = BuildError::because("the installer did not come to its end", error)
            .kind_unless_interrupted(BuildErrorKind::Failed)
            .hint("the whole console is in `serial-install.log`, the screen in `screenshot.png`");
        if slow {
            failed.hint("an installer that waits for an answer needs it among its answers; one that is only slow needs a longer `source.iso.timeout`")
        } else {
            failed
        }
    })
}

/// What the installer wrote so far.
fn written(disk: &Path) -> Size {
    const BLOCK: u64 = 512;
    Size::bytes(std::fs::metadata(disk).map_or(0, |found| found.blocks() * BLOCK))
}

/// A picture of the screen for whoever wonders, and a word that it is there.
async fn picture(cx: &Cx, machine: &dyn Machine) {
    let Ok(png) = machine.screenshot().await else { return };
    let path = cx.logs().join("screen-stalled.png");
    if std::fs::write(&path, png).is_ok() {
        let silence = HumanDuration::from(STALL);
        cx.events().warn(
            format!("the installer has written nothing for {silence}; its screen is in `{}`", path.display()),
            Some("it may wait for an answer that it was not given".to_owned()),
        );
    }
}

/// Whether nothing happens any more.
struct Stall {
    since: Instant,
    seen: u64,
    told: bool,
}

impl Stall {
    fn new() -> Self {
        Self { since: Instant::now(), seen: 0, told: false }
    }

    /// True once for each time that nothing happens for too long.
    fn see(&mut self, fresh: bool, written: u64) -> bool {
        if fresh || written != self.seen {
            *self = Self { seen: written, ..Self::new() };
            return false;
        }
        let now = !self.told && self.since.elapsed() >= STALL;
        self.told |= now;
        now
    }
}
