//! Whether what a build needs is there, and what it made. Makes nothing.
use super::Vsphere;
use crate::{
    cx::{BuildId, ResourceRef},
    driver::{
        Boot, DriverError, DriverErrorKind, MachineSpec, Readiness,
        address::Network,
        machine_name::{LONGEST, machine_name},
    },
    plan::{Accelerator, VsphereImageKind, VsphereImagePlan, VsphereProvisioning},
    value::Size,
    vsphere::{
        Existing, Mark, Spot, VCenter, VsphereError, VsphereErrorKind, is_marked,
        machine::Machine,
        result::{SUFFIX, in_the_way},
    },
};

/// Looks at everything; the first thing that is missing is the error.
pub(super) async fn preflight(driver: &Vsphere, spec: &MachineSpec) -> Result<Readiness, DriverError> {
    let vcenter = &driver.vcenter;
    for said in &driver.plan.ip_networks {
        check_network(said)?;
    }
    let spot = driver.target().find(vcenter).await?;
    let mut notice = None;
    if spec.boot == Boot::Optical {
        driver.networks_or_only(&spot).await?;
        // Names of machines are all of one length, whatever the build is.
        let id = BuildId::random();
        let machine = driver.described(
            spec,
            &machine_name(&id, &spec.image, &spec.role),
            Mark::of(&id, &spec.image),
        )?;
        machine.check()?;
        check_room(driver, &spot, machine.disks.iter().map(|disk| disk.size.as_bytes()).sum())?;
        if machine.tpm {
            notice = keyless(vcenter).await;
        }
    } else {
        driver.networks(&spot).await?;
        if !driver.plan.more_disks.is_empty() {
            return Err(DriverError::new(DriverErrorKind::Unsupported, "add disks to a copy")
                .because("a copy has the disks of its source")
                .hint("leave out `machine.vsphere.more-disks`, or start from an `[source.iso]`"));
        }
    }
    if let Some(image) = &driver.result {
        check_result(vcenter, &spot, image).await?;
    }
    let about = vcenter.about();
    let what = if about.is_vcenter { "vCenter" } else { "ESXi" };
    Ok(Readiness {
        hypervisor: format!("{what} {} at {}", about.version, vcenter.place().server),
        // VMware's own hypervisor, which always has the processor's help.
        accelerator: Accelerator::Kvm,
        notice,
    })
}

/// Disks that take their space at once must find it.
fn check_room(driver: &Vsphere, spot: &Spot, bytes: u64) -> Result<(), DriverError> {
    if driver.plan.provisioning == VsphereProvisioning::Thin || bytes <= spot.free_bytes {
        return Ok(());
    }
    let attempt = format!("find room on the datastore `{}`", spot.datastore_name);
    let (needed, free) = (Size::bytes(bytes), Size::bytes(spot.free_bytes));
    Err(DriverError::new(DriverErrorKind::Other, attempt)
        .because(format!("the disks need {needed} at once, and {free} are free"))
        .hint("`machine.vsphere.provisioning = \"thin\"` takes space as it is written to; or name another datastore"))
}

/// A TPM is encrypted with a key of a provider. Whether a vCenter tells of all that it has is not sure, so this is no error: it says itself
/// when there is none, and the machine is not made.
async fn keyless(vcenter: &VCenter) -> Option<String> {
    // A vCenter's; that of a host has no providers.
    let manager =
        vcenter.service("cryptoManager").ok().filter(|manager| manager.kind == "CryptoManagerKmip")?;
    let told = vcenter.properties(&manager, &["kmipServers"]).await.ok()?;
    let notice = "the vCenter tells of no key provider, which a machine with a TPM needs: add one in the vSphere Client \
                  (Configure > Key Providers), or leave out `machine.vsphere.tpm`";
    told.get("kmipServers").filter(|all| all.nodes.is_empty()).map(|_| notice.to_owned())
}

/// The result's name must fit and be free, or what has it may be replaced.
async fn check_result(vcenter: &VCenter, spot: &Spot, image: &VsphereImagePlan) -> Result<(), DriverError> {
    let (library, kind) = match &image.kind {
        VsphereImageKind::Nothing => return Ok(()),
        VsphereImageKind::Machine | VsphereImageKind::Template => (None, ""),
        VsphereImageKind::LibraryOvf(library) => (Some(library), "ovf"),
        VsphereImageKind::LibraryTemplate(library) => (Some(library), "vm-template"),
    };
    // While two machines change places, one has a longer name.
    let longest = if library.is_none() && image.replace { LONGEST - SUFFIX } else { LONGEST };
    let length = image.name.chars().count();
    if length == 0 || length > longest {
        let attempt = format!("call the result `{}`", image.name);
        return Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
            .because(format!("the name has {length} characters, and 1 to {longest} fit"))
            .hint("choose another name"));
    }
    let taken = |error: VsphereError| {
        let exists = error.kind() == VsphereErrorKind::Exists;
        let error = DriverError::from(error);
        if exists {
            error.hint("choose another name; `replace = true` replaces what an earlier build made")
        } else {
            error
        }
    };
    let Some(library) = library else {
        let path = spot.path_of(&image.name);
        in_the_way(vcenter, &path, image.replace).await.map_err(taken)?;
        return Ok(());
    };
    let library = vcenter.library(library).await?;
    let existing = if image.replace { Existing::Replace } else { Existing::Refuse };
    vcenter.item_in_the_way(&library, &image.name, kind, existing).await.map_err(taken)?;
    Ok(())
}

/// `192.0.2.0/24`, or one address.
fn check_network(said: &str) -> Result<(), DriverError> {
    said.parse::<Network>().map(drop).map_err(|why| {
        DriverError::new(DriverErrorKind::Unsupported, format!("understand the network `{said}`"))
            .because(why)
            .hint("`machine.vsphere.ip-networks` has networks such as `192.0.2.0/24`")
    })
}

/// All machines that bear the mark of a build, whether or not a journal knows them.
pub(super) async fn owned(driver: &Vsphere, build: &BuildId) -> Result<Vec<ResourceRef>, DriverError> {
    let vcenter = &driver.vcenter;
    let root = vcenter.service("rootFolder")?;
    let mut owned = Vec::new();
    for (moref, machine) in vcenter.all_below("VirtualMachine", &root, &["config.annotation"]).await? {
        if is_marked(machine.text("config.annotation").unwrap_or_default(), build.as_str()) {
            let path = vcenter.path_of(&moref).await?;
            owned.push(Machine::new(vcenter, moref, path).resource(build.as_str()));
        }
    }
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_understood_or_refused() {
        for right in ["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32", "192.0.2.0/32"] {
            assert!(check_network(right).is_ok(), "{right}");
        }
        for wrong in ["", "192.0.2.0/33", "192.0.2/24", "a/24", "192.0.2.0/", "2001:db8::/129"] {
            let error = check_network(wrong).unwrap_err();
            assert_eq!(error.to_string(), format!("could not understand the network `{wrong}`"));
        }
    }
}
