//! Results that are items of a content library: OVF packages, and templates that a library owns.
//!
//! A package that takes the place of an older one becomes a new version of that, which nobody can undo. So it is captured under another
//! name first, and proved; then the machine, which stays until then, is captured once more, to the item itself.
use super::{
    Origin, Vsphere,
    image::{self, What},
    machine::Built,
};
use crate::{
    cx::Cx,
    driver::{Captured, DriverError, KeptImage, KeptKind},
    plan::VsphereImagePlan,
    vsphere::{
        Existing, Item, ItemSpec, Library, Mark, Moref, Tag, VCenter, VsphereError, VsphereErrorKind,
        escape_name, is_marked, result, without_marks,
    },
};

/// What bears tags here, as the interface calls it.
const ITEM: &str = "com.vmware.content.library.Item";

/// An item that was made and is not kept yet.
#[derive(Debug, Clone)]
pub(super) struct Made {
    item: Item,
    library: Library,
    tags: Vec<Tag>,
    /// For people, without a mark.
    text: String,
    /// It is for the proof alone; a version of the item that is there is made of the machine then.
    for_proof: bool,
}

/// Makes an OVF package of the machine.
pub(super) async fn ovf(
    built: &Built,
    cx: &Cx,
    plan: &VsphereImagePlan,
    library: &str,
) -> Result<Captured, DriverError> {
    let (vcenter, machine) = (&built.driver.vcenter, built.machine.moref());
    let library = vcenter.library(library).await?;
    let old = if plan.replace { vcenter.library_item(&library, &plan.name).await? } else { None };
    if let Some(old) = old.as_ref().filter(|old| old.kind != "ovf") {
        let attempt = format!("replace the item `{}` of the content library `{}`", old.name, library.name);
        return Err(VsphereError::new(VsphereErrorKind::Usage, attempt)
            .because(format!("it is of the type `{}`, and no OVF package", old.kind))
            .hint("choose another name, or remove it by hand")
            .into());
    }
    let name = match &old {
        Some(_) => result::name_until_then(&plan.name, cx.id()),
        None => plan.name.clone(),
    };
    let (tags, text) = before(built, cx, plan).await?;
    let mark = Mark::of(cx.id(), &built.image);
    let spec = ItemSpec { library: &library, name: &name, description: &text, existing: Existing::Refuse };
    let captured = vcenter.capture_ovf(cx, &mark, machine, &spec).await.map_err(taken)?;
    attach(cx, vcenter, &tags, &captured.item).await?;
    let made = Made { item: captured.item, library, tags, text, for_proof: old.is_some() };
    let undo = captured.undo.into_iter().collect();
    Ok(Captured { undo, is_the_machine: made.for_proof, image: remembered(built, plan, made) })
}

/// Makes a template of the machine that the library owns.
pub(super) async fn template(
    built: &Built,
    cx: &Cx,
    plan: &VsphereImagePlan,
    library: &str,
) -> Result<Captured, DriverError> {
    let (vcenter, machine) = (&built.driver.vcenter, &built.machine);
    let library = vcenter.library(library).await?;
    let (folder, pool) = placed(built).await?;
    let (tags, text) = before(built, cx, plan).await?;
    let mark = Mark::of(cx.id(), &built.image);
    let spec =
        ItemSpec { library: &library, name: &plan.name, description: &text, existing: Existing::Refuse };
    let captured = vcenter.capture_template(cx, &mark, machine.moref(), &spec, &folder, &pool).await;
    let captured = captured.map_err(taken)?;
    attach(cx, vcenter, &tags, &captured.item).await?;
    let made = Made { item: captured.item, library, tags, text, for_proof: false };
    let undo = captured.undo.into_iter().collect();
    Ok(Captured { undo, is_the_machine: false, image: remembered(built, plan, made) })
}

