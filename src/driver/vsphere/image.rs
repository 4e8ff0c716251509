//! What is made of a machine that is off: a machine or a template that stays, or an item of a content library.
//!
//! ```text
//! capture: the machine forgets its build ── tags ── snapshot, attributes, template     it is the result, under a name for the time being
//!                                            └───── captured into the library          that is the result
//! keep:    (after the proof) it gets its name, or takes the place of an older one; its mark goes
//! ```
use super::{Origin, Vsphere, library, machine::Built, media};
use crate::{
    cx::{Cx, Undo},
    driver::{Captured, DriverError, DriverErrorKind, KeptImage, KeptKind},
    plan::{VsphereImageKind, VsphereImagePlan},
    vsphere::{
        Mark, Moref, VsphereError, VsphereErrorKind, escape_name,
        machine::{Change, Machine, PowerState},
        result::{self, Finish},
        without_marks,
    },
};
use std::sync::PoisonError;

/// The snapshot of a machine that goes: its proof starts from it at once, and not from a copy of all of its disks.
const PROOF: &str = "goldsmith-proof";

/// What was made and is not kept yet.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// The machine that was built in.
    pub(super) machine: Machine,
    /// The image's name, for marks.
    pub(super) image: String,
    pub(super) plan: VsphereImagePlan,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// The machine, with its snapshot.
    Machine { snapshot: Option<Moref> },
    /// An item of a library.
    Item(Box<library::Made>),
}

/// Makes what the plan wants of the machine. All of it goes if the build fails.
pub(super) async fn capture(
    built: &Built,
    cx: &Cx,
    plan: &VsphereImagePlan,
) -> Result<Captured, DriverError> {
    let (driver, machine) = (&built.driver, &built.machine);
    if machine.power().await?.0 != PowerState::Off {
        let attempt = format!("make a result of `{}`", machine.path());
        return Err(DriverError::new(DriverErrorKind::Other, attempt).because("the machine is not off"));
    }
    media::forget(driver, cx, machine).await?;
    match &plan.kind {
        VsphereImageKind::Nothing => nothing(built, cx, plan).await,
        VsphereImageKind::Machine => machine_itself(built, cx, plan, KeptKind::Machine).await,
        VsphereImageKind::Template => machine_itself(built, cx, plan, KeptKind::Template).await,
        VsphereImageKind::LibraryOvf(name) => library::ovf(built, cx, plan, name).await,
        VsphereImageKind::LibraryTemplate(name) => library::template(built, cx, plan, name).await,
    }
}

/// Remembers what was made: who starts a machine from it knows it by its id, and so does who keeps it.
pub(super) fn remember(driver: &Vsphere, id: &str, origin: Origin, made: Option<Made>) {
    driver.remember(id, origin);
    if let Some(made) = made {
        driver.made.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), made);
    }
}

/// An image of this driver's.
pub(super) fn kept(
    built: &Built,
    kind: KeptKind,
    id: &str,
    plan: &VsphereImagePlan,
    text: &str,
) -> KeptImage {
    KeptImage {
        kind,
        id: id.to_owned(),
        place: built.driver.vcenter.place().server.to_string(),
        name: plan.name.clone(),
        disks: Vec::new(),
        description: text.to_owned(),
    }
}

fn origin(machine: &Machine, path: &str, snapshot: Option<&Moref>) -> Origin {
    Origin::Machine {
        moref: machine.moref().clone(),
        path: path.to_owned(),
        linked: snapshot.is_some(),
        snapshot: snapshot.cloned(),
    }
}

/// What people read about a result: what the plan says or, without that, what is there, and which goldsmith made it of what.
pub(super) fn description(built: &Built, plan: &VsphereImagePlan, there: &str) -> String {
    let text = plan.description.clone().unwrap_or_else(|| without_marks(there));
    let (text, line) = (text.trim_end(), result::line(&built.image));
    if text.is_empty() { line } else { format!("{text}\n{line}") }
}

/// Only files are wanted, and the machine goes after its proof.
async fn nothing(built: &Built, cx: &Cx, plan: &VsphereImagePlan) -> Result<Captured, DriverError> {
    let machine = &built.machine;
    let snapshot = machine.create_snapshot(cx, PROOF, "made by goldsmith").await?;
    remember(&built.driver, machine.path(), origin(machine, machine.path(), Some(&snapshot)), None);
    let image = kept(built, KeptKind::Machine, machine.path(), plan, "the machine that was built in");
    Ok(Captured { image, undo: Vec::new(), is_the_machine: true })
}

