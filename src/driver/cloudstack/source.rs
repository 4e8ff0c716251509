//! What a build starts from: a template or a medium of the cloud. Makes nothing.
use super::{Cloudstack, Origin, find::gib};
use crate::{
    cloudstack::{SourceKind, Template},
    cx::Cx,
    driver::{DriverError, DriverErrorKind, KeptImage, KeptKind},
    plan::{CloudStackSourcePlan, SourcePlan},
    value::Size,
};

/// Finds it, and remembers what it is.
pub(super) async fn image(
    driver: &Cloudstack,
    cx: &Cx,
    source: &SourcePlan,
) -> Result<KeptImage, DriverError> {
    let (kind, said) = match source {
        SourcePlan::Cloudstack(CloudStackSourcePlan::Template(said)) => (SourceKind::Template, said),
        SourcePlan::Cloudstack(CloudStackSourcePlan::Iso(said)) => (SourceKind::Iso, said),
        _ => {
            return Err(DriverError::new(DriverErrorKind::Unsupported, "find an image to start from")
                .because("a cloud keeps templates and media"));
        }
    };
    let spot = driver.spot().await?;
    let found = driver.cloud.source(&spot.scope, &spot.zone, kind, said);
    let template = cx.stop().unless_cancelled(found).await??;
    match kind {
        SourceKind::Template => check_disk(driver, &template)?,
        SourceKind::Iso => {
            hypervisor(driver).await?;
            new_disk(driver).await?;
        }
    }
    let files_only = driver.result.as_ref().is_some_and(|image| !image.stays);
    if files_only && kind == SourceKind::Template && !template.extractable {
        cx.events().warn(
            format!("the template `{}` is not extractable: of a machine's disk that was made of it, clouds give files to their administrators only", template.name),
            None,
        );
    }
    let word = match kind {
        SourceKind::Template => "template",
        SourceKind::Iso => "medium",
    };
    let kept = KeptImage {
        kind: KeptKind::Template,
        id: template.id.clone(),
        place: driver.cloud.place().endpoint.to_string(),
        name: template.name.clone(),
        disks: Vec::new(),
        description: format!(
            "the {word} `{}` ({}) of the zone {}",
            template.name, template.id, spot.zone.name
        ),
    };
    driver.remember(Origin { kind, template });
    Ok(kept)
}

/// A disk grows; it does not shrink.
fn check_disk(driver: &Cloudstack, template: &Template) -> Result<(), DriverError> {
    let Some((size, there)) = driver.plan.disk.zip(template.size) else { return Ok(()) };
    if size.as_bytes() >= there {
        return Ok(());
    }
    Err(DriverError::new(DriverErrorKind::Unsupported, format!("make a disk of {size}"))
        .because(format!("that of the template `{}` has {}", template.name, Size::bytes(there)))
        .hint("raise `machine.disk`, or leave it out"))
}

/// The hypervisor of a machine that starts from a medium.
pub(super) async fn hypervisor(driver: &Cloudstack) -> Result<String, DriverError> {
    let spot = driver.spot().await?;
    let there = driver.cloud.hypervisors(&spot.zone).await?;
    if let Some(said) = &driver.plan.hypervisor {
        return Ok(crate::cloudstack::choose("hypervisor", &there, said)?.name);
    }
    if let [only] = there.as_slice() {
        return Ok(only.name.clone());
    }
    let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
    Err(DriverError::new(DriverErrorKind::Unsupported, "choose a hypervisor")
        .because(format!("a medium is for any, and the zone has: {}", names.join(", ")))
        .hint("`machine.cloudstack.hypervisor` names one"))
}

/// The offering of the root disk of a machine that starts from a medium, and its size where that is to be said.
pub(super) async fn new_disk(driver: &Cloudstack) -> Result<(String, Option<u64>), DriverError> {
    let refuse = |why: String, hint: &str| {
        Err(DriverError::new(
            DriverErrorKind::Unsupported,
            "make the disk of a machine that starts from a medium",
        )
        .because(why)
        .hint(hint))
    };
    let Some(offering) = &driver.spot().await?.disk_offering else {
        return refuse("it needs a disk offering".to_owned(), "say `machine.cloudstack.disk-offering`");
    };
    let name = &offering.named.name;
    match (offering.gib, driver.plan.disk) {
        (None, Some(size)) => Ok((offering.named.id.clone(), Some(gib(size)?))),
        (None, None) => refuse(format!("the disk offering `{name}` has no size"), "say `machine.disk`"),
        (Some(_), None) => Ok((offering.named.id.clone(), None)),
        (Some(there), Some(size)) if gib(size)? == there => Ok((offering.named.id.clone(), None)),
        (Some(there), Some(size)) => refuse(
            format!("the disk offering `{name}` has {there} GiB, and `machine.disk` says {size}"),
            "leave out `machine.disk`, or name another disk offering",
        ),
    }
}
