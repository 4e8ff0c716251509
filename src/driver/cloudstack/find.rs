//! Whether what a build needs is there, and what it made. Makes nothing.
use super::{Cloudstack, way};
use crate::{
    cloudstack::{
        CloudStackError, CloudStackErrorKind, DiskOffering, Made, Named, Network, Scope, ServiceOffering,
        VmState, choose, machine_resource, mark_of_machine,
    },
    cx::{BuildId, ResourceRef},
    driver::{DriverError, DriverErrorKind, Readiness},
    plan::{Accelerator, CloudStackImagePlan, CloudStackMachinePlan, CloudStackWay},
    value::Size,
};

/// Where machines are made, and what with.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) zone: Named,
    pub(super) scope: Scope,
    pub(super) offering: ServiceOffering,
    pub(super) disk_offering: Option<DiskOffering>,
    pub(super) networks: Vec<Network>,
    pub(super) groups: Vec<Named>,
}

/// The longest name of a template, in characters.
const LONGEST: usize = 255;

impl Cloudstack {
    /// Where machines are made; looked for once.
    pub(super) async fn spot(&self) -> Result<&Spot, DriverError> {
        Ok(self.spot.get_or_try_init(|| look(self)).await?)
    }

    pub(super) async fn scope(&self) -> Result<Scope, CloudStackError> {
        let project = match &self.place.project {
            Some(said) => Some(self.cloud.project(said).await?.id),
            None => None,
        };
        Ok(Scope { project })
    }
}

async fn look(driver: &Cloudstack) -> Result<Spot, CloudStackError> {
    let (cloud, plan) = (&driver.cloud, &driver.plan);
    let scope = driver.scope().await?;
    let zones = cloud.zones().await?;
    let zone = match (&driver.place.zone, zones.as_slice()) {
        (Some(said), all) => choose("zone", all, said)?,
        (None, [only]) => only.clone(),
        (None, all) => {
            let names: Vec<&str> = all.iter().map(|zone| zone.name.as_str()).collect();
            return Err(CloudStackError::new(CloudStackErrorKind::Usage, "choose a zone")
                .because(format!("none is named, and there are: {}", names.join(", ")))
                .hint("`zone` in `[cloudstack]` names one"));
        }
    };
    let kind = cloud.zone_kind(&zone).await?;
    let offering = cloud.service_offering(&plan.offering).await?;
    check_numbers(plan, &offering)?;
    let disk_offering = match &plan.disk_offering {
        Some(said) => Some(cloud.disk_offering(said).await?),
        None => None,
    };
    let mut networks = Vec::new();
    for said in &plan.networks {
        networks.push(cloud.network(&scope, &zone, said).await?);
    }
    if networks.is_empty() && kind.advanced && !kind.groups {
        networks = only_network(cloud.networks(&scope, &zone).await?, &zone)?;
    }
    let mut groups = Vec::new();
    if !plan.security_groups.is_empty() && !kind.groups {
        return Err(CloudStackError::new(CloudStackErrorKind::Usage, "put the machine into security groups")
            .because(format!("the zone `{}` has none", zone.name))
            .hint("leave out `machine.cloudstack.security-groups`"));
    }
    for said in &plan.security_groups {
        groups.push(cloud.security_group(&scope, said).await?);
    }
    Ok(Spot { zone, scope, offering, disk_offering, networks, groups })
}

/// The account's only network.
fn only_network(all: Vec<Network>, zone: &Named) -> Result<Vec<Network>, CloudStackError> {
    if all.len() == 1 {
        return Ok(all);
    }
    let names: Vec<&str> = all.iter().map(|network| network.named.name.as_str()).collect();
    let there = if names.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    };
    Err(CloudStackError::new(
        CloudStackErrorKind::Usage,
        format!("choose a network in the zone `{}`", zone.name),
    )
    .because(format!("none is named, and {there}"))
    .hint("`machine.cloudstack.networks` names those that the machine is in"))
}

/// An offering without fixed numbers needs them, and one with fixed numbers takes none.
fn check_numbers(plan: &CloudStackMachinePlan, offering: &ServiceOffering) -> Result<(), CloudStackError> {
    let name = &offering.named.name;
    let refuse = |why: &str, hint: &str| {
        let attempt = format!("use the service offering `{name}`");
        Err(CloudStackError::new(CloudStackErrorKind::Usage, attempt).because(why).hint(hint))
    };
    if !offering.customized {
        return if plan.cpus.is_some() || plan.memory.is_some() {
            refuse(
                "its numbers are fixed, and `[machine]` says others",
                "leave out `machine.cpus` and `machine.memory`, or name an offering without fixed numbers",
            )
        } else {
            Ok(())
        };
    }
    if (plan.cpus.is_none() && offering.cpus.is_none())
        || (plan.memory.is_none() && offering.memory_mib.is_none())
    {
        return refuse("it has no fixed numbers", "say `machine.cpus` and `machine.memory`");
    }
    if offering.mhz.is_none() && !plan.details.keys().any(|key| key.eq_ignore_ascii_case("cpuSpeed")) {
        return refuse(
            "it has no fixed clock rate",
            "say it in MHz: `machine.cloudstack.details = { cpuSpeed = \"2000\" }`",
        );
    }
    Ok(())
}

