//! The template that is made of a machine which is off.
//!
//! ```text
//! capture: medium out ── way closed ── createTemplate of the root disk ── ready in its zone
//! keep:    (after the proof) other zones ── flags ── tags, accounts ── its mark goes, and what it takes the place of
//! ```
use super::{
    Cloudstack, Origin,
    find::{REPLACE, Spot},
    machine::Built,
    way,
};
use crate::{
    cloudstack::{CloudStackError, Finish, Named, SourceKind, TemplateSpec, choose, mark_of},
    cx::{Cx, UndoHandle},
    driver::{Captured, DriverError, DriverErrorKind, KeptImage, KeptKind},
    plan::CloudStackImagePlan,
};
use std::sync::PoisonError;

/// A template that was made and is not kept yet.
#[derive(Debug, Clone)]
pub(super) struct Made {
    plan: CloudStackImagePlan,
    undo: UndoHandle,
}

/// Makes a template of the machine's root disk. It goes if the build fails.
pub(super) async fn capture(
    built: &Built,
    cx: &Cx,
    plan: &CloudStackImagePlan,
) -> Result<Captured, DriverError> {
    let driver = &built.driver;
    let spot = driver.spot().await?;
    let vm = built.must_be_off(&format!("make a template of `{}`", built.vm.name)).await?;
    if vm.iso.is_some() {
        driver.cloud.detach_iso(cx, &built.vm).await?;
    }
    way::close(built, cx).await?;
    let os_type = match &plan.os_type {
        Some(said) => driver.cloud.os_type(said).await?,
        None => built.os_type.clone(),
    };
    let volume = driver.cloud.root_volume(&spot.scope, &built.vm).await?;
    let spec = TemplateSpec {
        name: plan.name.clone(),
        text: text(plan).to_owned(),
        os_type: os_type.id,
        password: plan.password_enabled,
        details: Vec::new(),
    };
    let mark = mark_of(cx.id(), 1);
    let limit = driver.pace.template;
    let (id, undo) = driver.cloud.template_of(cx, &spot.scope, &volume, &spec, &mark, limit).await?;
    let zones = std::slice::from_ref(&spot.zone);
    let ready = driver.cloud.template_ready(cx, &spot.scope, &id, zones, limit).await?;
    let Some(template) = ready.into_iter().next() else {
        let attempt = format!("look at the template `{}`", plan.name);
        return Err(DriverError::new(DriverErrorKind::NotFound, attempt).because("it is not there any more"));
    };
    driver.remember(Origin { kind: SourceKind::Template, template });
    let made = Made { plan: plan.clone(), undo };
    driver.made.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), made);
    let image = KeptImage {
        kind: KeptKind::Template,
        id,
        place: driver.cloud.place().endpoint.to_string(),
        name: plan.name.clone(),
        disks: Vec::new(),
        description: format!("{}, made of {}", text(plan), built.image),
    };
    Ok(Captured { image, undo: vec![undo], is_the_machine: false })
}

/// What people read about it.
fn text(plan: &CloudStackImagePlan) -> &str {
    plan.description.as_deref().unwrap_or(&plan.name)
}

/// Zones that a template is copied to.
pub(super) async fn zones(
    driver: &Cloudstack,
    spot: &Spot,
    plan: &CloudStackImagePlan,
) -> Result<Vec<Named>, DriverError> {
    let mut found: Vec<Named> = Vec::new();
    if !plan.zones.is_empty() {
        let all = driver.cloud.zones().await?;
        for said in &plan.zones {
            let zone = choose("zone", &all, said)?;
            if zone != spot.zone && !found.contains(&zone) {
                found.push(zone);
            }
        }
    }
    Ok(found)
}

/// What was captured and proved becomes a result.
pub(super) async fn keep(driver: &Cloudstack, cx: &Cx, captured: Captured) -> Result<KeptImage, DriverError> {
    let id = captured.image.id.clone();
    let made = driver.made.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let Some(Made { plan, undo }) = made else {
        return Err(DriverError::new(DriverErrorKind::NotFound, format!("keep `{id}`"))
            .because("nothing was made of it"));
    };
    let spot = driver.spot().await?;
    let others = zones(driver, spot, &plan).await?;
    let kept = async {
        let old = driver.cloud.in_the_way_of(&spot.scope, &plan.name, &id, plan.replace, REPLACE).await?;
        if !others.is_empty() {
            let limit = driver.pace.template;
            driver.cloud.copy_template(cx, &id, &spot.zone, &others, limit).await?;
            let all: Vec<Named> = std::iter::once(spot.zone.clone()).chain(others).collect();
            driver.cloud.template_ready(cx, &spot.scope, &id, &all, limit).await?;
        }
        let flags = [
            (plan.extractable, ("isextractable", "extractable")),
            (plan.featured, ("isfeatured", "featured")),
            (plan.public, ("ispublic", "public")),
        ];
        let flags: Vec<_> = flags.into_iter().filter(|(asked, _)| *asked).map(|(_, flag)| flag).collect();
        driver.cloud.set_flags(cx, &id, &flags).await?;
        let tags: Vec<(String, String)> = plan.tags.clone().into_iter().collect();
        let finish =
            Finish { text: text(&plan), tags: &tags, accounts: &plan.accounts, projects: &[], old: &old };
        driver.cloud.finish_template(cx, &id, undo, &finish).await?;
        Ok::<_, CloudStackError>(())
    };
    Box::pin(kept).await?;
    Ok(captured.image)
}
