//! Whether what a build needs is there, and what it made. Makes nothing.
use super::{Nutanix, Spot, source};
use crate::{
    cx::{BuildId, ResourceRef},
    driver::{DriverError, DriverErrorKind, MachineSpec, Readiness, address::Seen},
    nutanix::{Dialect, Kind, Mark, Prism, is_marked, is_ours, resource},
    plan::{Accelerator, NutanixImageKind, NutanixImagePlan},
};

/// The longest name of an image, of a template and of an OVA, in characters.
const LONGEST: usize = 256;

/// Looks at everything; the first thing that is missing is the error.
pub(super) async fn preflight(driver: &Nutanix, spec: &MachineSpec) -> Result<Readiness, DriverError> {
    let (prism, machine) = (&driver.prism, &driver.job.machine);
    Seen::new(&machine.ip_networks, machine.ip_settle.get()).map_err(|why| {
        DriverError::new(DriverErrorKind::Unsupported, "understand `ip-networks`").because(why)
    })?;
    let spot = driver.spot().await?;
    prism.named_categories(&machine.categories).await?;
    if let Some(result) = &driver.job.result {
        check_result(prism, result, &spec.image).await?;
    }
    source::check(driver).await?;
    let server = &prism.place().server;
    Ok(Readiness {
        hypervisor: format!(
            "AHV in `{}` of the Prism Central {server}, {}",
            spot.cluster.name,
            prism.dialect()
        ),
        // AHV's machines always have the processor's help.
        accelerator: Accelerator::Kvm,
        notice: None,
    })
}

/// Cluster, subnets and project, as they are named.
pub(super) async fn spot(driver: &Nutanix) -> Result<Spot, DriverError> {
    let (prism, place) = (&driver.prism, &driver.job.place);
    let cluster = prism.named_cluster(place.cluster.as_deref()).await?;
    if place.subnets.is_empty() {
        let all = prism.subnets_of(Some(&cluster)).await?;
        let names: Vec<String> = all.iter().map(|subnet| format!("`{}`", subnet.name)).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(DriverError::new(DriverErrorKind::Unsupported, "choose the subnet of the machine")
            .because(format!("none is named; in the cluster `{}` there are: {there}", cluster.name))
            .hint("say it: `subnet` in `[nutanix]`"));
    }
    let subnets = prism.named_subnets(&place.subnets, &cluster).await?;
    let project = match &place.project {
        Some(said) => Some(prism.named_project(said).await?),
        None => None,
    };
    Ok(Spot { cluster, subnets, project })
}

/// The result must be possible, and its name must fit and be free, or what has it may be replaced.
async fn check_result(prism: &Prism, result: &NutanixImagePlan, image: &str) -> Result<(), DriverError> {
    let name = result.name.as_deref().unwrap_or(image);
    let attempt = || format!("make {} `{name}`", word(result.kind));
    let refused = |why: String| DriverError::new(DriverErrorKind::Unsupported, attempt()).because(why);
    if result.kind == NutanixImageKind::Nothing {
        return Ok(());
    }
    if result.kind != NutanixImageKind::Image && prism.dialect() == Dialect::V3 {
        return Err(refused("this Prism Central is spoken to in v3, which has none".to_owned())
            .hint("leave out `as`: an image of the disk is made by both"));
    }
    let length = name.chars().count();
    if length == 0 || length > LONGEST {
        return Err(refused(format!("the name has {length} characters, and 1 to {LONGEST} fit")));
    }
    let length = result.description.as_deref().unwrap_or_default().chars().count();
    // Marks are all of one length, whatever the build is.
    let room = Mark::of(&BuildId::random()).room();
    if length > room {
        return Err(refused(format!("the description has {length} characters, and {room} are possible")));
    }
    for (key, value) in &result.categories {
        if [key, value].iter().any(|text| text.is_empty() || text.chars().count() > 64) {
            return Err(refused(format!(
                "the category `{key}={value}` has more than 64 characters in a part"
            )));
        }
    }
    if !result.categories.is_empty() && result.kind != NutanixImageKind::Image {
        return Err(refused("only images have categories".to_owned()).hint("leave out `categories`"));
    }
    if result.kind == NutanixImageKind::Ova && (result.replace || result.description.is_some()) {
        return Err(refused("an OVA has no description, so nothing tells who made one".to_owned())
            .hint("leave out `replace` and `description`; remove an older one by hand"));
    }
    in_the_way(prism, result, name).await.map(drop)
}

fn word(kind: NutanixImageKind) -> &'static str {
    match kind {
        NutanixImageKind::Nothing => "nothing of",
        NutanixImageKind::Image => "the image",
        NutanixImageKind::Template => "the template",
        NutanixImageKind::Ova => "the OVA",
    }
}

/// UUIDs of what has the result's name, and may be replaced.
pub(super) async fn in_the_way(
    prism: &Prism,
    result: &NutanixImagePlan,
    name: &str,
) -> Result<Vec<String>, DriverError> {
    let there: Vec<(String, bool)> = match result.kind {
        NutanixImageKind::Nothing => Vec::new(),
        NutanixImageKind::Image => {
            let all = prism.images_named(name).await?;
            all.into_iter().map(|image| (image.uuid, is_ours(&image.description))).collect()
        }
        NutanixImageKind::Template => {
            let all = prism.templates_named(name).await?;
            all.into_iter().map(|template| (template.uuid, is_ours(&template.description))).collect()
        }
        NutanixImageKind::Ova => {
            prism.ovas_named(name).await?.into_iter().map(|ova| (ova.uuid, false)).collect()
        }
    };
    let refused = |uuid: &str, why: &str| {
        DriverError::new(DriverErrorKind::Other, format!("make {} `{name}`", word(result.kind)))
            .because(format!("there is one of this name ({uuid}){why}"))
    };
    for (uuid, ours) in &there {
        if !result.replace {
            let hint = if *ours {
                "`replace = true` puts this one in its place; or choose another name"
            } else {
                "choose another name, or remove it by hand"
            };
            return Err(refused(uuid, "").hint(hint));
        }
        if !ours {
            return Err(refused(uuid, ", which goldsmith did not make, so it is not replaced")
                .hint("choose another name, or remove it by hand"));
        }
    }
    Ok(there.into_iter().map(|(uuid, _)| uuid).collect())
}

/// All machines and images of a build, whether or not a journal knows them.
pub(super) async fn owned(driver: &Nutanix, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
    let prism = &driver.prism;
    let made =
        |kind: Kind, uuid: &str, name: &str| resource(prism, kind, uuid, build.as_str(), &[("name", name)]);
    let vms = prism.vms(None).await?;
    let vms = vms.iter().filter(|vm| vm.is_of(build.as_str()));
    let mut owned: Vec<ResourceRef> = vms.map(|vm| made(Kind::Vm, &vm.uuid, &vm.name)).collect();
    let images = prism.images().await?;
    let images = images.iter().filter(|image| is_marked(&image.description, build.as_str()));
    owned.extend(images.map(|image| made(Kind::Image, &image.uuid, &image.name)));
    Ok(owned)
}