/// The folder and the pool of the machine.
async fn placed(built: &Built) -> Result<(Moref, Moref), DriverError> {
    let machine = &built.machine;
    let found = machine.vcenter().properties(machine.moref(), &["parent", "resourcePool"]).await?;
    match (found.moref("parent"), found.moref("resourcePool")) {
        (Some(folder), Some(pool)) => Ok((folder, pool)),
        _ => Err(VsphereError::new(
            VsphereErrorKind::NotFound,
            format!("find the folder and the resource pool of `{}`", machine.path()),
        )
        .because("the vCenter does not tell them, or this user may not see them")
        .into()),
    }
}

/// Tags come first: what is made last is undone first, and a tag stays as long as something bears it.
async fn before(built: &Built, cx: &Cx, plan: &VsphereImagePlan) -> Result<(Vec<Tag>, String), DriverError> {
    if plan.snapshot.is_some() || !plan.attributes.is_empty() {
        let text =
            "items of content libraries have neither snapshots nor custom attributes: the result gets none";
        cx.events().warn(text, None);
    }
    let mark = Mark::of(cx.id(), &built.image);
    let mut tags = Vec::new();
    for (category, tag) in &plan.tags {
        cx.check()?;
        tags.push(built.driver.vcenter.tag(cx, &mark, category, tag, &[ITEM]).await?);
    }
    Ok((tags, image::description(built, plan, "")))
}

async fn attach(cx: &Cx, vcenter: &VCenter, tags: &[Tag], item: &Item) -> Result<(), VsphereError> {
    for tag in tags {
        cx.check()?;
        let _ = vcenter.attach(tag, &item.moref()).await?;
    }
    Ok(())
}

/// `library/item`, as undo data has it.
fn id(library: &Library, item: &Item) -> String {
    format!("{}/{}", escape_name(&library.name), escape_name(&item.name))
}

fn remembered(built: &Built, plan: &VsphereImagePlan, made: Made) -> KeptImage {
    let id = id(&made.library, &made.item);
    let image = image::kept(built, KeptKind::LibraryItem, &id, plan, &made.text);
    let origin = Origin::Item(made.item.clone());
    let made = image::Made {
        machine: built.machine.clone(),
        image: built.image.clone(),
        plan: plan.clone(),
        what: What::Item(Box::new(made)),
    };
    image::remember(&built.driver, &id, origin, Some(made));
    image
}

/// The item loses its mark, and nothing removes it any more.
pub(super) async fn keep(
    driver: &Vsphere,
    cx: &Cx,
    captured: Captured,
    whole: &image::Made,
    made: &Made,
) -> Result<KeptImage, DriverError> {
    let vcenter = &driver.vcenter;
    let Made { library, tags, text, .. } = made;
    let (item, handles) = if made.for_proof {
        let (mark, name) = (Mark::of(cx.id(), &whole.image), whole.plan.name.as_str());
        let spec = ItemSpec { library, name, description: text, existing: Existing::Replace };
        let again = vcenter.capture_ovf(cx, &mark, whole.machine.moref(), &spec).await.map_err(taken)?;
        attach(cx, vcenter, tags, &again.item).await?;
        // What was proved, and the machine, go with the rest of the build.
        (again.item, again.undo.into_iter().collect())
    } else {
        (made.item.clone(), captured.undo)
    };
    if is_marked(&item.description, cx.id().as_str()) {
        vcenter.describe_item(&item, &without_marks(&item.description)).await?;
    }
    for handle in handles {
        cx.undo().keep(handle)?;
    }
    let id = id(library, &item);
    image::remember(driver, &id, Origin::Item(item), None);
    Ok(KeptImage { id, ..captured.image })
}

/// A name that is taken is told with what can be done.
fn taken(error: VsphereError) -> VsphereError {
    match error.kind() {
        VsphereErrorKind::Exists => error.hint(
            "choose another name, or remove the item by hand; of a package, `replace = true` makes a new version",
        ),
        _ => error,
    }
}
