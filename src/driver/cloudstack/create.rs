//! Machines of templates and media.
use super::{
    Cloudstack, Origin,
    find::{Spot, gib},
    machine::Built,
    source,
};
use crate::{
    cloudstack::{DeploySpec, Made, Named, NewDisk, SourceKind, machine_resource, mark_of_machine},
    cx::{BuildId, Cx},
    driver::{DriverError, DriverErrorKind, MachineSpec},
    plan::CloudStackBoot,
    value::Secret,
};

/// The role of a machine that proves a result.
const PROOF: &str = "proof";
/// The longest name of a host, in characters.
const LONGEST: usize = 63;

/// A machine of what has the identifier `image`, which is off. That of a proof is as others would make it: its disk does not grow.
pub(super) async fn of(
    driver: &Cloudstack,
    cx: &Cx,
    spec: &MachineSpec,
    image: &str,
) -> Result<Built, DriverError> {
    if !spec.optical.is_empty() {
        return Err(DriverError::new(DriverErrorKind::Unsupported, "put a file of this host into a drive")
            .because("a machine of a cloud has no drives for such")
            .hint("leave `seed` out of `[guest]`: the cloud tells the machine"));
    }
    let spot = driver.spot().await?;
    let Some(origin) = driver.origin(image) else {
        return Err(DriverError::new(DriverErrorKind::NotFound, format!("start from `{image}`"))
            .because("nobody looked for it"));
    };
    let deploy = describe(driver, cx, spot, spec, &origin).await?;
    let id = driver.cloud.deploy(cx, &spot.scope, &deploy).await?;
    let resource = machine_resource(&driver.cloud, &spot.scope, &deploy.name, cx.id(), Made::Known(&id));
    let vm = Named { id, name: deploy.name };
    Ok(Built::new(driver.clone(), cx, spec, vm, resource, origin.template.os_type))
}

async fn describe(
    driver: &Cloudstack,
    cx: &Cx,
    spot: &Spot,
    spec: &MachineSpec,
    origin: &Origin,
) -> Result<DeploySpec, DriverError> {
    let plan = &driver.plan;
    let new_disk = match origin.kind {
        SourceKind::Template => None,
        SourceKind::Iso => {
            let (offering, gib) = source::new_disk(driver).await?;
            Some(NewDisk { offering, gib, hypervisor: source::hypervisor(driver).await? })
        }
    };
    let disk_gib = match plan.disk.filter(|_| spec.role != PROOF && new_disk.is_none()) {
        Some(size) => Some(gib(size)?),
        None => None,
    };
    let mut details: Vec<(String, String)> =
        plan.details.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    if spot.offering.customized {
        details.extend(plan.cpus.map(|cpus| ("cpuNumber".to_owned(), cpus.to_string())));
        details.extend(plan.memory.map(|memory| ("memory".to_owned(), memory.as_mib_ceil().to_string())));
    }
    Ok(DeploySpec {
        name: name(cx.id(), &spec.image, &spec.role),
        displayname: format!("{} {}", spec.image, mark_of_machine(cx.id())),
        zone: spot.zone.clone(),
        source: origin.template.id.clone(),
        offering: spot.offering.named.id.clone(),
        new_disk,
        disk_gib,
        networks: spot.networks.iter().map(|network| network.named.id.clone()).collect(),
        groups: spot.groups.iter().map(|group| group.id.clone()).collect(),
        boot: plan.boot.map(|boot| match boot {
            CloudStackBoot::Bios => ("BIOS", None),
            CloudStackBoot::Uefi => ("UEFI", Some("LEGACY")),
            CloudStackBoot::UefiSecure => ("UEFI", Some("SECURE")),
        }),
        details,
        user_data: user_data(spec).await?,
    })
}

async fn user_data(spec: &MachineSpec) -> Result<Option<Secret>, DriverError> {
    let Some(path) = &spec.instance.user_data else { return Ok(None) };
    let data = tokio::fs::read_to_string(path).await.map_err(|error| {
        DriverError::new(DriverErrorKind::Other, format!("read the user data `{}`", path.display()))
            .because(error)
    })?;
    Ok(Some(Secret::new(data)))
}

/// A machine's name, which is a host's: `web-0123456789ab-build`.
fn name(build: &BuildId, image: &str, role: &str) -> String {
    let end = format!("-{build}-{role}");
    let plain: String =
        image.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(LONGEST.saturating_sub(end.len() + 2)).collect();
    let plain = plain.trim_end_matches('-');
    // A name begins with a letter.
    let letter = if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "g-" };
    format!("{letter}{plain}{end}").replace("--", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_good_for_hosts() {
        let id: BuildId = "0123456789ab".parse().unwrap();
        assert_eq!(name(&id, "Web_1.2", "build"), "web-1-2-0123456789ab-build");
        assert_eq!(name(&id, "9", "proof"), "g-9-0123456789ab-proof");
        assert_eq!(name(&id, "_", "proof"), "g-0123456789ab-proof");
        let long = name(&id, &"x".repeat(200), "build");
        assert!(long.len() <= LONGEST && long.ends_with("-0123456789ab-build"), "{long}");
    }
}
