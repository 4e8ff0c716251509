//! What a user lacks in a cloud of CloudStack for building and publishing there.
//!
//! [`look`] asks the cloud and judges nothing; [`judge`] judges and asks nothing.
use super::{Finding, Status};
use crate::{
    cloudstack::{CloudStack, CloudStackError, Named, ServiceOffering, StorageVm, Trust, choose},
    cx::causes,
};
use std::collections::BTreeSet;

/// Calls that `publish cloudstack` makes; without one of them it fails.
const PUBLISHING: &[&str] = &[
    "createTags",
    "deleteTemplate",
    "getUploadParamsForTemplate",
    "listHypervisors",
    "listOsTypes",
    "listTemplates",
    "listZones",
    "queryAsyncJobResult",
    "registerTemplate",
    "updateTemplate",
];
/// Calls of some of its options, of downloads, and of builds.
const MORE: &[(&str, &[&str])] = &[
    ("several zones", &["copyTemplate"]),
    ("sharing", &["updateTemplatePermissions"]),
    ("downloads", &["extractTemplate"]),
    (
        "builds",
        &[
            "createTemplate",
            "deployVirtualMachine",
            "destroyVirtualMachine",
            "listNetworks",
            "listServiceOfferings",
            "listVirtualMachines",
            "listVolumes",
            "stopVirtualMachine",
        ],
    ),
];
/// What a template is of when nobody says a type of system.
const OS_TYPE: &str = "Other Linux (64-bit)";

/// What was seen of one zone.
#[derive(Debug)]
struct Zone {
    named: Named,
    hypervisors: Result<Vec<Named>, CloudStackError>,
    /// Nothing, if the user may not see them.
    storage: Option<Result<Vec<StorageVm>, CloudStackError>>,
}

/// What was seen in a cloud.
#[derive(Debug)]
pub struct Seen {
    endpoint: String,
    trust: Trust,
    version: Result<String, CloudStackError>,
    calls: Result<BTreeSet<String>, CloudStackError>,
    zones: Result<Vec<Zone>, CloudStackError>,
    os_type: Result<Named, CloudStackError>,
    offerings: Option<Result<Vec<ServiceOffering>, CloudStackError>>,
}

/// Asks the cloud; about one zone if it is named.
pub async fn look(cloud: &CloudStack, zone: Option<&str>) -> Seen {
    let calls = cloud.allowed_calls().await;
    let may = |call: &str| calls.as_ref().is_ok_and(|calls| calls.contains(call));
    let chosen = cloud.zones().await.and_then(|all| match zone {
        Some(said) => choose("zone", &all, said).map(|one| vec![one]),
        None => Ok(all),
    });
    let zones = match chosen {
        Err(error) => Err(error),
        Ok(chosen) => {
            let mut zones = Vec::new();
            for zone in chosen {
                let storage = if may("listSystemVms") { Some(cloud.storage_vms(&zone).await) } else { None };
                zones.push(Zone { hypervisors: cloud.hypervisors(&zone).await, storage, named: zone });
            }
            Ok(zones)
        }
    };
    let offerings = if may("listServiceOfferings") { Some(cloud.service_offerings().await) } else { None };
    let place = cloud.place();
    Seen {
        endpoint: place.endpoint.to_string(),
        trust: place.endpoint.trust.clone(),
        version: cloud.version().await,
        calls,
        zones,
        os_type: cloud.os_type(OS_TYPE).await,
        offerings,
    }
}

/// A verdict about each thing.
pub fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![server(seen)];
    findings.extend(calls(seen));
    match &seen.zones {
        Ok(zones) if zones.is_empty() => findings.push(
            Finding::new("zone", Status::Failure, "the user may use none")
                .mend("have an administrator enable a zone, or dedicate one to the user's domain"),
        ),
        Ok(zones) => findings.extend(zones.iter().flat_map(|one| [Some(zone(one)), storage(one)]).flatten()),
        Err(error) => findings.push(refused("zone", error)),
    }
    findings.push(match &seen.os_type {
        Ok(found) => Finding::new("os-type", Status::Ok, format!("`{}`", found.name)),
        Err(error) => {
            let finding = Finding::new("os-type", Status::Warning, causes(error).join(": "));
            finding.mend("say `--os-type NAME` with one of the cloud's")
        }
    });
    match &seen.offerings {
        Some(Ok(names)) if names.is_empty() => findings.push(
            Finding::new(
                "offerings",
                Status::Warning,
                "there is no service offering: nothing can be built there",
            )
            .mend("have an administrator make one"),
        ),
        Some(Ok(names)) => {
            findings.push(Finding::new("offerings", Status::Ok, format!("{} for machines", names.len())));
        }
        Some(Err(error)) => findings.push(refused("offerings", error)),
        None => {}
    }
    findings
}

