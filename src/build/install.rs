//! The stage "install": a machine of its own, in which an installer fills a disk.
//!
//! The machine ends when the installer restarts or powers it off. What it left is looked at by the source, which keeps it; whether
//! it boots shows when the build goes on with it.
use super::{
    BuildError, BuildErrorKind, LocalUndoer,
    console::Console,
    preflight::Ready,
    recipe::{Live, machine_spec},
    typing,
    world::World,
};
use crate::{
    cx::{Cx, Look, Sight},
    driver::{
        Boot, DiskAttachment, DiskFormat, KernelBoot, Machine, MachineEvent, MachineSpec, MachineState,
    },
    plan::{InstallerBoot, IsoPlan, Plan, SourcePlan},
    source::{BaseDisk, Installer, Kernel},
    value::{HumanDuration, Size},
};
use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

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
    let spec = spec(plan, &installer);
    let machine = ready.hypervisor.create(cx, &spec).await?;
    let machine = &**live.machine.insert(machine);
    let end = End::of(machine);
    machine.power_on(cx).await?;
    let mut console = Console::of(machine);
    if let InstallerBoot::Typed { steps } = &iso.boot {
        let ended = || end.get().map(|end| end.err().unwrap_or_else(|| "the machine went off".to_owned()));
        typing::run(cx, machine, steps, &mut console, &ended).await?;
    }
    wait(cx, machine, &end, iso, &installer.disk, &mut console).await?;
    drop(end);
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
        optical: vec![installer.iso.clone()],
        ends_at_restart: true,
        ..machine_spec(plan, "install")
    }
}

/// How a machine ended, as its events tell.
struct End {
    outcome: Arc<Mutex<Option<Result<(), String>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl End {
    fn of(machine: &dyn Machine) -> Self {
        let outcome = Arc::new(Mutex::new(None));
        let (mut events, slot) = (machine.events(), Arc::clone(&outcome));
        let task = tokio::spawn(async move {
            loop {
                let end = match events.recv().await {
                    Ok(MachineEvent::Off) => Ok(()),
                    Ok(MachineEvent::Crashed(why)) => Err(format!("the installer's kernel crashed ({why})")),
                    Ok(MachineEvent::IoError(why)) => {
                        Err(format!("the machine cannot read or write its disk and was paused ({why})"))
                    }
                    Ok(MachineEvent::Paused(why)) => Err(format!("the machine was paused ({why})")),
                    Ok(MachineEvent::Reset) | Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
            }
        });
        Self { outcome, task }
    }

    fn get(&self) -> Option<Result<(), String>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until the machine is off. An installer that says why it cannot go on is believed at once.
async fn wait(
    cx: &Cx,
    machine: &dyn Machine,
    end: &End,
    iso: &IsoPlan,
    disk: &Path,
    console: &mut Console,
) -> Result<(), BuildError> {
    let mut stall = Stall::new();
    let waited = cx
        .wait_for("the installer to finish", iso.timeout.get(), EVERY, || {
            let fresh = console.read();
            let written = written(disk);
            let stalled = stall.see(fresh, written.as_bytes());
            let (last, symptom) = (console.last_line().to_owned(), console.symptom());
            async move {
                if let Some(end) = end.get() {
                    return end.map_or_else(|why| Look::Hopeless(why.into()), Look::Ready);
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
                let detail = if last.is_empty() { "no output yet" } else { &last };
                Look::NotYet(vec![Sight::no("finished", format!("{written} on the disk; {detail}"))])
            }
        })
        .await;
    waited.map_err(|error| {
        BuildError::because("the installer did not come to its end", error)
            .kind_unless_interrupted(BuildErrorKind::Failed)
            .hint("the whole console is in `serial-install.log`, the screen in `screenshot.png`")
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
