//! What is made of a machine that is off: an image of its disk, a template, or an OVA.
//!
//! ```text
//! capture: an image of the disk              it is the result, under its own name, as names need not be unique
//!          a template of the machine         the same; under another name for as long as an older one has its own
//!          an OVA, and an image of the disk  the former is the result, the latter its proof; under another name until it is kept
//! keep:    (after the proof) what it replaces goes, it gets its name, and survives
//! ```
use super::{Nutanix, find, machine::Built};
use crate::{
    cx::{Cx, UndoHandle, causes},
    driver::{Captured, DriverError, DriverErrorKind, KeptImage, KeptKind, machine_name::machine_name},
    nutanix::{ContentKind, ImageSource, ImageType, NewImage, Power, is_category},
    plan::{NutanixImageKind, NutanixImagePlan},
    value::Size,
};

/// What was made and is not kept yet.
#[derive(Debug, Clone)]
pub(super) enum Made {
    /// An image.
    Image {
        /// Its name.
        name: String,
    },
    /// A template.
    Template {
        /// The name that it is to have.
        name: String,
    },
    /// An OVA.
    Ova {
        /// The name that it is to have.
        name: String,
        /// The UUID of the image that proves it.
        disk: String,
    },
}

/// An image of a machine's disk.
#[derive(Debug)]
pub(super) struct DiskImage {
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<String>,
    undo: UndoHandle,
}

/// Makes what the plan wants of the machine. All of it goes if the build fails.
pub(super) async fn capture(
    built: &Built,
    cx: &Cx,
    plan: &NutanixImagePlan,
) -> Result<Captured, DriverError> {
    check_off(built).await?;
    match plan.kind {
        NutanixImageKind::Nothing | NutanixImageKind::Image => of_disk(built, cx).await,
        NutanixImageKind::Template => template(built, cx, plan).await,
        NutanixImageKind::Ova => ova(built, cx, plan).await,
    }
}

/// Its disk must not change any more.
pub(super) async fn check_off(built: &Built) -> Result<(), DriverError> {
    if built.driver.prism.vm(&built.uuid).await?.power == Power::Off {
        return Ok(());
    }
    let attempt = format!("make a result of `{}`", built.name);
    Err(DriverError::new(DriverErrorKind::Other, attempt).because("the machine is not off"))
}

/// What is wanted; the driver was told with all names.
fn wanted<'a>(built: &'a Built, plan: &'a NutanixImagePlan) -> &'a NutanixImagePlan {
    built.driver.job.result.as_ref().unwrap_or(plan)
}

fn name(built: &Built, plan: &NutanixImagePlan) -> String {
    plan.name.clone().unwrap_or_else(|| built.image.clone())
}

fn description(built: &Built, plan: &NutanixImagePlan) -> String {
    let usual = || format!("{}, built by goldsmith {}", built.image, env!("CARGO_PKG_VERSION"));
    plan.description.clone().unwrap_or_else(usual)
}

/// An image of the machine's first disk: the result, if that is one, otherwise one that goes with the build. It is made once.
pub(super) async fn disk_image<'a>(
    built: &'a Built,
    cx: &Cx,
) -> Result<tokio::sync::MappedMutexGuard<'a, DiskImage>, DriverError> {
    let mut exported = built.exported.lock().await;
    if exported.is_none() {
        *exported = Some(make_disk_image(built, cx).await?);
    }
    let lost = || DriverError::new(DriverErrorKind::Other, "remember the image of the disk");
    tokio::sync::MutexGuard::try_map(exported, Option::as_mut).map_err(|_| lost())
}

async fn make_disk_image(built: &Built, cx: &Cx) -> Result<DiskImage, DriverError> {
    let prism = &built.driver.prism;
    let Some(disk) = &built.disk else {
        let attempt = format!("make an image of the disk of `{}`", built.name);
        return Err(DriverError::new(DriverErrorKind::NotFound, attempt).because("it has none"));
    };
    let result = built.driver.job.result.as_ref().filter(|result| result.kind == NutanixImageKind::Image);
    let (name, description, categories) = match result {
        Some(plan) => {
            (name(built, plan), description(built, plan), prism.categories(cx, &plan.categories).await?)
        }
        None => {
            (machine_name(cx.id(), &built.image, "disk"), "it goes with its build".to_owned(), Vec::new())
        }
    };
    let new = NewImage {
        name: &name,
        description: &description,
        image_type: ImageType::Disk,
        sha256: None,
        clusters: &[],
        categories: &categories,
        source: ImageSource::VmDisk(disk.clone()),
    };
    let (uuid, undo) = prism.make_image(cx, &new).await?;
    let image = prism.ready_image(cx, &name, &uuid).await?;
    Ok(DiskImage { uuid, name, bytes: image.bytes, sha256: image.sha256, undo })
}