fn server(seen: &Seen) -> Finding {
    let version = match &seen.version {
        Ok(version) if version.is_empty() => "whose version it does not tell".to_owned(),
        Ok(version) => format!("CloudStack {version}"),
        Err(error) => return refused("cloud", error),
    };
    let detail = format!("{}, {version}", seen.endpoint);
    if seen.endpoint.starts_with("http://") {
        return Finding::new("cloud", Status::Warning, format!("{detail}: without TLS"))
            .mend("keys are not sent, but what is sent can be read and changed: use https");
    }
    if seen.trust == Trust::Anything {
        return Finding::new("cloud", Status::Warning, format!("{detail}: its certificate is not checked"))
            .mend("`--ca-file` or `--thumbprint` knows it");
    }
    Finding::new("cloud", Status::Ok, detail)
}

fn calls(seen: &Seen) -> Vec<Finding> {
    let there = match &seen.calls {
        Ok(there) => there,
        Err(error) => return vec![refused("calls", error)],
    };
    let lacking = |of: &[&'static str]| -> Vec<&'static str> {
        of.iter().filter(|call| !there.contains(**call)).copied().collect()
    };
    let role = "have an administrator allow them in the role of the user (Roles > Rules), or use keys of another user";
    let missing = lacking(PUBLISHING);
    let mut findings = vec![if missing.is_empty() {
        Finding::new("calls", Status::Ok, format!("all {} that publishing takes", PUBLISHING.len()))
    } else {
        let detail = format!("may not be made, and publishing takes them: {}", missing.join(", "));
        Finding::new("calls", Status::Failure, detail).mend(role)
    }];
    for (what, of) in MORE {
        let missing = lacking(of);
        if !missing.is_empty() {
            let detail = format!("may not be made, and {what} take them: {}", missing.join(", "));
            findings.push(Finding::new("calls", Status::Warning, detail).mend(role));
        }
    }
    findings
}

fn zone(one: &Zone) -> Finding {
    let name = &one.named.name;
    match &one.hypervisors {
        Ok(there) if there.is_empty() => {
            Finding::new("zone", Status::Failure, format!("`{name}` has no hypervisor"))
                .mend("add a cluster of hosts to it, or name another zone")
        }
        Ok(there) => {
            let names: Vec<&str> = there.iter().map(|one| one.name.as_str()).collect();
            Finding::new("zone", Status::Ok, format!("`{name}`: {}", names.join(", ")))
        }
        Err(error) => refused("zone", error),
    }
}

fn storage(one: &Zone) -> Option<Finding> {
    let name = &one.named.name;
    Some(match one.storage.as_ref()? {
        Err(error) => refused("storage-vm", error),
        Ok(vms) if vms.is_empty() => Finding::new(
            "storage-vm",
            Status::Failure,
            format!("`{name}` has none: no file comes into it, and none out of it"),
        )
        .mend("see the zone's secondary storage, and whether the zone is enabled"),
        Ok(vms) => {
            let good = |vm: &&StorageVm| vm.state == "Running" && vm.agent == "Up";
            let said: Vec<String> =
                vms.iter().map(|vm| format!("{} is {}, its agent {}", vm.name, vm.state, vm.agent)).collect();
            let detail = format!("`{name}`: {}", said.join("; "));
            if vms.iter().any(|vm| good(&vm)) {
                Finding::new("storage-vm", Status::Ok, detail)
            } else {
                Finding::new("storage-vm", Status::Failure, detail).mend(
                    "restart it: Infrastructure > System VMs, or destroy it, and the cloud makes another",
                )
            }
        }
    })
}

fn refused(check: &'static str, error: &CloudStackError) -> Finding {
    let finding = Finding::new(check, Status::Failure, causes(error).join(": "));
    match error.hint_text() {
        Some(hint) => finding.mend(hint),
        None => finding,
    }
}