/// The machine becomes the result. It keeps the name that it was built under until it is kept.
async fn machine_itself(
    built: &Built,
    cx: &Cx,
    plan: &VsphereImagePlan,
    kind: KeptKind,
) -> Result<Captured, DriverError> {
    let (machine, mark) = (&built.machine, Mark::of(cx.id(), &built.image));
    let finish = Finish {
        snapshot: plan.snapshot.clone(),
        tags: plan.tags.clone(),
        attributes: plan.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        template: kind == KeptKind::Template,
    };
    let tags = finish.tags(cx, machine.vcenter(), &mark).await?;
    if !tags.is_empty() {
        // What is made last is undone first: once more after the tags, or these would be in use when it is their turn.
        let _ = cx.undo().plan(Undo::Resource(machine.resource(cx.id().as_str())))?;
    }
    let text = description(built, plan, &machine.annotation().await?);
    // Before the snapshot, and while it is no template.
    machine.reconfigure(cx, &Change { annotation: Some(mark.on(&text)), ..Change::default() }).await?;
    let devices = machine.devices().await?;
    let disks: Vec<u64> =
        devices.iter().filter(|device| device.is_disk()).filter_map(|disk| disk.capacity()).collect();
    let snapshot = finish.apply(cx, machine, &tags).await?;
    let current = match &snapshot {
        Some(made) => Some(made.clone()),
        None => machine.current_snapshot().await?,
    };
    finish.verify(machine, current.as_ref(), &disks).await?;
    let made = Made {
        machine: machine.clone(),
        image: built.image.clone(),
        plan: plan.clone(),
        what: What::Machine { snapshot: snapshot.clone() },
    };
    let path = machine.path();
    remember(&built.driver, path, origin(machine, path, snapshot.as_ref()), Some(made));
    let disks = snapshot.into_iter().map(|snapshot| snapshot.id).collect();
    let image = KeptImage { disks, ..kept(built, kind, path, plan, &text) };
    Ok(Captured { image, undo: Vec::new(), is_the_machine: true })
}

/// What was captured and proved becomes a result.
pub(super) async fn keep(driver: &Vsphere, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
    let made = driver.made.lock().unwrap_or_else(PoisonError::into_inner).get(&captured.image.id).cloned();
    let Some(made) = made else {
        let attempt = format!("keep `{}`", captured.image.id);
        return Err(DriverError::new(DriverErrorKind::NotFound, attempt).because("nothing was made of it"));
    };
    match &made.what {
        What::Machine { snapshot } => {
            let path = keep_machine(cx, &made).await?;
            remember(driver, &path, origin(&made.machine, &path, snapshot.as_ref()), None);
            Ok(KeptImage { id: path, ..captured.image })
        }
        What::Item(item) => library::keep(driver, cx, captured, &made, item).await,
    }
}

/// Gives the machine its name, or that of the one whose place it takes. Returns its path.
async fn keep_machine(cx: &Cx, made: &Made) -> Result<String, DriverError> {
    let Made { machine, plan, .. } = made;
    let (folder, own) = machine.path().rsplit_once('/').unwrap_or(("", machine.path()));
    let path = format!("{folder}/{}", escape_name(&plan.name));
    let kept = async {
        if own == escape_name(&plan.name) {
            return machine.keep(cx).await;
        }
        cx.check()?;
        if let Some(old) = result::in_the_way(machine.vcenter(), &path, plan.replace).await? {
            return result::take_the_place(cx, &old, machine, &plan.name).await;
        }
        machine.rename(cx, &plan.name).await?;
        machine.keep(cx).await
    };
    kept.await.map(|()| path.clone()).map_err(|error| taken(error, plan))
}

/// A name that is taken is told with what the definition can say about it.
fn taken(error: VsphereError, plan: &VsphereImagePlan) -> DriverError {
    if error.kind() != VsphereErrorKind::Exists {
        return error.into();
    }
    DriverError::from(error).hint(if plan.replace {
        "only what goldsmith made, and what is off, is replaced: rename it or remove it by hand, or choose another name"
    } else {
        "rename it or remove it by hand, choose another name, or say `replace = true` to replace what an earlier build made"
    })
}
