//! Machines: of an image, or of a template.
use super::{Nutanix, image::Made};
use crate::{
    cx::Cx,
    driver::{DriverError, DriverErrorKind, MachineSpec, machine_name::machine_name},
    nutanix::{BootType, LONGEST_USER_DATA, NewVm, Vm},
    plan::NutanixBoot,
    value::Secret,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// What Prism Centrals took before their description said more, in characters of base64.
const OLD_USER_DATA: usize = 32_000;
/// The role of a machine that proves a result.
const PROOF: &str = "proof";

/// A machine that is off, with a copy of what has the id `image`. That of a proof is as others would make it: it has the image's own size.
pub(super) async fn machine(
    driver: &Nutanix,
    cx: &Cx,
    spec: &MachineSpec,
    image: &str,
) -> Result<Vm, DriverError> {
    if !spec.optical.is_empty() {
        return Err(DriverError::new(DriverErrorKind::Unsupported, "put media into a machine of AHV")
            .hint("leave out `guest.seed`: what cloud-init is told comes by the Prism Central"));
    }
    let (prism, plan, spot) = (&driver.prism, &driver.job.machine, driver.spot().await?);
    let user_data = user_data(cx, spec).await?;
    let categories = prism.named_categories(&plan.categories).await?;
    let name = machine_name(cx.id(), &spec.image, &spec.role);
    let furnished = spec.role != PROOF;
    let new = NewVm {
        name: &name,
        description: &format!("made by goldsmith {} for {}", env!("CARGO_PKG_VERSION"), spec.image),
        cluster: &spot.cluster,
        project: spot.project.as_ref(),
        categories: &categories,
        sockets: plan.cpus / plan.cores_per_socket.max(1),
        cores_per_socket: plan.cores_per_socket,
        memory_bytes: plan.memory.as_bytes(),
        boot: match plan.boot {
            NutanixBoot::Legacy => BootType::Legacy,
            NutanixBoot::Uefi => BootType::Uefi,
            NutanixBoot::SecureBoot => BootType::SecureBoot,
        },
        image,
        disk_bytes: plan.disk.filter(|_| furnished).map(|disk| disk.as_mib_ceil() << 20),
        subnets: &spot.subnets,
        user_data: user_data.as_ref(),
    };
    let (vm, _) = match driver.made(image) {
        Some(Made::Template { .. }) => prism.deploy_template(cx, image, &new).await?,
        // An OVA is proved by the image of the same disk.
        Some(Made::Ova { disk, .. }) => prism.make_vm(cx, &NewVm { image: &disk, ..new }).await?,
        Some(Made::Image { .. }) | None => prism.make_vm(cx, &new).await?,
    };
    Ok(vm)
}

/// What the guest is told, in base64.
async fn user_data(cx: &Cx, spec: &MachineSpec) -> Result<Option<Secret>, DriverError> {
    let Some(path) = &spec.instance.user_data else { return Ok(None) };
    let attempt = |what: &str| format!("{what} the user data `{}`", path.display());
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|error| DriverError::new(DriverErrorKind::Other, attempt("read")).because(error))?;
    let text = BASE64_STANDARD.encode(bytes);
    let length = text.len();
    if length > LONGEST_USER_DATA {
        return Err(DriverError::new(DriverErrorKind::Unsupported, attempt("hand over")).because(format!(
            "in base64 it has {length} characters, and Prism Central takes {LONGEST_USER_DATA}"
        )));
    }
    if length > OLD_USER_DATA {
        cx.events().notice(format!(
            "the user data has {length} characters in base64: older Prism Centrals take {OLD_USER_DATA} (32 KiB) only"
        ));
    }
    Ok(Some(Secret::new(text)))
}