async fn of_disk(built: &Built, cx: &Cx) -> Result<Captured, DriverError> {
    let image = disk_image(built, cx).await?;
    let size = image.bytes.map(|bytes| format!(", {}", Size::bytes(bytes))).unwrap_or_default();
    built.driver.remember(&image.uuid, Made::Image { name: image.name.clone() });
    let captured =
        kept(built, KeptKind::Image, &image.uuid, &image.name, format!("an image of the disk{size}"));
    Ok(Captured { image: captured, undo: vec![image.undo], is_the_machine: false })
}

async fn template(built: &Built, cx: &Cx, plan: &NutanixImagePlan) -> Result<Captured, DriverError> {
    let (prism, plan) = (&built.driver.prism, wanted(built, plan));
    let name = name(built, plan);
    let first = if find::in_the_way(prism, plan, &name).await?.is_empty() {
        name.clone()
    } else {
        format!("{name}-{}", cx.id())
    };
    prism.remove_cds(cx, &built.uuid, &built.name).await?;
    let (uuid, undo) = prism.make_template(cx, &first, &description(built, plan), &built.uuid).await?;
    built.driver.remember(&uuid, Made::Template { name: name.clone() });
    let image = kept(built, KeptKind::Template, &uuid, &name, "a template of the machine".to_owned());
    Ok(Captured { image, undo: vec![undo], is_the_machine: false })
}

async fn ova(built: &Built, cx: &Cx, plan: &NutanixImagePlan) -> Result<Captured, DriverError> {
    let (prism, plan) = (&built.driver.prism, wanted(built, plan));
    let name = name(built, plan);
    let disk = disk_image(built, cx).await?.uuid.clone();
    cx.events().notice("the OVA is proved by a machine made of an image of the same disk");
    let first = format!("{name}-{}", cx.id());
    prism.remove_cds(cx, &built.uuid, &built.name).await?;
    let (uuid, undo) = prism.make_ova(cx, &first, &built.uuid).await?;
    built.driver.remember(&uuid, Made::Ova { name: name.clone(), disk });
    let image = kept(built, KeptKind::Ova, &uuid, &name, "an OVA of the machine".to_owned());
    Ok(Captured { image, undo: vec![undo], is_the_machine: false })
}

fn kept(built: &Built, kind: KeptKind, uuid: &str, name: &str, description: String) -> KeptImage {
    KeptImage {
        kind,
        id: uuid.to_owned(),
        place: built.driver.prism.place().server.to_string(),
        name: name.to_owned(),
        disks: Vec::new(),
        description,
    }
}

/// What was captured and proved becomes a result.
pub(super) async fn keep(driver: &Nutanix, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
    let (prism, uuid) = (&driver.prism, captured.image.id.as_str());
    let missing = || {
        DriverError::new(DriverErrorKind::NotFound, format!("keep `{uuid}`"))
            .because("nothing was made of it")
    };
    let made = driver.made(uuid).ok_or_else(missing)?;
    let result = driver.job.result.as_ref().ok_or_else(missing)?;
    cx.check()?;
    match &made {
        Made::Image { .. } => {}
        Made::Template { name } => {
            // Its own name must be free first.
            replace(driver, cx, result, name, uuid).await?;
            prism.rename_content(cx, ContentKind::Template, uuid, name).await?;
        }
        Made::Ova { name, .. } => {
            find::in_the_way(prism, result, name).await?;
            prism.rename_content(cx, ContentKind::Ova, uuid, name).await?;
        }
    }
    for handle in &captured.undo {
        cx.undo().keep(*handle)?;
    }
    cx.undo().keep_where(is_category)?;
    if let Made::Image { name } = &made
        && let Err(error) = replace(driver, cx, result, name, uuid).await
    {
        cx.events().warn(
            format!("{error}: {}", causes(&error).join(": ")),
            Some("remove the older one in Prism Central, or names are ambiguous".to_owned()),
        );
    }
    Ok(captured.image)
}

/// What an earlier build made under this name goes, if that is wanted.
async fn replace(
    driver: &Nutanix,
    cx: &Cx,
    result: &NutanixImagePlan,
    name: &str,
    own: &str,
) -> Result<(), DriverError> {
    if !result.replace {
        return Ok(());
    }
    let older = find::in_the_way(&driver.prism, result, name).await?;
    for uuid in older.iter().filter(|uuid| *uuid != own) {
        match result.kind {
            NutanixImageKind::Template => {
                driver.prism.remove_content(ContentKind::Template, uuid, cx.stop()).await?;
            }
            _ => driver.prism.remove_image(uuid, cx.stop()).await?,
        }
    }
    Ok(())
}