/// A size in GiB, which is how the API counts disks.
pub(super) fn gib(size: Size) -> Result<u64, DriverError> {
    const GIB: u64 = 1 << 30;
    if size.as_bytes() > 0 && size.as_bytes().is_multiple_of(GIB) {
        return Ok(size.as_bytes() / GIB);
    }
    Err(DriverError::new(DriverErrorKind::Unsupported, format!("make a disk of {size}"))
        .because("CloudStack counts disks in whole GiB")
        .hint("choose another `machine.disk`"))
}

/// Looks at everything; the first thing that is missing is the error.
pub(super) async fn preflight(driver: &Cloudstack) -> Result<Readiness, DriverError> {
    check_rights(driver).await?;
    let spot = driver.spot().await?;
    if let Some(size) = driver.plan.disk {
        gib(size)?;
    }
    if let CloudStackWay::PortForward { address, port } = &driver.plan.ssh_by {
        way::check(driver, spot, address.as_deref(), *port).await?;
    }
    if let Some(image) = driver.result.as_ref().filter(|image| image.stays) {
        check_result(driver, spot, image).await?;
    }
    let notice = (driver.cloud.may_expunge().await? == Some(false)).then(|| {
        "the account may not expunge machines: those of the build stay in the cloud, destroyed, until the cloud expunges them \
         by itself (its settings `expunge.delay` and `allow.user.expunge.recover.vm`)"
            .to_owned()
    });
    Ok(Readiness {
        hypervisor: format!("CloudStack at {}, zone {}", driver.cloud.place().endpoint, spot.zone.name),
        // The cloud's own, which has the processor's help.
        accelerator: Accelerator::Kvm,
        notice,
    })
}

/// The calls of a build, besides those that read.
const CALLS: &[&str] = &[
    "createTags",
    "createTemplate",
    "deleteTemplate",
    "deployVirtualMachine",
    "destroyVirtualMachine",
    "startVirtualMachine",
    "stopVirtualMachine",
    "updateTemplate",
];

async fn check_rights(driver: &Cloudstack) -> Result<(), DriverError> {
    let may = driver.cloud.allowed_calls().await?;
    let mut needed = CALLS.to_vec();
    if let CloudStackWay::PortForward { address, .. } = &driver.plan.ssh_by {
        needed.extend(["createFirewallRule", "createPortForwardingRule", "deletePortForwardingRule"]);
        if address.is_none() {
            needed.extend(["associateIpAddress", "disassociateIpAddress"]);
        }
    }
    needed.retain(|call| !may.contains(*call));
    if needed.is_empty() {
        return Ok(());
    }
    Err(DriverError::new(DriverErrorKind::Permission, "build in this cloud")
        .because(format!("the account may not call {}", needed.join(", ")))
        .hint("its role must allow them (`listApis` tells what it may call)"))
}

/// The result's name must fit and be free, and what it is to have must be there.
async fn check_result(
    driver: &Cloudstack,
    spot: &Spot,
    image: &CloudStackImagePlan,
) -> Result<(), DriverError> {
    let length = image.name.chars().count();
    if length > LONGEST {
        return Err(DriverError::new(
            DriverErrorKind::Unsupported,
            format!("call the template `{}`", image.name),
        )
        .because(format!("the name has {length} characters, and {LONGEST} fit")));
    }
    if image.tags.contains_key(crate::cloudstack::TAG) {
        return Err(DriverError::new(
            DriverErrorKind::Unsupported,
            format!("set the tag `{}`", crate::cloudstack::TAG),
        )
        .because("by it, we know what is ours"));
    }
    driver.cloud.in_the_way(&spot.scope, &image.name, image.replace, REPLACE).await?;
    if let Some(said) = &image.os_type {
        driver.cloud.os_type(said).await?;
    }
    super::image::zones(driver, spot, image).await.map(drop)
}

/// What a definition can say about a name that is taken.
pub(super) const REPLACE: &str = "`replace = true` takes its place; or choose another name";

/// All machines that bear the mark of a build, whether or not a journal knows them.
pub(super) async fn owned(driver: &Cloudstack, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
    let scope = driver.scope().await?;
    let mark = mark_of_machine(build);
    let all = driver.cloud.machines(&scope, None, None).await?;
    let ours = all.into_iter().filter(|vm| vm.state != VmState::Gone && vm.displayname.contains(&mark));
    Ok(ours.map(|vm| machine_resource(&driver.cloud, &scope, &vm.name, build, Made::Known(&vm.id))).collect())
}
